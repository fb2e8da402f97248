/** The demo's bank: accounts in memory, a ledger of every charge decided, and the handlers. It knows nothing of files or of what is expected. */
import { setTimeout as wait } from 'node:timers/promises';
import { implement } from '../index.ts';
import type { ServiceImplementation, Session } from '../index.ts';
import { Bank } from './bank-contract.ts';
import type { BankCounts, ChargeRefusal, Opening, Order, Receipt } from './bank-contract.ts';
import { ledgerChecksum } from './checksum.ts';
import type { LedgerEntry } from './checksum.ts';

/** A charge takes its time, so that a duplicate can come while the first is live. */
const BOOKING_MS = 1;

class Ledger {
  readonly balances = new Map<string, number>();
  readonly entries: LedgerEntry[] = [];

  open({ account, cents }: Opening): void {
    if (this.balances.has(account)) throw new Error(`account ${account} is open already`);
    this.balances.set(account, cents);
  }

  charge(order: Order): Receipt | ChargeRefusal {
    const balance = this.balance(order.account);
    const granted = order.cents <= balance;
    this.entries.push({ ...order, granted });
    if (!granted) return { code: 'insufficient', missingCents: order.cents - balance };
    this.balances.set(order.account, balance - order.cents);
    return { receipt: `R${this.entries.length}`, balanceCents: balance - order.cents };
  }

  balance(account: string): number {
    const balance = this.balances.get(account);
    if (balance === undefined) throw new Error(`there is no account ${account}`);
    return balance;
  }
}

/** The bank as a service. `sessions` are all sessions that the server has or had: their counters are summed when asked for. */
export function makeBank(sessions: Iterable<Session>): ServiceImplementation<typeof Bank> {
  const ledger = new Ledger();
  let quotesAborted = 0;
  return implement(Bank, {
    open: (opening) => ledger.open(opening),
    async charge(order, call) {
      await wait(BOOKING_MS);
      const outcome = ledger.charge(order);
      return 'code' in outcome ? call.fail(outcome) : outcome;
    },
    balance: ({ account }) => ledger.balance(account),
    async quote({ account, workMs }, { signal }) {
      signal.addEventListener('abort', () => quotesAborted++, { once: true });
      await wait(workMs, undefined, { signal });
      return ledger.balance(account);
    },
    ledger: () => ({ balances: Object.fromEntries(ledger.balances), entries: ledger.entries.length, checksum: ledgerChecksum(ledger.entries) }),
    counts: (_, call) =>
      countsOf(
        [...sessions].filter((session) => session.id !== call.session.id),
        quotesAborted,
      ),
  });
}

function countsOf(sessions: readonly Session[], quotesAborted: number): BankCounts {
  const sum: Record<string, number> = {};
  for (const { counters } of sessions) {
    for (const [rule, count] of Object.entries(counters)) sum[rule] = (sum[rule] ?? 0) + count;
  }
  return { sessions: sessions.length, runtime: sum as unknown as Session['counters'], quotesAborted };
}
