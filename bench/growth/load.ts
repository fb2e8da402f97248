/** Work whose cost is taken while something grows. Every answer is checked: a wrong one ends the bench. */
import { median } from '../compare/statistics.ts';
import { channel } from 'statewire';
import { small } from './contract.ts';
import type { Small } from './contract.ts';
import type { Plan } from './series.ts';
import type { GrowingClient, Served } from './served.ts';

let nextId = 0;

export interface Load {
  readonly count: number;
  readonly elapsedMs: number;
}

/** So many loops, each of which calls again when it has its answer. */
export async function calls(call: (input: Small) => Promise<Small>, inFlight: number, ms: number): Promise<Load> {
  const began = performance.now();
  let count = 0;
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
  }, ms);
  const loop = async (): Promise<void> => {
    while (!isOver) {
      const id = nextId++;
      const answer = await call(small(id));
      if (answer.id !== id || answer.name !== 'Ada Lovelace') throw new Error(`call ${id} was answered ${JSON.stringify(answer)}`);
      count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop)).finally(() => clearTimeout(timer));
  return { count, elapsedMs: performance.now() - began };
}

/** Items of one channel. */
export async function items(client: GrowingClient, ms: number): Promise<Load> {
  const began = performance.now();
  const [out, rx] = channel<Small>({ credit: 1_024 });
  const answered = client.sink({ items: rx });
  let count = 0;
  let sum = 0;
  while (performance.now() - began < ms) {
    for (let turn = 0; turn < 256; turn++) {
      await out.send(small(count));
      sum += count++;
    }
  }
  out.close();
  if ((await answered) !== sum) throw new Error('items were lost');
  return { count, elapsedMs: performance.now() - began };
}

/** Microseconds of CPU of both processes for one of what `work` does: the median of the rounds, after one that warms up. */
export async function cpuOf(served: Served, { rounds, roundMs }: Plan, work: (ms: number) => Promise<Load>): Promise<number> {
  const costs: number[] = [];
  await work(roundMs);
  for (let round = 0; round < rounds; round++) {
    const before = await served.cpu();
    const { count } = await work(roundMs);
    costs.push(((await served.cpu()) - before) / count);
  }
  return median(costs);
}
