/**
 * How items travel: what one channel is given in a turn leaves in one message, and credit counts items all the same (credit.spend, channel.order). On the
 * memory network, where every message can be seen.
 */
import { describe, expect, it } from 'vitest';
import { decodeValue } from 'statewire/wire';
import { channelPeers, numbers, readAll, sendEach } from '../support/channel-peers.ts';
import type { ChannelPeers, Sends } from '../support/channel-peers.ts';
import { leavesNothing } from '../support/channel-leaks.ts';
import { pattern } from '../support/links.ts';

leavesNothing();

/** The messages with items so far: the channel, and the values. */
function sentItems(peers: ChannelPeers): { channelId: number; values: unknown[] }[] {
  return [...peers.sent('item').map(({ channelId, value }) => ({ channelId, values: [value] })), ...peers.sent('items')].map(
    ({ channelId, values }) => ({
      channelId,
      values: values.map((value) => decodeValue(value)),
    }),
  );
}

describe.each<Sends>(['caller', 'callee'])('where the %s sends,', (sends) => {
  it.each([2, 7, 16])('[credit.spend] %i items of one turn leave in one message, and cost one credit each', async (count) => {
    const peers = await channelPeers({ transport: 'memory' });
    const { tx, rx } = await peers.pipe({ sends });
    await Promise.all(numbers(count).map((number) => tx.send(number)));
    expect(tx.credit).toBe(16 - count);
    await peers.settle();
    expect(sentItems(peers)).toEqual([{ channelId: 1, values: numbers(count) }]);
    expect(rx.credit).toBe(16 - count);
  });

  it('[channel.order] channels that take turns in one turn leave in one message each', async () => {
    const peers = await channelPeers({ transport: 'memory' });
    const pipes = [await peers.pipe({ sends }), await peers.pipe({ sends }), await peers.pipe({ sends })];
    await Promise.all(numbers(12).map((number) => pipes[number % 3]?.tx.send(number)));
    await peers.settle();
    expect(sentItems(peers)).toEqual([
      { channelId: 1, values: [0, 3, 6, 9] },
      { channelId: 3, values: [1, 4, 7, 10] },
      { channelId: 5, values: [2, 5, 8, 11] },
    ]);
    for (const [index, { tx, rx }] of pipes.entries()) {
      tx.close();
      expect(await readAll(rx)).toEqual({ items: [0, 3, 6, 9].map((number) => number + index) });
    }
  });

  it('[channel.order] items of different turns leave in different messages', async () => {
    const peers = await channelPeers({ transport: 'memory' });
    const { tx, rx } = await peers.pipe({ sends });
    for (const from of [0, 3]) {
      await Promise.all(numbers(3, from).map((number) => tx.send(number)));
      await peers.settle();
    }
    expect(sentItems(peers).map(({ values }) => values)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    tx.close();
    expect((await readAll(rx)).items).toEqual(numbers(6));
  });

  it('[channel.order] an end and a reset of the same turn stay behind the items, whichever channel is served first', async () => {
    const peers = await channelPeers({ transport: 'memory' });
    const [one, other] = [await peers.pipe({ sends }), await peers.pipe({ sends })];
    const sending = [one.tx.send(1), other.tx.send(2)];
    one.tx.close();
    sending.push(other.tx.send(3));
    other.tx.reset('x');
    await Promise.all(sending);
    expect(await readAll(one.rx)).toEqual({ items: [1] });
    expect(await readAll(other.rx)).toMatchObject({ items: [2, 3], error: { kind: 'channel-reset', data: 'x' } });
  });

  it('[channel.order] items that leave alone for their size keep their place among those that are gathered', async () => {
    const peers = await channelPeers({ transport: 'memory' });
    const { tx, rx } = await peers.pipe<unknown>({ sends, credit: 64 });
    const sizes = [1, 10, 9_000, 3, 70_000, 300_000, 2, 40_000, 8_192, 8_193, 1];
    const given = sizes.map((size) => Buffer.from(pattern(size)).toString('latin1'));
    // Bytes and texts in turn.
    await Promise.all(given.map((text, index) => tx.send(index % 2 === 0 ? Buffer.from(text, 'latin1') : text)));
    tx.close();
    const { items } = await readAll(rx);
    expect(items.map((item) => (typeof item === 'string' ? item : Buffer.from(item as Uint8Array).toString('latin1')))).toEqual(given);
  });

  it('[channel.order] what is sent is what the value was when it was sent', async () => {
    const peers = await channelPeers({ transport: 'memory' });
    const { tx, rx } = await peers.pipe<unknown>({ sends });
    const bytes = Uint8Array.of(1, 2, 3);
    const large = new Uint8Array(20_000).fill(1);
    const sending = [tx.send(bytes), tx.send({ n: 1 }), tx.send(large)];
    await Promise.all(sending);
    bytes.fill(0);
    large.fill(0);
    expect((await rx.recv()).value).toEqual(Uint8Array.of(1, 2, 3));
    expect((await rx.recv()).value).toEqual({ n: 1 });
    expect(((await rx.recv()).value as Uint8Array).every((byte) => byte === 1)).toBe(true);
  });

  it('[credit.spend] of a burst above the credit only what is covered leaves, in one message; the rest follows grant by grant', async () => {
    const peers = await channelPeers({ transport: 'memory' });
    const { tx, rx } = await peers.pipe({ sends, credit: 8 });
    const sending = Promise.all(numbers(20).map((number) => tx.send(number)));
    await peers.settle();
    expect(sentItems(peers).map(({ values }) => values)).toEqual([numbers(8)]);
    const read: unknown[] = [];
    for (let count = 0; count < 4; count++) read.push((await rx.recv()).value);
    await peers.settle();
    expect(peers.sent('grant').map(({ credit }) => credit)).toEqual([4]);
    expect(sentItems(peers).map(({ values }) => values)).toEqual([numbers(8), numbers(4, 8)]);
    for (let count = 0; count < 16; count++) read.push((await rx.recv()).value);
    await sending;
    expect(read).toEqual(numbers(20));
  });

  it('[credit.grant] grants say what was consumed, in batches of half of the initial credit', async () => {
    const peers = await channelPeers({ transport: 'memory' });
    const { tx, rx } = await peers.pipe({ sends, credit: 10 });
    const sending = sendEach(tx, numbers(40));
    for (let count = 0; count < 40; count++) {
      await rx.recv();
      await peers.settle();
    }
    await sending;
    expect(peers.sent('grant').map(({ credit, channelId }) => [channelId, credit])).toEqual(numbers(8).map(() => [1, 5]));
  });
});
