/**
 * Peers that do not keep to credit: items beyond it (credit.violation) and initial credits that are too high (credit.cap). By scripted peers, as caller
 * and as callee; the cap of this runtime's own calls on both transports.
 */
import { describe, expect, it } from 'vitest';
import { channel } from 'statewire';
import type { Rx, Session, Tx } from 'statewire';
import type { Message } from 'statewire/wire';
import { channelPeers, Flow, readAll, TRANSPORTS, watched } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing, tidyAfterwards } from '../support/channel-leaks.ts';
import { carrying, end, item, items, rxEnd, txEnd } from '../support/channel-script.ts';
import { attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import type { ScriptedPeer } from '../support/hostile-peer.ts';
import { failureOf, gated, lab, Lab } from '../support/peers.ts';

leavesNothing();

interface Scene {
  readonly peer: ScriptedPeer;
  /** This runtime's session, and its receiving end of a channel whose credit is 4. */
  readonly session: Session;
  readonly rx: Rx<unknown>;
  readonly channelId: number;
  settle(): Promise<void>;
}

/** Who receives from a scripted sender: the callee of its call, or the caller that passed it the sending end. */
const RECEIVERS: readonly [string, () => Promise<Scene>][] = [
  [
    'a callee',
    async () => {
      const { handler, calls } = gated();
      const { peer, accepted, settle } = await attackServer({ services: [lab(handler)] });
      peer.send(carrying(1, [1], { end: rxEnd({ credit: 4 }) }));
      await settle();
      tidyAfterwards(() => calls[0]?.resolve(undefined));
      return { peer, session: accepted, rx: (calls[0]!.input as { end: Rx<unknown> }).end, channelId: 1, settle };
    },
  ],
  [
    'a caller',
    async () => {
      const { peer, session, settle } = await attackClient();
      const [tx, rx] = channel({ credit: 4 });
      void watched(session.client(Lab).run({ end: tx }));
      const { channels, requestId } = await peer.next('call');
      tidyAfterwards(async () => {
        peer.send(result(requestId));
        await settle();
      });
      return { peer, session, rx, channelId: channels[0] as number, settle };
    },
  ],
];

describe.each(RECEIVERS)('%s that receives', (_who, makeScene) => {
  it.each<[string, (id: number) => Message[]]>([
    ['one by one', (id) => [1, 2, 3, 4, 5].map((value) => item(id, value))],
    ['in one message', (id) => [items(id, 1, 2, 3, 4, 5)]],
    ['in two messages', (id) => [items(id, 1, 2), items(id, 3, 4, 5)]],
    ['followed by an end', (id) => [items(id, 1, 2, 3, 4), item(id, 5), end(id)]],
  ])('[credit.violation] resets the channel for an item beyond the credit (%s), counts it and says so after the others', async (_how, say) => {
    const { peer, session, rx, channelId, settle } = await makeScene();
    peer.send(...say(channelId));
    expect(await peer.next('reset')).toMatchObject({ channelId, reason: 'credit' });
    await settle();
    const { items: read, error } = await readAll(rx);
    expect(read).toEqual([1, 2, 3, 4]);
    expect(error).toMatchObject({ kind: 'protocol-error', reason: 'credit' });
    expect(session.counters.creditViolations).toBe(1);
    // Only the channel: the session goes on.
    expect(session.status).toBe('connected');
    expect(peer.all('protocol-error')).toEqual([]);
    expect(peer.all('reset')).toHaveLength(1);
    await expectNoChannels();
  });

  it('[credit.violation] never buffers what comes after: it is late, and counted', async () => {
    const { peer, session, channelId, settle } = await makeScene();
    peer.send(items(channelId, 1, 2, 3, 4, 5));
    await peer.next('reset');
    peer.send(item(channelId, 6), items(channelId, 7, 8));
    await settle();
    expect(session.counters).toMatchObject({ creditViolations: 1, lateItems: 3 });
    expect(peer.all('reset')).toHaveLength(1);
  });

  it('[credit.violation] wakes a receiver that waits, once it has had the items within the credit', async () => {
    const { peer, rx, channelId, settle } = await makeScene();
    const asked = Array.from({ length: 6 }, () => watched(rx.recv()));
    peer.send(items(channelId, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    await settle();
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual([...Array<string>(4).fill('fulfilled'), 'rejected', 'rejected']);
    expect(await failureOf(asked[5] as Promise<unknown>)).toMatchObject({ kind: 'protocol-error', reason: 'credit' });
  });

  it('[credit.violation] reckons with what it has granted', async () => {
    const { peer, session, rx, channelId, settle } = await makeScene();
    peer.send(items(channelId, 1, 2, 3, 4));
    await settle();
    // Half of four are granted at once when two are consumed; three more by hand.
    await rx.recv();
    await rx.recv();
    rx.grant(3);
    await settle();
    peer.send(items(channelId, 5, 6, 7, 8, 9));
    await settle();
    expect(session.counters.creditViolations).toBe(0);
    peer.send(item(channelId, 10));
    await settle();
    expect(session.counters.creditViolations).toBe(1);
    expect(await readAll(rx)).toMatchObject({ items: [3, 4, 5, 6, 7, 8, 9], error: { reason: 'credit' } });
  });
});

describe('a scripted caller', () => {
  it.each([
    [65_536, undefined],
    [9, 9],
  ])('[credit.cap] may ask for a credit of %i where the cap is %s, and not for one more', async (credit, maxInitialCredit) => {
    const { handler, calls } = gated();
    const { peer, accepted, settle } = await attackServer({ services: [lab(handler)], maxInitialCredit });
    peer.send(carrying(1, [1], { end: rxEnd({ credit }) }));
    await settle();
    const { end: rx } = calls[0]!.input as { end: Rx<unknown> };
    expect(rx.credit).toBe(credit);
    peer.send(carrying(3, [3], { end: rxEnd({ credit: credit + 1 }) }));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'credit.cap' });
    await accepted.closed;
    expect(calls).toHaveLength(1);
    calls[0]?.resolve(undefined);
  });
});

it('[credit.cap] a client holds its server to its own cap', async () => {
  const { handler, calls } = gated();
  const { peer, session } = await attackClient({ services: [lab(handler)], maxInitialCredit: 3 });
  peer.send(carrying(2, [2], { end: rxEnd({ credit: 4 }) }));
  expect(await peer.next('protocol-error')).toMatchObject({ rule: 'credit.cap' });
  await session.closed;
  expect(calls).toEqual([]);
});

it('[credit.cap] is told to the peer before it can break it', async () => {
  const { peer } = await attackServer({ maxInitialCredit: 77 });
  expect(peer.all('welcome')[0]?.limits.maxInitialCredit).toBe(77);
});

it('[credit.cap] of a sending end is no business of its sender: the peer that receives has set it', async () => {
  const { handler, calls } = gated();
  const { peer, settle } = await attackServer({ services: [lab(handler)], maxInitialCredit: 3 });
  peer.send(carrying(1, [1], { end: txEnd({ credit: 500 }) }), call(3, { operationId: 3 }));
  await settle();
  const { end: tx } = calls[0]!.input as { end: Tx<unknown> };
  expect(tx.credit).toBe(500);
  tx.close();
  for (const { resolve } of calls) resolve(undefined);
  await settle();
});

describe.each(TRANSPORTS)('over %s,', (transport) => {
  it("[credit.cap] a call whose channel asks for more than the peer's cap is refused here, and the session goes on", async () => {
    const peers = await channelPeers({ transport, server: { maxInitialCredit: 8 } });
    const [, rx] = channel({ credit: 9 });
    const error = await failureOf(peers.client.volatile({ deep: [rx] }));
    expect(error.kind).toBe('invalid-payload');
    expect(error.message).toMatch(/\$\.deep/);
    const { tx } = await peers.pipe({ sends: 'caller', credit: 8 });
    expect(tx.credit).toBe(8);
    expect(peers.session.status).toBe('connected');
  });

  it('[credit.cap] where the caller receives, its own cap counts and not that of its peer', async () => {
    const peers = await channelPeers({ transport, client: { maxInitialCredit: 8 }, server: { maxInitialCredit: 4 } });
    const [tx] = channel({ credit: 9 });
    expect(await failureOf(peers.client.volatile({ tx }))).toMatchObject({ kind: 'invalid-payload' });
    expect((await peers.pipe({ sends: 'callee', credit: 8 })).tx.credit).toBe(8);
    expect((await peers.pipe({ sends: 'callee', credit: 4, by: 'acceptor' })).tx.credit).toBe(4);
    expect(peers.session.status).toBe('connected');
  });

  it('[credit.violation] an item beyond the credit resets the channel and no other, and is counted', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends: 'caller', credit: 2 });
    const other = await peers.pipe({ sends: 'caller' });
    await tx.send(1);
    // What is sent past the session overtakes what the session gathers.
    await peers.settle();
    peers.say(items(1, 2, 3));
    await peers.settle();
    const { items: read, error } = await readAll(rx);
    expect(read).toEqual([1, 2]);
    expect(error).toMatchObject({ kind: 'protocol-error', reason: 'credit' });
    expect(await failureOf(tx.send(2))).toMatchObject({ kind: 'channel-reset', data: 'credit' });
    expect(peers.accepted.counters.creditViolations).toBe(1);
    await other.tx.send(1);
    expect(await other.rx.recv()).toEqual({ done: false, value: 1 });
  });

  it('[credit.cap] a call that asks for more than the cap ends the session', async () => {
    const peers = await channelPeers({ transport });
    const { tx, outcome } = await peers.pipe({ sends: 'caller' });
    peers.say(carrying(101, [101], { end: rxEnd({ credit: 65_537 }) }, { methodId: Flow.methods.volatile.id }));
    expect(await failureOf(outcome)).toMatchObject({ kind: 'protocol-error', reason: 'credit.cap' });
    expect((await failureOf(tx.send(1))).kind).toBe('protocol-error');
    await expectNoChannels();
  });
});
