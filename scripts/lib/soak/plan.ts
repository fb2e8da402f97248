/**
 * What is called, how and when, said by a seed alone: both processes, and whoever checks them, plan the same intent from its number. An intent is one
 * operation; it is asked for once or, as a duplicate, twice.
 */
import type { Behaviour, MethodName } from './contract.ts';

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

export interface Intent {
  readonly n: number;
  readonly caller: Role;
  /** Which session, modulo how many there are. */
  readonly session: number;
  readonly method: MethodName;
  readonly does: Behaviour;
  readonly handlerMs: number;
  /** Items of its channel, and the channel's initial credit. */
  readonly items: number;
  readonly credit: number;
  readonly operationId: string | undefined;
  readonly askings: readonly Asking[];
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Weighted<T> = readonly (readonly [T, number])[];

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

function pick<T>(weighted: Weighted<T>, random: () => number): T {
  let left = random() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [what, weight] of weighted) if ((left -= weight) < 0) return what;
  return (weighted[0] as readonly [T, number])[0];
}

const upTo = (most: number, random: () => number): number => Math.floor(random() * (most + 1));

export function planIntent(seed: number, n: number): Intent {
  const random = randomOf(Math.imul(seed, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b));
  const method = pick(METHODS, random);
  const hasChannel = method.startsWith('sum') || method.startsWith('ticks');
  const isNamed = random() < NAMED;
  const isTwice = isNamed && !hasChannel && random() < ASKED_TWICE_OF_NAMED;
  return {
    n,
    caller: random() < FROM_INITIATOR ? 'initiator' : 'acceptor',
    session: upTo(1_000_000, random),
    method,
    does: pick(BEHAVIOURS, random),
    handlerMs: random() < INSTANT_HANDLERS ? 0 : upTo(LONGEST_HANDLER_MS, random),
    items: upTo(MOST_ITEMS, random),
    credit: 1 + upTo(15, random),
    operationId: isNamed ? `soak-${seed}-${n}` : undefined,
    askings: isTwice ? [planAsking(random, 0), planAsking(random, upTo(LONGEST_WAIT_MS, random))] : [planAsking(random, 0)],
  };
}

function planAsking(random: () => number, afterMs: number): Asking {
  const place = pick(PLACES, random);
  return {
    place,
    elsewhere: random() < ELSEWHERE,
    afterMs,
    givingUp: pick(GIVING_UP, random),
    givingUpMs: 1 + upTo(LONGEST_WAIT_MS, random),
    closesUnder: place === 'fresh' && random() < CLOSES_UNDER,
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
