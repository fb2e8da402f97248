/** Calls in flight: all of them busy, and waiting ones beside busy ones. */
import { calls, cpuOf } from './load.ts';
import type { Growth, Plan, Point } from './series.ts';
import { Growing, small } from './contract.ts';
import { Served } from './served.ts';
import type { GrowingClient } from './served.ts';

const IN_FLIGHT = [1, 10, 100, 1_000, 10_000, 100_000];
const WAITING = [100, 1_000, 10_000, 100_000];

async function waiting(served: Served, client: GrowingClient, plan: Plan, sizes: readonly number[]): Promise<Point[]> {
  const points: Point[] = [];
  const held: Promise<unknown>[] = [];
  for (const size of sizes) {
    while (held.length < size) held.push(client.hold(small(held.length)));
    points.push({ size, cost: await cpuOf(served, plan, (ms) => calls((input) => client.echo(input), 64, ms)) });
  }
  await client.letGo(undefined);
  await Promise.all(held);
  return points;
}

export async function measureCalls(plan: Plan): Promise<Growth> {
  const served = await Served.start('memory');
  const session = await served.connect();
  const client = session.client(Growing);
  await calls((input) => client.echo(input), 64, plan.warmUpMs);
  const upTo = (sizes: readonly number[]) => (plan.quick ? sizes.filter((size) => size <= 10_000) : sizes);
  const busy: Point[] = [];
  for (const size of upTo(IN_FLIGHT)) busy.push({ size, cost: await cpuOf(served, plan, (ms) => calls((input) => client.echo(input), size, ms)) });
  const beside = await waiting(served, client, plan, upTo(WAITING));
  await session.close();
  await served.stop();
  return {
    name: 'calls',
    title: 'A call, by calls in flight',
    of: 'calls in flight',
    lines: [
      // A few are a turn of the event loop and a system call each way: what a call itself costs is seen from 100 on.
      { name: 'all of them busy', unit: 'µs of CPU', points: busy.filter(({ size }) => size >= 100) },
      { name: '64 busy, the others wait', unit: 'µs of CPU', points: beside },
    ],
    notes: busy
      .filter(({ size }) => size < 100)
      .map(({ size, cost }) => `${size} in flight: ${cost.toFixed(1)} µs of CPU; turns and writes are shared by few`),
  };
}
