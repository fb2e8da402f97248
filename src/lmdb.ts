/** `statewire/lmdb`: the embedded durable operation store. It needs Node and LMDB's native module, so it is an entry point of its own. */
export { lmdbStore } from './store/lmdb/store.ts';
export type { LmdbStore, LmdbStoreOptions } from './store/lmdb/store.ts';
export { LmdbStoreError } from './store/lmdb/errors.ts';
