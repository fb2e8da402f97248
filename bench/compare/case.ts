/** What is measured: a case of a workload, with what it finds in a round. */
import type { PeerClient } from './contender.ts';
import type { Contestant } from './contestant.ts';
import type { Plan } from './plan.ts';
import type { Checked } from './task.ts';

export interface Round extends Checked {
  readonly figures: Readonly<Record<string, number>>;
}

export interface Case {
  /** Unique: `unary-64`. */
  readonly id: string;
  readonly title: string;
  /** The figure that is compared with the yardstick, round by round. */
  readonly compared: string;
  /** What a peer must be able to do. */
  readonly needs: readonly (keyof PeerClient)[];
  /** Measured once: it does not vary as rates do. */
  readonly once?: boolean;
  measure(contestant: Contestant, plan: Plan): Promise<Round>;
}

export interface Workload {
  /** As `--workloads` says it. */
  readonly name: string;
  readonly cases: readonly Case[];
}

/** A reason why a case makes no sense for a peer, which is no failure. */
export class Skipped extends Error {}
