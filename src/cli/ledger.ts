/** The demo's bank without its services: accounts in memory, and every charge decided with its outcome. */
import type { ChargeRefusal, Opening, Order, Receipt } from './bank-contract.ts';
import type { LedgerEntry } from './checksum.ts';

export class Ledger {
  readonly balances = new Map<string, number>();
  readonly entries: LedgerEntry[] = [];
  /** By name; of an order that was charged twice, which must not be, the later one. */
  readonly #decisions = new Map<string, { readonly order: Order; readonly outcome: Receipt | ChargeRefusal }>();

  open({ account, cents }: Opening): void {
    if (this.balances.has(account)) throw new Error(`account ${account} is open already`);
    this.balances.set(account, cents);
  }

  charge(order: Order): Receipt | ChargeRefusal {
    const balance = this.balance(order.account);
    const granted = order.cents <= balance;
    this.entries.push({ ...order, granted });
    if (granted) this.balances.set(order.account, balance - order.cents);
    const outcome = granted
      ? { receipt: `R${this.entries.length}`, balanceCents: balance - order.cents }
      : { code: 'insufficient' as const, missingCents: order.cents - balance };
    this.#decisions.set(order.order, { order, outcome });
    return outcome;
  }

  /** What was decided for exactly this order. */
  find({ order, account, cents }: Order): Receipt | ChargeRefusal | undefined {
    const decision = this.#decisions.get(order);
    return decision?.order.account === account && decision.order.cents === cents ? decision.outcome : undefined;
  }

  balance(account: string): number {
    const balance = this.balances.get(account);
    if (balance === undefined) throw new Error(`there is no account ${account}`);
    return balance;
  }
}
