/** What a measurement of the channel bench hands back: a table, and what it was held to. */
import { round } from './figures.ts';

export type Row = Readonly<Record<string, string | number>>;

/** A promise, the figure it is judged by, and whether it was kept. */
export interface Bound {
  readonly says: string;
  readonly value: number;
  readonly bound: string;
  readonly holds: boolean;
}

export interface Report {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly bounds: readonly Bound[];
}

export interface Settings {
  readonly rounds: number;
  /** How many seconds the slow consumer is watched. */
  readonly slowSeconds: number;
  /** How many items its producer tries, and how many go at full speed. */
  readonly items: number;
}

export function atLeast(says: string, value: number, bound: number): Bound {
  return { says, value: round(value, 3), bound: `at least ${bound}`, holds: value >= bound };
}

export function atMost(says: string, value: number, bound: number): Bound {
  return { says, value: round(value, 3), bound: `at most ${bound}`, holds: value <= bound };
}
