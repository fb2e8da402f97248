/** Which outcomes a call may have, from docs/protocol.md. Both processes live through the soak, so their stores forget nothing. */
import { policyOf, Trial } from '../../../src/testing/trial/contract.ts';
import type { Policy } from '../../../src/testing/trial/contract.ts';
import { isSteady, isSteadyAsking } from './plan.ts';
import type { Intent } from './plan.ts';

interface Row {
  /** Besides the handler's own outcome, a value or `user`. */
  readonly always: readonly string[];
  /** The handler threw (retry.disposition), or had thrown already when the call was re-sent (op.released). */
  readonly thrown: readonly string[];
  /** Another asking of the same operation was given up, or its connection closed: as an owner it takes the others with it, or has already (cancel.callee, op.released). */
  readonly otherGaveUp: readonly string[];
  /** Runs of the handler where it has an outcome of its own and nobody gave up; and the most, whatever happened. */
  readonly runs: 'once' | 'at least once';
  readonly mostRuns: number;
}

const NONE: readonly string[] = [];

const TABLE: Readonly<Record<Policy, Row>> = {
  // No loss of a link may be seen by a call without channels: its handler runs on, and it joins or gets the sealed outcome (resume.live).
  volatile: {
    always: NONE,
    thrown: ['cancelled:handler-failed', 'indeterminate:handler-failed'],
    otherGaveUp: ['cancelled:aborted', 'indeterminate:released'],
    runs: 'once',
    mostRuns: 1,
  },
  idem: { always: NONE, thrown: ['cancelled:handler-failed'], otherGaveUp: ['cancelled:aborted'], runs: 'once', mostRuns: Infinity },
  persist: { always: NONE, thrown: ['indeterminate:handler-failed'], otherGaveUp: NONE, runs: 'once', mostRuns: 1 },
  'persist + idem': { always: NONE, thrown: ['indeterminate:handler-failed'], otherGaveUp: NONE, runs: 'once', mostRuns: Infinity },
  'volatile, channels': {
    always: ['indeterminate:channels'],
    thrown: ['indeterminate:handler-failed'],
    otherGaveUp: NONE,
    runs: 'once',
    mostRuns: 1,
  },
  'idem, channels': { always: NONE, thrown: ['cancelled:handler-failed'], otherGaveUp: NONE, runs: 'at least once', mostRuns: Infinity },
};

/** Whether it is an outcome that a handler gave. */
export const isOwn = (outcome: string): boolean => outcome === 'value' || outcome === 'user';

/** outcome.closing: which of the two depends on whether it was handed to a link. */
function closedUnder({ method }: Intent): readonly string[] {
  return Trial.methods[method].idem ? ['connection-closed:closed'] : ['connection-closed:closed', 'indeterminate:closed'];
}

/** `stream`: how the caller's end of the channel ended. */
export function isAllowed(intent: Intent, index: number, { outcome, stream }: { outcome: string; stream: string }): boolean {
  const row = TABLE[policyOf(intent)];
  const { does, method, askings } = intent;
  const asking = askings[index];
  if (asking === undefined) return false;
  if (asking.givingUp !== 'never' && outcome === `cancelled:${asking.givingUp}`) return true;
  if (asking.closesUnder && closedUnder(intent).includes(outcome)) return true;
  if (outcome === 'value') return does === 'returns';
  if (outcome === 'user') return does === 'fails';
  if (row.always.includes(outcome)) return true;
  if (does === 'throws' && row.thrown.includes(outcome)) return true;
  // A sender that is done cannot begin again: the second run is cut off (resume.rebind).
  if (method === 'sumIdem' && stream === 'closed' && outcome === 'cancelled:handler-failed') return true;
  return row.otherGaveUp.includes(outcome) && askings.some((other) => other !== asking && !isSteadyAsking(other));
}

/** What is wrong with how often the handler ran; undefined when nothing is. */
export function wrongRuns(intent: Intent, runs: number, outcomes: readonly string[]): string | undefined {
  const { runs: expected, mostRuns } = TABLE[policyOf(intent)];
  if (runs > mostRuns) return `its handler ran ${runs} times`;
  const isAnswered = outcomes.some(isOwn);
  if (isAnswered && runs === 0) return 'its handler never ran, and yet it has an outcome';
  if (isAnswered && expected === 'once' && isSteady(intent) && runs !== 1) return `its handler ran ${runs} times, and it has an outcome`;
  if (intent.method === 'persist' && isSteady(intent) && runs !== 1) return `its handler ran ${runs} times, not once`;
  return undefined;
}

/** What is wrong with how the caller's end of the channel ended, given what became of its call; undefined when nothing is. */
export function wrongStream(intent: Intent, outcome: string, stream: string): string | undefined {
  const { method } = intent;
  // An end that stays bound is begun again with its call (resume.rebind).
  if (policyOf(intent) === 'idem, channels' && isSteady(intent) && stream === 'connection-closed:link-lost')
    return 'its channel was lost with a link';
  if (!method.startsWith('ticks') || outcome !== 'value' || stream === 'complete') return undefined;
  // The outcome had been sealed before the loss: no handler runs a second time for the stream (channel.no-handler).
  if (method === 'ticksIdem' && stream === 'channel-reset:replayed') return undefined;
  return `it has a value, and its stream ended with ${stream}`;
}
