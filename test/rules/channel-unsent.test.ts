/**
 * What must not leave too early (channel.early): whatever is done with an end that stays takes effect when the call that carries the other one leaves, and
 * not before. On both transports.
 */
import { describe, expect, it } from 'vitest';
import { channel, defineService, method } from 'statewire';
import type { Rx, StandardSchemaV1, Tx } from 'statewire';
import { channelPeers, numbers, readAll, TRANSPORTS, watched } from '../support/channel-peers.ts';
import { channelTables, expectNoChannels, leavesNothing } from '../support/channel-leaks.ts';
import { deferred, failureOf, isSettled } from '../support/peers.ts';

leavesNothing();

describe.each(TRANSPORTS)('over %s,', (transport) => {
  it('[channel.early] nothing leaves on a channel while its call waits for its turn', async () => {
    const peers = await channelPeers({ transport, server: { maxConcurrentRequests: 1 } });
    const first = watched(peers.client.volatile('first'));
    const run = await peers.nextRun();
    const [tx, rx] = channel<number>();
    const [out, back] = channel<number>({ credit: 0 });
    void watched(peers.client.volatile({ rx, out }));
    const sending = Promise.all(numbers(3).map((number) => tx.send(number)));
    const asked = back.recv();
    await peers.settle('acceptor');
    expect(await isSettled(sending)).toBe(false);
    expect(channelTables().early).toBe(0);
    expect([...peers.sent('items'), ...peers.sent('item'), ...peers.sent('grant')]).toEqual([]);
    run.returns(undefined);
    await Promise.all([first, sending]);
    const there = (await peers.nextRun()).input as { rx: Rx<number>; out: Tx<number> };
    tx.close();
    expect(await readAll(there.rx)).toEqual({ items: [0, 1, 2] });
    await there.out.send(7);
    expect(await asked).toEqual({ done: false, value: 7 });
    there.out.close();
    expect(await back.recv()).toMatchObject({ done: true });
  });

  describe.each(['before its call is made', 'while its call waits for its turn'])('what is done with an end %s', (when) => {
    /** Does something with the end that stays before the call has left, and gives the one that travelled. */
    async function soon(kept: 'tx' | 'rx', use: (end: never) => void) {
      const peers = await channelPeers({ transport, server: { maxConcurrentRequests: 1 } });
      const first = watched(peers.client.volatile('first'));
      const run = await peers.nextRun();
      const [tx, rx] = channel<number>();
      const own = { tx, rx }[kept];
      if (when === 'before its call is made') use(own as never);
      void watched(peers.client.volatile({ end: kept === 'tx' ? rx : tx }));
      if (when === 'while its call waits for its turn') use(own as never);
      await peers.settle('acceptor');
      const said = (): unknown[] => (['end', 'reset', 'grant', 'item', 'items'] as const).flatMap((type) => peers.sent(type, 'initiator'));
      expect(said()).toEqual([]);
      expect(peers.accepted.counters).toMatchObject({ lateItems: 0, lateSignals: 0 });
      run.returns(undefined);
      await first;
      return { peers, tx, rx, end: ((await peers.nextRun()).input as { end: never }).end };
    }

    it('[channel.early] a reset of a receiver is told when it leaves, once and by its first reason', async () => {
      const {
        end: there,
        rx,
        peers,
      } = await soon('rx', (own: Rx<number>) => {
        own.reset('no longer wanted');
        own.reset('again');
      });
      expect(rx.status).toBe('reset');
      expect(await failureOf(rx.recv())).toMatchObject({ kind: 'channel-reset', data: 'no longer wanted' });
      await peers.settle('acceptor');
      expect(await failureOf((there as Tx<number>).send(1))).toMatchObject({ kind: 'channel-reset', data: 'no longer wanted' });
      await expectNoChannels();
    });

    it('[channel.early] a reset of a sender is told when it leaves, once and by its first reason', async () => {
      const sending: Promise<void>[] = [];
      const { end: there, tx } = await soon('tx', (own: Tx<number>) => {
        sending.push(watched(own.send(1)));
        own.reset('changed my mind');
        own.reset('again');
      });
      expect(await failureOf(sending[0] as Promise<void>)).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
      expect(tx.status).toBe('reset');
      expect(await readAll(there as Rx<number>)).toMatchObject({ items: [], error: { kind: 'channel-reset', data: 'changed my mind' } });
      await expectNoChannels();
    });

    it('[channel.early] a close leaves behind what was sent within the credit, and rejects the rest', async () => {
      const sending: Promise<void>[] = [];
      const { end: there, tx } = await soon('tx', (own: Tx<number>) => {
        for (const number of numbers(18)) sending.push(watched(own.send(number)));
        own.close();
        expect(own.status).toBe('closed');
      });
      expect(await readAll(there as Rx<number>)).toEqual({ items: numbers(16) });
      expect((await Promise.allSettled(sending)).map(({ status }) => status)).toEqual(
        numbers(18).map((index) => (index < 16 ? 'fulfilled' : 'rejected')),
      );
      expect(await failureOf(tx.send(1))).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
      await expectNoChannels();
    });

    it('[channel.early] [credit.grant] grants and receives count when it leaves', async () => {
      const asked: Promise<unknown>[] = [];
      const {
        end: there,
        rx,
        peers,
      } = await soon('rx', (own: Rx<number>) => {
        own.grant(3);
        own.grant(1);
        asked.push(own.recv());
      });
      await peers.settle('acceptor');
      const tx = there as Tx<number>;
      expect([tx.credit, rx.credit]).toEqual([20, 20]);
      await tx.send(7);
      expect(await asked[0]).toEqual({ done: false, value: 7 });
      tx.close();
      expect(await readAll(rx)).toEqual({ items: [] });
    });
  });

  it("[channel.early] nothing leaves on a channel before the caller's own schema has let its call go", async () => {
    const gate = deferred<{ value: unknown }>();
    const slow: StandardSchemaV1<unknown> = { '~standard': { version: 1, vendor: 'test', validate: () => gate.promise } };
    const SlowFlow = defineService('Flow', { volatile: method({ input: slow }) });
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>();
    void watched(peers.session.client(SlowFlow).volatile({ rx }));
    const sent = tx.send(1);
    tx.close();
    await peers.settle();
    expect(await isSettled(sent)).toBe(false);
    expect(channelTables().early).toBe(0);
    gate.resolve({ value: {} });
    await sent;
    expect(await readAll(((await peers.nextRun()).input as { rx: Rx<number> }).rx)).toEqual({ items: [1] });
  });
});

it('[channel.early] in the turn of a call, the call leaves first, then items, then the end', async () => {
  const peers = await channelPeers({ transport: 'memory' });
  const [tx, rx] = channel<number>();
  const sending = [tx.send(0), tx.send(1)];
  void watched(peers.client.volatile({ end: rx }));
  sending.push(tx.send(2));
  tx.close();
  const there = ((await peers.nextRun()).input as { end: Rx<number> }).end;
  expect(await readAll(there)).toEqual({ items: [0, 1, 2] });
  await Promise.all(sending);
  const order = (['call', 'items', 'item', 'end'] as const).flatMap((type) => peers.sent(type, 'initiator'));
  expect(order.map(({ type }) => type).filter((type) => type !== 'item')).toEqual(['call', 'items', 'end']);
});
