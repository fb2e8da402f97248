/** op.ack: callers say which of their numbers are settled, and callees forget those at once, so that nothing grows with finished calls. */
import { describe, expect, it } from 'vitest';
import { operationPeers, POLICIES, Work } from '../support/operation-peers.ts';
import type { OperationPeers, Peer } from '../support/operation-peers.ts';
import { tableOf } from '../../src/driver/operation-table.ts';

/** Longer than an acknowledgement waits for a call to carry it. */
const A_WHILE_MS = 1_000;

/** What a memoryStore keeps of a series without records. */
const SERIES_BYTES = 1_024;

const EXPIRED = { kind: 'indeterminate', reason: 'expired' };

/** Asks again for a number that the session has used, past the session. */
async function askAgain(peers: OperationPeers, peer: Peer, number: number, name: keyof typeof Work.methods = 'volatile'): Promise<unknown> {
  const answer = await peers.askForNumber(peer, number, { requestId: 1_001 + 2 * peers.sent.length, name });
  return answer?.ok === false ? { kind: answer.error.kind, reason: answer.error.reason } : answer;
}

const forgotten = (peers: OperationPeers) => peers.store.calls.filter(({ method }) => method === 'forget').map(({ upTo }) => upTo);

describe('an acknowledgement', () => {
  it('[op.ack] is carried by the next call', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    for (let n = 0; n < 3; n++) await peer.client.volatile({ n: 1 });
    expect(peers.messages('call').map(({ ack }) => ack)).toEqual([undefined, 1, 2]);
    expect(peers.messages('ack')).toEqual([]);
    expect(forgotten(peers)).toEqual([1, 2]);
  });

  it('[op.ack] goes by itself when no call does, once', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.volatile({ n: 1 });
    await peer.client.volatile({ n: 1 });
    await peers.clock.advance(A_WHILE_MS);
    expect(peers.messages('ack')).toEqual([{ type: 'ack', series: peers.messages('hello')[0]!.series, upTo: 2 }]);
    expect(forgotten(peers)).toEqual([1, 2]);
    await peers.clock.advance(A_WHILE_MS);
    await peer.client.volatile({ n: 1 });
    expect(peers.messages('ack')).toHaveLength(1);
    expect(peers.messages('call').at(-1)?.ack).toBeUndefined();
  });

  it('[op.ack] is the last word of a session that closes', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.volatile({ n: 1 });
    await peer.session.close();
    await peers.settle();
    expect(forgotten(peers)).toEqual([1]);
  });

  it('[op.ack] covers what is settled without a gap', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = [1, 2, 3].map(() => peer.ask('volatile'));
    await peers.settle();
    const finish = async (place: number) => {
      peers.runs[place]?.returns('done');
      await asked[place]?.ended;
      await peers.clock.advance(A_WHILE_MS);
      return forgotten(peers);
    };
    expect(await finish(1)).toEqual([]);
    expect(await finish(0)).toEqual([2]);
    expect(await finish(2)).toEqual([2, 3]);
  });

  it('[op.ack] counts a number as settled whatever its outcome', async () => {
    await using peers = await operationPeers({
      handlers: {
        idem: () => 'done',
        persist: (_input, call) => call.fail('no money'),
        persistIdem: () => { throw new Error('oops'); },
        other: () => 'done',
      },
    });
    const peer = await peers.connect();
    const outcomes = [await peer.ask('idem').ended, await peer.ask('persist').ended, await peer.ask('persistIdem').ended];
    const cancelled = peer.ask('volatile');
    await peers.settle();
    cancelled.cancel();
    outcomes.push(await cancelled.ended, await peer.ask('other', undefined, () => 'no value').ended, await peer.ask('other').ended);
    expect(outcomes).toMatchObject([{ value: 'done' }, { kind: 'user' }, { kind: 'indeterminate' }, { kind: 'cancelled' }, { kind: 'invalid-payload' }, { value: 'done' }]);
    await peers.clock.advance(A_WHILE_MS);
    expect(forgotten(peers).at(-1)).toBe(6);
  });

  it('[op.ack] says nothing of string ids: those are kept', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.volatile({ n: 1 }, { operationId: 'x' });
    await peer.client.volatile({ n: 1 });
    await peers.clock.advance(A_WHILE_MS);
    expect(forgotten(peers)).toEqual([1]);
    await peer.client.volatile({ n: 1 }, { operationId: 'x' });
    expect(peer.counters).toMatchObject({ started: 2, replayed: 1 });
  });

  it('[op.ack] goes from the acceptor to the initiator as well', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect({ services: [peers.implementation({ volatile: () => 'done' })], store: peers.store });
    await peer.served.client(Work).volatile({ n: 1 });
    await peers.clock.advance(A_WHILE_MS);
    expect(peers.messages('ack')).toEqual([{ type: 'ack', series: peers.messages('welcome')[0]!.series, upTo: 1 }]);
    expect(forgotten(peers)).toEqual([1]);
  });
});

