/** Contenders by turns, so that whatever else the machine does meets them alike; the median of each figure. */
import type { Child } from './child.ts';
import { median, round } from './figures.ts';

export interface Contender {
  readonly name: string;
  /** How many calls or items one round is. */
  readonly count: number;
  /** The other processes that work for it, by what they are called in the table. */
  readonly others: Readonly<Record<string, Child>>;
  work(): Promise<unknown>;
}

/** What one call or item costs. */
export interface Cost {
  readonly perSecond: number;
  readonly wallMicros: number;
  /** CPU of this process and of each other one. */
  readonly cpuMicros: Readonly<Record<string, number>>;
}

const total = ({ user, system }: NodeJS.CpuUsage): number => user + system;

async function cpuOf(others: Contender['others']): Promise<Record<string, number>> {
  const usage: Record<string, number> = { client: total(process.cpuUsage()) };
  for (const [name, child] of Object.entries(others)) usage[name] = total(await child.ask<NodeJS.CpuUsage>('cpu'));
  return usage;
}

async function measure({ work, count, others }: Contender): Promise<Cost> {
  const before = await cpuOf(others);
  const began = performance.now();
  await work();
  const wallMicros = ((performance.now() - began) * 1_000) / count;
  const after = await cpuOf(others);
  const cpuMicros = Object.fromEntries(Object.keys(after).map((name) => [name, ((after[name] ?? 0) - (before[name] ?? 0)) / count]));
  return { perSecond: 1e6 / wallMicros, wallMicros, cpuMicros };
}

/** What a contender's rounds came to. */
export interface Result {
  readonly name: string;
  /** Medians. */
  readonly cost: Cost;
  readonly rounds: readonly Cost[];
}

/** In the order of the contenders. */
export async function compare(contenders: readonly Contender[], rounds: number, warmUps = 2): Promise<Result[]> {
  const costs = contenders.map((): Cost[] => []);
  for (let at = -warmUps; at < rounds; at++) {
    for (const [index, contender] of contenders.entries()) {
      const cost = await measure(contender);
      if (at >= 0) costs[index]?.push(cost);
    }
  }
  return contenders.map(({ name }, index) => ({ name, cost: medians(costs[index] ?? []), rounds: costs[index] ?? [] }));
}

/** The rounds of several comparisons of the same contenders. */
export function together(comparisons: readonly (readonly Result[])[]): Result[] {
  return (comparisons[0] ?? []).map(({ name }, index) => {
    const rounds = comparisons.flatMap((results) => results[index]?.rounds ?? []);
    return { name, cost: medians(rounds), rounds };
  });
}

/** Round by round, then the median: rounds that follow each other meet the same machine. */
export function ratio(result: Result, to: Result, pick: (cost: Cost) => number): number {
  return median(result.rounds.map((cost, at) => pick(cost) / pick(to.rounds[at] ?? cost)));
}

function medians(costs: readonly Cost[]): Cost {
  const of = (pick: (cost: Cost) => number) => median(costs.map(pick));
  const names = Object.keys(costs[0]?.cpuMicros ?? {});
  return {
    perSecond: of((cost) => cost.perSecond),
    wallMicros: of((cost) => cost.wallMicros),
    cpuMicros: Object.fromEntries(names.map((name) => [name, of((cost) => cost.cpuMicros[name] ?? 0)])),
  };
}

/** CPU of all processes. */
export const cpuTotal = ({ cpuMicros }: Cost): number => Object.values(cpuMicros).reduce((sum, micros) => sum + micros, 0);

/** The CPU of each process for a table. */
export function cpuColumns({ cpuMicros }: Cost): Record<string, number> {
  return Object.fromEntries(Object.entries(cpuMicros).map(([name, micros]) => [`${name} µs`, round(micros, 2)]));
}
