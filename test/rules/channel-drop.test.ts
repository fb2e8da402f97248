/**
 * Forgotten ends (channel.drop): what becomes of a channel whose handle nobody can reach any more, and which handles are never taken away. On both
 * transports. Nothing in a test may hold what is to be collected: handles live in functions of their own, and handlers keep nothing.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { channel, defineService, implement, method, sendAll } from 'statewire';
import type { Rx, Tx } from 'statewire';
import { channelPeers, EVERYWHERE, numbers, readAll, TRANSPORTS, watched } from '../support/channel-peers.ts';
import type { ChannelPeers, Sends, Transport } from '../support/channel-peers.ts';
import { channelTables, expectNoChannels, leavesNothing } from '../support/channel-leaks.ts';
import { failureOf, isSettled } from '../support/peers.ts';

leavesNothing();

const Drop = defineService('Drop', {
  /** Gets one end, does with it what the test says, and forgets it. */
  forget: method<{ end: unknown }>(),
  /** Hands its end to the test. */
  keep: method<{ end: unknown }>(),
});

/** Collections within which what nobody holds must be gone. One is enough nearly always; a stack may keep something by accident. */
const PATIENCE = 60;
/** Collections after which what somebody holds is seen to be still there. */
const A_FEW = 3;

/** Collects garbage, turn by turn, until something holds; or just a few times. */
async function collect(holds?: () => boolean): Promise<void> {
  for (let turn = 0; turn < (holds === undefined ? A_FEW : PATIENCE) && holds?.() !== true; turn++) {
    await nextTurn();
    globalThis.gc?.();
  }
  await nextTurn();
}

/** Whether a promise settles once garbage is collected. */
async function settlesByCollection(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => (settled = true);
  promise.then(settle, settle);
  await collect(() => settled);
  return settled;
}

interface Dropped {
  readonly peers: ChannelPeers;
  /** The end that somebody still has. */
  tx: Tx<number> | undefined;
  rx: Rx<number> | undefined;
}

type Use = (end: never) => void;

/** A channel one end of which is used by `use` and then forgotten, by the caller or the callee; the other end is the test's. */
async function drop(transport: Transport, { end, by, credit, use }: { end: 'tx' | 'rx'; by: Sends; credit?: number; use?: Use }): Promise<Dropped> {
  let there: unknown = undefined;
  const forget = ({ end: given }: { end: unknown }): void => use?.(given as never);
  const keep = ({ end: given }: { end: unknown }): void => void (there = given);
  const peers = await channelPeers({ transport, server: { services: [implement(Drop, { forget, keep })] } });
  const client = peers.session.client(Drop);
  const [tx, rx] = channel<number>({ credit });
  if (by === 'callee') await client.forget({ end: end === 'tx' ? tx : rx });
  else await client.keep({ end: end === 'tx' ? rx : tx });
  if (by === 'caller') use?.((end === 'tx' ? tx : rx) as never);
  const own = by === 'callee' ? (end === 'tx' ? rx : tx) : there;
  there = undefined;
  return { peers, tx: end === 'rx' ? (own as Tx<number>) : undefined, rx: end === 'tx' ? (own as Rx<number>) : undefined };
}