describe('a number that was acknowledged', () => {
  it.each(POLICIES)('[op.ack] [op.expiry] is expired for a %s call: never run as new', async (policy) => {
    await using peers = await operationPeers({ handlers: { [policy]: () => 'done' } });
    const peer = await peers.connect();
    await peer.client[policy]({ n: 1 });
    expect(await askAgain(peers, peer, 1, policy)).toMatchObject({ ok: true });
    await peers.clock.advance(A_WHILE_MS);
    expect(await askAgain(peers, peer, 1, policy)).toEqual(EXPIRED);
    expect(peer.counters.started).toBe(1);
  });

  it('[op.ack] stays expired for another session that names its series', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const [one, other] = await peers.connectTwo();
    await one.client.volatile({ n: 1 });
    await peers.clock.advance(A_WHILE_MS);
    one.cut();
    await peers.settle();
    const series = peers.messages('hello')[0]!.series;
    expect(await peers.askForNumber(other, 1, { requestId: 101, series })).toMatchObject({ ok: false, error: EXPIRED });
  });

  it.each(['persist', 'persistIdem'] as const)('[op.ack] while its %s operation is live is dropped when that seals', async (policy) => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const empty = peers.store.records.bytes;
    const asked = peer.ask(policy);
    await peers.settle();
    asked.cancel();
    await peers.clock.advance(A_WHILE_MS);
    expect(forgotten(peers)).toEqual([1]);
    peers.run.returns('x'.repeat(5_000));
    await peers.settle();
    expect(peers.store.count('seal')).toBe(1);
    expect(peers.store.records.bytes - empty).toBeLessThanOrEqual(SERIES_BYTES);
    expect(await askAgain(peers, peer, 1, policy)).toEqual(EXPIRED);
    expect(tableOf(peers.store).live).toBe(0);
  });

  it('[op.ack] while its operation is live still finds it live', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('persist');
    await peers.settle();
    asked.cancel();
    await peers.clock.advance(A_WHILE_MS);
    expect(await askAgain(peers, peer, 1, 'persist')).toBeUndefined();
    peers.run.returns('done');
    await peers.settle();
    expect(peers.messages('response').filter(({ ok }) => ok)).toHaveLength(2);
  });

  it('[op.ack] while its operation is live is dropped when that is released, too', async () => {
    await using peers = await operationPeers();
    peers.store.hold('release');
    const peer = await peers.connect();
    const empty = peers.store.records.bytes;
    const asked = peer.ask('volatile', undefined, { n: 1 });
    await peers.settle();
    asked.cancel();
    await peers.clock.advance(A_WHILE_MS);
    peers.store.letGo('release');
    await peers.settle();
    expect(peers.store.calls).toContainEqual(expect.objectContaining({ method: 'release', reason: 'released' }));
    expect(peers.store.records.bytes - empty).toBeLessThanOrEqual(SERIES_BYTES);
    expect(await askAgain(peers, peer, 1)).toEqual(EXPIRED);
  });
});

describe('a peer that acknowledges what it should not', () => {
  it('[op.ack] costs nothing with a watermark of 2^53 - 1; all its numbers are expired', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.volatile({ n: 1 });
    const series = peers.messages('hello')[0]!.series;
    const before = performance.now();
    peer.say({ type: 'ack', series, upTo: 2 ** 53 - 1 });
    await peers.settle();
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(await peer.ask('volatile').ended).toMatchObject(EXPIRED);
    expect(await peer.ask('volatile', 'x').ended).toEqual({ value: 'done' });
  });

  it('[op.ack] forgets nothing of another scope, whose series it names', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const victim = await peers.connect();
    const attacker = await peers.connect();
    await victim.client.volatile({ n: 1 });
    attacker.say({ type: 'ack', series: peers.messages('hello')[0]!.series, upTo: 100 });
    await peers.settle();
    expect(forgotten(peers)).toEqual([]);
    expect(await askAgain(peers, victim, 1)).toMatchObject({ ok: true });
  });

  it('[op.ack] is ignored for a series that nobody knows, and leaves no trace of it', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const before = peers.store.records.bytes;
    for (let n = 0; n < 1_000; n++) peer.say({ type: 'ack', series: n.toString(16).padStart(16, '0'), upTo: 5 });
    await peers.settle();
    expect(peers.store.records.bytes).toBe(before);
    expect(forgotten(peers)).toEqual([]);
    expect(peers.server.sessions.size).toBe(1);
  });

  it('[op.ack] is ignored with a watermark below one it has given', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const series = peers.messages('hello')[0]!.series;
    for (const upTo of [5, 3, 5, 6]) peer.say({ type: 'ack', series, upTo });
    await peers.settle();
    expect(forgotten(peers)).toEqual([5, 6]);
    expect(await askAgain(peers, peer, 4)).toEqual(EXPIRED);
  });
});

describe('a store that cannot forget', () => {
  it.each(['rejects', 'throws'] as const)('[op.ack] and %s is logged and counted; calls go on', async (how) => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    peers.store.fail('forget', how);
    const peer = await peers.connect();
    for (let n = 0; n < 3; n++) await peer.client.volatile({ n: 1 });
    await peers.settle();
    expect(peer.counters.storeFailures).toBe(2);
    expect(peers.log.filter(({ event }) => event === 'store-failure')).toHaveLength(2);
  });
});

describe('what finished calls leave behind', () => {
  it('[op.ack] does not grow with their number', async () => {
    await using peers = await operationPeers({ handlers: { volatile: (n) => n, persist: (_n, call) => call.fail('no'), idem: () => Promise.reject(new Error('oops')) } });
    const peer = await peers.connect();
    const round = async () => {
      for (let n = 0; n < 100; n++) {
        await Promise.all([peer.ask('volatile').ended, peer.ask('persist').ended, peer.ask('idem').ended]);
      }
      await peers.clock.advance(A_WHILE_MS);
      return peers.store.records.bytes;
    };
    const afterOne = await round();
    expect(await round()).toBe(afterOne);
    expect(await round()).toBe(afterOne);
    expect(peer.counters.started).toBe(900);
    expect(tableOf(peers.store).live).toBe(0);
  });
});
