/**
 * What is called, how and when, said by a seed alone: both processes, and whoever checks them, plan the same intent from its number. An intent is one
 * operation; it is asked for once or, as a duplicate, twice.
 */
import { SeededRandom } from 'statewire/testing';
import type { Weighted } from 'statewire/testing';
import { hasChannels } from '../../../src/testing/trial/contract.ts';
import type { Behaviour, MethodName, TrialCall } from '../../../src/testing/trial/contract.ts';

export type Role = 'initiator' | 'acceptor';
/** The root connection, one of the two virtual ones that stand the whole time, or one that is opened for the call alone. */
export type Place = 'root' | 'first' | 'second' | 'fresh';
export type GivingUp = 'never' | 'aborted' | 'timeout';

/** One call. */
export interface Asking {
  readonly place: Place;
  /** On another session of the same scope, where there is one. */
  readonly elsewhere: boolean;
  readonly afterMs: number;
  readonly givingUp: GivingUp;
  readonly givingUpMs: number;
  /** Its fresh connection is closed then, whatever is pending on it. */
  readonly closesUnder: boolean;
}

export interface Intent extends TrialCall {
  readonly caller: Role;
  /** Which session, modulo how many there are. */
  readonly session: number;
  readonly operationId: string | undefined;
  readonly askings: readonly Asking[];
}

const METHODS: Weighted<MethodName> = [
  ['volatile', 24],
  ['idem', 18],
  ['persist', 30],
  ['persistIdem', 6],
  ['sum', 5],
  ['sumIdem', 6],
  ['ticks', 5],
  ['ticksIdem', 6],
];
const BEHAVIOURS: Weighted<Behaviour> = [
  ['returns', 84],
  ['fails', 8],
  ['throws', 8],
];
const PLACES: Weighted<Place> = [
  ['root', 50],
  ['first', 25],
  ['second', 23],
  ['fresh', 2],
];
const GIVING_UP: Weighted<GivingUp> = [
  ['never', 93],
  ['aborted', 4],
  ['timeout', 3],
];
const NAMED = 0.2;
const ASKED_TWICE_OF_NAMED = 0.5;
const ELSEWHERE = 0.3;
const CLOSES_UNDER = 0.4;
const FROM_INITIATOR = 0.65;
const INSTANT_HANDLERS = 0.3;
/** Longer than a handler takes, so that some are too late and some meet a sealed operation. */
const LONGEST_WAIT_MS = 30;
const LONGEST_HANDLER_MS = 20;
const MOST_ITEMS = 40;

export function planIntent(seed: number, n: number): Intent {
  const random = new SeededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b));
  const method = random.weighted(METHODS);
  const isNamed = random.number() < NAMED;
  const isTwice = isNamed && !hasChannels({ method }) && random.number() < ASKED_TWICE_OF_NAMED;
  return {
    n,
    caller: random.number() < FROM_INITIATOR ? 'initiator' : 'acceptor',
    session: random.between(0, 1_000_000),
    method,
    does: random.weighted(BEHAVIOURS),
    handlerMs: random.number() < INSTANT_HANDLERS ? 0 : random.between(0, LONGEST_HANDLER_MS),
    items: random.between(0, MOST_ITEMS),
    credit: random.between(1, 16),
    operationId: isNamed ? `soak-${seed}-${n}` : undefined,
    askings: isTwice ? [planAsking(random, 0), planAsking(random, random.between(0, LONGEST_WAIT_MS))] : [planAsking(random, 0)],
  };
}

function planAsking(random: SeededRandom, afterMs: number): Asking {
  const place = random.weighted(PLACES);
  return {
    place,
    elsewhere: random.number() < ELSEWHERE,
    afterMs,
    givingUp: random.weighted(GIVING_UP),
    givingUpMs: 1 + random.between(0, LONGEST_WAIT_MS),
    closesUnder: place === 'fresh' && random.number() < CLOSES_UNDER,
  };
}

/** Whether nobody gives it up or closes the connection it is asked on. */
export const isSteady = ({ askings }: Intent): boolean => askings.every(isSteadyAsking);

export const isSteadyAsking = ({ givingUp, closesUnder }: Asking): boolean => givingUp === 'never' && !closesUnder;

/** How many intents make at least so many calls. */
export function intentsFor(seed: number, calls: number): number {
  let n = 0;
  for (let planned = 0; planned < calls; n++) planned += planIntent(seed, n).askings.length;
  return n;
}