describe.each(EVERYWHERE)('over $transport, where the $sends forgets,', ({ transport, sends: by }) => {
  it('[channel.drop] a sender that is collected without a close closes the channel, once', async () => {
    const { peers, rx } = await drop(transport, {
      end: 'tx',
      by,
      use: (tx: Tx<number>) => {
        void tx.send(1);
        void tx.send(2);
      },
    });
    const read = readAll(rx as Rx<number>);
    expect(await settlesByCollection(read)).toBe(true);
    expect(await read).toEqual({ items: [1, 2] });
    await expectNoChannels();
    await collect();
    await peers.settle();
    if (transport === 'memory') expect(peers.sent('end')).toHaveLength(1);
    expect(peers.session.counters.lateSignals + peers.accepted.counters.lateSignals).toBe(0);
  });

  it('[channel.drop] a receiver that is collected unread resets the channel', async () => {
    const { peers, tx } = await drop(transport, { end: 'rx', by, credit: 1 });
    await tx?.send(1);
    const waiting = watched(tx?.send(2) as Promise<void>);
    expect(await settlesByCollection(waiting)).toBe(true);
    expect(await failureOf(waiting)).toMatchObject({ kind: 'channel-reset' });
    await expectNoChannels();
    await collect();
    if (transport === 'memory') expect(peers.sent('reset')).toHaveLength(1);
  });

  it('[channel.drop] a receiver that is collected half read resets the channel', async () => {
    const read: unknown[] = [];
    const { tx } = await drop(transport, {
      end: 'rx',
      by,
      credit: 2,
      use: (rx: Rx<number>) => void rx.recv().then((received) => read.push(received.value)),
    });
    await tx?.send(1);
    await tx?.send(2);
    const waiting = watched(tx?.send(3) as Promise<void>);
    // One was consumed, so one more may come; then nobody reads.
    await waiting;
    const next = watched(tx?.send(4) as Promise<void>);
    expect(await settlesByCollection(next)).toBe(true);
    expect(await failureOf(next)).toMatchObject({ kind: 'channel-reset' });
    expect(read).toEqual([1]);
  });

  it('[channel.drop] a receiver with a pending recv is held until it has its item', async () => {
    const read: unknown[] = [];
    const { peers, tx } = await drop(transport, { end: 'rx', by, use: (rx: Rx<number>) => void rx.recv().then(({ value }) => read.push(value)) });
    await collect();
    await peers.settle();
    expect(tx?.status).toBe('ready');
    await tx?.send(7);
    await peers.settle();
    expect(read).toEqual([7]);
    // Nobody waits any more.
    await collect(() => tx?.status === 'reset');
    expect(tx?.status).toBe('reset');
  });

  it('[channel.drop] a receiver with a loop is held until the loop ends', async () => {
    const read: number[] = [];
    let isOver = false;
    const { peers, tx } = await drop(transport, {
      end: 'rx',
      by,
      use: (rx: Rx<number>) =>
        void (async () => {
          for await (const item of rx) read.push(item);
          isOver = true;
        })(),
    });
    await tx?.send(0);
    await collect();
    await tx?.send(1);
    await tx?.send(2);
    tx?.close();
    await peers.settle();
    expect(read).toEqual([0, 1, 2]);
    expect(isOver).toBe(true);
    await expectNoChannels();
  });

  it('[channel.drop] a receiver with a loop is held while the body of the loop takes its time', async () => {
    const { peers, tx } = await drop(transport, {
      end: 'rx',
      by,
      use: (rx: Rx<number>) =>
        void (async () => {
          // Nothing but the loop itself knows what it waits for.
          for await (const _item of rx) await new Promise(() => {});
        })(),
    });
    await tx?.send(0);
    await peers.settle();
    await collect();
    await peers.settle();
    await tx?.send(1);
    expect(tx?.status).toBe('ready');
    tx?.close();
    await peers.settle();
    // What it has not read keeps the channel: its session ends it.
    await peers.session.close();
  });

  it('[channel.drop] a subscription of an observable holds its receiver', async () => {
    const read: number[] = [];
    const { peers, tx } = await drop(transport, {
      end: 'rx',
      by,
      use: (rx: Rx<number>) => void rx.observable().subscribe((item) => read.push(item)),
    });
    await tx?.send(0);
    await collect();
    await tx?.send(1);
    await peers.settle();
    expect(read).toEqual([0, 1]);
    tx?.close();
  });

  it('[channel.drop] a sender with a pending send is held until that has left, and closes then', async () => {
    const { peers, rx } = await drop(transport, {
      end: 'tx',
      by,
      credit: 1,
      use: (tx: Tx<number>) => {
        for (const number of [1, 2, 3]) void watched(tx.send(number));
      },
    });
    await collect();
    await peers.settle();
    expect(rx?.status).toBe('open');
    expect(await rx?.recv()).toEqual({ done: false, value: 1 });
    await collect();
    const rest = readAll(rx as Rx<number>);
    expect(await settlesByCollection(rest)).toBe(true);
    expect(await rest).toEqual({ items: [2, 3] });
    await expectNoChannels();
  });

  it('[channel.drop] a sendAll that waits holds its sender', async () => {
    const { rx } = await drop(transport, { end: 'tx', by, credit: 2, use: (tx: Tx<number>) => void watched(sendAll(tx, numbers(10))) });
    await collect();
    expect(await readAll(rx as Rx<number>)).toEqual({ items: numbers(10) });
    await expectNoChannels();
  });

  it('[channel.drop] a handle that is collected after its channel ended says nothing more', async () => {
    const { peers, rx } = await drop(transport, {
      end: 'tx',
      by,
      use: (tx: Tx<number>) => {
        void tx.send(1);
        tx.close();
      },
    });
    expect(await readAll(rx as Rx<number>)).toEqual({ items: [1] });
    await collect();
    await peers.settle();
    if (transport === 'memory') expect([peers.sent('end').length, peers.sent('reset').length]).toEqual([1, 0]);
    expect(peers.session.counters.lateSignals + peers.accepted.counters.lateSignals).toBe(0);
  });
});

