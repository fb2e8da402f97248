/** The soak, small: calls of every policy on links that are cut all the time, in two processes (scripts/soak.ts). */
import { expect, it } from 'vitest';
import { run } from '../support/command.ts';

const CALLS = 2_000;
const SEED = 1;
const TIMEOUT_MS = 90_000;

interface Told {
  readonly asked: number;
  readonly breaches: readonly string[];
  readonly calls: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly counters: Readonly<Record<'initiator' | 'acceptor', Readonly<Record<string, number>>>>;
}

it(
  '[session.outlives-link] [resume.live] [resume.resend] [attempt.never-parked] thousands of calls under cuts each settle once, as the rules allow, and leave nothing',
  { timeout: TIMEOUT_MS },
  async () => {
    const { code, stdout, stderr } = await run('scripts/soak.ts', '--calls', String(CALLS), '--seed', String(SEED), '--json');
    expect([code, stderr]).toEqual([0, '']);
    const { asked, breaches, calls, counters } = JSON.parse(stdout) as Told;
    expect(asked).toBeGreaterThanOrEqual(CALLS);
    expect(breaches).toEqual([]);
    // It was under cuts, and all policies had their part in it.
    for (const { resumed, resent, replayed, attached } of Object.values(counters))
      for (const count of [resumed, resent, replayed, attached]) expect(count).toBeGreaterThan(0);
    expect(Object.keys(calls).sort()).toEqual(['idem', 'idem, channels', 'persist', 'persist + idem', 'volatile', 'volatile, channels']);
  },
);
