/**
 * credit.wake: whatever ends a channel wakes everybody who waits on it, with an error. On both transports, in both directions; on the memory network also
 * with a peer that breaks a rule.
 */
import { describe, expect, it } from 'vitest';
import { channel, defineService, implement, method } from 'statewire';
import type { Rx, Tx } from 'statewire';
import { channelPeers, EVERYWHERE, numbers, TRANSPORTS, watched } from '../support/channel-peers.ts';
import type { ChannelPeers, Pipe } from '../support/channel-peers.ts';
import { channelTables, expectNoChannels, leavesNothing, patiently, tidyAfterwards } from '../support/channel-leaks.ts';
import { attackClient } from '../support/hostile-peer.ts';
import { deferred, failureOf, isSettled, Lab } from '../support/peers.ts';

leavesNothing();

type End = (peers: ChannelPeers, pipe: Pipe<number>) => unknown;

/** What ends the channel, and what each sender that waits is told; then what a receiver is told that waits. */
const ENDS: readonly [string, End, object, object | undefined][] = [
  ['its own close', (_, { tx }) => tx.close(), { kind: 'connection-closed', reason: 'closed' }, undefined],
  ['its own reset', (_, { tx }) => tx.reset('x'), { kind: 'connection-closed', reason: 'closed' }, { kind: 'channel-reset', data: 'x' }],
  ["the receiver's reset", (_, { rx }) => rx.reset('x'), { kind: 'channel-reset', data: 'x' }, { kind: 'channel-reset' }],
  ["the handler's throw", (_, { run }) => run.throws(new Error('x')), { kind: expect.stringMatching(/reset|closed/) }, { kind: expect.any(String) }],
  ['a lost link', (peers) => peers.cut(), { kind: 'connection-closed', reason: 'link-lost' }, { kind: 'connection-closed', reason: 'link-lost' }],
  [
    "the close of the sender's session",
    (_, { sender }) => sender.close(),
    { kind: 'connection-closed', reason: 'closed' },
    { kind: 'connection-closed', reason: 'closed' },
  ],
  [
    "the close of the receiver's session",
    (_, { receiver }) => receiver.close(),
    { kind: 'connection-closed', reason: 'closed' },
    { kind: 'connection-closed', reason: 'closed' },
  ],
];

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  it.each(ENDS)('[credit.wake] %s wakes every sender that waits for credit', async (_what, end, told) => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends, credit: 2 });
    const sent = [pipe.tx.send(0), pipe.tx.send(1)];
    const waiting = numbers(5).map((number) => watched(pipe.tx.send(number)));
    await Promise.all(sent);
    await peers.settle();
    for (const send of waiting) expect(await isSettled(send)).toBe(false);
    expect(channelTables().waiting).toBeGreaterThan(0);
    await end(peers, pipe);
    for (const send of waiting) expect(await failureOf(send)).toMatchObject(told);
    pipe.rx.reset();
    await expectNoChannels();
  });

  it.each(ENDS)('[credit.wake] [channel.terminal] %s wakes every receiver that waits for an item', async (_what, end, _told, told) => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends });
    const waiting = numbers(3).map(() => watched(pipe.rx.recv()));
    await peers.settle();
    for (const recv of waiting) expect(await isSettled(recv)).toBe(false);
    await end(peers, pipe);
    for (const recv of waiting) {
      if (told === undefined) expect(await recv).toEqual({ done: true, value: undefined });
      else expect(await failureOf(recv)).toMatchObject(told);
    }
    await expectNoChannels();
  });

  it('[credit.wake] a lost link wakes the waiters of every channel of the connection', async () => {
    const peers = await channelPeers({ transport });
    const waiting: Promise<unknown>[] = [];
    for (let count = 0; count < 5; count++) {
      const { tx } = await peers.pipe({ sends, credit: 0 });
      waiting.push(watched(tx.send(count)));
    }
    await peers.settle();
    peers.cut();
    for (const send of waiting) expect(await failureOf(send)).toMatchObject({ kind: 'connection-closed', reason: 'link-lost' });
  });

  it('[credit.wake] an end does not wake a sender whose credit came first', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 1 });
    await tx.send(0);
    const waiting = tx.send(1);
    await rx.recv();
    await waiting;
    tx.close();
    expect(await rx.recv()).toEqual({ done: false, value: 1 });
    expect(await rx.recv()).toEqual({ done: true, value: undefined });
  });
});

