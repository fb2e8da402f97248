/**
 * Where channel ends may stand, and what is refused: ends in results, items and failures, and an end that is passed twice (channel.args,
 * channel.one-owner). On both transports.
 */
import { describe, expect, it } from 'vitest';
import { channel, Rx, Tx } from 'statewire';
import { channelPeers, numbers, readAll, sendEach, TRANSPORTS, watched } from '../support/channel-peers.ts';
import type { ChannelPeers } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing } from '../support/channel-leaks.ts';
import { failureOf } from '../support/peers.ts';

leavesNothing();

type End = Tx<number> | Rx<number>;

/** How an end is put somewhere, and how it is found there again. */
const PLACES: readonly [string, (end: End) => unknown, (input: never) => End][] = [
  ['at the root', (end) => end, (input) => input],
  ['in a property', (end) => ({ end }), (input: { end: End }) => input.end],
  ['deep in objects', (end) => ({ a: { b: { c: end } }, z: 1 }), (input: { a: { b: { c: End } } }) => input.a.b.c],
  ['in an array', (end) => [1, [end], 3], (input: [number, [End]]) => input[1][0]],
  ["as a Map's value", (end) => new Map<unknown, unknown>([['k', end]]), (input: Map<string, End>) => input.get('k') as End],
  ["as a Map's key", (end) => new Map<unknown, unknown>([[end, 1]]), (input: Map<End, number>) => [...input.keys()][0] as End],
  ['in a Set', (end) => new Set<unknown>(['x', end]), (input: Set<End>) => [...input][1] as End],
  [
    'in a Set in a Map in an array in an object',
    (end) => ({ list: [new Map([['k', new Set([end])]])] }),
    (input: { list: [Map<string, Set<End>>] }) => [...(input.list[0].get('k') as Set<End>)][0] as End,
  ],
];

/** Numbers one way through a channel, to the end. */
async function expectToWork(tx: Tx<number>, rx: Rx<number>): Promise<void> {
  const read = readAll(rx);
  await sendEach(tx, numbers(20));
  tx.close();
  expect(await read).toEqual({ items: numbers(20) });
}

/** A call that must be refused before it leaves; its error. */
async function refused(peers: ChannelPeers, argument: unknown) {
  const error = await failureOf(peers.client.volatile(argument));
  expect(error).toMatchObject({ kind: 'invalid-payload', retryable: false });
  expect(peers.runs.length).toBe(peers.runs.filter(({ input }) => input !== argument).length);
  return error;
}

