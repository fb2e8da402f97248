/**
 * Which outcomes a call may have, by docs/protocol.md and docs/guarantees.md, in the circumstances of the run. Written from these pages, one line for each
 * reason there is, and not from the runtime.
 */
import { hasChannels, Trial } from '../trial/contract.ts';
import { FORGETTING, LOSSES } from './circumstances.ts';
import type { Circumstances, Fault } from './circumstances.ts';
import { isSteady } from './intents.ts';
import type { Asking, Intent } from './intents.ts';

/** After these a side may wait for its peer in vain, until its deadline. */
const PARTING: readonly Fault[] = ['blackout', 'server-crash', 'client-crash', 'failover', 'drain'];

/** What is wrong with the outcome of a call, and by which rule; undefined when nothing is. */
export function wrongOutcome(intent: Intent, asking: Asking, circumstances: Circumstances): readonly [rule: string, sentence: string] | undefined {
  const { outcome = 'nothing' } = asking;
  const allowed = ALLOWED[outcome];
  if (allowed === undefined) return ['outcome.reason', `ended with ${outcome}, which no rule knows for such a call`];
  const [rule, mayBe] = allowed;
  return mayBe(new Case(intent, asking, circumstances)) ? undefined : [rule, `ended with ${outcome}, and nothing that happened permits that`];
}

/** A session ended with what was under way in it, at its callee. An initiator that missed its welcome begins anew, which ends what the acceptor has of it. */
export function mayHaveEnded({ caller }: Intent, circumstances: Circumstances): boolean {
  return circumstances.any(...FORGETTING) || (caller === 'acceptor' && circumstances.any(...LOSSES));
}

/** One call, and what could have led to its outcome. */
class Case {
  readonly intent: Intent;
  readonly asking: Asking;
  readonly circumstances: Circumstances;

  constructor(intent: Intent, asking: Asking, circumstances: Circumstances) {
    this.intent = intent;
    this.asking = asking;
    this.circumstances = circumstances;
  }

  get isPersist(): boolean {
    return Trial.methods[this.intent.method].persist;
  }

  get isIdem(): boolean {
    return Trial.methods[this.intent.method].idem;
  }

  get hasChannels(): boolean {
    return hasChannels(this.intent);
  }

  get throws(): boolean {
    return this.intent.does === 'throws';
  }

  /** Another asking of the same operation was given up, or its connection closed: as an owner it takes the others with it (cancel.callee). */
  get otherGaveUp(): boolean {
    return this.intent.askings.some((other) => other !== this.asking && !isSteady(other));
  }

  get sessionEnded(): boolean {
    return mayHaveEnded(this.intent, this.circumstances);
  }

  get linkLost(): boolean {
    return this.circumstances.any(...LOSSES);
  }

  any(...faults: readonly Fault[]): boolean {
    return this.circumstances.any(...faults);
  }
}

type Permission = readonly [rule: string, mayBe: (given: Case) => boolean];

const ALLOWED: Readonly<Record<string, Permission>> = {
  value: ['op.seal', ({ intent }) => intent.does === 'returns'],
  user: ['op.seal', ({ intent }) => intent.does === 'fails'],

  'cancelled:timeout': ['cancel.caller', ({ asking }) => asking.givingUp === 'timeout'],
  'cancelled:aborted': [
    'cancel.callee',
    (given) =>
      given.asking.givingUp === 'aborted' || (!given.isPersist && (given.otherGaveUp || given.sessionEnded || (given.isIdem && given.linkLost))),
  ],
  'cancelled:handler-failed': [
    'retry.disposition',
    (given) =>
      !given.isPersist &&
      // A sender that is done cannot begin again: the second run is cut off (resume.rebind).
      ((given.throws && (given.isIdem || !given.hasChannels)) || (given.intent.method === 'sumIdem' && given.linkLost)),
  ],

  'indeterminate:handler-failed': ['retry.disposition', (given) => given.throws || (given.hasChannels && !given.isIdem && given.linkLost)],
  'indeterminate:channels': ['resume.resend', (given) => given.hasChannels && given.linkLost],
  'indeterminate:released': [
    'op.released',
    (given) => !given.isIdem && (given.otherGaveUp || given.sessionEnded || given.linkLost || !isSteady(given.asking)),
  ],
  'indeterminate:abandoned': ['op.indeterminate', (given) => !given.isIdem && given.any('server-crash', 'client-crash', 'drain', 'store-errors')],
  'indeterminate:store-lost': ['resume.unknown', (given) => given.any(...FORGETTING, 'store-errors')],
  'indeterminate:expired': ['op.expiry', (given) => given.any('clock-jump')],
  'indeterminate:deadline': ['outcome.closing', (given) => !given.isIdem && given.any(...PARTING)],
  'indeterminate:closed': ['outcome.closing', (given) => !given.isIdem && (given.asking.closesUnder || given.sessionEnded)],

  'connection-closed:closed': ['outcome.closing', (given) => given.asking.closesUnder || given.sessionEnded],
  'session-shutdown:deadline': ['outcome.closing', (given) => given.any(...PARTING)],
  'rejected:draining': ['session.drain', (given) => given.asking.place === 'fresh' && given.any('drain')],
  'unavailable:draining': ['session.drain', (given) => given.any('drain')],
  'unavailable:store': ['op.store-failure', (given) => given.any('store-errors')],
};
