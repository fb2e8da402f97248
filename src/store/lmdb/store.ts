/**
 * The embedded durable store: one folder, one process, LMDB below. Every answer of a look-up comes at once; admissions and outcomes of `persist` methods count when they
 * are on disk (op.seal-durable), those of the others are written behind. What is live is known to this process alone, so that an admitted record which is not
 * live is abandoned (op.indeterminate). Nothing is pushed out by size: the disk is the bound.
 */
import type {
  Admission,
  AdmitOptions,
  Lookup,
  MaybePromise,
  OperationKey,
  OperationSignature,
  OperationStore,
  ReleaseReason,
  SealOptions,
} from '../store.ts';
import { ABANDONED, CONFLICT, EXPIRED, FENCED, STARTED, UNKNOWN } from '../answers.ts';
import { DEFAULT_RETENTION_MS } from '../store.ts';
import { Database } from './database.ts';
import { LmdbStoreError, storeErrorOf } from './errors.ts';
import { holdFolder } from './folder.ts';
import type { HeldFolder } from './folder.ts';
import { fenceKey, metaKey, recordKey, schemaKey } from './keys.ts';
import { decodeFence, decodeRecord, encodeFence, encodeRecord, isSameIntent, newRecord } from './records.ts';
import type { StoredRecord } from './records.ts';
import { SeriesShelf } from './series.ts';
import { sweepExpired } from './sweep.ts';
import { Writes } from './writes.ts';

export interface LmdbStoreOptions {
  /** The store's folder; made, for its owner alone, if it is not there or empty. */
  readonly path: string;
  /** How long settled records are kept unless acknowledged, in milliseconds. Default 15 minutes. */
  readonly retentionMs?: number | undefined;
  /** Milliseconds since the epoch. Default: the platform's. */
  readonly clock?: { now(): number } | undefined;
}

/** An lmdbStore's own, beside what every store has. */
export interface LmdbStore extends OperationStore {
  readonly path: string;
  readonly retentionMs: number;
  /** Operations whose latest state was written behind and lost because its commit failed: of methods that are not `persist`. */
  readonly failedWrites: number;
}

/**
 * Keeps operations in a folder. It is opened with the first `listen` or `connect` that uses it, which reject with LmdbStoreError where it cannot be: another process
 * has it, it is damaged, or it is something else; nothing is touched then.
 * @throws TypeError for options that make no sense.
 */
export function lmdbStore(options: LmdbStoreOptions): LmdbStore {
  return new OperationsInFolder(options);
}

/** What there is while the store is open. */
interface Opened {
  readonly folder: HeldFolder;
  readonly database: Database;
  readonly writes: Writes;
  readonly series: SeriesShelf;
}

class OperationsInFolder implements LmdbStore {
  readonly durable = true;
  readonly path: string;
  readonly retentionMs: number;
  readonly schemas: OperationStore['schemas'];
  readonly #now: () => number;
  #opened: Opened | undefined = undefined;
  #identity = '';
  #failedWrites = 0;

  constructor({ path, retentionMs, clock, ...others }: LmdbStoreOptions) {
    if (typeof path !== 'string' || path === '') throw new TypeError('lmdbStore: options.path must be the path of a folder');
    if (retentionMs !== undefined && !(typeof retentionMs === 'number' && retentionMs > 0 && Number.isFinite(retentionMs)))
      throw new TypeError('lmdbStore: options.retentionMs must be a positive, finite number');
    if (clock !== undefined && typeof clock?.now !== 'function') throw new TypeError('lmdbStore: options.clock.now must be a function');
    for (const name of Object.keys(others)) throw new TypeError(`lmdbStore: options.${name} is not an option`);
    this.path = path;
    this.retentionMs = retentionMs ?? DEFAULT_RETENTION_MS;
    this.#now = clock === undefined ? () => Date.now() : () => clock.now();
    this.schemas = {
      get: (digest) => this.#writes.get(schemaKey(digest)),
      put: (digest, bytes) => this.#writes.set(schemaKey(digest), bytes.slice()),
    };
  }

  get identity(): string {
    return this.#identity;
  }

  get failedWrites(): number {
    return this.#failedWrites + (this.#opened?.writes.failed ?? 0);
  }

