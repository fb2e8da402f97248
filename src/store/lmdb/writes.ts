/**
 * Group commit: what is written gathers by key, newest state only, and leaves for the disk together; what gathers meanwhile is the next commit. Reads see what
 * was written at once. Who must know that it is on disk waits for the flush of its commit; nobody else waits for anything.
 *
 *   set ──▶ gathering ──▶ committing (one transaction, then the flush) ──▶ database
 *   get ◀─────┴───────────────┴───────────────────────────────────────────────┘
 *
 * What is written and removed again before its commit, as the records of acknowledged volatile calls are, never gets to the database.
 */
import type { Database } from './database.ts';
import { RECORD } from './keys.ts';

/** How long writes that nobody waits for gather, in milliseconds. */
const GATHER_MS = 20;

/** Waiters that are told in one turn of the event loop. */
const TOLD_AT_ONCE = 32;

/** Undefined: removed. */
type Batch = Map<string, Uint8Array | undefined>;

interface Waiter {
  /** What it wrote. */
  readonly key: string;
  resolve(): void;
  reject(error: unknown): void;
}

export class Writes {
  readonly #database: Database;
  #gathering: Batch = new Map();
  #waiters: Waiter[] = [];
  #committing: Batch | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;
  #immediate: NodeJS.Immediate | undefined = undefined;
  /** Who waits for what gathers to be committed, or to fail, and for what is being committed. */
  #settling: (() => void)[] = [];
  #committingSettled: (() => void)[] = [];
  #failed = 0;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Records that were lost because their commit failed, and that nobody was waiting for. */
  get failed(): number {
    return this.#failed;
  }

  get(key: string): Uint8Array | undefined {
    if (this.#gathering.has(key)) return this.#gathering.get(key);
    if (this.#committing?.has(key) === true) return this.#committing.get(key);
    return this.#database.get(key);
  }

  set(key: string, value: Uint8Array): void {
    this.#gathering.set(key, value);
    this.#later();
  }

  remove(key: string): void {
    if (this.#isBelow(key)) this.#gathering.set(key, undefined);
    else this.#gathering.delete(key);
    this.#later();
  }

  /** The database has it, or is about to. */
  #isBelow(key: string): boolean {
    if (this.#committing?.has(key) === true) return this.#committing.get(key) !== undefined;
    return this.#database.get(key) !== undefined;
  }

  /** Keys that begin with `prefix` and were written lately: the database may not have them. */
  *recent(prefix: string): Iterable<string> {
    for (const key of this.#gathering.keys()) if (key.startsWith(prefix)) yield key;
    for (const key of this.#committing?.keys() ?? []) if (key.startsWith(prefix) && !this.#gathering.has(key)) yield key;
  }

  /** Settles when what was written so far, `key` above all, is on disk. Rejects when it cannot be: who asks hears of the loss of `key`. */
  flushed(key: string): Promise<void> {
    const flushed = new Promise<void>((resolve, reject) => this.#waiters.push({ key, resolve, reject }));
    this.#soon();
    return flushed;
  }

  /** Settles when what was written so far has been committed, or could not be; never rejects. What comes after is not waited for. */
  async idle(): Promise<void> {
    if (this.#gathering.size > 0) {
      this.#soon();
      await new Promise<void>((resolve) => this.#settling.push(resolve));
    } else if (this.#committing !== undefined) {
      await new Promise<void>((resolve) => this.#committingSettled.push(resolve));
    }
  }

  #later(): void {
    if (this.#committing !== undefined || this.#immediate !== undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#commitNow(), GATHER_MS);
    this.#timer.unref();
  }

  /** What this turn writes goes along. */
  #soon(): void {
    if (this.#committing === undefined) this.#immediate ??= setImmediate(() => this.#commitNow());
  }

  #commitNow(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = this.#immediate = undefined;
    const batch = this.#gathering;
    const waiters = this.#waiters;
    this.#gathering = new Map();
    this.#waiters = [];
    this.#committing = batch;
    this.#committingSettled = this.#settling;
    this.#settling = [];
    const commit = this.#database.commit(batch, waiters.length > 0);
    commit.then(
      () => this.#committed(waiters),
      (error: unknown) => this.#notCommitted(batch, waiters, error),
    );
  }

  #committed(waiters: readonly Waiter[]): void {
    this.#next();
    tell(waiters);
  }

  /** All or nothing: reads see again what the database has. */
  #notCommitted(batch: Batch, waiters: readonly Waiter[], error: unknown): void {
    const heard = new Set(waiters.map(({ key }) => key));
    // A removal that failed is made good by the sweep; a mark is no loss of its own.
    for (const [key, value] of batch) if (value !== undefined && key.startsWith(RECORD) && !heard.has(key)) this.#failed++;
    this.#next();
    for (const { reject } of waiters) reject(error);
  }

  #next(): void {
    const settled = this.#committingSettled;
    this.#committing = undefined;
    this.#committingSettled = [];
    if (this.#waiters.length > 0 || this.#settling.length > 0) this.#soon();
    else if (this.#gathering.size > 0) this.#later();
    for (const resolve of settled) resolve();
  }
}

/** A few at a time: what follows from a large commit must not hold up calls that it has nothing to do with. */
function tell(waiters: readonly Waiter[]): void {
  for (const { resolve } of waiters.slice(0, TOLD_AT_ONCE)) resolve();
  if (waiters.length > TOLD_AT_ONCE) setImmediate(tell, waiters.slice(TOLD_AT_ONCE));
}
