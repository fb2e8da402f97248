/** Operations that an LMDB store holds already, beside calls that it keeps and calls that it is only asked about. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../compare/statistics.ts';
import { Growing } from './contract.ts';
import { calls, cpuOf } from './load.ts';
import type { Growth, Plan, Point } from './series.ts';
import { Served } from './served.ts';
import type { GrowingClient } from './served.ts';

const SIZES = [0, 10_000, 100_000, 1_000_000, 10_000_000];

/** Milliseconds of one persist call after the other, the median of the rounds. */
async function latency({ rounds, roundMs }: Plan, client: GrowingClient): Promise<number> {
  const found: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { count, elapsedMs } = await calls((input) => client.keep(input), 1, roundMs);
    found.push(elapsedMs / count);
  }
  return median(found);
}

export async function measureStored(plan: Plan): Promise<Growth> {
  const folder = mkdtempSync(join(tmpdir(), 'statewire-growth-'));
  try {
    const served = await Served.start('lmdb', folder);
    const session = await served.connect();
    const client = session.client(Growing);
    await calls((input) => client.keep(input), 64, plan.warmUpMs);
    await calls((input) => client.echo(input), 64, plan.warmUpMs);
    const [kept, plain, alone]: [Point[], Point[], Point[]] = [[], [], []];
    const notes: string[] = [];
    for (const size of plan.quick ? SIZES.slice(0, 2) : SIZES) {
      const rate = await served.ask({ ask: 'fill', upTo: size });
      // What was filled is on disk before anything is measured: else it is the disk that is.
      execFileSync('sync');
      kept.push({ size, cost: await cpuOf(served, plan, (ms) => calls((input) => client.keep(input), 64, ms)) });
      plain.push({ size, cost: await cpuOf(served, plan, (ms) => calls((input) => client.echo(input), 64, ms)) });
      alone.push({ size, cost: await latency(plan, client) });
      const megabytes = Math.round((await served.ask({ ask: 'bytes' })) / 1e6);
      if (size > 0) notes.push(`filled up to ${size.toLocaleString('en')}: ${Math.round(rate).toLocaleString('en')} operations/s, ${megabytes} MB`);
    }
    await session.close();
    await served.stop();
    return {
      name: 'stored',
      title: 'A call, by operations stored in LMDB',
      of: 'stored operations',
      lines: [
        { name: 'persist, 64 in flight', unit: 'µs of CPU', points: kept },
        { name: 'not persist, 64 in flight', unit: 'µs of CPU', points: plain },
        { name: 'persist, one at a time', unit: 'ms', points: alone },
      ],
      notes,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
