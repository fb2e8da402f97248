/** A process's own way to a disk: what it asks takes its time, may fail, and comes to nothing once the process is dead. */
import type { Admission, AdmitOptions, OperationKey, OperationSignature, OperationStore, ReleaseReason, SealOptions } from '../../store/store.ts';
import type { MaybePromise } from '../../store/store.ts';
import type { SimulatedDisk } from './disk.ts';
import type { SimulatedProcess } from './process.ts';

/** One of its own each time: who waits is kept by what it waits for. */
const never = (): Promise<never> => new Promise(() => {});

/** How long a claim on an operation lasts that is not renewed, in milliseconds. */
const LEASE_MS = 50;

/** A shared disk answers within this, in milliseconds. */
const LATENCY_MS = 3;

export class SimulatedStore implements OperationStore {
  readonly durable: boolean;
  readonly retentionMs: number;
  readonly schemas: OperationStore['schemas'];
  readonly #disk: SimulatedDisk;
  readonly #process: SimulatedProcess;

  constructor(disk: SimulatedDisk, process: SimulatedProcess) {
    this.#disk = disk;
    this.#process = process;
    this.durable = disk.terms.kind !== 'memory';
    this.retentionMs = disk.terms.retentionMs;
    const byDigest = new Map<string, Uint8Array>();
    this.schemas = {
      get: (digest) => byDigest.get(digest),
      put: (digest, bytes) => void byDigest.set(digest, new Uint8Array(bytes)),
    };
  }

  get identity(): string {
    return this.#disk.identity;
  }

  open(): void {}

  lookup(key: OperationKey, signature: OperationSignature) {
    return this.#step('look up', () => this.#disk.lookup(this.#process, key, signature));
  }

  admit(key: OperationKey, signature: OperationSignature, options: AdmitOptions) {
    return this.#write('admit', options.durable, () => this.#disk.admit(this.#process, key, signature, options));
  }

  fence(scope: string, series: string, dial: number) {
    return this.#write('fence', true, () => this.#disk.fence(scope, series, dial));
  }

  seal(key: OperationKey, signature: OperationSignature, outcome: Uint8Array, options?: SealOptions) {
    return this.#write('seal', options?.durable, () => this.#disk.seal(this.#process, key, signature, outcome));
  }

  release(key: OperationKey, reason: ReleaseReason): MaybePromise<void> {
    try {
      const released = this.#write('release', false, () => this.#disk.release(key, reason));
      return released instanceof Promise ? released.catch((error: unknown) => this.#giveUp(key, error)) : released;
    } catch (error) {
      return this.#giveUp(key, error);
    }
  }

  forget(scope: string, caller: OperationKey['caller'], series: string, upTo: number) {
    return this.#step('forget', () => this.#disk.forget(scope, caller, series, upTo));
  }

  async settled(key: OperationKey, signal: AbortSignal): Promise<Admission> {
    const state = await this.#disk.settled(this.#process, key, signal);
    return this.#process.isAlive ? state : never();
  }

  sweep(nowMs: number) {
    return this.#step('sweep', () => this.#disk.sweep(nowMs));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Does a step, when its time has come. */
  #step<T>(what: string, run: () => T): MaybePromise<T> {
    if (!this.#process.isAlive) return never();
    if (this.#disk.terms.kind === 'shared') return this.#later(what, run);
    this.#failPerhaps(what);
    return run();
  }

  async #later<T>(what: string, run: () => T): Promise<T> {
    const { random } = this.#disk.terms;
    await this.#process.sleep(random.between(1, LATENCY_MS));
    this.#failPerhaps(what);
    const result = run();
    await this.#process.sleep(random.between(0, LATENCY_MS));
    return result;
  }

  /** The same, and waits for the disk where that is asked for. */
  #write<T>(what: string, durable: boolean | undefined, run: () => T): MaybePromise<T> {
    const result = this.#step(what, run);
    if (this.#disk.terms.kind !== 'local' || durable === false) return result;
    return this.#disk.flushed().then(() => (this.#process.isAlive ? result : never()));
  }

  #failPerhaps(what: string): void {
    const { failureRate, terms } = this.#disk;
    if (failureRate > 0 && terms.random.chance(failureRate)) throw new Error(`the disk ${terms.name} failed to ${what}`);
  }

  /** The end of an operation could not be written: the claim on it runs out. */
  #giveUp(key: OperationKey, error: unknown): never {
    this.#process.clock.setTimeout(() => this.#disk.lapse(this.#process, key), LEASE_MS);
    throw error;
  }
}
