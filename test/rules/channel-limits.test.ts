/**
 * Channels where something is full or large: the link, the payload, the list of channels (channel.order, channel.args, link.backpressure); and channels
 * whose actors somebody inspects. On both transports, in both directions.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { channel } from 'statewire';
import type { PeerOptions, Rx } from 'statewire';
import { channelPeers, EVERYWHERE, numbers, readAll, sendEach, TRANSPORTS, watched } from '../support/channel-peers.ts';
import type { Sends } from '../support/channel-peers.ts';
import { channelTables, expectNoChannels, leavesNothing, patiently } from '../support/channel-leaks.ts';
import { usedBytes } from '../support/hostile-scene.ts';
import { failureOf, isSettled } from '../support/peers.ts';

leavesNothing();

const ITEM_BYTES = 64 * 1024;
/** More than any link takes before it says that it is full. */
const FLOOD = 60;
const MAX_PAYLOAD = 64 * 1024;

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  async function flooded() {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe<Uint8Array>({ sends, credit: 2 * FLOOD });
    const sending = numbers(FLOOD).map((number) => watched(pipe.tx.send(new Uint8Array(ITEM_BYTES).fill(number))));
    expect(channelTables().waiting).toBeGreaterThan(0);
    // Waiting or not, each has its credit.
    expect(pipe.tx.credit).toBe(FLOOD);
    return { ...pipe, peers, sending };
  }

  const firstBytes = (items: readonly Uint8Array[]): unknown[] => items.map((item) => item[0]);

  it('[link.backpressure] [channel.order] sends wait for room in the link, although they have credit, and keep their order', async () => {
    const { tx, rx, sending } = await flooded();
    sending.push(watched(tx.send(new Uint8Array(1).fill(FLOOD))));
    const read = readAll(rx);
    await Promise.all(sending);
    tx.close();
    expect(firstBytes((await read).items)).toEqual(numbers(FLOOD + 1));
    await expectNoChannels();
  });

  it('[link.backpressure] [channel.order] sends that are made while others wait for room stay behind these, whichever channel has its turn', async () => {
    const peers = await channelPeers({ transport });
    const pipes = [];
    for (let count = 0; count < 3; count++) pipes.push(await peers.pipe<Uint8Array>({ sends, credit: 4 * FLOOD }));
    const streams = pipes.map(({ rx }) => readAll(rx));
    await Promise.all(
      pipes.map(async ({ tx }) => {
        let next = 0;
        const sending: Promise<unknown>[] = [];
        // Each item that has left is followed by another one at once, while those before it still wait.
        const send = (): void => {
          if (next < 2 * FLOOD) sending.push(tx.send(new Uint8Array(ITEM_BYTES / 4).fill(next++)).then(send));
        };
        for (let count = 0; count < FLOOD; count++) send();
        for (let at = 0; at < sending.length; at++) await sending[at];
        tx.close();
      }),
    );
    for (const stream of streams) expect(firstBytes((await stream).items)).toEqual(numbers(2 * FLOOD));
    await expectNoChannels();
  });

  it('[link.backpressure] [channel.order] a close waits behind sends that have credit and no room', async () => {
    const { tx, rx, sending } = await flooded();
    tx.close();
    expect(tx.status).toBe('closed');
    expect(await failureOf(tx.send(new Uint8Array(1)))).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
    const { items, error } = await readAll(rx);
    expect(error).toBeUndefined();
    expect(firstBytes(items)).toEqual(numbers(FLOOD));
    await Promise.all(sending);
    await expectNoChannels();
  });

  it('[link.backpressure] [credit.wake] a reset does not wait for room, and wakes those who do', async () => {
    const { tx, rx, sending } = await flooded();
    tx.reset('flooded');
    const outcomes = await Promise.allSettled(sending);
    expect(outcomes[0]?.status).toBe('fulfilled');
    expect(await failureOf(sending.at(-1) as Promise<void>)).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
    const { items, error } = await readAll(rx);
    expect(firstBytes(items)).toEqual(numbers(outcomes.filter(({ status }) => status === 'fulfilled').length));
    expect(error).toMatchObject({ kind: 'channel-reset', data: 'flooded' });
  });

  it('[link.backpressure] [credit.wake] a lost link wakes those who wait for room', async () => {
    const { peers, sending } = await flooded();
    peers.cut();
    expect(await failureOf(sending.at(-1) as Promise<void>)).toMatchObject({ kind: 'connection-closed', reason: 'link-lost' });
    await expectNoChannels();
  });

  it('[channel.order] an item that no payload can carry is refused alone, and costs no credit', async () => {
    const limits: PeerOptions = { maxPayload: MAX_PAYLOAD };
    const peers = await channelPeers({ transport, server: limits, client: limits });
    const { tx, rx } = await peers.pipe<unknown>({ sends, credit: 2 });
    expect(await failureOf(tx.send(new Uint8Array(MAX_PAYLOAD + 1)))).toMatchObject({ retryable: false });
    expect([tx.status, tx.credit]).toEqual(['ready', 2]);
    await tx.send('fits');
    await tx.send('fits, too');
    const behind = [watched(tx.send(new Uint8Array(MAX_PAYLOAD + 1))), watched(tx.send('last'))] as const;
    tx.close();
    await Promise.allSettled(behind);
    expect((await readAll(rx)).items).toEqual(['fits', 'fits, too']);
    expect(peers.session.status).toBe('connected');
  });

  it('[credit.spend] a waiting item that no payload can carry uses up no grant: the one behind it goes', async () => {
    const limits: PeerOptions = { maxPayload: MAX_PAYLOAD };
    const peers = await channelPeers({ transport, server: limits, client: limits });
    const { tx, rx } = await peers.pipe<unknown>({ sends, credit: 1 });
    await tx.send('first');
    const tooLarge = watched(tx.send(new Uint8Array(MAX_PAYLOAD + 1)));
    const behind = tx.send('behind');
    expect(await rx.recv()).toEqual({ done: false, value: 'first' });
    expect(await rx.recv()).toEqual({ done: false, value: 'behind' });
    await behind;
    expect(await failureOf(tooLarge)).toMatchObject({ retryable: false });
  });

  it('[channel.order] hundreds of messages that nobody has read yet are read in order', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 1_000 });
    // A message each, and some of two items.
    for (const number of numbers(300)) {
      void tx.send(2 * number);
      if (number % 3 === 0) void tx.send(2 * number + 1);
      await nextTurn();
    }
    tx.close();
    await peers.settle();
    expect(rx.status).toBe('draining');
    expect((await readAll(rx)).items).toEqual(numbers(300).flatMap((number) => (number % 3 === 0 ? [2 * number, 2 * number + 1] : [2 * number])));
  });

  it('[channel.order] items that together are more than a payload can carry leave in several', async () => {
    const limits: PeerOptions = { maxPayload: MAX_PAYLOAD };
    const peers = await channelPeers({ transport, server: limits, client: limits });
    const { tx, rx } = await peers.pipe<Uint8Array>({ sends, credit: 64 });
    const sending = Promise.all(numbers(64).map((number) => tx.send(new Uint8Array(7_000).fill(number))));
    tx.close();
    expect(firstBytes((await readAll(rx)).items)).toEqual(numbers(64));
    await sending;
  });

  const inspect = (): void => {};

  it('[channel.order] [credit.grant] channels whose actors are inspected behave the same', async () => {
    const peers = await channelPeers({ transport, server: { inspect }, client: { inspect } });
    for (const credit of [0, 1, 16]) {
      const { tx, rx } = await peers.pipe({ sends, credit });
      const read = readAll(rx);
      await sendEach(tx, numbers(40));
      tx.close();
      expect(await read).toEqual({ items: numbers(40) });
    }
    await expectNoChannels();
  });

  it('[credit.wake] [channel.reset] channels whose actors are inspected end the same', async () => {
    const peers = await channelPeers({ transport, server: { inspect }, client: { inspect } });
    const closed = await peers.pipe({ sends, credit: 3 });
    const sending = numbers(5).map((number) => watched(closed.tx.send(number)));
    closed.tx.close();
    expect(await readAll(closed.rx)).toEqual({ items: [0, 1, 2] });
    expect(await failureOf(sending[4] as Promise<void>)).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
    const reset = await peers.pipe({ sends, credit: 1 });
    const waiting = numbers(3).map((number) => watched(reset.tx.send(number)));
    await peers.settle();
    reset.rx.reset('enough');
    expect(await failureOf(waiting[2] as Promise<void>)).toMatchObject({ kind: 'channel-reset', data: 'enough' });
    const lost = await peers.pipe({ sends, credit: 0 });
    const starving = watched(lost.tx.send(1));
    peers.cut();
    expect(await failureOf(starving)).toMatchObject({ kind: 'connection-closed', reason: 'link-lost' });
    await expectNoChannels();
  });
});

