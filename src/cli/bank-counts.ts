/** What a bank's process counts, and the sum over several lives of the bank: the counts of a process die with it, so they are told to its parent in time. */
import type { Session } from '../index.ts';
import type { QuoteCounts } from './bank.ts';
import type { BankCounts } from './bank-contract.ts';
import type { Ledger } from './ledger.ts';

/** Who only looks: what it asks is no part of the clients' work. */
export const AUDITOR = 'auditor';

/** `sessions`: all that the server has or had. */
export function countsOf(sessions: Iterable<Session>, { found }: Ledger, quotes: QuoteCounts): BankCounts {
  const counted = [...sessions].filter(({ principal }) => principal !== AUDITOR).map(({ counters }) => counters);
  return { ...addUp(counted), found, quotesThinking: quotes.thinking, quotesAborted: quotes.aborted };
}

/** The counts of all lives as those of one. A quote that was thought about when its bank was killed is no longer. */
export function sumOfLives(killed: readonly BankCounts[], last: BankCounts): BankCounts {
  const lives = [...killed, last];
  const sum = (name: 'found' | 'quotesAborted'): number => lives.reduce((total, counts) => total + counts[name], 0);
  return { ...addUp(lives), found: sum('found'), quotesThinking: last.quotesThinking, quotesAborted: sum('quotesAborted') };
}

type Runtime = Pick<BankCounts, 'started' | 'attached' | 'replayed'>;

function addUp(all: readonly Runtime[]): Runtime {
  const sum = (name: keyof Runtime): number => all.reduce((total, counts) => total + counts[name], 0);
  return { started: sum('started'), attached: sum('attached'), replayed: sum('replayed') };
}
