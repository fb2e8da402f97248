/**
 * What comes out of a channel: what went in, in order, each once, and then the end; or an error, wherever the stream was cut (channel.order,
 * channel.terminal, channel.independent). On both transports, in both directions.
 */
import { describe, expect, it } from 'vitest';
import type { Session } from 'statewire';
import { channelPeers, EVERYWHERE, numbers, readAll, sendEach, watched } from '../support/channel-peers.ts';
import type { ChannelPeers, Pipe } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing, patiently } from '../support/channel-leaks.ts';
import { pattern } from '../support/links.ts';
import { failureOf, isSettled } from '../support/peers.ts';

leavesNothing();

const MANY = 10_000;

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  it(`[channel.order] ${MANY} items that are sent one by one arrive in order, each once, and then the end`, async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const read = readAll(rx);
    await sendEach(tx, numbers(MANY));
    tx.close();
    expect(await read).toEqual({ items: numbers(MANY) });
    await expectNoChannels();
  });

  it(`[channel.order] ${MANY} items whose sends nobody waited for arrive in order, each once, and then the end`, async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const sending = Promise.all(numbers(MANY).map((number) => tx.send(number)));
    const read = readAll(rx);
    await sending;
    tx.close();
    expect(await read).toEqual({ items: numbers(MANY) });
  });

  it('[channel.order] items of all sizes, sent in bursts, overtake each other nowhere', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe<unknown>({ sends, credit: 64 });
    const given = numbers(300).map((index) => (index % 7 === 0 ? pattern(1 + index * 331, index) : index % 3 === 0 ? 'text'.repeat(index) : index));
    // As text, which is compared a hundred times faster.
    const asText = (values: readonly unknown[]): unknown[] =>
      values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value));
    const read = readAll(rx);
    for (let from = 0; from < given.length; from += 40) await Promise.all(given.slice(from, from + 40).map((one) => tx.send(one)));
    tx.close();
    expect(asText((await read).items)).toEqual(asText(given));
  });

  it('[channel.order] receivers that ask before there is anything get the items in the order they asked', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const asked = numbers(5).map(() => rx.recv());
    await sendEach(tx, numbers(3));
    tx.close();
    const done = { done: true, value: undefined };
    expect(await Promise.all(asked)).toEqual([...numbers(3).map((value) => ({ done: false, value })), done, done]);
  });

  it('[channel.order] a close right after sends that nobody waited for lets those covered by credit through, then the end', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 3 });
    const sending = numbers(5).map((number) => watched(tx.send(number)));
    tx.close();
    expect(await readAll(rx)).toEqual({ items: [0, 1, 2] });
    await Promise.all(sending.slice(0, 3));
    for (const beyond of sending.slice(3)) expect(await failureOf(beyond)).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
  });

  it('[channel.order] the end of an empty stream is an end, too', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    tx.close();
    expect(await readAll(rx)).toEqual({ items: [] });
    await expectNoChannels();
  });

  it("[channel.order] a sender's reset makes the receiver throw its reason, after what came before", async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    await sendEach(tx, [1, 2]);
    tx.reset('out of paper');
    const { items, error } = await readAll(rx);
    expect(items).toEqual([1, 2]);
    expect(error).toMatchObject({ kind: 'channel-reset', reason: 'out of paper', data: 'out of paper' });
    expect(rx.status).toBe('reset');
    expect(await failureOf(rx.recv())).toMatchObject({ kind: 'channel-reset' });
    await expectNoChannels();
  });

  it.each<[string, (peers: ChannelPeers, pipe: Pipe<number>) => unknown, string]>([
    ['a lost link', (peers) => peers.cut(), 'link-lost'],
    ["the close of the sender's session", (_peers, { sender }) => sender.close(), 'closed'],
    ["the close of the receiver's session", (_peers, { receiver }) => receiver.close(), 'closed'],
  ])('[channel.order] %s never looks like the end: the receiver throws', async (_what, cutOff, reason) => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends });
    await sendEach(pipe.tx, [1, 2, 3]);
    expect(await pipe.rx.recv()).toEqual({ done: false, value: 1 });
    await cutOff(peers, pipe);
    const { items, error } = await readAll(pipe.rx);
    expect([2, 3].slice(0, items.length)).toEqual(items);
    expect(error).toMatchObject({ kind: 'connection-closed', reason });
    expect(await failureOf(pipe.rx.recv())).toMatchObject({ kind: 'connection-closed', reason });
    expect(pipe.rx.status).toBe('lost');
    await peers.parted();
    expect(await failureOf(pipe.tx.send(4))).toMatchObject({ kind: 'connection-closed', reason });
    expect(pipe.tx.status).toBe('lost');
    await expectNoChannels();
  });

  it('[channel.order] what a receiver had read to the end stays ended when the link is lost afterwards', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    await sendEach(tx, [1]);
    tx.close();
    await readAll(rx);
    peers.cut();
    await peers.parted();
    expect(await rx.recv()).toEqual({ done: true, value: undefined });
    expect(rx.status).toBe('ended');
    expect(tx.status).toBe('closed');
  });

  it('[channel.order] a stream whose end had come before the link was lost is complete, read or not', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx, run, outcome } = await peers.pipe({ sends });
    run.returns(undefined);
    await outcome;
    await sendEach(tx, [1, 2, 3]);
    tx.close();
    await peers.settle();
    peers.cut();
    await peers.parted();
    expect(await readAll(rx)).toEqual({ items: [1, 2, 3] });
    expect(rx.status).toBe('ended');
  });

  it.each<[string, (peers: ChannelPeers) => unknown]>([
    ['its link is lost', (peers) => peers.cut()],
    ['its session is closed', (peers) => peers.accepted.close()],
    ['its peer closes', (peers) => peers.session.close()],
  ])('[channel.order] [channel.handler-end] an aborted handler never takes what it did not read for the end: %s', async (_when, cutOff) => {
    const peers = await channelPeers({ transport });
    const { tx, rx, run } = await peers.pipe({ sends });
    await sendEach(tx, [1, 2, 3]);
    tx.close();
    await peers.settle();
    await cutOff(peers);
    await peers.parted();
    expect(run.aborted).toBe(true);
    const { items, error } = await readAll(rx);
    if (error === undefined) expect(items).toEqual([1, 2, 3]);
  });

  it('[channel.terminal] after its close a sender sends no more, and says so', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    await tx.send(1);
    tx.close();
    expect(tx.status).toBe('closed');
    expect(await failureOf(tx.send(2))).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
    // Neither changes anything any more.
    tx.close();
    tx.reset('too late');
    expect(tx.status).toBe('closed');
    expect(await readAll(rx)).toEqual({ items: [1] });
  });

  it('[channel.terminal] after the end a receiver receives it for ever', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    tx.close();
    for (let time = 0; time < 3; time++) expect(await rx.recv()).toEqual({ done: true, value: undefined });
    rx.reset('too late');
    rx.grant(5);
    for await (const item of rx) expect.unreachable(`${item} after the end`);
    expect(rx.status).toBe('ended');
  });

  it("[channel.terminal] after a sender's own reset its sends fail", async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    tx.reset('never mind');
    expect(tx.status).toBe('reset');
    expect(await failureOf(tx.send(1))).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
    expect((await readAll(rx)).error).toMatchObject({ kind: 'channel-reset', data: 'never mind' });
  });

  it('[channel.terminal] items that are on their way to a receiver that has reset are dropped and counted', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx, receiver } = await peers.pipe({ sends });
    const sending = numbers(3).map((number) => watched(tx.send(number)));
    rx.reset('enough');
    await peers.settle();
    expect(receiver.counters.lateItems).toBe(3);
    await Promise.allSettled(sending);
    expect(tx.status).toBe('reset');
    await expectNoChannels();
  });

  it('[channel.independent] the response ends no channel: it goes on until it is closed', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx, run, outcome } = await peers.pipe({ sends });
    await tx.send(1);
    run.returns('answered');
    expect(await outcome).toBe('answered');
    await peers.settle();
    const read = readAll(rx);
    await sendEach(tx, numbers(100, 2));
    expect(tx.status).not.toBe('closed');
    tx.close();
    expect(await read).toEqual({ items: numbers(101, 1) });
  });

  it('[channel.independent] channels of one call and of several go their own ways', async () => {
    const peers = await channelPeers({ transport });
    const pipes = [];
    for (let count = 0; count < 4; count++) pipes.push(await peers.pipe({ sends }));
    const [closed, reset, left, open] = pipes as [Pipe<number>, Pipe<number>, Pipe<number>, Pipe<number>];
    for (const { tx } of pipes) await tx.send(1);
    closed.tx.close();
    reset.tx.reset('no');
    left.rx.reset('no');
    closed.run.returns(undefined);
    await peers.settle();
    expect(await readAll(closed.rx)).toEqual({ items: [1] });
    expect((await readAll(reset.rx)).error).toMatchObject({ kind: 'channel-reset' });
    expect(await failureOf(left.tx.send(2))).toMatchObject({ kind: 'channel-reset' });
    const read = readAll(open.rx);
    await sendEach(open.tx, numbers(100, 2));
    open.tx.close();
    expect(await read).toEqual({ items: numbers(101, 1) });
  });

  it('[channel.order] [channel.terminal] both ends say what they are in, all the way to the end', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 2 });
    const say = (): unknown[] => [tx.status, tx.credit, rx.status, rx.credit];
    expect(say()).toEqual(['ready', 2, 'open', 2]);
    await tx.send(1);
    await peers.settle();
    expect(say()).toEqual(['ready', 1, 'open', 1]);
    await tx.send(2);
    await peers.settle();
    expect(say()).toEqual(['starved', 0, 'open', 0]);
    const waiting = watched(tx.send(3));
    await peers.settle();
    expect(await isSettled(waiting)).toBe(false);
    expect(say()).toEqual(['starved', 0, 'open', 0]);
    await rx.recv();
    await waiting;
    await peers.settle();
    expect(say()).toEqual(['starved', 0, 'open', 0]);
    tx.close();
    await peers.settle();
    expect([tx.status, rx.status]).toEqual(['closed', 'draining']);
    expect(await readAll(rx)).toEqual({ items: [2, 3] });
    expect(rx.status).toBe('ended');
    expect([tx.credit, rx.credit]).toEqual([0, 0]);
  });

  it.each<[string, (peers: ChannelPeers, pipe: Pipe<number>) => unknown]>([
    ['closed', (_peers, { tx }) => tx.close()],
    ['reset by its sender', (_peers, { tx }) => tx.reset()],
    ['reset by its receiver', (_peers, { rx }) => rx.reset()],
    ['lost with its link', (peers) => peers.cut()],
  ])('[channel.terminal] when a channel is %s, no credit is left at either end', async (_how, end) => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends });
    expect([pipe.tx.credit, pipe.rx.credit]).toEqual([16, 16]);
    await end(peers, pipe);
    await patiently(() => pipe.tx.status !== 'ready' && pipe.rx.status !== 'open');
    expect([pipe.tx.credit, pipe.rx.credit]).toEqual([0, 0]);
  });

  it('[channel.order] the acceptor may be the caller as well', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, by: 'acceptor' });
    const read = readAll(rx);
    await sendEach(tx, numbers(100));
    tx.close();
    expect(await read).toEqual({ items: numbers(100) });
  });

  it('[channel.order] channels need no operation ids', async () => {
    const peers = await channelPeers({ transport, client: { retry: false } });
    const { tx, rx } = await peers.pipe({ sends });
    const read = readAll(rx);
    await sendEach(tx, numbers(100));
    tx.close();
    expect(await read).toEqual({ items: numbers(100) });
  });

  it('[channel.independent] no violation or late message is counted of channels that behave', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const read = readAll(rx);
    await sendEach(tx, numbers(50));
    tx.close();
    await read;
    await peers.settle();
    const counted = ({ counters }: Session): unknown => [
      counters.lateItems,
      counters.lateSignals,
      counters.creditViolations,
      counters.protocolErrors,
    ];
    expect(counted(peers.accepted)).toEqual([0, 0, 0, 0]);
    // A grant may cross the end: that is no fault of anybody.
    expect(counted(peers.session)).toEqual([0, expect.any(Number), 0, 0]);
  });
});
