/** What a run found, as the JSON file has it, and how to read it. */
import type { Round } from './case.ts';
import type { Machine } from './machine.ts';
import type { Plan } from './plan.ts';
import type { About } from './protocol.ts';
import { median } from './statistics.ts';

/** One peer in one case. */
export interface Result {
  readonly rounds: readonly Round[];
  readonly medians: Readonly<Record<string, number>>;
  /** Of the compared figure, round by round against the yardstick's of the same round; their median. */
  readonly ratioToRaw?: number;
  /** Why there is nothing. */
  readonly missing?: string;
  /** It should have been there. */
  readonly failed?: boolean;
}

export interface CaseResults {
  readonly workload: string;
  readonly title: string;
  readonly compared: string;
  /** How long it took to measure. */
  readonly seconds: number;
  readonly peers: Readonly<Record<string, Result>>;
}

export interface PeerFacts extends About {
  readonly versions: Readonly<Record<string, string>>;
}

export interface Run {
  readonly date: string;
  readonly machine: Machine;
  readonly plan: Plan;
  readonly seconds: number;
  readonly peers: Readonly<Record<string, PeerFacts>>;
  readonly cases: Readonly<Record<string, CaseResults>>;
}

export function mediansOf(rounds: readonly Round[]): Record<string, number> {
  const names = Object.keys(rounds[0]?.figures ?? {});
  return Object.fromEntries(names.map((name) => [name, median(rounds.map(({ figures }) => figures[name] ?? Number.NaN))]));
}

/** Median of the rounds' ratios; undefined where the two have no round in common. */
export function ratioOf(rounds: readonly Round[], others: readonly Round[], figure: string): number | undefined {
  const ratios = rounds.flatMap(({ figures }, index) => {
    const ratio = (figures[figure] ?? Number.NaN) / (others[index]?.figures[figure] ?? Number.NaN);
    return Number.isFinite(ratio) ? [ratio] : [];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

export const resultOf = (run: Run, id: string, peer: string): Result | undefined => run.cases[id]?.peers[peer];

export const figureOf = (run: Run, id: string, peer: string, figure: string): number | undefined => resultOf(run, id, peer)?.medians[figure];

export interface Fault {
  readonly peer: string;
  readonly id: string;
  readonly wrong: number;
  readonly lost: number;
}

/** Where answers were wrong or did not come. */
export function faultsOf(run: Run): Fault[] {
  return Object.entries(run.cases).flatMap(([id, { peers }]) =>
    Object.entries(peers).flatMap(([peer, { rounds }]) => {
      const wrong = rounds.reduce((sum, round) => sum + round.wrong, 0);
      const lost = rounds.reduce((sum, round) => sum + round.lost, 0);
      return wrong + lost > 0 ? [{ peer, id, wrong, lost }] : [];
    }),
  );
}
