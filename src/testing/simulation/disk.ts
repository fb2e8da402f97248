/**
 * Where the operations of simulated processes live, and survive them or not. Written to be obviously right rather than fast; it passes
 * `testOperationStore` like every store.
 *
 *   memory   nothing survives the process: a new identity
 *   local    one process at a time; what is written is seen at once and is on disk a little later: a crash loses what was not flushed
 *   shared   several processes; every step takes its time, and is on disk when it is seen. Who owns an operation lives, or it is abandoned
 *
 * It can be told to fail for a while.
 */
import { ABANDONED, CONFLICT, EXPIRED, FENCED, STARTED, UNKNOWN } from '../../store/answers.ts';
import { ForgottenNumbers } from '../../store/forgotten-numbers.ts';
import { sameBytes } from '../../store/kept-bytes.ts';
import type { Admission, AdmitOptions, Lookup, OperationKey, OperationSignature, ReleaseReason } from '../../store/store.ts';
import type { SimulatedClock } from '../clock.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { SimulatedProcess } from './process.ts';

export type DiskKind = 'memory' | 'local' | 'shared';

export interface DiskTerms {
  readonly name: string;
  readonly kind: DiskKind;
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  readonly retentionMs: number;
  /** An operation is known no more, though nobody acknowledged it: lost in a crash, or past its retention. Its encoded argument. */
  readonly onForgotten: (args: Uint8Array) => void;
}

interface DiskRecord {
  readonly key: OperationKey;
  readonly methodId: number;
  readonly args: Uint8Array;
  state: 'admitted' | 'sealed' | 'released';
  outcome: Uint8Array;
  reason: string;
  owner: SimulatedProcess;
  /** Its owner does not claim it any more. */
  lapsed: boolean;
  /** When it was settled. */
  sinceMs: number;
  /** Who waits for it to be settled. */
  waiters: readonly (() => void)[];
}

/** The records of one side of one scope: those with numbers by series, those with names in a series of no name. */
class Shelf {
  readonly records = new Map<string | number, DiskRecord>();
  readonly forgotten = new ForgottenNumbers();
}

type Shelves = Map<string, Map<string, Shelf>>;

const NOTHING = new Uint8Array(0);
const NOBODY: readonly (() => void)[] = [];

/** A flush comes within this, in milliseconds. */
const FLUSH_MS = 3;

export class SimulatedDisk {
  readonly terms: DiskTerms;
  /** How often a step fails, 0 to 1. */
  failureRate = 0;
  identity: string;
  /** By scope, then by caller and series. */
  #shelves: Shelves = new Map();
  /** By scope and series. */
  #fences = new Map<string, number>();
  #unflushed: (() => void)[] = [];
  #flushed: (() => void)[] = [];

  constructor(terms: DiskTerms) {
    this.terms = terms;
    this.identity = this.#newIdentity();
  }