describe.each(TRANSPORTS)('over %s,', (transport) => {
  it('[channel.args] one argument carries up to 1,024 ends, and no more', async () => {
    const peers = await channelPeers({ transport });
    const ends = (count: number) => Array.from({ length: count }, () => channel<number>());
    const tooMany = ends(1_025);
    const error = await failureOf(peers.client.volatile(tooMany.map(([, rx]) => rx)));
    expect(error.kind).toBe('invalid-payload');
    expect(error.message).toMatch(/\$\[1024\]/);
    const most = tooMany.slice(1);
    void watched(peers.client.volatile(most.map(([, rx]) => rx)));
    const received = (await peers.nextRun()).input as Rx<number>[];
    expect(received).toHaveLength(1_024);
    await Promise.all(most.map(([tx], index) => tx.send(index)));
    for (const [tx] of most) tx.close();
    const streams = await Promise.all(received.map((rx) => readAll(rx)));
    expect(streams).toEqual(numbers(1_024).map((index) => ({ items: [index] })));
    await expectNoChannels();
  });

  it('[credit.wake] a send that waits for room says so in no other way than one that waits for credit', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe<Uint8Array>({ sends: 'caller', credit: 200 });
    const sending = numbers(100).map(() => watched(tx.send(new Uint8Array(ITEM_BYTES))));
    expect(await isSettled(sending[0] as Promise<void>)).toBe(true);
    expect(tx.status).toBe('ready');
    const read = readAll(rx);
    await Promise.all(sending);
    tx.close();
    expect((await read).items).toHaveLength(100);
  });
});

it.each<Sends>(['caller', 'callee'])(
  '[channel.order] a receiver keeps nothing of what was read, however long its stream is (the %s sends)',
  async (sends) => {
    // Over memory the tap of the test keeps all there ever was.
    const peers = await channelPeers({ transport: 'tcp' });
    const { tx, rx } = await peers.pipe<Uint8Array>({ sends });
    const item = new Uint8Array(ITEM_BYTES);
    const stream = async (count: number): Promise<void> => {
      for (let number = 0; number < count; number++) {
        await tx.send(item);
        await rx.recv();
        // One always stays unread, so that the line is never empty.
        if (number === 0) await tx.send(item);
      }
      await rx.recv();
    };
    // The first ones make the buffers that stay.
    await stream(200);
    const before = usedBytes();
    await stream(1_500);
    // A third of what went through. Buffers of sockets are freed a few turns later than they are garbage.
    const growsLittle = (): boolean => usedBytes() - before < 32 * 1024 * 1024;
    await patiently(growsLittle, 20);
    expect(growsLittle()).toBe(true);
  },
);
