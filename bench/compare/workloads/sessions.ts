/** What a connected client that says nothing holds on either heap. */
import { execFileSync } from 'node:child_process';
import type { Workload } from '../case.ts';
import type { PeerClient } from '../contender.ts';
import { isOurs, YARDSTICK } from '../peers/index.ts';
import type { Checked, ClientSide } from '../task.ts';

const BATCH = 50;
/** Files that a process has open besides. */
const OTHER_FILES = 500;

let sessions: PeerClient[] = [];

async function inBatches(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < count; at += BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, count - at) }, (_, offset) => work(at + offset)));
  }
}

export async function openSessions({ peer, port }: ClientSide, { count, settleMs }: { count: number; settleMs: number }): Promise<Checked> {
  await inBatches(count, async () => {
    sessions.push(await peer.connect(port));
  });
  await new Promise((resolve) => {
    setTimeout(resolve, settleMs);
  });
  return { wrong: 0, lost: count - sessions.length };
}

export async function closeSessions(_: ClientSide, __: undefined): Promise<Checked> {
  const open = sessions;
  sessions = [];
  await inBatches(open.length, async (index) => open[index]?.close());
  return { wrong: 0, lost: 0 };
}

/** How many files a process may have open. Where nobody can say, enough. */
function openFilesLimit(): number {
  try {
    const limit = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
    return limit === 'unlimited' ? Infinity : Number(limit);
  } catch {
    return Infinity;
  }
}

export const idleSessions: Workload = {
  name: 'sessions',
  cases: [
    {
      id: 'idle-session',
      title: 'an idle session',
      compared: 'serverKilobytes',
      needs: [],
      once: true,
      async measure(contestant, plan) {
        const wished = isOurs(contestant.name) || contestant.name === YARDSTICK ? plan.manySessions : plan.sessions;
        const count = Math.min(wished, openFilesLimit() - OTHER_FILES);
        await contestant.run('openSessions', { count: BATCH, settleMs: plan.settleMs });
        await contestant.run('closeSessions', undefined);
        const before = await contestant.heaps();
        const { wrong, lost } = await contestant.run('openSessions', { count, settleMs: plan.settleMs });
        const during = await contestant.heaps();
        await contestant.run('closeSessions', undefined);
        const kilobytes = (later: number, earlier: number): number => (later - earlier) / count / 1_000;
        const figures = {
          clientKilobytes: kilobytes(during.client.heapBytes, before.client.heapBytes),
          serverKilobytes: kilobytes(during.server.heapBytes, before.server.heapBytes),
          clientExternalKilobytes: kilobytes(during.client.externalBytes, before.client.externalBytes),
          serverExternalKilobytes: kilobytes(during.server.externalBytes, before.server.externalBytes),
          sessions: count,
        };
        return { figures, wrong, lost };
      },
    },
  ],
};
