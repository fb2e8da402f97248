/**
 * Who numbers channels and how (id.*), and ends in an argument that no peer of good will would write (outcome.invalid-payload): by scripted peers and on the
 * memory network, where what is sent can be watched.
 */
import { describe, expect, it } from 'vitest';
import { channel } from 'statewire';
import type { Rx } from 'statewire';
import { encodeValue } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { channelPeers, readAll, watched } from '../support/channel-peers.ts';
import { channelTables, expectNoChannels, leavesNothing, tidyAfterwards } from '../support/channel-leaks.ts';
import { carrying, end, grant, item, items, rxEnd, txEnd, withEnds } from '../support/channel-script.ts';
import type { Mark } from '../support/channel-script.ts';
import { attackClient, attackServer, call } from '../support/hostile-peer.ts';
import { failureOf, gated, lab, Lab } from '../support/peers.ts';

leavesNothing();

async function attack() {
  const { handler, calls } = gated();
  const attacked = await attackServer({ services: [lab(handler)] });
  tidyAfterwards(async () => {
    for (const { resolve } of calls) resolve(undefined);
    await attacked.settle();
  });
  return { ...attacked, calls };
}

it('[id.parity] the initiator gives its channels odd ids from 1, the acceptor even ones from 2, apart from those of calls', async () => {
  const peers = await channelPeers({ transport: 'memory' });
  for (let count = 0; count < 3; count++) {
    await peers.pipe({ sends: 'caller' });
    await peers.pipe({ sends: 'callee', by: 'acceptor' });
    const [[, rx], [tx]] = [channel(), channel()] as const;
    void watched(peers.client.volatile({ rx, tx }));
    await peers.nextRun();
  }
  expect(peers.sent('call', 'initiator').map(({ channels }) => channels)).toEqual([[1], [3, 5], [7], [9, 11], [13], [15, 17]]);
  expect(peers.sent('call', 'acceptor').map(({ channels }) => channels)).toEqual([[2], [4], [6]]);
  expect(peers.sent('call', 'acceptor').map(({ requestId }) => requestId)).toEqual([2, 4, 6]);
  for (const { input } of peers.runs) for (const one of Object.values(input as object)) (one as Disposable)[Symbol.dispose]();
});

it('[id.unique] no channel id is given twice, whatever became of the channels and calls before', async () => {
  const peers = await channelPeers({ transport: 'memory', server: { maxConcurrentRequests: 4 } });
  for (let count = 0; count < 3; count++) {
    const pipe = await peers.pipe({ sends: 'caller' });
    pipe.tx.close();
    await readAll(pipe.rx);
    const thrown = await peers.pipe({ sends: 'callee' });
    thrown.run.throws(new Error('x'));
    await failureOf(thrown.outcome);
    await failureOf(peers.client.volatile({ rx: channel()[1], bad: () => {} }));
    const abort = new AbortController();
    const aborted = watched(peers.client.volatile({ rx: channel()[1] }, { signal: abort.signal }));
    await peers.nextRun();
    abort.abort();
    await failureOf(aborted);
    pipe.run.returns(undefined);
    await peers.settle();
  }
  const ids = peers.sent('call', 'initiator').flatMap(({ channels }) => [...channels]);
  expect(ids).toHaveLength(9);
  expect(new Set(ids).size).toBe(ids.length);
});

it.each([
  ['of our parity', [carrying(1, [2])], 1],
  ['that is in flight', [carrying(1, [1]), carrying(3, [1], { end: rxEnd() }, { operationId: 3 })], 2],
  ['that is in flight the other way', [carrying(1, [1]), carrying(3, [1], { end: txEnd() }, { operationId: 3 })], 2],
  ['that it lists twice', [carrying(1, [1, 1], { a: rxEnd(), b: rxEnd({ ordinal: 1 }) })], 1],
] as const)('[id.violation] a call with a channel id %s is a protocol error, and no handler runs for it', async (_what, messages, calls) => {
  const attacked = await attack();
  attacked.peer.send(...messages);
  expect(await attacked.peer.next('protocol-error')).toMatchObject({ rule: 'id.violation' });
  await attacked.accepted.closed;
  expect(attacked.calls).toHaveLength(calls - 1);
});

it('[id.violation] the initiator holds the acceptor to even channel ids', async () => {
  const { peer, session } = await attackClient({ services: [lab()] });
  peer.send(carrying(2, [1]));
  expect(await peer.next('protocol-error')).toMatchObject({ rule: 'id.violation' });
  await session.closed;
});

it("[id.violation] a duplicate's channels need ids of their own, too", async () => {
  const { peer, accepted } = await attack();
  peer.send(carrying(1, [1]), carrying(3, [1], { end: rxEnd() }, { operationId: 1 }));
  expect(await peer.next('protocol-error')).toMatchObject({ rule: 'id.violation' });
  await accepted.closed;
});

/** Arguments that are refused. */
const MALFORMED: readonly [string, readonly number[], unknown][] = [
  ...[0, 1, 4, 7, 9, 16].map((byteLength): [string, number[], unknown] => [`an end of ${byteLength} bytes`, [1], { end: rxEnd({ byteLength }) }]),
  ...[2, 7, 255].map((kind): [string, number[], unknown] => [`an end of the kind ${kind}`, [1], { end: rxEnd({ kind }) }]),
  ['an end whose second byte is not zero', [1], { end: rxEnd({ reserved: 1 }) }],
  ['an ordinal out of range', [1], { end: rxEnd({ ordinal: 1 }) }],
  ['the largest ordinal', [1], { end: rxEnd({ ordinal: 65_535 }) }],
  ['an end where no channel is listed', [], { end: rxEnd() }],
  ['one ordinal twice', [1], { a: rxEnd(), b: rxEnd() }],
  ['one ordinal twice, for both ends', [1], { a: rxEnd(), b: txEnd() }],
  ['one ordinal twice and another never', [1, 3], { a: rxEnd(), b: rxEnd() }],
  ['a channel that no end is of', [1, 3], { end: rxEnd() }],
  ['channels and no ends', [1, 3], { a: 1 }],
];

