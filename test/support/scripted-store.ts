/**
 * An operation store under a test's hand: a memoryStore whose every method can be held and let go, made to fail (by promise or by throwing), or given
 * another answer. It records what it is asked, in order. Two of them around one memoryStore are the stores of two processes.
 */
import { memoryStore } from '../../src/store/memory.ts';
import type { MemoryStore } from '../../src/store/memory.ts';
import type {
  Admission,
  AdmitOptions,
  Lookup,
  MaybePromise,
  OperationKey,
  OperationSignature,
  OperationStore,
  ReleaseReason,
} from '../../src/store/store.ts';

/** The methods that a script may bend. */
export type StoreMethod = 'open' | 'lookup' | 'admit' | 'seal' | 'release' | 'forget' | 'settled' | 'sweep' | 'close';

/** What the store was asked. */
export interface StoreCall {
  readonly method: StoreMethod;
  /** Of the methods that are about one operation. */
  readonly key?: OperationKey;
  readonly signature?: OperationSignature;
  readonly takeOver?: boolean;
  readonly reason?: ReleaseReason;
  readonly upTo?: number;
}

export interface ScriptedStoreOptions {
  /** Where the records are. Default: a memoryStore of its own. */
  readonly records?: MemoryStore | undefined;
  readonly clock?: { now(): number } | undefined;
  readonly retentionMs?: number | undefined;
  readonly maxBytes?: number | undefined;
  /** Whether what is not held answers by a promise, as a store on a disk does, or at once. Default at once. */
  readonly answers?: 'at once' | 'by promise';
}

/** What a method does instead of what it should. */
type Fault = { readonly how: 'rejects' | 'throws'; readonly error: Error };
type Gate = { readonly opened: Promise<void>; readonly open: () => void };

export class ScriptedStore implements OperationStore {
  readonly durable = true;
  readonly records: MemoryStore;
  readonly schemas: OperationStore['schemas'];
  /** Everything it was asked, in order. */
  readonly calls: StoreCall[] = [];
  readonly #answersByPromise: boolean;
  readonly #gates = new Map<StoreMethod, Gate>();
  readonly #faults = new Map<StoreMethod, Fault>();
  readonly #answers = new Map<StoreMethod, (real: never) => unknown>();

  constructor(options: ScriptedStoreOptions = {}) {
    const { clock, retentionMs, maxBytes, answers = 'at once' } = options;
    this.records = options.records ?? memoryStore({ clock, retentionMs, maxBytes });
    this.schemas = this.records.schemas;
    this.#answersByPromise = answers === 'by promise';
  }

  // ---- the script

  /** From now on calls of `method` wait; nothing is done before they are let go. */
  hold(method: StoreMethod): void {
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    this.#gates.set(method, { opened, open });
  }

  /** Lets what waits go on, in order, and later calls through. */
  letGo(method: StoreMethod): void {
    this.#gates.get(method)?.open();
    this.#gates.delete(method);
  }

  /** From now on calls of `method` fail, without effect; what is held fails when it is let go. */
  fail(method: StoreMethod, how: Fault['how'] = 'rejects'): void {
    this.#faults.set(method, { how, error: new Error(`the disk is full (${method})`) });
  }

  /** Calls of `method` succeed again. */
  mend(method: StoreMethod): void {
    this.#faults.delete(method);
  }

  /** From now on `method` answers what `change` makes of the real answer. */
  answer<A extends Lookup>(method: 'lookup' | 'admit' | 'settled', change: (real: A) => Lookup): void {
    this.#answers.set(method, change);
  }

  /** `method` tells the truth again. */
  unchange(method: 'lookup' | 'admit' | 'settled'): void {
    this.#answers.delete(method);
  }

  /** The names of the methods that were asked, in order, without `open`, `sweep` and `close`. */
  get asked(): StoreMethod[] {
    return this.calls.map(({ method }) => method).filter((method) => method !== 'open' && method !== 'sweep' && method !== 'close');
  }

  /** How often `method` was asked. */
  count(method: StoreMethod): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  // ---- the store

  get identity(): string {
    return this.records.identity;
  }

  get retentionMs(): number {
    return this.records.retentionMs;
  }

  open(): MaybePromise<void> {
    return this.#do({ method: 'open' }, () => this.records.open());
  }

  lookup(key: OperationKey, signature: OperationSignature): MaybePromise<Lookup> {
    return this.#do({ method: 'lookup', key, signature: copyOf(signature) }, () => this.records.lookup(key, signature));
  }

  admit(key: OperationKey, signature: OperationSignature, options: AdmitOptions): MaybePromise<Admission> {
    const call = { method: 'admit', key, signature: copyOf(signature), takeOver: options.takeOver } as const;
    return this.#do(call, () => this.records.admit(key, signature, options));
  }

  fence(scope: string, series: string, dial: number): MaybePromise<void> {
    return this.records.fence(scope, series, dial);
  }

  seal(key: OperationKey, signature: OperationSignature, outcome: Uint8Array): MaybePromise<void> {
    return this.#do({ method: 'seal', key }, () => this.records.seal(key, signature, outcome));
  }

  release(key: OperationKey, reason: ReleaseReason): MaybePromise<void> {
    return this.#do({ method: 'release', key, reason }, () => this.records.release(key, reason));
  }

  forget(scope: string, caller: OperationKey['caller'], series: string, upTo: number): MaybePromise<void> {
    return this.#do({ method: 'forget', upTo }, () => this.records.forget(scope, caller, series, upTo));
  }

  async settled(key: OperationKey, signal: AbortSignal): Promise<Admission> {
    const answered = (async () => this.#do({ method: 'settled', key }, () => this.records.settled(key, signal)))();
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error('nobody waits any more')), { once: true }),
    );
    return Promise.race([answered, aborted]);
  }

  sweep(now: number): MaybePromise<number> {
    return this.#do({ method: 'sweep' }, () => this.records.sweep(now));
  }

  async close(): Promise<void> {
    await this.#do({ method: 'close' }, () => this.records.close());
  }

  #do<T>(call: StoreCall, work: () => MaybePromise<T>): MaybePromise<T> {
    this.calls.push(call);
    const { method } = call;
    const gate = this.#gates.get(method);
    if (gate !== undefined) return gate.opened.then(() => this.#work(method, work));
    if (this.#answersByPromise) return Promise.resolve().then(() => this.#work(method, work));
    const fault = this.#faults.get(method);
    if (fault?.how === 'rejects') return Promise.reject(fault.error);
    return this.#work(method, work);
  }

  #work<T>(method: StoreMethod, work: () => MaybePromise<T>): MaybePromise<T> {
    const fault = this.#faults.get(method);
    if (fault !== undefined) throw fault.error;
    const change = this.#answers.get(method) as ((real: T) => T) | undefined;
    const real = work();
    if (change === undefined) return real;
    return real instanceof Promise ? real.then(change) : change(real);
  }
}

/** The store of another process that has the same records: it knows of nothing that is live here. */
export function otherProcess(store: ScriptedStore): ScriptedStore {
  return new ScriptedStore({ records: store.records });
}

/** Bytes may be a view into a buffer that somebody else uses later. */
function copyOf({ methodId, args }: OperationSignature): OperationSignature {
  return { methodId, args: args.slice() };
}
