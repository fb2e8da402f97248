/** The demo's bank as its callers see it: the handlers over its ledger. It knows nothing of what is expected. */
import { setTimeout as wait } from 'node:timers/promises';
import { implement } from '../index.ts';
import type { ServiceImplementation, Session } from '../index.ts';
import { Bank } from './bank-contract.ts';
import type { BankCounts } from './bank-contract.ts';
import { ledgerChecksum } from './checksum.ts';
import type { Ledger } from './ledger.ts';

/** A charge takes its time, so that a duplicate can come while the first is live. */
const BOOKING_MS = 1;

/** The bank as a service. `sessions` are all sessions that the server has or had: their counters are summed when asked for. */
export function makeBank(ledger: Ledger, sessions: Iterable<Session>): ServiceImplementation<typeof Bank> {
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
