/**
 * What comes too early (channel.early): items, ends, resets and grants that arrive before the callee has bound the channel, because its store takes its
 * time. On both transports; the limits by a scripted peer. What must not leave too early is in channel-unsent.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { channel } from 'statewire';
import type { Rx, Session, Tx } from 'statewire';
import type { Message } from 'statewire/wire';
import { channelPeers, numbers, readAll, sendEach, TRANSPORTS, watched } from '../support/channel-peers.ts';
import { channelTables, expectNoChannels, leavesNothing, tidyAfterwards } from '../support/channel-leaks.ts';
import { carrying, end, grant, item, items, reset, rxEnd, txEnd } from '../support/channel-script.ts';
import { attackServer } from '../support/hostile-peer.ts';
import { failureOf, gated, isSettled, lab } from '../support/peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

leavesNothing();

describe.each(TRANSPORTS)('over %s,', (transport) => {
  /** Peers whose server looks nothing up before it is told to. */
  async function slowPeers() {
    const store = new ScriptedStore();
    const peers = await channelPeers({ transport, server: { store } });
    store.hold('lookup');
    return { store, peers };
  }

  /** A caller that sends, to a callee that has not bound the channel yet. */
  async function sendEarly(use: (tx: Tx<number>) => Promise<unknown>) {
    const { store, peers } = await slowPeers();
    const [tx, rx] = channel<number>();
    void watched(peers.client.volatile({ end: rx }));
    await use(tx);
    await peers.settle('acceptor');
    expect(peers.runs).toEqual([]);
    expect(channelTables().early).toBe(1);
    store.letGo('lookup');
    const there = ((await peers.nextRun()).input as { end: Rx<number> }).end;
    return { peers, tx, rx: there };
  }

  it('[channel.early] items that arrive before the receiver is bound are delivered first, in order', async () => {
    const { tx, rx } = await sendEarly((sender) => sendEach(sender, numbers(10)));
    expect(rx.credit).toBe(6);
    const read = readAll(rx);
    await sendEach(tx, numbers(100, 10));
    tx.close();
    expect(await read).toEqual({ items: numbers(110) });
    await expectNoChannels();
  });

  it('[channel.early] all that the initial credit allows may be early', async () => {
    const { tx, rx, peers } = await sendEarly((sender) => sendEach(sender, numbers(16)));
    expect([tx.credit, rx.credit]).toEqual([0, 0]);
    const waiting = watched(tx.send(16));
    await peers.settle();
    expect(await isSettled(waiting)).toBe(false);
    const read = readAll(rx);
    await waiting;
    tx.close();
    expect(await read).toEqual({ items: numbers(17) });
    expect(peers.accepted.counters.creditViolations).toBe(0);
  });

  it('[channel.early] an end that arrived early ends the stream after its items', async () => {
    const { rx } = await sendEarly(async (tx) => {
      await sendEach(tx, [1, 2]);
      tx.close();
    });
    expect(await readAll(rx)).toEqual({ items: [1, 2] });
    await expectNoChannels();
  });

  it('[channel.early] a reset that arrived early is thrown after its items', async () => {
    const { rx } = await sendEarly(async (tx) => {
      await sendEach(tx, [1, 2]);
      tx.reset('changed my mind');
    });
    const { items: read, error } = await readAll(rx);
    expect(read).toEqual([1, 2]);
    expect(error).toMatchObject({ kind: 'channel-reset', data: 'changed my mind' });
    await expectNoChannels();
  });

  it('[channel.early] a grant that arrived early counts once the sender is bound', async () => {
    const { store, peers } = await slowPeers();
    const [tx, rx] = channel<number>({ credit: 1 });
    void watched(peers.client.volatile({ end: tx }));
    await peers.settle('acceptor');
    rx.grant(3);
    rx.grant(1);
    await peers.settle('acceptor');
    expect(channelTables().early).toBe(1);
    store.letGo('lookup');
    const there = ((await peers.nextRun()).input as { end: Tx<number> }).end;
    expect([there.credit, rx.credit]).toEqual([5, 5]);
    await Promise.all(numbers(5).map((number) => there.send(number)));
    there.close();
    expect(await readAll(rx)).toEqual({ items: numbers(5) });
    await expectNoChannels();
  });

  it('[channel.early] a receiver that gave up early stops the sender once it is bound', async () => {
    const { store, peers } = await slowPeers();
    const [tx, rx] = channel<number>();
    void watched(peers.client.volatile({ end: tx }));
    await peers.settle('acceptor');
    rx.reset('no longer wanted');
    await peers.settle('acceptor');
    store.letGo('lookup');
    const there = ((await peers.nextRun()).input as { end: Tx<number> }).end;
    expect(await failureOf(there.send(1))).toMatchObject({ kind: 'channel-reset', data: 'no longer wanted' });
    await expectNoChannels();
  });

  it('[channel.early] many calls may have early items at once, and are bound in any order', async () => {
    const { store, peers } = await slowPeers();
    const all = numbers(30).map(() => channel<number>());
    for (const [index, [tx, rx]] of all.entries()) {
      void watched(peers.client.volatile({ end: rx, index }));
      await sendEach(tx, numbers(5, index * 10));
      tx.close();
    }
    await peers.settle('acceptor');
    expect(channelTables().early).toBe(30);
    store.letGo('lookup');
    for (let count = 0; count < 30; count++) {
      const { end: rx, index } = (await peers.nextRun()).input as { end: Rx<number>; index: number };
      expect(await readAll(rx)).toEqual({ items: numbers(5, index * 10) });
    }
    await expectNoChannels();
  });

  it('[channel.early] what was early for a call that is refused then is gone, and its sender is told', async () => {
    const { store, peers } = await slowPeers();
    const [tx, rx] = channel<number>();
    const called = watched(peers.client.volatile({ end: rx }, { operationId: 'x' }));
    await sendEach(tx, numbers(3));
    await peers.settle('acceptor');
    store.fail('lookup');
    store.letGo('lookup');
    expect(await failureOf(called)).toMatchObject({ kind: 'unavailable' });
    expect(await failureOf(tx.send(4))).toMatchObject({ kind: 'channel-reset' });
    await expectNoChannels();
  });

  it('[channel.early] what was early is gone with its session', async () => {
    const { store, peers } = await slowPeers();
    const [tx, rx] = channel<number>();
    void watched(peers.client.volatile({ end: rx }));
    await sendEach(tx, numbers(3));
    await peers.settle('acceptor');
    await peers.session.close();
    await peers.accepted.closed;
    await expectNoChannels();
    store.letGo('lookup');
  });
});

