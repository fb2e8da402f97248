/** How credit is given and spent (credit.initial, credit.spend, credit.grant). On both transports, in both directions. */
import { describe, expect, it } from 'vitest';
import { channel } from 'statewire';
import type { Rx, Tx } from 'statewire';
import { channelPeers, EVERYWHERE, numbers, readAll, sendEach, TRANSPORTS, watched } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing } from '../support/channel-leaks.ts';
import { isSettled } from '../support/peers.ts';

leavesNothing();

/** The initial credit, and how many items are consumed before so many are granted. */
const BATCHES: readonly [number, number][] = [
  [1, 1],
  [2, 1],
  [3, 1],
  [4, 2],
  [5, 2],
  [16, 8],
  [17, 8],
  [64, 32],
];

/** How many of these have settled. */
async function settledOf(promises: readonly Promise<unknown>[]): Promise<number> {
  const settled = await Promise.all(promises.map((promise) => isSettled(promise)));
  return settled.filter(Boolean).length;
}

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  it.each([[undefined, 16] as const, [1, 1] as const, [5, 5] as const, [1_000, 1_000] as const, [65_536, 65_536] as const])(
    '[credit.initial] a channel made with credit %s begins with %i',
    async (credit, initial) => {
      const peers = await channelPeers({ transport });
      const { tx, rx } = await peers.pipe({ sends, credit });
      expect([tx.credit, rx.credit]).toEqual([initial, initial]);
      expect(tx.status).toBe('ready');
    },
  );

  it('[credit.initial] with credit 0 nothing may be sent yet', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 0 });
    expect([tx.status, tx.credit, rx.credit]).toEqual(['starved', 0, 0]);
    const waiting = watched(tx.send(1));
    await peers.settle();
    expect(await isSettled(waiting)).toBe(false);
    expect([rx.status, rx.credit]).toEqual(['open', 0]);
  });

  it('[credit.spend] one item costs one credit, whatever its size', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe<unknown>({ sends, credit: 5 });
    const given = [1, 'x'.repeat(50_000), new Uint8Array(100_000)];
    for (const [index, item] of given.entries()) {
      await tx.send(item);
      expect(tx.credit).toBe(4 - index);
    }
    await peers.settle();
    expect(rx.credit).toBe(2);
    for (const value of given) expect(await rx.recv()).toEqual({ done: false, value });
  });

  it('[credit.spend] items of one turn cost one each', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 10 });
    await Promise.all(numbers(7).map((number) => tx.send(number)));
    expect(tx.credit).toBe(3);
    await peers.settle();
    expect(rx.credit).toBe(3);
  });

  it('[credit.spend] at zero credit send waits, and nothing more is on its way', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 4 });
    const sending = numbers(10).map((number) => watched(tx.send(number)));
    await peers.settle();
    expect(await settledOf(sending)).toBe(4);
    expect([tx.status, tx.credit, rx.credit]).toEqual(['starved', 0, 0]);
    // What the receiver has is what was covered: the rest comes as it consumes.
    for (let item = 0; item < 4; item++) expect(await rx.recv()).toEqual({ done: false, value: item });
    await peers.settle();
    expect(await settledOf(sending)).toBe(8);
    expect((await Promise.all(numbers(6).map(() => rx.recv()))).map(({ value }) => value)).toEqual(numbers(6, 4));
    expect(await settledOf(sending)).toBe(10);
  });

  it('[credit.spend] sends that wait go in the order they were made, and one more does not overtake them', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 1 });
    const sending = [tx.send(0), tx.send(1), tx.send(2)];
    expect(await rx.recv()).toEqual({ done: false, value: 0 });
    sending.push(tx.send(3), tx.send(4));
    const read = readAll(rx);
    await Promise.all(sending);
    tx.close();
    expect(await read).toEqual({ items: [1, 2, 3, 4] });
  });

  it.each(BATCHES)('[credit.grant] of an initial credit of %i, grants come in batches of %i', async (credit, batch) => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit });
    await sendEach(tx, numbers(credit));
    expect(tx.credit).toBe(0);
    for (let consumed = 1; consumed <= 2 * batch && consumed <= credit; consumed++) {
      await rx.recv();
      await peers.settle();
      expect(tx.credit).toBe(Math.floor(consumed / batch) * batch);
      expect(rx.credit).toBe(tx.credit);
    }
  });

  it('[credit.grant] items that nobody consumes grant nothing', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 4 });
    await sendEach(tx, numbers(4));
    await peers.settle();
    expect([tx.credit, rx.credit]).toEqual([0, 0]);
  });

  it('[credit.grant] the sender is never ahead of the receiver by more than the initial credit', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 6 });
    let sent = 0;
    const sending = (async () => {
      for (const number of numbers(60)) {
        await tx.send(number);
        sent++;
      }
    })();
    for (let consumed = 1; consumed <= 50; consumed++) {
      await rx.recv();
      await peers.settle();
      expect(sent).toBeLessThanOrEqual(consumed + 6);
      // It is not held back for longer than a batch either.
      expect(sent).toBeGreaterThan(consumed + 6 - 3);
    }
    const rest = readAll(rx);
    await sending;
    tx.close();
    expect((await rest).items).toEqual(numbers(10, 50));
  });

  it('[credit.grant] with credit 0 asking for an item grants one, and consuming it grants nothing', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 0 });
    const sending = numbers(3).map((number) => watched(tx.send(number)));
    for (let item = 0; item < 3; item++) {
      await peers.settle();
      expect(await settledOf(sending)).toBe(item);
      expect(await rx.recv()).toEqual({ done: false, value: item });
    }
    await peers.settle();
    expect([tx.credit, rx.credit, tx.status]).toEqual([0, 0, 'starved']);
  });

  it('[credit.grant] with credit 0 several who ask each get an item', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 0 });
    const asked = Promise.all(numbers(3).map(() => rx.recv()));
    await sendEach(tx, numbers(3));
    expect((await asked).map(({ value }) => value)).toEqual([0, 1, 2]);
  });

  it('[credit.grant] with credit 0 a loop reads a whole stream, one by one', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 0 });
    const read: number[] = [];
    const sending = (async () => {
      for (const number of numbers(50)) {
        await tx.send(number);
        expect(number - read.length).toBeLessThanOrEqual(1);
      }
      tx.close();
    })();
    for await (const item of rx) read.push(item);
    await sending;
    expect(read).toEqual(numbers(50));
    await expectNoChannels();
  });

  it('[credit.grant] with credit 0 what was granted by hand is not granted again by asking', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 0 });
    rx.grant(2);
    const asked = rx.recv();
    await peers.settle();
    expect([tx.credit, rx.credit]).toEqual([2, 2]);
    await tx.send(1);
    expect(await asked).toEqual({ done: false, value: 1 });
    await peers.settle();
    expect([tx.credit, rx.credit]).toEqual([1, 1]);
  });

  it.each([0, 1, 16])('[credit.grant] a grant by hand adds to what there is, at any time (initially %i)', async (credit) => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit });
    const sending = numbers(credit + 8).map((number) => watched(tx.send(number)));
    await peers.settle();
    expect(await settledOf(sending)).toBe(credit);
    rx.grant(5);
    await peers.settle();
    expect(await settledOf(sending)).toBe(credit + 5);
    rx.grant(2);
    rx.grant(1);
    await peers.settle();
    expect(await settledOf(sending)).toBe(credit + 8);
    expect([tx.credit, rx.credit]).toEqual([0, 0]);
    rx.grant(7);
    await peers.settle();
    expect([tx.credit, rx.credit]).toEqual([7, 7]);
  });

  it.each([0, -1, 1.5, NaN, '3', 2 ** 31])('[credit.grant] refuses to grant %s, and the channel goes on', async (credit) => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    expect(() => rx.grant(credit as number)).toThrow(TypeError);
    expect(rx.credit).toBe(16);
    await tx.send(1);
    expect(await rx.recv()).toEqual({ done: false, value: 1 });
  });

  it('[credit.grant] credit of one channel is of no use to another', async () => {
    const peers = await channelPeers({ transport });
    const starved = await peers.pipe({ sends, credit: 1 });
    const rich = await peers.pipe({ sends, credit: 1 });
    await starved.tx.send(1);
    rich.rx.grant(100);
    await peers.settle();
    expect([starved.tx.credit, rich.tx.credit]).toEqual([0, 101]);
  });
});

describe.each(TRANSPORTS)('over %s,', (transport) => {
  it('[credit.grant] a receiver may grant before its channel is bound', async () => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>({ credit: 2 });
    rx.grant(3);
    void watched(peers.client.volatile({ tx }));
    const there = ((await peers.nextRun()).input as { tx: Tx<number> }).tx;
    await peers.settle();
    expect([there.credit, rx.credit]).toEqual([5, 5]);
    there.close();
    expect(await readAll(rx)).toEqual({ items: [] });
  });

  it('[credit.spend] sends of an unbound sender wait for its call, and then spend credit like all others', async () => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>({ credit: 2 });
    const sending = numbers(4).map((number) => watched(tx.send(number)));
    await peers.settle();
    expect(tx.status).toBe('unbound');
    expect(await settledOf(sending)).toBe(0);
    void watched(peers.client.volatile({ rx }));
    const there = ((await peers.nextRun()).input as { rx: Rx<number> }).rx;
    await peers.settle();
    expect(await settledOf(sending)).toBe(2);
    const read = readAll(there);
    await Promise.all(sending);
    tx.close();
    expect(await read).toEqual({ items: [0, 1, 2, 3] });
  });
});
