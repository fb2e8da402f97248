/** The bank over all its lives: killed, it comes back at once on the same port and folder. */
import { startBank } from './bank-child.ts';
import type { BankChild, BankChildOptions, BankDiedError } from './bank-child.ts';
import { sumOfLives } from './bank-counts.ts';
import type { BankCounts } from './bank-contract.ts';

/** The bank was killed, and is back. */
export interface Rebirth {
  readonly killedPid: number;
  readonly pid: number;
  /** How long nobody listened. */
  readonly afterMs: number;
  /** Lines of its journal that it found, and what it dropped of a torn one. */
  readonly replayed: number;
  readonly tornBytes: number;
}

export class BankLives {
  readonly rebirths: Rebirth[] = [];
  readonly #options: BankChildOptions;
  readonly #killed: BankCounts[] = [];
  #present: BankChild;
  #restart: Promise<void> = Promise.resolve();
  #state: 'serving' | 'stopping' = 'serving';

  /** @throws the signal's reason when that aborts before the bank listens. */
  static async start(options: Omit<BankChildOptions, 'port'>): Promise<BankLives> {
    return new BankLives(options, await startBank({ ...options, port: 0 }));
  }

  constructor(options: Omit<BankChildOptions, 'port'>, first: BankChild) {
    this.#options = { ...options, port: first.port };
    this.#present = first;
  }

  get pid(): number {
    return this.#present.pid;
  }

  get port(): number {
    return this.#options.port;
  }

  /** `kill -9`; settles when the bank listens again, with undefined when it shall not. One at a time. @throws the signal's reason when that aborts before. */
  async kill(): Promise<Rebirth | undefined> {
    if (this.#state === 'stopping') return undefined;
    const restart = this.#killAndRestart();
    this.#restart = restart.then(
      () => {},
      () => {},
    );
    return restart;
  }

  /** Of all lives; `last`: what the present one says. Of those that were killed, what they had said in time. */
  counts(last: BankCounts): BankCounts {
    return sumOfLives(this.#killed, last);
  }

  /** Ends the bank for good; settles when it is gone, with an error if it died instead of leaving. */
  async stop(): Promise<BankDiedError | undefined> {
    this.#state = 'stopping';
    await this.#restart;
    return this.#present.stop();
  }

  async #killAndRestart(): Promise<Rebirth> {
    const killed = this.#present;
    const killedMs = performance.now();
    await killed.kill();
    this.#killed.push(killed.counts());
    this.#present = await startBank(this.#options);
    const { pid, replayed, tornBytes } = this.#present;
    const rebirth = { killedPid: killed.pid, pid, afterMs: Math.round(performance.now() - killedMs), replayed, tornBytes };
    this.rebirths.push(rebirth);
    return rebirth;
  }
}
