/** Lets the planned mishaps happen, one after the other, as the orders go on. */
import { setTimeout as wait } from 'node:timers/promises';
import type { BankLives, Rebirth } from './bank-lives.ts';
import type { Cut, Mishap } from './chaos-plan.ts';
import type { CuttableLinks } from './cuttable-links.ts';

export interface ChaosOptions {
  /** In the order in which they come. */
  readonly plan: readonly Mishap[];
  readonly links: CuttableLinks;
  readonly bank: Pick<BankLives, 'kill'>;
  readonly onRebirth: (rebirth: Rebirth) => void;
}

export class Chaos {
  cuts = 0;
  kills = 0;
  readonly #options: ChaosOptions;
  #next = 0;
  #work: Promise<void> = Promise.resolve();

  constructor(options: ChaosOptions) {
    this.#options = options;
  }

  /** So many orders are charged. */
  charged(orders: number): void {
    const { plan } = this.#options;
    for (let mishap = plan[this.#next]; mishap !== undefined && mishap.afterOrders <= orders; mishap = plan[++this.#next]) {
      const due = mishap;
      this.#work = this.#work.then(() => this.#happen(due));
      // Told by `over`.
      this.#work.catch(() => {});
    }
  }

  /** Settles when all that was due has happened. @throws what kept the bank from coming back. */
  over(): Promise<void> {
    return this.#work;
  }

  async #happen(mishap: Mishap): Promise<void> {
    const { links, bank, onRebirth } = this.#options;
    if (mishap.kind === 'cut') {
      // While the bank is away there may be nothing to cut.
      await links.someOpen();
      this.#cut(mishap);
      return;
    }
    await wait(mishap.delayMs);
    const rebirth = await bank.kill();
    if (rebirth === undefined) return;
    this.kills++;
    onRebirth(rebirth);
  }

  #cut({ reach, pick, noticed, again }: Cut): void {
    const { links } = this.#options;
    this.cuts++;
    if (again) links.cutNext();
    if (reach === 'all') links.cutAll(noticed);
    else links.cutOne(pick, noticed);
  }
}
