/**
 * Ids and scopes: what an operation is called, and who may reach whose. Two sessions share records when their secret and their principal are the same,
 * and never else.
 */
import { createHash } from 'node:crypto';
import { connect, implement } from 'statewire';
import type { ListenOptions, Principal } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { describe, expect, it } from 'vitest';
import { operationPeers, Work } from '../support/operation-peers.ts';
import type { OperationPeers, Peer } from '../support/operation-peers.ts';
import { ENDS_WITH_LINK } from '../support/peers.ts';
import { tableOf } from '../../src/driver/operation-table.ts';

const SCOPE = new Uint8Array(32).fill(7);
const OTHER_SCOPE = new Uint8Array(32).fill(8);

/** Every peer is who it says it is. */
const AS_TOLD: ListenOptions = { authenticate: (credentials) => credentials as Principal };

interface Caller {
  scope: Uint8Array;
  credentials?: unknown;
}

async function connectBoth(peers: OperationPeers, one: Caller, other: Caller): Promise<[Peer, Peer]> {
  return [await peers.connect(one), await peers.connect(other)];
}

const SAME: [string, Caller, Caller][] = [
  ['scope and principal', { scope: SCOPE, credentials: 'ann' }, { scope: SCOPE.slice(), credentials: 'ann' }],
  [
    'scope and id of the principal',
    { scope: SCOPE, credentials: { id: 'ann', roles: ['a'] } },
    { scope: SCOPE, credentials: { id: 'ann', roles: [] } },
  ],
  ['scope, and a principal that is an id or has it', { scope: SCOPE, credentials: 'ann' }, { scope: SCOPE, credentials: { id: 'ann' } }],
];

const DIFFERENT: [string, Caller, Caller][] = [
  ['scope', { scope: SCOPE, credentials: 'ann' }, { scope: OTHER_SCOPE, credentials: 'ann' }],
  ['scope, though one begins the other', { scope: SCOPE, credentials: 'ann' }, { scope: SCOPE.slice(0, 16), credentials: 'ann' }],
  ['principal', { scope: SCOPE, credentials: 'ann' }, { scope: SCOPE, credentials: 'bob' }],
  ['principal that has a name', { scope: SCOPE, credentials: '' }, { scope: SCOPE, credentials: 'bob' }],
  ['border between scope and principal', { scope: new Uint8Array([...SCOPE, 65]), credentials: 'B' }, { scope: SCOPE, credentials: 'AB' }],
];

describe('two sessions', () => {
  it.each(SAME)("[op.scope] of the same %s attach to each other's live operations, and are given their outcomes", async (_what, left, right) => {
    await using peers = await operationPeers({ server: AS_TOLD });
    const [one, other] = await connectBoth(peers, left, right);
    const asked = [one.ask('persist', 'x'), other.ask('persist', 'x')];
    await peers.settle();
    peers.run.returns('once');
    for (const { ended } of asked) expect(await ended).toEqual({ value: 'once' });
    expect(await other.ask('persist', 'x').ended).toEqual({ value: 'once' });
    expect(peers.runs).toHaveLength(1);
  });

  it.each(DIFFERENT)('[op.scope] of another %s never meet, live or later', async (_what, left, right) => {
    await using peers = await operationPeers({ server: AS_TOLD });
    const [one, other] = await connectBoth(peers, left, right);
    const asked = [one.ask('persist', 'x'), other.ask('persist', 'x')];
    await peers.settle();
    expect(peers.runs).toHaveLength(2);
    for (const [place, run] of peers.runs.entries()) run.returns(place);
    await Promise.all(asked.map(({ ended }) => ended));
    expect([await one.ask('persist', 'x').ended, await other.ask('persist', 'x').ended]).toEqual([{ value: 0 }, { value: 1 }]);
    expect(peers.runs).toHaveLength(2);
  });

  it('[op.scope] that were given no scope never meet', async () => {
    await using peers = await operationPeers();
    const [one, other] = [await peers.connect(), await peers.connect()];
    one.ask('persist', 'x');
    other.ask('persist', 'x');
    await peers.settle();
    expect(peers.runs).toHaveLength(2);
    expect(one.scope).toHaveLength(32);
    expect(one.scope).not.toEqual(other.scope);
  });

  it("[op.scope] of different scopes do not meet under numbers either, though one names the other's series", async () => {
    await using peers = await operationPeers();
    const [one, other] = await connectBoth(peers, { scope: SCOPE }, { scope: OTHER_SCOPE });
    one.ask('volatile');
    await peers.settle();
    const call = peers.messages('call')[0]!;
    const series = peers.series[0]!;
    other.say({ ...call, requestId: 101, series, args: call.args.slice() });
    await peers.settle();
    expect(peers.runs).toHaveLength(2);
    other.say({ type: 'cancel', connectionId: 0, requestId: 101, operationId: 1 });
    await peers.settle();
    expect(peers.runs.map(({ aborted }) => aborted)).toEqual([false, true]);
  });
});