interface KeptEnds {
  readonly receiving: Rx<number>[];
  readonly sending: Tx<number>[];
}
const Keep = defineService('Keep', { keep: method<KeptEnds>() });

it.each(TRANSPORTS)(
  '[credit.wake] over %s: the close of a virtual connection wakes all who wait on its channels, and nobody else',
  async (transport) => {
    const arrived = deferred<KeptEnds>();
    const keep = implement(Keep, {
      keep: (ends, { signal }) => {
        arrived.resolve(ends);
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    });
    const peers = await channelPeers({ transport, server: { onConnection: (request) => void request.accept({ services: [keep] }) } });
    const other = await peers.pipe({ sends: 'caller', credit: 0 });
    const unconcerned = watched(other.tx.send(1));
    const connection = await peers.session.open();
    const make = () => channel<number>({ credit: 0 });
    const [starved, idle, starvedThere, idleThere] = [make(), make(), make(), make()];
    const ends = { receiving: [starved[1], idleThere[1]], sending: [idle[0], starvedThere[0]] };
    const called = watched(connection.client(Keep).keep(ends));
    const there = await arrived.promise;
    const here = [watched<unknown>(starved[0].send(1)), watched<unknown>(idle[1].recv())];
    const remote = [watched<unknown>(there.sending[1]!.send(1)), watched<unknown>(there.receiving[1]!.recv())];
    await peers.settle();
    for (const waiting of [...here, ...remote]) expect(await isSettled(waiting)).toBe(false);
    await connection.close();
    for (const waiting of here) expect(await failureOf(waiting)).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
    // The handler was aborted as well, which has reset its ends.
    for (const waiting of remote) expect((await failureOf(waiting)).kind).toMatch(/^(connection-closed|channel-reset)$/);
    expect([starved[0].status, idle[1].status]).toEqual(['lost', 'lost']);
    await Promise.allSettled([called]);
    expect(await isSettled(unconcerned)).toBe(false);
    other.rx.grant(1);
    await unconcerned;
  },
);

it('[credit.wake] a protocol error wakes all, and says so', async () => {
  const { peer, session } = await attackClient();
  const [tx, rx] = channel<number>({ credit: 0 });
  const [out, back] = channel<number>();
  const called = watched(session.client(Lab).run({ rx, out }));
  const waiting = [watched<unknown>(tx.send(1)), watched<unknown>(back.recv())];
  await peer.next('call');
  peer.sendBytes(Uint8Array.of(0xc1));
  for (const one of [called, ...waiting]) expect(await failureOf(one)).toMatchObject({ kind: 'protocol-error' });
  expect([tx.status, back.status]).toEqual(['lost', 'lost']);
});

it.each([
  ['its call is aborted', (abort: AbortController) => abort.abort()],
  ['its session ends', (_: AbortController, session: { close(): Promise<void> }) => session.close()],
])('[credit.wake] a send whose call waits for its turn is woken when %s', async (_when, end) => {
  const { peer, session } = await attackClient(
    {},
    { limits: { maxConcurrentRequests: 1, maxPayload: 2 ** 24, maxConnections: 1, maxInitialCredit: 16 } },
  );
  const client = session.client(Lab);
  const first = watched(client.run('first'));
  tidyAfterwards(async () => {
    await session.close();
    await Promise.allSettled([first]);
  });
  const [tx, rx] = channel<number>();
  const abort = new AbortController();
  const second = watched(client.run({ rx }, { signal: abort.signal }));
  const waiting = watched(tx.send(1));
  await peer.next('call');
  await patiently(() => false, 3);
  expect(await isSettled(waiting)).toBe(false);
  await end(abort, session);
  await failureOf(second);
  expect((await failureOf(waiting)).kind).toMatch(/^(connection-closed|channel-reset)$/);
  expect(peer.all('call')).toHaveLength(1);
});
