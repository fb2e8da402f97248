/** The operation stores that the soak runs on. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from 'statewire';
import type { OperationStore } from 'statewire';

export const STORES = ['memory', 'lmdb'] as const;
export type StoreKind = (typeof STORES)[number];

export interface OpenedStore {
  readonly store: OperationStore;
  /** Takes its files away. */
  dispose(): Promise<void>;
}

export async function makeStore(kind: StoreKind): Promise<OpenedStore> {
  switch (kind) {
    case 'memory':
      return { store: memoryStore(), dispose: async () => {} };
    case 'lmdb': {
      const path = await mkdtemp(join(tmpdir(), 'statewire-soak-'));
      const store = await lmdbStoreAt(path);
      return { store, dispose: () => rm(path, { recursive: true, force: true }) };
    }
  }
}

/** Loaded on demand: it needs a native module. */
async function lmdbStoreAt(path: string): Promise<OperationStore> {
  const entry = new URL('../../../src/lmdb.ts', import.meta.url).href;
  const { lmdbStore } = (await import(entry)) as { lmdbStore(options: { path: string }): OperationStore };
  return lmdbStore({ path });
}
