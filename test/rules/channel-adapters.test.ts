/**
 * Channels as loops, Observables and WHATWG streams, and whole sources into a channel: each keeps order, credit and the meaning of an end (channel.order,
 * channel.reset, credit.spend). On both transports, in both directions.
 */
import { describe, expect, it } from 'vitest';
import { from, interval, map, Observable, Subject, take, toArray } from 'rxjs';
import { channel, RpcError, sendAll } from 'statewire';
import { channelPeers, EVERYWHERE, numbers, readAll, sendEach, watched } from '../support/channel-peers.ts';
import { channelTables, expectNoChannels, leavesNothing } from '../support/channel-leaks.ts';
import { failureOf, isSettled } from '../support/peers.ts';

leavesNothing();

async function* generate(count: number): AsyncGenerator<number> {
  for (const number of numbers(count)) {
    if (number % 3 === 0) await Promise.resolve();
    yield number;
  }
}

/** An iterable that says whether it was left; it never ends by itself. */
function endless(): AsyncIterable<number> & { readonly given: number; readonly isLeft: boolean } {
  const state = { given: 0, isLeft: false };
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: state.given++ }),
      return: async () => {
        state.isLeft = true;
        return { done: true, value: undefined };
      },
    }),
    get given() {
      return state.given;
    },
    get isLeft() {
      return state.isLeft;
    },
  };
}

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  it.each<[string, () => Observable<number> | AsyncIterable<number> | Iterable<number>]>([
    ['an array', () => numbers(200)],
    ['a Set', () => new Set(numbers(200))],
    ['a generator', () => numbers(200).values()],
    ['an async generator', () => generate(200)],
    ['an Observable that emits at once', () => from(numbers(200))],
    [
      'an Observable that emits later',
      () =>
        interval(0).pipe(
          take(20),
          map((value) => value),
        ),
    ],
    ['nothing', () => []],
  ])('[channel.order] sendAll sends all of %s and closes then', async (_what, makeSource) => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const sending = sendAll(tx, makeSource());
    const read = readAll(rx);
    await sending;
    expect(tx.status).toBe('closed');
    const { items, error } = await read;
    expect(error).toBeUndefined();
    expect(items).toEqual(numbers(items.length));
    expect([0, 20, 200]).toContain(items.length);
    await expectNoChannels();
  });

  it('[credit.spend] sendAll asks an iterable for no more than there is credit for', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 4 });
    const source = endless();
    const sending = watched(sendAll(tx, source));
    await peers.settle();
    expect(source.given).toBeLessThanOrEqual(5);
    for (let count = 0; count < 4; count++) await rx.recv();
    await peers.settle();
    expect(source.given).toBeGreaterThanOrEqual(8);
    expect(source.given).toBeLessThanOrEqual(9);
    rx.reset('enough');
    expect(await failureOf(sending)).toMatchObject({ kind: 'channel-reset', data: 'enough' });
  });

  it('[channel.reset] sendAll leaves an iterable whose receiver is gone, and rejects', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const source = endless();
    const sending = watched(sendAll(tx, source));
    await rx.recv();
    rx.reset('enough');
    expect(await failureOf(sending)).toMatchObject({ kind: 'channel-reset', data: 'enough' });
    expect(source.isLeft).toBe(true);
    await expectNoChannels();
  });

  it('[channel.reset] sendAll unsubscribes from an Observable whose receiver is gone, and rejects', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 1 });
    const source = new Subject<number>();
    const sending = watched(sendAll(tx, source));
    expect(source.observed).toBe(true);
    for (const number of numbers(3)) source.next(number);
    await rx.recv();
    rx.reset('enough');
    expect(await failureOf(sending)).toMatchObject({ kind: 'channel-reset', data: 'enough' });
    expect(source.observed).toBe(false);
  });

  it.each<[string, (failure: Error) => Observable<number> | AsyncIterable<number>]>([
    ['an Observable', (failure) => new Observable((subscriber) => queueMicrotask(() => (subscriber.next(0), subscriber.error(failure))))],
    ['an Observable, while it is subscribed to,', (failure) => new Observable((subscriber) => (subscriber.next(0), subscriber.error(failure)))],
    [
      'an async generator',
      async function* (failure) {
        yield 0;
        throw failure;
      },
    ],
  ])('[channel.order] when %s fails, sendAll rejects with its error and the stream does not look complete', async (_what, makeSource) => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const failure = new Error('the source is dry');
    const sending = watched(sendAll(tx, makeSource(failure)));
    await expect(sending).rejects.toBe(failure);
    const { items, error } = await readAll(rx);
    expect([[], [0]]).toContainEqual(items);
    expect(error).toMatchObject({ kind: 'channel-reset', data: 'source-failed' });
  });

  it('[credit.spend] sendAll bounds what an Observable may have waiting', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 2 });
    const source = new Subject<number>();
    const sending = watched(sendAll(tx, source, { maxBuffered: 5 }));
    // Two are covered by credit, five may wait.
    for (const number of numbers(7)) source.next(number);
    await peers.settle();
    expect(await isSettled(sending)).toBe(false);
    source.next(7);
    expect(await failureOf(sending)).toMatchObject({ kind: 'send-failed', reason: 'overflow' });
    expect(source.observed).toBe(false);
    const { items, error } = await readAll(rx);
    expect(items).toEqual(numbers(items.length));
    expect(error).toMatchObject({ kind: 'channel-reset', data: 'overflow' });
  });

  it('[credit.spend] sendAll bounds an Observable that emits while it is subscribed to', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 0 });
    expect(await failureOf(sendAll(tx, from(numbers(6)), { maxBuffered: 5 }))).toMatchObject({ kind: 'send-failed', reason: 'overflow' });
    expect((await readAll(rx)).error).toMatchObject({ kind: 'channel-reset', data: 'overflow' });
  });

  it('[link.backpressure] sendAll bounds what waits for room in the link as well as what waits for credit', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe<Uint8Array>({ sends, credit: 10_000 });
    const item = new Uint8Array(64 * 1024);
    // Far more than a link takes at once, and well within the credit.
    const source = from(numbers(1_000)).pipe(map(() => item));
    const sending = watched(sendAll(tx, source, { maxBuffered: 50 }));
    expect(channelTables().waiting).toBeLessThanOrEqual(51);
    expect(await failureOf(sending)).toMatchObject({ kind: 'send-failed', reason: 'overflow' });
    expect((await readAll(rx)).error).toMatchObject({ kind: 'channel-reset', data: 'overflow' });
  });

  it('[channel.order] sendAll settles for an Observable only when every item is on its way', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 2 });
    const sending = watched(sendAll(tx, from(numbers(5))));
    await peers.settle();
    expect(await isSettled(sending)).toBe(false);
    expect(await readAll(rx)).toEqual({ items: numbers(5) });
    await sending;
  });

  it.each([-1, 0.5, NaN])('[credit.spend] sendAll refuses a bound of %s', async (maxBuffered) => {
    const peers = await channelPeers({ transport });
    const { tx } = await peers.pipe({ sends });
    await expect(sendAll(tx, [1], { maxBuffered })).rejects.toThrow(TypeError);
  });

  it('[channel.order] an observable gives the items in order and completes at the end', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const read = new Promise((resolve, reject) => rx.observable().pipe(toArray()).subscribe({ next: resolve, error: reject }));
    await sendEach(tx, numbers(500));
    tx.close();
    expect(await read).toEqual(numbers(500));
    await expectNoChannels();
  });

  it('[channel.order] an observable fails where the stream was cut', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const items: number[] = [];
    const failed = new Promise((resolve, reject) =>
      rx.observable().subscribe({ next: (item) => items.push(item), error: resolve, complete: () => reject(new Error('complete')) }),
    );
    await tx.send(1);
    tx.reset('cut');
    expect(await failed).toBeInstanceOf(RpcError);
    expect(await failed).toMatchObject({ kind: 'channel-reset', data: 'cut' });
    expect(items).toEqual([1]);
  });

  it('[channel.reset] take(n) of an observable stops the sender', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const source = endless();
    const sending = watched(sendAll(tx, source));
    const read = await new Promise((resolve) => rx.observable().pipe(take(3), toArray()).subscribe(resolve));
    expect(read).toEqual([0, 1, 2]);
    expect(await failureOf(sending)).toMatchObject({ kind: 'channel-reset' });
    expect(source.isLeft).toBe(true);
  });

  it('[credit.grant] an observable nobody subscribes to consumes nothing', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 2 });
    const observable = rx.observable();
    await sendEach(tx, [1, 2]);
    await peers.settle();
    expect(tx.credit).toBe(0);
    const read = new Promise((resolve) => observable.pipe(toArray()).subscribe(resolve));
    tx.close();
    expect(await read).toEqual([1, 2]);
  });

  it('[channel.order] streams carry a source from one end to the other', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const read: number[] = [];
    const reading = rx.readable().pipeTo(new WritableStream({ write: (item) => void read.push(item) }));
    await new ReadableStream<number>({
      start: (controller) => {
        for (const number of numbers(300)) controller.enqueue(number);
        controller.close();
      },
    }).pipeTo(tx.writable());
    await reading;
    expect(read).toEqual(numbers(300));
    expect([tx.status, rx.status]).toEqual(['closed', 'ended']);
    await expectNoChannels();
  });

  it('[credit.spend] a writable stream is ready when there is credit, and a readable one takes nothing unasked', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 2 });
    const writer = tx.writable().getWriter();
    const reader = rx.readable().getReader();
    const writing = numbers(4).map((number) => watched(writer.write(number)));
    await peers.settle();
    expect(await Promise.all(writing.map((write) => isSettled(write)))).toEqual([true, true, false, false]);
    for (const value of numbers(4)) expect(await reader.read()).toEqual({ done: false, value });
    await writer.close();
    expect(await reader.read()).toEqual({ done: true, value: undefined });
  });

  it('[channel.reset] aborting a writable stream resets, and the readable one fails', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    const writer = tx.writable().getWriter();
    await writer.write(1);
    await writer.abort('no more paper');
    const reader = rx.readable().getReader();
    expect(await reader.read()).toEqual({ done: false, value: 1 });
    await expect(reader.read()).rejects.toMatchObject({ kind: 'channel-reset', data: 'no more paper' });
  });

  it('[channel.reset] a writable stream fails when its receiver has stopped', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 1 });
    const writer = tx.writable().getWriter();
    await writer.write(1);
    const waiting = watched(writer.write(2));
    void watched(writer.closed);
    rx.reset('enough');
    expect(await failureOf(waiting)).toMatchObject({ kind: 'channel-reset', data: 'enough' });
    await expect(writer.closed).rejects.toMatchObject({ kind: 'channel-reset' });
  });
});

it('[credit.spend] sendAll bounds what waits for the call that carries the channel', async () => {
  const [tx, rx] = channel<number>({ credit: 2 });
  expect(await failureOf(sendAll(tx, from(numbers(100)), { maxBuffered: 5 }))).toMatchObject({ kind: 'send-failed', reason: 'overflow' });
  expect(tx.status).toBe('reset');
  expect(rx.status).not.toBe('ended');
});