  get #writes(): Writes {
    return this.#open.writes;
  }

  get #open(): Opened {
    if (this.#opened === undefined) throw new Error(`the operation store at ${this.path} is not open`);
    return this.#opened;
  }

  async open(): Promise<void> {
    if (this.#opened !== undefined) throw new LmdbStoreError(this.path, 'it is open already');
    const folder = holdFolder(this.path);
    let database: Database | undefined;
    try {
      database = new Database(folder.path);
      await settleIdentity(folder, database);
    } catch (error) {
      await database?.close();
      folder.letGo();
      throw storeErrorOf(this.path, error);
    }
    const writes = new Writes(database);
    this.#opened = { folder, database, writes, series: new SeriesShelf({ database, writes, now: this.#now, retentionMs: this.retentionMs }) };
    this.#identity = folder.identity;
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    await opened.writes.idle();
    this.#opened = undefined;
    this.#failedWrites += opened.writes.failed;
    await opened.database.close();
    opened.folder.letGo();
  }

  // ---- operations

  lookup(key: OperationKey, signature: OperationSignature): Lookup {
    if (this.#isForgotten(key)) return EXPIRED;
    const record = this.#find(recordKey(key));
    return record === undefined ? UNKNOWN : describe(record, signature);
  }

  admit(key: OperationKey, signature: OperationSignature, options: AdmitOptions): MaybePromise<Admission> {
    if (this.#isForgotten(key)) return EXPIRED;
    const name = recordKey(key);
    const record = this.#find(name);
    if (record !== undefined) {
      const described = describe(record, signature);
      if (!options.takeOver || (described.state !== 'abandoned' && described.state !== 'released')) return described;
    }
    if (this.#isFenced(key.scope, options)) return FENCED;
    this.#open.series.note(key);
    this.#write(name, newRecord(signature, this.#now()), record);
    return options.durable === false ? STARTED : this.#writes.flushed(name).then(() => STARTED);
  }

  seal(key: OperationKey, signature: OperationSignature, outcome: Uint8Array, options: SealOptions = {}): MaybePromise<void> {
    // Acknowledged while it ran: nobody will ask for it (op.ack).
    if (this.#isForgotten(key)) return undefined;
    const name = recordKey(key);
    const record = this.#find(name);
    if (record === undefined || record.state === 'admitted') {
      // A purely idem operation was never admitted (op.idem-not-admitted).
      if (record === undefined) this.#open.series.note(key);
      const { methodId, args, isDigest } = record ?? newRecord(signature, 0);
      this.#write(name, { state: 'sealed', methodId, args, isDigest, since: this.#now(), rest: outcome }, record);
    }
    return options.durable === false ? undefined : this.#writes.flushed(name);
  }

  release(key: OperationKey, reason: ReleaseReason): void {
    if (this.#isForgotten(key)) return;
    const name = recordKey(key);
    const record = this.#find(name);
    if (record?.state === 'admitted') this.#write(name, { ...record, state: 'released', since: this.#now(), rest: Buffer.from(reason) }, record);
  }

  forget(scope: string, caller: OperationKey['caller'], series: string, upTo: number): void {
    this.#open.series.forget({ scope, caller, series }, upTo);
  }

  /** Nothing is ever live elsewhere, so this answers at once. */
  settled(key: OperationKey): Promise<Admission> {
    const record = this.#isForgotten(key) ? undefined : this.#find(recordKey(key));
    return Promise.resolve(record === undefined ? EXPIRED : stateOf(record));
  }

  fence(scope: string, series: string, dial: number): void {
    const key = fenceKey(scope, series);
    const stored = this.#writes.get(key);
    const before = stored === undefined ? undefined : decodeFence(stored);
    const fence = { dial: Math.max(dial, before?.dial ?? 0), since: this.#now() };
    this.#writes.set(key, encodeFence(fence));
    if (before === undefined) this.#open.series.watch(key, fence.since);
  }

  async sweep(now: number): Promise<number> {
    const { database, writes, series } = this.#open;
    // What is still gathering has no place in the order yet.
    await writes.idle();
    return sweepExpired({ database, writes, series, now, retentionMs: this.retentionMs });
  }

  #isForgotten({ scope, caller, series, id }: OperationKey): boolean {
    return typeof id === 'number' && series !== undefined && this.#open.series.isForgotten({ scope, caller, series }, id);
  }

  #find(name: string): StoredRecord | undefined {
    const stored = this.#writes.get(name);
    return stored === undefined ? undefined : decodeRecord(stored);
  }

  #write(name: string, record: StoredRecord, before: StoredRecord | undefined): void {
    this.#writes.set(name, encodeRecord(record));
    this.#open.series.moved(name, before, record);
  }

  #isFenced(scope: string, { series, epoch }: AdmitOptions): boolean {
    if (series === undefined || epoch === undefined) return false;
    const stored = this.#writes.get(fenceKey(scope, series));
    return stored !== undefined && epoch < decodeFence(stored).dial;
  }
}

/** The identity is in the database too: a folder put together from two stores is none. */
async function settleIdentity(folder: HeldFolder, database: Database): Promise<void> {
  const key = metaKey('identity');
  if (folder.isNew) {
    await database.commit(new Map([[key, Buffer.from(folder.identity)]]), true);
    folder.finish();
    return;
  }
  const inside = database.get(key);
  if (inside !== undefined && Buffer.from(inside).toString() === folder.identity) return;
  throw new LmdbStoreError(folder.path, 'its file identity and its data file are of two different stores; restore the folder from a copy');
}

/** The first difference decides: an id that names another intent is a conflict, whatever became of it (op.conflict). */
function describe(record: StoredRecord, signature: OperationSignature): Admission {
  return isSameIntent(record, signature) ? stateOf(record) : CONFLICT;
}

function stateOf({ state, rest }: StoredRecord): Admission {
  switch (state) {
    case 'admitted':
      return ABANDONED;
    case 'sealed':
      return { state, outcome: new Uint8Array(rest.buffer, rest.byteOffset, rest.byteLength) };
    case 'released':
      return { state, reason: Buffer.from(rest).toString() };
  }
}