describe.each(TRANSPORTS)('over %s,', (transport) => {
  it('[channel.drop] ends that are forgotten before their call leaves take effect when it does', async () => {
    const peers = await channelPeers({ transport, server: { maxConcurrentRequests: 1 } });
    const first = watched(peers.client.volatile('first'));
    const run = await peers.nextRun();
    const ask = () => {
      const [tx, rx] = channel<number>();
      const [out, back] = channel<number>();
      void watched(tx.send(5));
      // The caller keeps neither of its own ends.
      void back;
      void watched(peers.client.volatile({ rx, out }));
    };
    ask();
    await collect();
    run.returns(undefined);
    await first;
    const { rx, out } = (await peers.nextRun()).input as { rx: Rx<number>; out: Tx<number> };
    const read = readAll(rx);
    expect(await settlesByCollection(read)).toBe(true);
    expect(await read).toEqual({ items: [5] });
    await collect(() => out.status === 'reset');
    expect(await failureOf(out.send(1))).toMatchObject({ kind: 'channel-reset' });
  });

  it('[channel.drop] an end whose other end was collected before it was passed finds the channel over', async () => {
    const peers = await channelPeers({ transport });
    const ends = (() => ({ rx: channel<number>()[1], out: channel<number>()[0] }))();
    await collect();
    await collect();
    void watched(peers.client.volatile(ends));
    const { rx, out } = (await peers.nextRun()).input as { rx: Rx<number>; out: Tx<number> };
    expect(await readAll(rx)).toEqual({ items: [] });
    await peers.settle();
    expect(await failureOf(out.send(1))).toMatchObject({ kind: 'channel-reset' });
    await expectNoChannels();
  });

  it('[channel.drop] a pending call holds none of the ends that stay', async () => {
    const peers = await channelPeers({ transport });
    const ask = async () => {
      const [tx, rx] = channel<number>();
      void watched(peers.client.volatile({ rx }));
      await tx.send(1);
    };
    await ask();
    const { rx } = (await peers.nextRun()).input as { rx: Rx<number> };
    const read = readAll(rx);
    expect(await settlesByCollection(read)).toBe(true);
    expect(await read).toEqual({ items: [1] });
  });

  it('[channel.drop] both ends forgotten: the channel is gone from both tables', async () => {
    const forget = (): void => {};
    const peers = await channelPeers({ transport, server: { services: [implement(Drop, { forget, keep: forget })] } });
    const client = peers.session.client(Drop);
    const ask = async () => {
      for (let count = 0; count < 10; count++) {
        const [[, rx], [tx]] = [channel(), channel()];
        await client.forget({ end: [rx, tx] });
      }
    };
    await ask();
    expect(channelTables().live).toBe(40);
    await collect(() => channelTables().live === 0);
    await expectNoChannels();
  });

  it('[channel.drop] handles of channels that are over are garbage, while the session lives on', async () => {
    const peers = await channelPeers({ transport });
    const references: WeakRef<object>[] = [];
    const use = async () => {
      let there: { rx: Rx<number> } | undefined = undefined;
      const [tx, rx] = channel<number>();
      const called = watched(peers.client.volatile({ rx }));
      const run = await peers.nextRun();
      there = run.input as { rx: Rx<number> };
      await tx.send(1);
      tx.close();
      await readAll(there.rx);
      run.returns(undefined);
      await called;
      references.push(new WeakRef(tx), new WeakRef(rx));
    };
    for (let count = 0; count < 5; count++) await use();
    await peers.settle();
    await collect(() => references.every((reference) => reference.deref() === undefined));
    expect(references.filter((reference) => reference.deref() !== undefined)).toEqual([]);
  });

  it('[channel.drop] a pair that was never passed troubles nobody', async () => {
    const peers = await channelPeers({ transport });
    const make = () => {
      const [tx, rx] = channel<number>();
      return [new WeakRef(tx), new WeakRef(rx)];
    };
    const references = make();
    await collect(() => references.every((reference) => reference.deref() === undefined));
    expect(references.map((reference) => reference.deref())).toEqual([undefined, undefined]);
    expect(await isSettled(peers.session.closed)).toBe(false);
    await expectNoChannels();
  });
});
