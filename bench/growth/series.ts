/** What is measured of growth: a cost at several sizes of something, and whether it grows with it. */

export interface Point {
  readonly size: number;
  /** Of both processes together, microseconds of CPU; or milliseconds of latency, as the line says. */
  readonly cost: number;
}

export interface Line {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly Point[];
}

export interface Growth {
  readonly name: string;
  readonly title: string;
  /** What there is more and more of. */
  readonly of: string;
  readonly lines: readonly Line[];
  /** Figures that are no line. */
  readonly notes: readonly string[];
}

/** How far the measuring goes. */
export interface Plan {
  readonly quick: boolean;
  readonly roundMs: number;
  readonly rounds: number;
  /** Before the first size: a cost at the smallest one is not to be that of code that is still being compiled. */
  readonly warmUpMs: number;
}

/** A cost may rise by so much for each tenfold size, which is logarithmic, and noise is no growth. */
const PER_DECADE = 1.2;
const NOISE = 1.25;

export interface Verdict {
  readonly line: string;
  /** The cost at the largest size, as a multiple of that at the smallest. */
  readonly growth: number;
  readonly most: number;
  readonly holds: boolean;
}

/** Flat or logarithmic: the largest size against the smallest above none. */
export function judge({ name, points }: Line): Verdict {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) throw new Error(`nothing was measured of ${name}`);
  const growth = last.cost / first.cost;
  const decades = Math.log10(Math.max(1, last.size) / Math.max(1, first.size));
  const most = NOISE * PER_DECADE ** decades;
  return { line: name, growth, most, holds: growth <= most };
}