describe.each(TRANSPORTS)('over %s,', (transport) => {
  it.each(PLACES)('[channel.args] a receiving end works %s', async (_where, put, find) => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>();
    expect([tx.status, rx.status]).toEqual(['unbound', 'unbound']);
    const called = peers.client.volatile(put(rx));
    const run = await peers.nextRun();
    const end = find(run.input as never);
    expect(end).toBeInstanceOf(Rx);
    expect(tx.status).toBe('ready');
    await expectToWork(tx, end as Rx<number>);
    run.returns('ok');
    expect(await called).toBe('ok');
    await expectNoChannels();
  });

  it.each(PLACES)('[channel.args] a sending end works %s', async (_where, put, find) => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>();
    const called = peers.client.volatile(put(tx));
    const run = await peers.nextRun();
    const end = find(run.input as never);
    expect(end).toBeInstanceOf(Tx);
    expect(rx.status).toBe('open');
    await expectToWork(end as Tx<number>, rx);
    run.returns('ok');
    expect(await called).toBe('ok');
    await expectNoChannels();
  });

  it('[channel.args] many ends in one argument, both ways, each belong to their own channel', async () => {
    const peers = await channelPeers({ transport });
    const there = numbers(20).map((index) => channel<number>({ credit: index }));
    const back = numbers(20).map((index) => channel<number>({ credit: index }));
    const input = { there: there.map(([, rx]) => rx), back: new Map(back.map(([tx], index) => [index, { tx }])) };
    void watched(peers.client.volatile(input));
    const run = await peers.nextRun();
    const { there: receiving, back: sending } = run.input as { there: Rx<number>[]; back: Map<number, { tx: Tx<number> }> };
    const read = Promise.all([...receiving, ...back.map(([, rx]) => rx)].map((rx) => readAll(rx)));
    const all = [...there.map(([tx]) => tx), ...Array.from(sending.values(), ({ tx }) => tx)];
    await Promise.all(
      all.map(async (tx, index) => {
        await sendEach(tx, numbers(30, index * 100));
        tx.close();
      }),
    );
    expect(await read).toEqual(all.map((_tx, index) => ({ items: numbers(30, index * 100) })));
    await expectNoChannels();
  });

  it('[channel.args] ends stand beside every other kind of value', async () => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>();
    const rest = { date: new Date(5), big: 2n ** 80n, bytes: Uint8Array.of(1, 2), nothing: undefined, map: new Map([[1, new Set([2])]]) };
    void watched(peers.client.volatile({ ...rest, rx }));
    const { rx: end, ...others } = (await peers.nextRun()).input as typeof rest & { rx: Rx<number> };
    expect(others).toEqual(rest);
    await expectToWork(tx, end);
  });

  it('[channel.args] items may be any value but an end', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe<unknown>({ sends: 'caller', credit: 32 });
    const values = [undefined, null, 0, -1.5, '', 'x', true, 2n ** 70n, new Date(7), Uint8Array.of(9), [], {}, new Map([[{ a: 1 }, new Set([1])]])];
    const sending = sendEach(tx, values);
    for (const value of values) expect(await rx.recv()).toEqual({ done: false, value });
    await sending;
  });

  it.each([
    ['a function', () => {}, /\$/],
    ['an end', channel()[0], /end/],
    ['an end deep inside', { a: [channel()[1]] }, /\$\.a/],
  ])('[channel.args] %s as an item is refused, costs no credit and breaks nothing', async (_what, value, message) => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe<unknown>({ sends: 'caller', credit: 1 });
    const error = await failureOf(tx.send(value));
    expect(error.kind).toBe('invalid-payload');
    expect(error.message).toMatch(message);
    expect([tx.status, tx.credit]).toEqual(['ready', 1]);
    await tx.send('after');
    expect(await rx.recv()).toEqual({ done: false, value: 'after' });
  });

  it('[channel.args] an unencodable item is refused at once, credit or not', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe<unknown>({ sends: 'callee', credit: 1 });
    await tx.send(1);
    const bad = watched(tx.send(() => {}));
    const good = tx.send(2);
    expect(await failureOf(bad)).toMatchObject({ kind: 'invalid-payload' });
    expect(await rx.recv()).toEqual({ done: false, value: 1 });
    expect(await rx.recv()).toEqual({ done: false, value: 2 });
    await good;
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a result', () => channel()[1], /\$/],
    ['a result, deep inside', () => ({ deep: [channel()[0]] }), /\$\.deep/],
  ])("[channel.args] an end in %s is the handler's fault, and no end of the call stays open", async (_where, makeResult, path) => {
    const peers = await channelPeers({ transport });
    const { tx, outcome, run } = await peers.pipe({ sends: 'caller' });
    run.returns(makeResult());
    expect(await failureOf(outcome)).toMatchObject({ kind: 'indeterminate', reason: 'handler-failed' });
    expect(String(peers.handlerErrors[0])).toMatch(path);
    expect(await failureOf(tx.send(1))).toMatchObject({ kind: 'channel-reset', data: 'handler-failed' });
    await expectNoChannels();
  });

  it("[channel.args] an end in a declared failure is the handler's fault", async () => {
    const peers = await channelPeers({ transport });
    const called = watched(peers.client.volatile({}));
    (await peers.nextRun()).fails({ deep: channel()[0] });
    expect(await failureOf(called)).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(String(peers.handlerErrors[0])).toMatch(/\$\.deep/);
  });

  it('[channel.one-owner] one end twice in an argument is refused, by the path of the second', async () => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel();
    expect((await refused(peers, { a: rx, b: [rx] })).message).toMatch(/\$\.b/);
    expect((await refused(peers, { a: tx, b: { c: tx } })).message).toMatch(/\$\.b\.c/);
    await expectNoChannels();
  });

  it('[channel.one-owner] both ends of one channel in an argument are refused', async () => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel();
    expect((await refused(peers, { one: rx, other: tx })).message).toMatch(/\$\.other/);
    expect((await refused(peers, { one: tx, other: rx })).message).toMatch(/\$\.other/);
    await expectNoChannels();
  });

  it('[channel.one-owner] a refused call took nothing: the end may be passed in the next one', async () => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>();
    await refused(peers, { rx, twice: rx });
    await refused(peers, { rx, unencodable: () => {} });
    void watched(peers.client.volatile({ rx }));
    await expectToWork(tx, ((await peers.nextRun()).input as { rx: Rx<number> }).rx);
  });

  it.each(['tx', 'rx'] as const)(
    '[channel.one-owner] an end that was passed (%s) is refused in a later call, as is its other end',
    async (passed) => {
      const peers = await channelPeers({ transport });
      const [tx, rx] = channel<number>();
      const ends = { tx, rx };
      void watched(peers.client.volatile({ [passed]: ends[passed] }));
      const run = await peers.nextRun();
      expect((await refused(peers, { again: ends[passed] })).message).toMatch(/\$\.again/);
      expect((await refused(peers, { other: ends[passed === 'tx' ? 'rx' : 'tx'] })).message).toMatch(/\$\.other/);
      // The channel itself knows nothing of all that.
      const there = run.input as { tx?: Tx<number>; rx?: Rx<number> };
      await expectToWork(there.tx ?? tx, there.rx ?? rx);
    },
  );

  it('[channel.one-owner] an end that came in an argument cannot be passed on', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx } = await peers.pipe({ sends: 'caller' });
    const error = await failureOf(peers.clientOf('acceptor').volatile({ back: rx }));
    expect(error.kind).toBe('invalid-payload');
    expect(error.message).toMatch(/\$\.back/);
    await expectToWork(tx, rx);
  });

  it.each(['tx', 'rx'] as const)('[channel.one-owner] who passed an end (%s) can no longer use it', async (passed) => {
    const peers = await channelPeers({ transport });
    const [tx, rx] = channel<number>();
    const ends = { tx, rx };
    void watched(peers.client.volatile({ [passed]: ends[passed] }));
    const run = await peers.nextRun();
    const there = run.input as { tx?: Tx<number>; rx?: Rx<number> };
    // A fault of the program, which no peer and no network has a part in.
    await expect(passed === 'tx' ? tx.send(1) : rx.recv()).rejects.toThrow(TypeError);
    await expectToWork(there.tx ?? tx, there.rx ?? rx);
  });

  it.each([-1, 1.5, NaN, '16', 2 ** 31])('[credit.initial] a credit of %s is refused where the channel is made', (credit) => {
    expect(() => channel({ credit: credit as number })).toThrow(/credit/);
  });
});
