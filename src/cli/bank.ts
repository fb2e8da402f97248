/** The demo's bank as its callers see it: the handlers over its ledger. It knows nothing of what is expected. */
import { setTimeout as wait } from 'node:timers/promises';
import { implement } from '../index.ts';
import type { ServiceImplementation } from '../index.ts';
import { Bank } from './bank-contract.ts';
import type { BankCounts } from './bank-contract.ts';
import { ledgerChecksum } from './checksum.ts';
import type { Ledger } from './ledger.ts';

/** A charge takes its time, so that a duplicate can come while the first is live. */
const BOOKING_MS = 1;

/** What became of the quotes. */
export interface QuoteCounts {
  thinking: number;
  aborted: number;
}

/** The bank as a service. `counts` says what was counted so far. */
export function makeBank(ledger: Ledger, quotes: QuoteCounts, counts: () => BankCounts): ServiceImplementation<typeof Bank> {
  return implement(Bank, {
    open: (opening) => ledger.open(opening),
    async charge(order, call) {
      await wait(BOOKING_MS);
      const outcome = await ledger.charge(order);
      return 'code' in outcome ? call.fail(outcome) : outcome;
    },
    async chargeOnce(order, call) {
      await wait(BOOKING_MS);
      const outcome = await ledger.chargeOnce(order);
      return 'code' in outcome ? call.fail(outcome) : outcome;
    },
    balance: ({ account }) => ledger.balance(account),
    async quote({ account, workMs }, { signal }) {
      quotes.thinking++;
      try {
        await wait(workMs, undefined, { signal });
        return ledger.balance(account);
      } finally {
        quotes.thinking--;
        if (signal.aborted) quotes.aborted++;
      }
    },
    ledger: () => ({
      balances: Object.fromEntries(ledger.balances),
      entries: ledger.entries.length,
      checksum: ledgerChecksum(ledger.entries),
      refused: ledger.refused,
    }),
    outcomes: ({ orders }) => orders.map((order) => ledger.outcomeOf(order)),
    counts,
  });
}
