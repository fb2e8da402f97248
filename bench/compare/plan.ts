/** How long and how often. */
export interface Plan {
  readonly quick: boolean;
  readonly rounds: number;
  /** A round of a rate. */
  readonly roundMs: number;
  /** Before the first round of a case. */
  readonly warmUpMs: number;
  readonly openLoopMs: number;
  /** Until what was asked has arrived, and what ended is gone. */
  readonly settleMs: number;
  readonly heldCalls: number;
  /** Idle sessions of a peer, and of ours and the yardstick, whose sessions are cheap to have. */
  readonly sessions: number;
  readonly manySessions: number;
  /** Processes started for one figure of imports and cold starts. */
  readonly starts: number;
}

const FULL: Omit<Plan, 'rounds'> = {
  quick: false,
  roundMs: 1_500,
  warmUpMs: 1_500,
  openLoopMs: 3_000,
  settleMs: 300,
  heldCalls: 10_000,
  sessions: 1_000,
  manySessions: 10_000,
  starts: 5,
};

const QUICK: Omit<Plan, 'rounds'> = {
  quick: true,
  roundMs: 80,
  warmUpMs: 40,
  openLoopMs: 150,
  settleMs: 50,
  heldCalls: 1_000,
  sessions: 50,
  manySessions: 200,
  starts: 1,
};

export const planOf = (quick: boolean, rounds: number): Plan => ({ ...(quick ? QUICK : FULL), rounds });
