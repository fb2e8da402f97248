/** What a call that waits for its answer holds on either heap. */
import type { Workload } from '../case.ts';
import { small } from '../contender.ts';
import { PATIENCE_MS, within } from '../task.ts';
import type { Checked, ClientSide } from '../task.ts';

let waiting: Promise<unknown>[] = [];

const WARM_UP_CALLS = 500;

/** When it settles, every call is at the server: one that was made after them was answered, and some time has passed where these may overtake. */
export async function holdCalls({ client }: ClientSide, { count, settleMs }: { count: number; settleMs: number }): Promise<Checked> {
  waiting = Array.from({ length: count }, (_, id) => client.hold(small(id)));
  // Refused calls are counted when they are let go.
  for (const call of waiting) call.catch(() => {});
  await client.echo(small(0));
  await new Promise((resolve) => {
    setTimeout(resolve, settleMs);
  });
  return { wrong: 0, lost: 0 };
}

export async function letGo({ client }: ClientSide, _: undefined): Promise<Checked> {
  const calls = waiting;
  waiting = [];
  let answered = 0;
  const count = () => {
    answered++;
  };
  const all = Promise.all(calls.map((call) => call.then(count)));
  await client.letGo();
  await within(PATIENCE_MS, all);
  return { wrong: 0, lost: calls.length - answered };
}

export const memory: Workload = {
  name: 'memory',
  cases: [
    {
      id: 'held-call',
      title: 'a waiting call',
      compared: 'clientKilobytes',
      needs: ['hold', 'letGo'],
      once: true,
      async measure(contestant, { heldCalls, settleMs }) {
        await contestant.run('holdCalls', { count: WARM_UP_CALLS, settleMs });
        await contestant.run('letGo', undefined);
        const before = await contestant.heaps();
        await contestant.run('holdCalls', { count: heldCalls, settleMs });
        const during = await contestant.heaps();
        const checked = await contestant.run('letGo', undefined);
        const kilobytes = (later: number, earlier: number): number => (later - earlier) / heldCalls / 1_000;
        const figures = {
          clientKilobytes: kilobytes(during.client.heapBytes, before.client.heapBytes),
          serverKilobytes: kilobytes(during.server.heapBytes, before.server.heapBytes),
          clientExternalKilobytes: kilobytes(during.client.externalBytes, before.client.externalBytes),
          serverExternalKilobytes: kilobytes(during.server.externalBytes, before.server.externalBytes),
        };
        return { figures, wrong: checked.wrong, lost: checked.lost };
      },
    },
  ],
};
