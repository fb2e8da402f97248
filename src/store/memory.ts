/**
 * The default operation store: everything in this process's memory, every answer at once. Nothing survives it, so its identity is always new.
 * Small because callers acknowledge (op.ack); bounded by retention and by a cap (op.expiry). An operation admitted and not settled counts
 * as abandoned to whoever asks again: that it is live is known, and said first, by the operation's own machine.
 */
import { LazyMap } from '../lazy-collections.ts';
import { ABANDONED, CONFLICT, EXPIRED, FENCED, STARTED, UNKNOWN } from './answers.ts';
import { Chain } from './chain.ts';
import { keepBytes, keepOwnBytes, readBytes, sameBytes } from './kept-bytes.ts';
import { MemoryRecord, Names, Series, Shelf } from './memory-records.ts';
import { DEFAULT_RETENTION_MS } from './store.ts';
import type { Admission, AdmitOptions, Lookup, OperationKey, OperationSignature, OperationStore, ReleaseReason, SealOptions } from './store.ts';

export interface MemoryStoreOptions {
  /** How long settled records are kept unless acknowledged, in milliseconds. Default 15 minutes. */
  readonly retentionMs?: number | undefined;
  /** The most that records may take, in bytes, by the store's own count. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds since the epoch. Default: the platform's. */
  readonly clock?: { now(): number } | undefined;
}

/** A memoryStore's own counts, beside what every store has. */
export interface MemoryStore extends OperationStore {
  readonly retentionMs: number;
  /** What is kept, in bytes, by the store's own count. */
  readonly bytes: number;
  /** Settled records pushed out by the cap before their retention was over. */
  readonly evicted: number;
  /** Admissions refused because the cap was reached by records that may not be evicted. */
  readonly refused: number;
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
/** What a record, a series with its scope, and a fence take beside the bytes they hold (measured on Node 20, rounded up). */
const RECORD_BYTES = 640;
const SERIES_BYTES = 1_024;
const FENCE_BYTES = 256;
/**
 * A series without records is dropped after it was silent for this long: 8 retentions, at least 2 hours. Its numbers are then unknown instead of
 * expired, so no call may be pending that long; the default recovery deadline is 2 minutes. (Otherwise every session that ever was would leave one.)
 */
const SILENT_RETENTIONS = 8;
const LEAST_SILENCE_MS = 2 * 60 * 60_000;

const FULL: Admission = Object.freeze({ state: 'refused', reason: 'the store is full of operations that it may not forget yet' });

/** Keeps operations in memory. Throws a TypeError for options that make no sense. */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return new RecordsInMemory(options);
}

function schemasInMemory(): OperationStore['schemas'] {
  const byDigest = new Map<string, Uint8Array>();
  return {
    get: (digest) => byDigest.get(digest),
    put: (digest, bytes) => void byDigest.set(digest, new Uint8Array(bytes)),
  };
}

function positive(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value;
  throw new TypeError(`memoryStore: options.${name} must be a positive, finite number`);
}

class RecordsInMemory implements MemoryStore {
  readonly durable = false;
  readonly identity = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  readonly retentionMs: number;
  /** Made for who asks. */
  #schemas: OperationStore['schemas'] | undefined = undefined;
  readonly #maxBytes: number;
  readonly #clock: { now(): number };
  readonly #shelves = { initiator: new LazyMap<string, Shelf>(), acceptor: new LazyMap<string, Shelf>() };
  /** Settled records with a number, and with a name. */
  readonly #numbered = new Chain<MemoryRecord>();
  readonly #named = new Chain<MemoryRecord>();
  /** Series without records. */
  readonly #silent = new Chain<Series>();
  /** By scope and series. */
  readonly #fences = new LazyMap<string, Map<string, { dial: number; since: number }>>();
  /** The series used last: most calls in a row are of one session. */
  #lastSeries: Series | undefined = undefined;
  readonly #discard = (record: MemoryRecord): void => this.#unlist(record);
  #bytes = 0;
  #evicted = 0;
  #refused = 0;

  constructor(options: MemoryStoreOptions) {
    this.retentionMs = positive('retentionMs', options.retentionMs, DEFAULT_RETENTION_MS);
    this.#maxBytes = positive('maxBytes', options.maxBytes, DEFAULT_MAX_BYTES);
    this.#clock = options.clock ?? Date;
  }