describe('a scope', () => {
  it('[op.scope] lets a client that restarts find the outcomes of its own ids', async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    const first = await peers.connect();
    const kept = first.session.scope;
    const lost = first.ask('persist', 'order-42', { cents: 5 });
    await peers.settle();
    first.cut();
    expect(await lost.ended).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    peers.run.returns({ receipt: 'r-1' });
    await peers.settle();
    const second = await peers.connect({ scope: kept });
    expect(await second.ask('persist', 'order-42', { cents: 5 }).ended).toEqual({ value: { receipt: 'r-1' } });
    expect(peers.runs).toHaveLength(1);
  });

  it.each([
    ['too short', new Uint8Array(15), /at least|16 to/],
    ['no bytes', 'secret' as unknown as Uint8Array, /Uint8Array/],
  ])('[op.scope] is refused when it is %s', async (_what, scope, message) => {
    await using peers = await operationPeers();
    const connecting = connect(peers.network.connector('bank'), { scope });
    await expect(connecting).rejects.toThrow(TypeError);
    await expect(connecting).rejects.toThrow(message);
    expect(peers.sent).toEqual([]);
  });

  it('[op.scope] is told in the handshake and nowhere else, and stays as it was whatever the user does with the bytes', async () => {
    await using peers = await operationPeers({ handlers: { persist: () => 'done' } });
    const given = SCOPE.slice();
    const one = await peers.connect({ scope: given });
    given.fill(0);
    one.scope.fill(0);
    await one.client.persist(1, { operationId: 'x' });
    await one.session.close();
    expect(one.scope).toEqual(SCOPE);
    const carriers = peers.sent.filter(({ payload }) => Buffer.from(payload).includes(Buffer.from(SCOPE)));
    expect(carriers.map(({ message }) => message.type)).toEqual(['hello']);
    const other = await peers.connect({ scope: SCOPE });
    expect(await other.client.persist(1, { operationId: 'x' })).toBe('done');
    expect(other.counters.replayed).toBe(1);
  });

  it('[op.scope] gets to no store: that sees a digest over scope and principal, the same in every process', async () => {
    await using peers = await operationPeers({ server: AS_TOLD, handlers: { persist: () => 'done' } });
    const [one, other] = await connectBoth(peers, { scope: SCOPE, credentials: 'ann' }, { scope: SCOPE, credentials: 'bob' });
    for (const peer of [one, one, other]) await peer.client.persist(1, { operationId: 'x' });
    const seen = peers.store.calls.filter(({ method }) => method === 'lookup').map(({ key }) => key!.scope);
    for (const scope of seen) expect(scope).toMatch(/^[0-9a-f]{64}$/);
    expect(seen[0]).toBe(seen[1]);
    expect(seen[2]).not.toBe(seen[0]);
    expect(seen).not.toContain(createHash('sha256').update(SCOPE).digest('hex'));
    expect(seen).not.toContain(Buffer.from(SCOPE).toString('hex'));
  });

  it('[op.scope] leaves nothing behind in this process when its sessions have ended and nothing runs any more', async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    const table = tableOf(peers.store);
    const peer = await peers.connect();
    peer.ask('persist', 'x');
    await peers.settle();
    expect([table.spaces, table.live]).toEqual([1, 1]);
    peer.cut();
    await peers.settle();
    expect([table.spaces, table.live]).toEqual([1, 1]);
    peers.run.returns('done');
    await peers.settle();
    expect([table.spaces, table.live]).toEqual([0, 0]);
  });

  it('[op.scope] [op.admit] that ended while the store admitted something takes nothing from its successor with it', async () => {
    await using peers = await operationPeers();
    const table = tableOf(peers.store);
    peers.store.hold('admit');
    const first = await peers.connect({ scope: SCOPE });
    first.ask('volatile', 'late');
    await peers.settle();
    await first.session.close();
    await peers.settle();
    const second = await peers.connect({ scope: SCOPE });
    peers.store.letGo('admit');
    await peers.settle();
    expect(table.spaces).toBe(1);
    const third = await peers.connect({ scope: SCOPE });
    const asked = [second.ask('idem', 'x'), third.ask('idem', 'x')];
    await peers.settle();
    peers.run.returns('once');
    for (const { ended } of asked) expect(await ended).toEqual({ value: 'once' });
  });
});

