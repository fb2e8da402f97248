/** channel.reset: a receiver that stops early, in whatever way, stops its sender. On both transports, in both directions. */
import { describe, expect, it } from 'vitest';
import type { Rx } from 'statewire';
import { channelPeers, EVERYWHERE, numbers, watched } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing } from '../support/channel-leaks.ts';
import { failureOf, isSettled } from '../support/peers.ts';

leavesNothing();

/** Ways to stop after the second item; what the sender is told then, where that is the user's to say. */
const WAYS: readonly [string, (rx: Rx<number>) => Promise<unknown>, string?][] = [
  [
    'leaves its loop by break',
    async (rx) => {
      for await (const item of rx) if (item === 1) break;
    },
  ],
  [
    'returns from its loop',
    async (rx) => {
      for await (const item of rx) if (item === 1) return item;
      return undefined;
    },
  ],
  [
    'throws in its loop',
    (rx) =>
      expect(
        (async () => {
          for await (const item of rx) if (item === 1) throw new Error('oops');
        })(),
      ).rejects.toThrow('oops'),
  ],
  [
    'returns its iterator by hand',
    async (rx) => {
      const iterator = rx[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.next();
      expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    },
  ],
  [
    'is disposed of',
    async (rx) => {
      await rx.recv();
      await rx.recv();
      rx[Symbol.dispose]();
    },
  ],
  [
    'resets without a reason',
    async (rx) => {
      await rx.recv();
      await rx.recv();
      rx.reset();
    },
  ],
  [
    'resets with a reason',
    async (rx) => {
      await rx.recv();
      await rx.recv();
      rx.reset('seen enough');
    },
    'seen enough',
  ],
  [
    'unsubscribes from its observable',
    (rx) =>
      new Promise<void>((resolve) => {
        const subscription = rx.observable().subscribe((item) => {
          if (item !== 1) return;
          subscription.unsubscribe();
          resolve();
        });
      }),
  ],
  [
    'cancels its stream',
    async (rx) => {
      const reader = rx.readable().getReader();
      await reader.read();
      await reader.read();
      await reader.cancel('stream cancelled');
    },
    'stream cancelled',
  ],
];

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  it.each(WAYS)('[channel.reset] a receiver that %s stops its sender, and nothing is left', async (_what, stop, reason) => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 4 });
    const sending = numbers(4).map((number) => tx.send(number));
    await stop(rx);
    await Promise.all(sending);
    await peers.settle();
    expect(rx.status).toBe('reset');
    expect(tx.status).toBe('reset');
    const error = await failureOf(tx.send(9));
    expect(error.kind).toBe('channel-reset');
    if (reason !== undefined) expect(error).toMatchObject({ reason, data: reason });
    expect(await failureOf(rx.recv())).toMatchObject({ kind: 'channel-reset' });
    await expectNoChannels();
  });

  it('[channel.reset] a send that waits for credit is told, as every later one', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends, credit: 1 });
    await tx.send(0);
    const waiting = [watched(tx.send(1)), watched(tx.send(2))];
    await peers.settle();
    expect(await isSettled(waiting[0] as Promise<void>)).toBe(false);
    rx.reset('full');
    for (const send of [...waiting, tx.send(3)]) expect(await failureOf(send)).toMatchObject({ kind: 'channel-reset', data: 'full' });
    await expectNoChannels();
  });

  it('[channel.reset] a pending recv of the side that resets is woken', async () => {
    const peers = await channelPeers({ transport });
    const { rx } = await peers.pipe({ sends });
    const pending = rx.recv();
    rx.reset('tired of waiting');
    expect(await failureOf(pending)).toMatchObject({ kind: 'channel-reset' });
    await expectNoChannels();
  });

  it('[channel.reset] a loop that reads to the end resets nothing', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    await tx.send(1);
    tx.close();
    for await (const item of rx) expect(item).toBe(1);
    await peers.settle();
    expect([tx.status, rx.status]).toEqual(['closed', 'ended']);
    expect(peers.sent('reset')).toEqual([]);
  });

  it('[channel.reset] a receiver that stops when the end has come tells nobody: its sender is over', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx, sender } = await peers.pipe({ sends });
    await tx.send(1);
    tx.close();
    await peers.settle();
    expect(rx.status).toBe('draining');
    rx.reset('not interested');
    expect(await failureOf(rx.recv())).toMatchObject({ kind: 'channel-reset', data: 'not interested' });
    await peers.settle();
    expect(sender.counters.lateSignals).toBe(0);
    expect([tx.status, rx.status]).toEqual(['closed', 'reset']);
    await expectNoChannels();
  });

  it("[channel.reset] disposing of a sender is its close: the stream's end is an end", async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    await tx.send(1);
    tx[Symbol.dispose]();
    expect(await rx.recv()).toEqual({ done: false, value: 1 });
    expect(await rx.recv()).toEqual({ done: true, value: undefined });
    rx[Symbol.dispose]();
    expect([tx.status, rx.status]).toEqual(['closed', 'ended']);
    await expectNoChannels();
  });

  it('[channel.reset] resets that cross, and ones that come twice, disturb nothing', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    tx.reset('from the sender');
    rx.reset('from the receiver');
    rx.reset('again');
    await peers.settle();
    expect([tx.status, rx.status]).toEqual(['reset', 'reset']);
    expect(peers.session.status).toBe('connected');
    await expectNoChannels();
  });

  it('[channel.reset] refuses a reason that is no text, and then nothing was reset', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends });
    expect(() => rx.reset(7 as never)).toThrow(TypeError);
    expect(() => tx.reset({} as never)).toThrow(TypeError);
    await tx.send(1);
    expect(await rx.recv()).toEqual({ done: false, value: 1 });
  });
});
