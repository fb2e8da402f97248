/** Calls with a small object there and back: so many loops, each waits for its answer and calls again. */
import { build } from 'hdr-histogram-js';
import type { Case, Workload } from '../case.ts';
import { small } from '../contender.ts';
import type { Contestant } from '../contestant.ts';
import { onOneCpu } from '../pin.ts';
import { isRight, PATIENCE_MS, within } from '../task.ts';
import type { Checked, ClientSide } from '../task.ts';

export interface Echoes extends Checked {
  readonly calls: number;
  readonly elapsedMs: number;
}

let nextId = 0;

/** A loop that fails ends the round with its error; the others are done by then. */
export async function echoes({ client }: ClientSide, { inFlight, ms }: { inFlight: number; ms: number }): Promise<Echoes> {
  let asked = 0;
  let calls = 0;
  let wrong = 0;
  let over = false;
  const loop = async () => {
    while (!over) {
      const id = nextId++;
      asked++;
      const answer = await client.echo(small(id));
      if (!isRight(answer, id)) wrong++;
      calls++;
    }
  };
  const began = performance.now();
  const timer = setTimeout(() => {
    over = true;
  }, ms);
  const loops = Promise.all(Array.from({ length: inFlight }, loop)).finally(() => {
    over = true;
    clearTimeout(timer);
  });
  await within(ms + PATIENCE_MS, loops);
  return { calls, elapsedMs: performance.now() - began, wrong, lost: asked - calls };
}

export interface Latencies extends Checked {
  readonly p50Micros: number;
  readonly p99Micros: number;
}

/** One call after the other, each timed. */
export async function latencies({ client }: ClientSide, { ms }: { ms: number }): Promise<Latencies> {
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60e9, numberOfSignificantValueDigits: 3 });
  let wrong = 0;
  const until = performance.now() + ms;
  for (let began = performance.now(); began < until;) {
    const id = nextId++;
    const answer = await client.echo(small(id));
    const ended = performance.now();
    histogram.recordValue(Math.round((ended - began) * 1e6));
    if (!isRight(answer, id)) wrong++;
    began = ended;
  }
  return { p50Micros: histogram.getValueAtPercentile(50) / 1_000, p99Micros: histogram.getValueAtPercentile(99) / 1_000, wrong, lost: 0 };
}

/** Calls a second with 64 in flight, as far as a short look can tell: whoever schedules calls by time must know what can be done at all. */
export const probeRate = (contestant: Contestant, ms: number): Promise<number> =>
  contestant.once('probe-rate', async () => {
    await contestant.run('echoes', { inFlight: 64, ms });
    const { calls, elapsedMs } = await contestant.run('echoes', { inFlight: 64, ms });
    return (calls / elapsedMs) * 1_000;
  });

const rateCase = (inFlight: number): Case => ({
  id: `unary-${inFlight}`,
  title: `${inFlight.toLocaleString('en')} in flight`,
  compared: 'perSecond',
  needs: ['echo'],
  async measure(contestant, { roundMs, warmUpMs }) {
    await contestant.once(`unary-${inFlight}`, () => contestant.run('echoes', { inFlight, ms: warmUpMs }));
    const { found, spent } = await contestant.runCounted('echoes', { inFlight, ms: roundMs });
    const { calls, elapsedMs, wrong, lost } = found;
    const figures = {
      perSecond: (calls / elapsedMs) * 1_000,
      clientCpuMicros: spent.clientMicros / calls,
      serverCpuMicros: spent.serverMicros / calls,
    };
    return { figures, wrong, lost };
  },
});

/** On two CPUs the time to wake the other one is most of what one would see. */
const latencyCase: Case = {
  id: 'latency',
  title: '1 in flight, both processes on one CPU',
  compared: 'p50Micros',
  needs: ['echo'],
  async measure(contestant, { roundMs, warmUpMs }) {
    await contestant.once('latency', () => contestant.run('latencies', { ms: warmUpMs }));
    return onOneCpu(await contestant.pids(), async () => {
      const { p50Micros, p99Micros, wrong, lost } = await contestant.run('latencies', { ms: roundMs });
      return { figures: { p50Micros, p99Micros }, wrong, lost };
    });
  },
};

export const unary: Workload = { name: 'unary', cases: [...[1, 64, 1_000, 10_000].map(rateCase), latencyCase] };