  get schemas(): OperationStore['schemas'] {
    return (this.#schemas ??= schemasInMemory());
  }

  get bytes(): number {
    return this.#bytes;
  }

  get evicted(): number {
    return this.#evicted;
  }

  get refused(): number {
    return this.#refused;
  }

  open(): void {}

  lookup(key: OperationKey, signature: OperationSignature): Lookup {
    const found = this.#find(key);
    if (found === undefined) return UNKNOWN;
    return found === 'expired' ? EXPIRED : describe(found, signature);
  }

  admit(key: OperationKey, signature: OperationSignature, options: AdmitOptions): Admission {
    const found = this.#find(key);
    if (found === 'expired') return EXPIRED;
    if (found !== undefined) return this.#admitAgain(found, signature, options);
    if (this.#isFenced(key.scope, options)) return FENCED;
    if (this.#add(key, signature, options.owned) !== undefined) return STARTED;
    this.#refused++;
    return FULL;
  }

  fence(scope: string, series: string, dial: number): void {
    let fences = this.#fences.get(scope);
    if (fences === undefined) this.#fences.set(scope, (fences = new Map()));
    const before = fences.get(series);
    if (before === undefined) this.#bytes += FENCE_BYTES;
    fences.set(series, { dial: Math.max(dial, before?.dial ?? 0), since: this.#clock.now() });
  }

  seal(key: OperationKey, signature: OperationSignature, outcome: Uint8Array, options?: SealOptions): void {
    const found = this.#find(key);
    // Acknowledged while it ran: nobody will ask for it (op.ack).
    if (found === 'expired') return;
    // A purely idem operation was never admitted (op.idem-not-admitted). Where there is no room for its outcome it runs again, which is harmless.
    const record = found ?? this.#add(key, signature);
    if (record === undefined || record.state !== 'admitted') return;
    record.state = 'sealed';
    record.outcome = options?.owned === true ? outcome : keepBytes(outcome);
    record.bytes += outcome.byteLength;
    this.#bytes += outcome.byteLength;
    this.#settle(record);
    if (this.#bytes > this.#maxBytes) this.#makeRoom(0);
  }

  release(key: OperationKey, reason: ReleaseReason): void {
    const record = this.#find(key);
    if (record === undefined || record === 'expired' || record.state !== 'admitted') return;
    record.state = 'released';
    record.reason = reason;
    this.#settle(record);
  }

  forget(scope: string, caller: OperationKey['caller'], name: string, upTo: number): void {
    // Above the safe integers counting stands still.
    const mark = Math.min(upTo, Number.MAX_SAFE_INTEGER);
    let series = this.#seriesOf(scope, caller, name);
    // A mark is kept of a series that has no records, too, unless the store is full: it names only what its caller will not ask for again.
    if (series === undefined && mark > 0 && this.#makeRoom(SERIES_BYTES)) series = this.#addSeries(scope, caller, name);
    if (series === undefined || !(mark > series.mark)) return;
    series.raiseMark(mark, this.#discard);
    this.#noteSilence(series);
  }

  /** Nothing is ever live elsewhere, so this answers at once. */
  settled(key: OperationKey): Promise<Admission> {
    const found = this.#find(key);
    return Promise.resolve(found === undefined || found === 'expired' ? EXPIRED : stateOf(found));
  }

  sweep(now: number): number {
    let swept = 0;
    for (const chain of [this.#numbered, this.#named]) {
      while (chain.oldest !== undefined && chain.oldest.since + this.retentionMs <= now) {
        this.#evict(chain.oldest);
        swept++;
      }
    }
    const silenceMs = Math.max(SILENT_RETENTIONS * this.retentionMs, LEAST_SILENCE_MS);
    while (this.#silent.oldest !== undefined && this.#silent.oldest.since + silenceMs <= now) this.#dropSeries(this.#silent.oldest);
    this.#sweepFences(now - silenceMs);
    return swept;
  }

  /** Nothing to give back: what it keeps goes with the object. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #find(key: OperationKey): MemoryRecord | 'expired' | undefined {
    if (typeof key.id === 'string') return this.#shelves[key.caller].get(key.scope)?.names?.records.get(key.id);
    return this.#seriesOf(key.scope, key.caller, seriesName(key))?.find(key.id);
  }

  #seriesOf(scope: string, caller: OperationKey['caller'], name: string): Series | undefined {
    const last = this.#lastSeries;
    if (last !== undefined && last.name === name && last.shelf.scope === scope && last.shelf.caller === caller) return last;
    const series = this.#shelves[caller].get(scope)?.series.get(name);
    if (series !== undefined) this.#lastSeries = series;
    return series;
  }

  #admitAgain(record: MemoryRecord, signature: OperationSignature, options: AdmitOptions): Admission {
    const described = describe(record, signature);
    if (!options.takeOver || (described.state !== 'abandoned' && described.state !== 'released')) return described;
    if (this.#isFenced(record.home.shelf.scope, options)) return FENCED;
    record.chain?.remove(record);
    record.state = 'admitted';
    return STARTED;
  }

  #isFenced(scope: string, { series, epoch }: AdmitOptions): boolean {
    if (series === undefined || epoch === undefined || this.#fences.size === 0) return false;
    const fence = this.#fences.get(scope)?.get(series);
    return fence !== undefined && epoch < fence.dial;
  }

  /** A new record, admitted; undefined where there is no room. */
  #add(key: OperationKey, signature: OperationSignature, isOwned = false): MemoryRecord | undefined {
    const bytes = RECORD_BYTES + signature.args.byteLength + (typeof key.id === 'string' ? key.id.length * 2 : 0);
    if (this.#bytes + bytes > this.#maxBytes && !this.#makeRoomFor(key, bytes)) return undefined;
    const home = typeof key.id === 'string' ? this.#namesOf(key) : this.#homeSeries(key);
    const args = isOwned ? keepOwnBytes(signature.args) : keepBytes(signature.args);
    const record = new MemoryRecord(home, key.id, { methodId: signature.methodId, args }, bytes);
    home.add(record);
    this.#bytes += bytes;
    return record;
  }

  #homeSeries(key: OperationKey): Series {
    const name = seriesName(key);
    const series = this.#seriesOf(key.scope, key.caller, name) ?? this.#addSeries(key.scope, key.caller, name);
    if (series.chain !== undefined) this.#silent.remove(series);
    return series;
  }

  #addSeries(scope: string, caller: OperationKey['caller'], name: string): Series {
    const shelf = this.#shelfOf(scope, caller);
    const series = new Series(shelf, name);
    shelf.series.set(name, series);
    this.#bytes += SERIES_BYTES;
    this.#lastSeries = series;
    this.#noteSilence(series);
    return series;
  }

  #namesOf(key: OperationKey): Names {
    const shelf = this.#shelfOf(key.scope, key.caller);
    return (shelf.names ??= new Names(shelf));
  }

  #shelfOf(scope: string, caller: OperationKey['caller']): Shelf {
    let shelf = this.#shelves[caller].get(scope);
    if (shelf === undefined) this.#shelves[caller].set(scope, (shelf = new Shelf(scope, caller)));
    return shelf;
  }

  /** From now on the record may be evicted. */
  #settle(record: MemoryRecord): void {
    (typeof record.id === 'number' ? this.#numbered : this.#named).push(record, this.#clock.now());
  }

  #makeRoomFor(key: OperationKey, bytes: number): boolean {
    // A series that is used right now is not silent, and must not be what goes.
    const series = typeof key.id === 'string' ? undefined : this.#seriesOf(key.scope, key.caller, seriesName(key));
    if (series !== undefined) this.#noteSilence(series);
    return this.#makeRoom(bytes);
  }

  /** Makes the cap hold with `bytes` more, by what may go, oldest first. False: it cannot. */
  #makeRoom(bytes: number): boolean {
    const old = this.#clock.now() - this.retentionMs;
    while (this.#bytes + bytes > this.#maxBytes) {
      const silent = this.#silent.oldest;
      const numbered = this.#numbered.oldest;
      const named = this.#named.oldest;
      if (silent !== undefined && silent.since <= old) this.#dropSeries(silent);
      else if (named !== undefined && named.since <= old && named.since <= (numbered?.since ?? Infinity)) this.#pushOut(named);
      else if (numbered !== undefined) this.#pushOut(numbered);
      else return false;
    }
    return true;
  }

  #pushOut(record: MemoryRecord): void {
    if (record.since + this.retentionMs > this.#clock.now()) this.#evicted++;
    this.#evict(record);
  }

  #evict(record: MemoryRecord): void {
    const home = record.home;
    this.#unlist(record);
    home.evict(record, this.#discard);
    if (home instanceof Series) this.#noteSilence(home);
    else if (home.records.size === 0) this.#dropNames(home);
  }

  /** What a record that is no longer in its home leaves behind. */
  #unlist(record: MemoryRecord): void {
    record.chain?.remove(record);
    this.#bytes -= record.bytes;
  }

  #noteSilence(series: Series): void {
    if (series.records.size > 0) return;
    this.#silent.remove(series);
    this.#silent.push(series, this.#clock.now());
  }

  #dropSeries(series: Series): void {
    this.#silent.remove(series);
    series.shelf.series.delete(series.name);
    this.#bytes -= SERIES_BYTES;
    if (this.#lastSeries === series) this.#lastSeries = undefined;
    this.#dropShelfIfEmpty(series.shelf);
  }

  #dropNames(names: Names): void {
    names.shelf.names = undefined;
    this.#dropShelfIfEmpty(names.shelf);
  }

  #dropShelfIfEmpty(shelf: Shelf): void {
    if (shelf.series.size === 0 && shelf.names === undefined) this.#shelves[shelf.caller].delete(shelf.scope);
  }

  #sweepFences(before: number): void {
    for (const [scope, fences] of this.#fences) {
      for (const [series, fence] of fences) {
        if (fence.since > before) continue;
        fences.delete(series);
        this.#bytes -= FENCE_BYTES;
      }
      if (fences.size === 0) this.#fences.delete(scope);
    }
  }
}

function seriesName(key: OperationKey): string {
  if (key.series === undefined) throw new TypeError(`operation ${String(key.id)}: a key with a number needs its series`);
  return key.series;
}

/** The first difference decides: an id that names another intent is a conflict, whatever became of it (op.conflict). */
function describe(record: MemoryRecord, signature: OperationSignature): Admission {
  if (record.methodId !== signature.methodId || !sameBytes(record.args, signature.args)) return CONFLICT;
  return stateOf(record);
}

function stateOf(record: MemoryRecord): Admission {
  switch (record.state) {
    case 'admitted':
      return ABANDONED;
    case 'sealed':
      return { state: 'sealed', outcome: readBytes(record.outcome!) };
    case 'released':
      return { state: 'released', reason: record.reason };
  }
}