  /** Operations that a living process owns. */
  get live(): number {
    let live = 0;
    for (const { state, owner, lapsed } of this.#records()) if (state === 'admitted' && owner.isAlive && !lapsed) live++;
    return live;
  }

  /** One of its processes was killed. */
  crash(): void {
    const { kind } = this.terms;
    if (kind === 'memory') {
      for (const { args } of this.#records()) this.terms.onForgotten(args);
      this.#shelves = new Map();
      this.#fences = new Map();
      this.identity = this.#newIdentity();
    }
    for (const undo of this.#unflushed.toReversed()) undo();
    this.#unflushed = [];
    this.#flushed = [];
    for (const record of this.#records()) if (!record.owner.isAlive) wake(record);
  }

  /** One of its processes has ended, and has flushed what it wrote before. */
  left(): void {
    this.#flush();
    for (const record of this.#records()) if (!record.owner.isAlive) wake(record);
  }

  /** Settles when what was written so far is on disk. */
  flushed(): Promise<void> {
    return this.#unflushed.length === 0 ? Promise.resolve() : new Promise((resolve) => this.#flushed.push(resolve));
  }

  lookup(process: SimulatedProcess, key: OperationKey, signature: OperationSignature): Lookup {
    const found = this.#find(key);
    if (found === undefined) return UNKNOWN;
    return found === 'expired' ? EXPIRED : describe(process, found, signature);
  }

  admit(process: SimulatedProcess, key: OperationKey, signature: OperationSignature, options: AdmitOptions): Admission {
    const found = this.#find(key);
    if (found === 'expired') return EXPIRED;
    if (found !== undefined) {
      const described = describe(process, found, signature);
      if (!options.takeOver || (described.state !== 'abandoned' && described.state !== 'released')) return described;
    }
    if (this.#isFenced(key.scope, options)) return FENCED;
    if (found === undefined) {
      this.#insert(process, key, signature);
    } else {
      const { state, owner, lapsed } = found;
      Object.assign(found, { state: 'admitted', owner: process, lapsed: false });
      this.#written(() => Object.assign(found, { state, owner, lapsed }));
    }
    return STARTED;
  }

  fence(scope: string, series: string, dial: number): void {
    const place = `${scope}/${series}`;
    const before = this.#fences.get(place) ?? 0;
    this.#fences.set(place, Math.max(before, dial));
    this.#written(() => this.#fences.set(place, before));
  }

  seal(process: SimulatedProcess, key: OperationKey, signature: OperationSignature, outcome: Uint8Array): void {
    const found = this.#find(key);
    if (found === 'expired') return;
    const record = found ?? this.#insert(process, key, signature);
    if (record.state === 'admitted') this.#settle(record, { state: 'sealed', outcome: outcome.slice() });
  }

  release(key: OperationKey, reason: ReleaseReason): void {
    const record = this.#find(key);
    if (record !== undefined && record !== 'expired' && record.state === 'admitted') this.#settle(record, { state: 'released', reason });
  }

  /** The end of an operation could not be written: its owner claims it no more. */
  lapse(process: SimulatedProcess, key: OperationKey): void {
    const record = this.#find(key);
    if (record === undefined || record === 'expired' || record.owner !== process || record.state !== 'admitted') return;
    record.lapsed = true;
    wake(record);
  }

  /** op.ack. A crash may lose it, which harms nobody. */
  forget(scope: string, caller: OperationKey['caller'], series: string, upTo: number): void {
    const shelf = this.#shelf(scope, caller, series);
    for (const id of shelf.records.keys()) if ((id as number) <= upTo) remove(shelf, id);
    shelf.forgotten.raise(upTo);
  }

  /** Settles when no living process owns the operation any more. */
  async settled(process: SimulatedProcess, key: OperationKey, signal: AbortSignal): Promise<Admission> {
    for (;;) {
      signal.throwIfAborted();
      const found = this.#find(key);
      if (found === undefined || found === 'expired') return EXPIRED;
      const state = stateOf(process, found);
      if (state.state !== 'live') return state;
      await new Promise<void>((resolve) => {
        found.waiters = [...found.waiters, resolve];
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  sweep(nowMs: number): number {
    let swept = 0;
    for (const record of this.#records()) {
      if (record.state === 'admitted' || record.sinceMs + this.terms.retentionMs > nowMs) continue;
      const { scope, caller, series, id } = record.key;
      const shelf = this.#shelf(scope, caller, series);
      remove(shelf, id);
      if (typeof id === 'number') shelf.forgotten.add(id);
      this.terms.onForgotten(record.args);
      swept++;
    }
    return swept;
  }

  #find(key: OperationKey): DiskRecord | 'expired' | undefined {
    const shelf = this.#shelf(key.scope, key.caller, key.series);
    if (typeof key.id === 'number' && shelf.forgotten.has(key.id)) return 'expired';
    return shelf.records.get(key.id);
  }

  #insert(process: SimulatedProcess, key: OperationKey, signature: OperationSignature): DiskRecord {
    const { records } = this.#shelf(key.scope, key.caller, key.series);
    const args = signature.args.slice();
    const record: DiskRecord = {
      key,
      methodId: signature.methodId,
      args,
      state: 'admitted',
      outcome: NOTHING,
      reason: '',
      owner: process,
      lapsed: false,
      sinceMs: 0,
      waiters: NOBODY,
    };
    records.set(key.id, record);
    this.#written(() => {
      if (records.delete(key.id)) this.terms.onForgotten(args);
    });
    return record;
  }

  #settle(record: DiskRecord, change: Partial<DiskRecord>): void {
    const { state, outcome, reason } = record;
    Object.assign(record, change);
    record.sinceMs = record.owner.clock.now();
    this.#written(() => Object.assign(record, { state, outcome, reason }));
    wake(record);
  }

  #shelf(scope: string, caller: OperationKey['caller'], series = ''): Shelf {
    let ofScope = this.#shelves.get(scope);
    if (ofScope === undefined) this.#shelves.set(scope, (ofScope = new Map()));
    const name = caller === 'initiator' ? series : `acceptor ${series}`;
    let shelf = ofScope.get(name);
    if (shelf === undefined) ofScope.set(name, (shelf = new Shelf()));
    return shelf;
  }

  *#records(): Iterable<DiskRecord> {
    for (const ofScope of this.#shelves.values()) for (const { records } of ofScope.values()) yield* records.values();
  }

  #isFenced(scope: string, { series, epoch }: AdmitOptions): boolean {
    if (this.#fences.size === 0 || series === undefined || epoch === undefined) return false;
    return epoch < (this.#fences.get(`${scope}/${series}`) ?? 0);
  }

  /** Something was changed, and is on disk with the next flush. */
  #written(undo: () => void): void {
    if (this.terms.kind !== 'local') return;
    this.#unflushed.push(undo);
    if (this.#unflushed.length > 1) return;
    this.terms.clock.setTimeout(() => this.#flush(), this.terms.random.between(1, FLUSH_MS));
  }

  #flush(): void {
    this.#unflushed = [];
    const waiters = this.#flushed;
    this.#flushed = [];
    for (const tell of waiters) tell();
  }

  #newIdentity(): string {
    return Array.from(this.terms.random.bytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}

function remove({ records }: Shelf, id: string | number): void {
  const record = records.get(id);
  if (record === undefined) return;
  records.delete(id);
  wake(record);
}

function wake(record: DiskRecord): void {
  const { waiters } = record;
  if (waiters.length === 0) return;
  record.waiters = NOBODY;
  for (const tell of waiters) tell();
}

function describe(process: SimulatedProcess, record: DiskRecord, signature: OperationSignature): Admission {
  if (record.methodId !== signature.methodId || !sameBytes(record.args, signature.args)) return CONFLICT;
  return stateOf(process, record);
}

/** What is live in the process itself is known there, and said first, by its operations. */
function stateOf(process: SimulatedProcess, { state, owner, lapsed, outcome, reason }: DiskRecord): Admission {
  if (state === 'sealed') return { state, outcome: outcome.slice() };
  if (state === 'released') return { state, reason };
  return owner.isAlive && !lapsed && owner !== process ? { state: 'live' } : ABANDONED;
}
