/** What a session remembers of the opens it rejected, for a peer whose link was lost before it heard (docs/limits.md, conn.open). */
import { expect, it } from 'vitest';
import type { OpenMessage } from 'statewire/wire';
import { dialServer } from '../support/hostile-peer.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { visitWelcome } from '../support/resume-peers.ts';

leavesNothing();

const open = (connectionId: number): OpenMessage => ({
  ...{ type: 'open', connectionId, parity: 'odd', limits: { maxConcurrentRequests: 1 }, metadata: [] },
});

it('[conn.open] of the opens it rejected a session remembers the reasons of the last 256, for a peer that asks again after a loss', async () => {
  let asked = 0;
  const world = await dialServer({ onConnection: (request) => request.reject(`no ${++asked}`) });
  const first = await visitWelcome(world);
  const ids = Array.from({ length: 257 }, (_, at) => 2 * at + 1);
  first.peer.send(...ids.map((id) => open(id)));
  await world.settle();
  expect(first.peer.all('reject')).toHaveLength(257);
  first.peer.link.abort();
  const again = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
  expect(again.answer.resumed).toBe(true);
  again.peer.send(open(1), open(3), open(513));
  await world.settle();
  expect(again.peer.all('reject').map(({ reason }) => reason)).toEqual(['closed', 'no 2', 'no 257']);
  expect(asked).toBe(257);
});
