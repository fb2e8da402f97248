/** Idle sessions of the same server, beside a busy one. */
import type { Session } from 'statewire';
import { Growing } from './contract.ts';
import { calls, cpuOf } from './load.ts';
import type { Growth, Plan, Point } from './series.ts';
import { Served } from './served.ts';

const SIZES = [0, 10, 100, 1_000, 10_000];
/** Handshakes at a time. */
const BATCH = 50;

export async function measureSessions(plan: Plan): Promise<Growth> {
  const served = await Served.start('memory');
  const busy = await served.connect();
  const client = busy.client(Growing);
  await calls((input) => client.echo(input), 64, plan.warmUpMs);
  const idle: Session[] = [];
  const points: Point[] = [];
  for (const size of plan.quick ? SIZES.slice(0, 4) : SIZES) {
    while (idle.length < size) {
      const batch = Array.from({ length: Math.min(BATCH, size - idle.length) }, () => served.connect());
      idle.push(...(await Promise.all(batch)));
    }
    points.push({ size, cost: await cpuOf(served, plan, (ms) => calls((input) => client.echo(input), 64, ms)) });
  }
  await Promise.all([busy, ...idle].map((session) => session.close()));
  await served.stop();
  return {
    name: 'sessions',
    title: 'A call, by idle sessions of the same server',
    of: 'idle sessions',
    lines: [{ name: 'a call, 64 in flight', unit: 'µs of CPU', points }],
    notes: [],
  };
}
