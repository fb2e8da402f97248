/** Small objects one by one, down to the client and up to the server. How many make a round is found out by trying. */
import type { Case, Workload } from '../case.ts';
import type { Contestant } from '../contestant.ts';
import type { Plan } from '../plan.ts';
import { isRight } from '../task.ts';
import type { Checked, ClientSide } from '../task.ts';

export interface Streamed extends Checked {
  readonly elapsedMs: number;
}

export async function download({ client }: ClientSide, { count }: { count: number }): Promise<Streamed> {
  let items = 0;
  let wrong = 0;
  const began = performance.now();
  await client.download(count, (item) => {
    if (!isRight(item, items)) wrong++;
    items++;
  });
  const elapsedMs = performance.now() - began;
  return { elapsedMs, wrong: wrong + Math.max(0, items - count), lost: Math.max(0, count - items) };
}

export async function upload({ client }: ClientSide, { count }: { count: number }): Promise<Streamed> {
  const began = performance.now();
  const { items, sum } = await client.upload(count);
  const elapsedMs = performance.now() - began;
  const wrong = items === count && sum !== (count * (count - 1)) / 2 ? 1 : 0;
  return { elapsedMs, wrong: wrong + Math.max(0, items - count), lost: Math.max(0, count - items) };
}

const FIRST_ITEMS = 500;
const MOST_ITEMS = 5_000_000;

/** Grows the count until it takes a good part of a round; the tries are the warm-up. */
async function itemsOfRound(contestant: Contestant, task: 'download' | 'upload', { roundMs, warmUpMs }: Plan): Promise<number> {
  for (let count = FIRST_ITEMS; ;) {
    const { elapsedMs } = await contestant.run(task, { count });
    const scaled = Math.round((count * roundMs) / Math.max(elapsedMs, 0.1));
    if (elapsedMs >= Math.min(warmUpMs, roundMs) / 3 || count >= MOST_ITEMS) return Math.min(MOST_ITEMS, Math.max(1, scaled));
    count = Math.min(MOST_ITEMS, Math.max(count * 2, Math.min(scaled, count * 8)));
  }
}

const streamCase = (task: 'download' | 'upload'): Case => ({
  id: `stream-${task}`,
  title: task,
  compared: 'perSecond',
  needs: [task],
  async measure(contestant, plan) {
    const count = await contestant.once(task, () => itemsOfRound(contestant, task, plan));
    const { found, spent } = await contestant.runCounted(task, { count });
    const figures = {
      perSecond: (count / found.elapsedMs) * 1_000,
      cpuMicros: (spent.clientMicros + spent.serverMicros) / count,
      items: count,
    };
    return { figures, wrong: found.wrong, lost: found.lost };
  },
});

export const streams: Workload = { name: 'streams', cases: [streamCase('download'), streamCase('upload')] };
