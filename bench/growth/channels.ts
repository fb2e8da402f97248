/** Channels that are open and idle, beside busy calls and one busy channel of the same session. */
import { channel } from 'statewire';
import { Growing } from './contract.ts';
import type { Small } from './contract.ts';
import { calls, cpuOf, items } from './load.ts';
import type { Growth, Plan, Point } from './series.ts';
import { Served } from './served.ts';

const SIZES = [0, 10, 100, 1_000, 10_000];

export async function measureChannels(plan: Plan): Promise<Growth> {
  const served = await Served.start('memory');
  const session = await served.connect();
  const client = session.client(Growing);
  await calls((input) => client.echo(input), 64, plan.warmUpMs);
  const open: { readonly close: () => void; readonly done: Promise<void> }[] = [];
  const perCall: Point[] = [];
  const perItem: Point[] = [];
  for (const size of plan.quick ? SIZES.slice(0, 4) : SIZES) {
    while (open.length < size) {
      const [out, rx] = channel<Small>();
      const done = client.idle({ items: rx });
      open.push({ close: () => out.close(), done });
    }
    perCall.push({ size, cost: await cpuOf(served, plan, (ms) => calls((input) => client.echo(input), 64, ms)) });
    perItem.push({ size, cost: await cpuOf(served, plan, (ms) => items(client, ms)) });
  }
  for (const { close } of open) close();
  await Promise.all(open.map(({ done }) => done));
  await session.close();
  await served.stop();
  return {
    name: 'channels',
    title: 'A call and an item, by open channels',
    of: 'open channels',
    lines: [
      { name: 'a call, 64 in flight', unit: 'µs of CPU', points: perCall },
      { name: 'an item of one channel', unit: 'µs of CPU', points: perItem },
    ],
    notes: [],
  };
}
