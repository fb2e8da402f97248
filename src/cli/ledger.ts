/** The demo's bank without its services: accounts in memory, and every charge decided with its outcome, as the journal has them. */
import type { ChargeRefusal, Opening, Order, Receipt } from './bank-contract.ts';
import type { LedgerEntry } from './checksum.ts';
import type { DecisionLog, JournalLine } from './journal.ts';

export class Ledger {
  readonly balances = new Map<string, number>();
  readonly entries: LedgerEntry[] = [];
  /** Orders that came a second time where once only was promised: there must be none. */
  readonly refused: string[] = [];
  /** Charges that ran again and found their order decided. */
  found = 0;
  readonly #log: DecisionLog;
  /** By name; of an order that was charged twice, which must not be, the later one. */
  readonly #decisions = new Map<string, { readonly order: Order; readonly outcome: Receipt | ChargeRefusal }>();

  /** `lines`: what an earlier life of the bank decided. */
  constructor(log: DecisionLog, lines: readonly JournalLine[] = []) {
    this.#log = log;
    for (const line of lines) this.#restore(line);
  }

  async open(opening: Opening): Promise<void> {
    if (this.balances.has(opening.account)) throw new Error(`account ${opening.account} is open already`);
    this.balances.set(opening.account, opening.cents);
    await this.#log.append({ opened: opening });
  }

  /**
   * Decides, or finds what was decided when the order came before: by a bank that was killed before it could say so, perhaps. Effect and key are one
   * line of the journal, so that neither is there without the other.
   */
  async charge(order: Order): Promise<Receipt | ChargeRefusal> {
    const decided = this.find(order);
    if (decided === undefined) return this.#decide(order);
    this.found++;
    await this.#log.synced();
    return decided;
  }

  /** Decides; throws when the order is decided already. */
  async chargeOnce(order: Order): Promise<Receipt | ChargeRefusal> {
    if (!this.#decisions.has(order.order)) return this.#decide(order);
    this.refused.push(order.order);
    await this.#log.append({ refused: order.order });
    throw new Error(`order ${order.order} was charged before`);
  }

  /** What was decided for exactly this order. */
  find({ order, account, cents }: Order): Receipt | ChargeRefusal | undefined {
    const decision = this.#decisions.get(order);
    return decision?.order.account === account && decision.order.cents === cents ? decision.outcome : undefined;
  }

  /** What was decided for the order of this name. */
  outcomeOf(order: string): Receipt | ChargeRefusal | undefined {
    return this.#decisions.get(order)?.outcome;
  }

  balance(account: string): number {
    const balance = this.balances.get(account);
    if (balance === undefined) throw new Error(`there is no account ${account}`);
    return balance;
  }

  async #decide(order: Order): Promise<Receipt | ChargeRefusal> {
    if (this.#decisions.has(order.order)) throw new Error(`order ${order.order} was charged before, and was another one`);
    const granted = order.cents <= this.balance(order.account);
    const outcome = this.#book(order, granted);
    await this.#log.append({ charged: order, granted });
    return outcome;
  }

  #book(order: Order, granted: boolean): Receipt | ChargeRefusal {
    const balance = this.balance(order.account);
    this.entries.push({ ...order, granted });
    if (granted) this.balances.set(order.account, balance - order.cents);
    const outcome = granted
      ? { receipt: `R${this.entries.length}`, balanceCents: balance - order.cents }
      : { code: 'insufficient' as const, missingCents: order.cents - balance };
    this.#decisions.set(order.order, { order, outcome });
    return outcome;
  }

  #restore(line: JournalLine): void {
    if ('opened' in line) this.balances.set(line.opened.account, line.opened.cents);
    else if ('charged' in line) this.#book(line.charged, line.granted);
    else this.refused.push(line.refused);
  }
}