describe('ids of operations', () => {
  it('[op.id] numbers the calls of a session one by one, in a series of its own', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const [one, other] = await peers.connectTwo();
    for (const peer of [one, one, other, one]) await peer.client.volatile(1);
    expect(peers.messages('call').map(({ operationId, series }) => ({ operationId, series }))).toEqual([
      { operationId: 1, series: undefined },
      { operationId: 2, series: undefined },
      { operationId: 1, series: undefined },
      { operationId: 3, series: undefined },
    ]);
    expect(peers.series[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(peers.series[1]).not.toBe(peers.series[0]);
  });

  it('[op.id] carries the id the caller gives, to the handler and back in the error', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'order-42');
    await peers.settle();
    expect(peers.messages('call')[0]?.operationId).toBe('order-42');
    expect(peers.run.call.operationId).toBe('order-42');
    peers.run.fails('no money');
    await asked.ended;
    expect(asked.error).toMatchObject({ kind: 'user', operationId: 'order-42', requestId: 1 });
  });

  it.each([
    ['empty', '', /not empty/],
    ['longer than 1,024 bytes', 'x'.repeat(1_025), /1024 bytes/],
    ['longer than 1,024 bytes of UTF-8', '€'.repeat(342), /1024 bytes/],
    ['no string', 7 as unknown as string, /must be a string/],
    ['half of a surrogate pair', 'order-\ud800', /surrogate/],
  ])('[op.id] refuses an id that is %s, at the call', async (_what, operationId, message) => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.client.volatile(1, { operationId });
    await expect(asked).rejects.toThrow(TypeError);
    await expect(asked).rejects.toThrow(message);
    await peers.settle();
    expect(peers.messages('call')).toEqual([]);
  });

  it('[op.id] takes an id of 1,024 bytes, and finds it again', async () => {
    await using peers = await operationPeers({ handlers: { persist: () => 'done' } });
    const peer = await peers.connect();
    const operationId = '€'.repeat(341) + 'x';
    expect(await peer.client.persist(1, { operationId })).toBe('done');
    expect(await peer.client.persist(1, { operationId })).toBe('done');
    expect(peer.counters).toMatchObject({ started: 1, replayed: 1 });
  });

  it('[op.id] keeps equal numbers of two series apart, and finds a number under the series that a call names', async () => {
    await using peers = await operationPeers();
    const [one, other] = await peers.connectTwo();
    const asked = one.ask('volatile');
    await peers.settle();
    await peers.askForNumber(other, 1, { requestId: 101 });
    expect(peers.runs).toHaveLength(2);
    await peers.askForNumber(other, 1, { requestId: 103, series: peers.series[0] });
    expect(peers.runs).toHaveLength(2);
    peers.runs[0]?.returns('of the first series');
    expect(await asked.ended).toEqual({ value: 'of the first series' });
    await peers.settle();
    expect(peers.answerTo(103)).toMatchObject({ ok: true, result: encodeValue('of the first series') });
    expect(peers.answerTo(101)).toBeUndefined();
  });

  it('[op.id] keeps equal ids of the initiator and of the acceptor apart, in one store', async () => {
    const handlers = { persist: (input: unknown) => ({ answered: input }) };
    await using peers = await operationPeers({ handlers });
    const own = implement(Work, { volatile: () => 0, idem: () => 0, persistIdem: () => 0, other: () => 0, persist: (input) => ({ backAt: input }) });
    const peer = await peers.connect({ services: [own], store: peers.store });
    expect(await peer.client.persist('x', { operationId: 'same' })).toEqual({ answered: 'x' });
    expect(await peer.served.client(Work).persist('x', { operationId: 'same' })).toEqual({ backAt: 'x' });
    expect(peers.store.calls.filter(({ method }) => method === 'admit').map(({ key }) => key?.caller)).toEqual(['initiator', 'acceptor']);
  });
});