describe('a scripted caller', () => {
  it.each(MALFORMED)(
    '[outcome.invalid-payload] [channel.args] whose argument has %s is refused, and nothing is bound',
    async (_what, channels, argument) => {
      const { peer, calls, settle, accepted } = await attack();
      peer.send(carrying(1, channels, argument));
      expect(await peer.next('response')).toMatchObject({ requestId: 1, ok: false, error: { kind: 'invalid-payload' } });
      await settle();
      expect(calls).toEqual([]);
      expect(accepted.status).toBe('connected');
      await expectNoChannels();
      // The session goes on as if nothing had been.
      peer.send(carrying(3, [5], { end: rxEnd() }, { operationId: 3 }), item(5, 'x'), end(5));
      await settle();
      expect(await readAll((calls[0]!.input as { end: Rx<unknown> }).end)).toEqual({ items: ['x'] });
    },
  );

  it.each(MALFORMED.filter(([, channels]) => channels.length > 0))(
    '[channel.no-handler] whose argument has %s is told that its channels are reset, each once',
    async (_what, channels, argument) => {
      const { peer, settle } = await attack();
      peer.send(carrying(1, channels, argument));
      await settle();
      expect(peer.all('reset').map(({ channelId }) => channelId)).toEqual(channels);
    },
  );

  it.each<[string, unknown, Message[]]>([
    ['items on a channel that it receives', txEnd(), [item(1, 'x')]],
    ['the end of a channel that it receives', txEnd(), [end(1)]],
    ['credit for a channel that it sends on', rxEnd(), [grant(1, 5)]],
  ])('[session.protocol-error] that sends %s, early or late, breaks the protocol', async (_what, passed, messages) => {
    for (const isEarly of [false, true]) {
      const { peer, accepted, settle } = await attack();
      const calling = carrying(1, [1], { end: passed });
      if (isEarly) peer.send(...messages, calling);
      else peer.send(calling, ...messages);
      await peer.next('protocol-error');
      await accepted.closed;
      await settle();
      await expectNoChannels();
    }
  });

  it('[channel.args] may number its ends in any order: each is the one whose ordinal it bears', async () => {
    const { peer, calls, settle } = await attack();
    peer.send(carrying(1, [1, 3], { first: rxEnd({ ordinal: 1 }), second: rxEnd({ ordinal: 0 }) }));
    peer.send(items(1, 'one'), items(3, 'three'), end(1), end(3));
    await settle();
    const { first, second } = calls[0]!.input as { first: Rx<unknown>; second: Rx<unknown> };
    expect(await readAll(first)).toEqual({ items: ['three'] });
    expect(await readAll(second)).toEqual({ items: ['one'] });
  });

  it.each<[string, Mark]>([
    ['an end', {}],
    ['a malformed end', { byteLength: 3 }],
  ])('[channel.args] that sends %s as an item harms its own channel at most', async (_what, given) => {
    const { peer, calls, settle, accepted } = await attack();
    peer.send(carrying(1, [1]), carrying(3, [3], { end: rxEnd() }, { operationId: 3 }));
    await settle();
    const { end: rx } = calls[0]!.input as { end: Rx<unknown> };
    peer.send(item(1, 'fine'), { type: 'item', connectionId: 0, channelId: 1, value: withEnds([rxEnd(given)]) }, item(3, 'elsewhere'), end(3));
    await settle();
    const { items: read, error } = await readAll(rx);
    expect(read).toEqual(['fine']);
    expect(error).toBeDefined();
    await settle();
    if (accepted.status === 'connected') {
      expect(await readAll((calls[1]!.input as { end: Rx<unknown> }).end)).toEqual({ items: ['elsewhere'] });
      expect(peer.all('reset')).toMatchObject([{ channelId: 1 }]);
    }
    expect(channelTables().live).toBe(0);
  });
});

it.each<[string, unknown]>([
  ['a result', rxEnd()],
  ['a result, deep inside', { deep: [txEnd()] }],
])('[channel.args] a scripted callee that puts an end into %s fails that call alone', async (_where, value) => {
  const { peer, session, settle } = await attackClient();
  const client = session.client(Lab);
  const called = watched(client.run(1));
  peer.send({ type: 'response', connectionId: 0, requestId: (await peer.next('call')).requestId, ok: true, result: withEnds(value), metadata: [] });
  expect(await failureOf(called)).toMatchObject({ kind: 'invalid-payload' });
  const next = watched(client.run(2));
  peer.send({
    type: 'response',
    connectionId: 0,
    requestId: (await peer.next('call')).requestId,
    ok: true,
    result: encodeValue('fine'),
    metadata: [],
  });
  expect(await next).toBe('fine');
  await settle();
});

it('[channel.args] credentials, metadata and operation ids are no place for ends', async () => {
  const { peer, settle, calls } = await attack();
  peer.send(call(1, { args: withEnds({ a: 1 }) }));
  await settle();
  expect(calls).toHaveLength(1);
  await expect(channelPeers({ transport: 'memory', client: { credentials: { token: channel()[0] } } })).rejects.toThrow(/credentials/);
});
