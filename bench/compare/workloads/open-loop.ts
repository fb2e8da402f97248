/**
 * Calls at a fixed rate, made when they are due, whether or not the earlier ones were answered. Latency counts from the moment a call was due: a peer
 * that holds its caller up is charged for it.
 */
import { build } from 'hdr-histogram-js';
import { Skipped } from '../case.ts';
import type { Case, Workload } from '../case.ts';
import { small } from '../contender.ts';
import { isRight, PATIENCE_MS, within } from '../task.ts';
import type { Checked, ClientSide } from '../task.ts';
import { probeRate } from './unary.ts';

export interface OpenLoop extends Checked {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** Above the rate by so much a peer must be able to answer, or its queue would only tell how long it was measured. */
const HEADROOM = 1.2;

export async function openLoop({ client }: ClientSide, { perSecond, ms }: { perSecond: number; ms: number }): Promise<OpenLoop> {
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 600e9, numberOfSignificantValueDigits: 3 });
  const total = Math.round((perSecond * ms) / 1_000);
  const stepMs = 1_000 / perSecond;
  let asked = 0;
  let answered = 0;
  let wrong = 0;
  const finished = new Promise<void>((resolve, reject) => {
    const began = performance.now();
    const call = async (id: number, dueAt: number) => {
      const answer = await client.echo(small(id));
      histogram.recordValue(Math.max(1, Math.round((performance.now() - dueAt) * 1e6)));
      if (!isRight(answer, id)) wrong++;
      if (++answered === total) resolve();
    };
    const turn = () => {
      const now = performance.now();
      for (let dueAt = began + asked * stepMs; asked < total && dueAt <= now; dueAt = began + asked * stepMs) call(asked++, dueAt).catch(reject);
      // A timer would be late by up to a millisecond, which is more than most answers take.
      if (asked < total) setImmediate(turn);
    };
    turn();
  });
  await within(ms + PATIENCE_MS, finished);
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1e6;
  return { p50Ms: at(50), p99Ms: at(99), p999Ms: at(99.9), wrong, lost: total - answered };
}

const openCase = (perSecond: number): Case => ({
  id: `open-${perSecond}`,
  title: `${perSecond.toLocaleString('en')} calls/s`,
  compared: 'p99Ms',
  needs: ['echo'],
  async measure(contestant, { openLoopMs, warmUpMs }) {
    const able = await probeRate(contestant, Math.min(500, warmUpMs * 2));
    if (able < perSecond * HEADROOM) throw new Skipped(`answers ${Math.round(able).toLocaleString('en')} calls/s at most`);
    const { p50Ms, p99Ms, p999Ms, wrong, lost } = await contestant.run('openLoop', { perSecond, ms: openLoopMs });
    return { figures: { p50Ms, p99Ms, p999Ms }, wrong, lost };
  },
});

export const openLoops: Workload = { name: 'open-loop', cases: [openCase(5_000), openCase(20_000)] };
