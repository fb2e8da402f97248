/**
 * What befalls the demo's links and its bank, and when: decided by the seed alone, before anything runs. When is told in orders charged, not in seconds, so
 * that a fast machine has the same mishaps as a slow one.
 */
import { createHash } from 'node:crypto';
import type { Noticed } from './cuttable-links.ts';

export interface Cut {
  readonly kind: 'cut';
  /** Comes when so many orders are charged. */
  readonly afterOrders: number;
  readonly reach: 'one' | 'all';
  /** Which one: a share of the open links, from 0 up to 1. */
  readonly pick: number;
  readonly noticed: Noticed;
  /** The next link that is made is cut as well, while its session still greets. */
  readonly again: boolean;
}

export interface Kill {
  readonly kind: 'kill';
  readonly afterOrders: number;
  /** And so many milliseconds later, so that it does not always hit the same step of a charge. */
  readonly delayMs: number;
}

export type Mishap = Cut | Kill;

export interface ChaosExtent {
  readonly seed: number;
  readonly cuts: number;
  readonly kills: number;
  readonly orders: number;
}

const LONGEST_DELAY_MS = 6;

/** In the order in which they come. */
export function planChaos({ seed, cuts, kills, orders }: ChaosExtent): readonly Mishap[] {
  // Two parts more than there are cuts, so that the first orders and the last are charged in peace.
  const cutting = Array.from({ length: cuts }, (_, at) => cutOf(seed, at, Math.ceil((orders * (at + 1)) / (cuts + 2))));
  const killing = Array.from({ length: kills }, (_, at): Kill => ({
    kind: 'kill',
    afterOrders: Math.ceil((orders * (at + 1)) / (kills + 1)),
    delayMs: LONGEST_DELAY_MS * chance(seed, 'kill', at),
  }));
  return [...cutting, ...killing].sort((one, other) => one.afterOrders - other.afterOrders);
}

function cutOf(seed: number, at: number, afterOrders: number): Cut {
  return {
    kind: 'cut',
    afterOrders,
    reach: chance(seed, 'reach', at) < 0.3 ? 'all' : 'one',
    pick: chance(seed, 'pick', at),
    noticed: chance(seed, 'noticed', at) < 0.4 ? 'here-alone' : 'by-both',
    again: chance(seed, 'again', at) < 0.25,
  };
}

/** From 0 up to 1, the same for the same question. */
function chance(...question: readonly (string | number)[]): number {
  return createHash('sha256').update(question.join('/')).digest().readUIntBE(0, 6) / 2 ** 48;
}