describe('a scripted caller', () => {
  async function attack() {
    const { handler, calls } = gated();
    const attacked = await attackServer({ services: [lab(handler)] });
    tidyAfterwards(() => {
      for (const { resolve } of calls) resolve(undefined);
    });
    return { ...attacked, calls };
  }

  const endOf = (calls: readonly { input: unknown }[], index = 0): Rx<unknown> => (calls[index]!.input as { end: Rx<unknown> }).end;
  const late = ({ counters }: Session): number[] => [counters.lateItems, counters.lateSignals];

  it.each<[string, Message[], unknown[], object | undefined]>([
    ['items', [item(1, 'a'), items(1, 'b', 'c'), carrying(1, [1]), item(1, 'd'), end(1)], ['a', 'b', 'c', 'd'], undefined],
    ['an end and nothing else', [end(1), carrying(1, [1])], [], undefined],
    ['items and a reset', [item(1, 'a'), reset(1, 'x'), carrying(1, [1])], ['a'], { kind: 'channel-reset', data: 'x' }],
    [
      'more items than the initial credit',
      [items(1, 1, 2, 3), items(1, 4, 5), carrying(1, [1])],
      [1, 2, 3, 4],
      { kind: 'protocol-error', reason: 'credit' },
    ],
  ])('[channel.early] may send %s before its call', async (_what, messages, read, error) => {
    const { peer, calls, settle, accepted } = await attack();
    peer.send(...messages);
    await settle();
    const stream = await readAll(endOf(calls));
    expect(stream.items).toEqual(read);
    if (error === undefined) expect(stream.error).toBeUndefined();
    else expect(stream.error).toMatchObject(error);
    expect(accepted.counters.creditViolations).toBe(error !== undefined && 'reason' in error ? 1 : 0);
    expect(late(accepted)).toEqual([0, 0]);
    await settle();
    await expectNoChannels();
  });

  it('[channel.early] [credit.violation] is told of a violation at binding', async () => {
    const { peer } = await attack();
    peer.send(items(1, 1, 2, 3, 4, 5), carrying(1, [1]));
    expect(await peer.next('reset')).toMatchObject({ channelId: 1, reason: 'credit' });
  });

  it.each([
    ['end', end(1)],
    ['reset', reset(1, 'x')],
  ] as const)('[channel.early] [channel.terminal] an item behind an early %s is late', async (_what, over) => {
    const { peer, calls, settle, accepted } = await attack();
    peer.send(item(1, 'a'), over, items(1, 'b', 'c'), carrying(1, [1]));
    await settle();
    expect((await readAll(endOf(calls))).items).toEqual(['a']);
    expect(accepted.counters.lateItems).toBe(2);
  });

  it.each<[string, Message[]]>([
    ['another end', [end(1)]],
    ['a reset', [reset(1, 'after all')]],
    ['an item', [item(1, 'late')]],
  ])('[channel.terminal] %s behind the end changes nothing, whether or not the stream is read by then', async (_what, behind) => {
    for (const isEarly of [false, true]) {
      const { peer, calls, settle, accepted } = await attack();
      const said = [items(1, 'a', 'b'), end(1), ...behind];
      peer.send(...(isEarly ? [...said, carrying(1, [1])] : [carrying(1, [1]), ...said]));
      await settle();
      expect(endOf(calls).status).toBe('draining');
      expect(await readAll(endOf(calls))).toEqual({ items: ['a', 'b'] });
      peer.send(...behind);
      await settle();
      expect(await endOf(calls).recv()).toEqual({ done: true, value: undefined });
      expect(accepted.status).toBe('connected');
    }
  });

  it.each<[string, (count: number) => Message[]]>([
    ['items', (count) => numbers(count).map((index) => item(2 * index + 1, index))],
    ['ends', (count) => numbers(count).map((index) => end(2 * index + 1))],
    ['grants', (count) => numbers(count).map((index) => grant(2 * index + 1, 1))],
    ['resets', (count) => numbers(count).map((index) => reset(2 * index + 1))],
  ])('[channel.early] may have 1,024 channels with early %s, and no more', async (_what, early) => {
    const { peer, settle, accepted } = await attack();
    peer.send(...early(1_024));
    await settle();
    expect(accepted.status).toBe('connected');
    expect(channelTables().early).toBe(1_024);
    // More on the same ones is no new channel.
    peer.send(...early(1_025));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'channel.early' });
    await accepted.closed;
    await expectNoChannels();
  });

  it('[channel.early] may have 256 KiB early in all, and not much more', async () => {
    const { peer, settle, accepted } = await attack();
    for (const channelId of [1, 3, 5]) peer.send(item(channelId, new Uint8Array(80 * 1024)));
    await settle();
    expect(accepted.status).toBe('connected');
    peer.send(item(7, new Uint8Array(17 * 1024)));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'channel.early' });
    await accepted.closed;
    await expectNoChannels();
  });

  it('[channel.early] what was bound is early no more: the limits are for what is kept now', async () => {
    const { peer, calls, settle, accepted } = await attack();
    for (let round = 0; round < 6; round++) {
      const ids = numbers(900).map((index) => 2 * (round * 900 + index) + 1);
      peer.send(...ids.map((id) => item(id, new Uint8Array(200))));
      peer.send(...ids.map((id) => end(id)));
      peer.send(
        carrying(
          2 * round + 1,
          ids,
          ids.map((_id, ordinal) => rxEnd({ ordinal })),
          { operationId: round + 1 },
        ),
      );
      await settle();
      expect(accepted.status).toBe('connected');
      expect(channelTables().early).toBe(0);
      for (const rx of calls[round]!.input as Rx<unknown>[]) expect((await readAll(rx)).items).toHaveLength(1);
      calls[round]?.resolve(undefined);
      await settle();
    }
    await expectNoChannels();
  });

  it.each<[string, number]>([
    ['of our own parity', 2],
    ['below the highest bound so far', 1],
    ['that has ended', 3],
  ])('[channel.early] items for a channel %s are no early ones: dropped and counted', async (_what, id) => {
    const { peer, calls, settle, accepted } = await attack();
    peer.send(carrying(1, [3]), end(3));
    await settle();
    expect(await readAll(endOf(calls))).toEqual({ items: [] });
    peer.send(item(id, 1), items(id, 2, 3), end(id), grant(id, 1), reset(id));
    await settle();
    expect(late(accepted)).toEqual([3, 3]);
    expect(channelTables().early).toBe(0);
    expect(accepted.status).toBe('connected');
  });

  it('[channel.early] a call that is refused binds, too: what comes later for its channels is late', async () => {
    const { peer, settle, accepted } = await attack();
    peer.send(item(1, 'early'), carrying(1, [1], { end: rxEnd() }, { methodId: 12_345 }));
    expect(await peer.next('response')).toMatchObject({ ok: false, error: { kind: 'unknown-method' } });
    expect(await peer.next('reset')).toMatchObject({ channelId: 1 });
    const before = accepted.counters.lateItems;
    peer.send(items(1, 'late', 'later'));
    await settle();
    expect(accepted.counters.lateItems).toBe(before + 2);
    await expectNoChannels();
  });

  it('[channel.early] a grant and a reset for a sender may come before its call as well', async () => {
    const { peer, calls, settle } = await attack();
    peer.send(grant(1, 3), grant(1, 2), carrying(1, [1], { end: txEnd({ credit: 1 }) }));
    await settle();
    const tx = (calls[0]!.input as { end: Tx<number> }).end;
    expect(tx.credit).toBe(6);
    tx.close();
    peer.send(reset(3, 'never'), carrying(3, [3], { end: txEnd() }, { operationId: 3 }));
    await settle();
    expect(await failureOf((calls[1]!.input as { end: Tx<number> }).end.send(1))).toMatchObject({ kind: 'channel-reset', data: 'never' });
  });
});
