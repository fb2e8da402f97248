/**
 * What is forgotten, and when: callers say which of their numbers are settled, and callees forget those at once (op.ack), so that nothing grows with
 * finished calls; the rest goes when its retention is over or the store is full (op.expiry).
 */
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
    expect(peers.messages('ack')).toEqual([{ type: 'ack', series: peers.series[0]!, upTo: 2 }]);
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
        persistIdem: () => {
          throw new Error('oops');
        },
        other: () => 'done',
      },
    });
    const peer = await peers.connect();
    const outcomes = [await peer.ask('idem').ended, await peer.ask('persist').ended, await peer.ask('persistIdem').ended];
    const cancelled = peer.ask('volatile');
    await peers.settle();
    cancelled.cancel();
    outcomes.push(await cancelled.ended, await peer.ask('other', undefined, () => 'no value').ended, await peer.ask('other').ended);
    expect(outcomes).toMatchObject([
      { value: 'done' },
      { kind: 'user' },
      { kind: 'indeterminate' },
      { kind: 'cancelled' },
      { kind: 'invalid-payload' },
      { value: 'done' },
    ]);
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
    const series = peers.series[0]!;
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
    const series = peers.series[0]!;
    const before = performance.now();
    peer.say({ type: 'ack', series, upTo: 2 ** 53 - 1 });
    await peers.settle();
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(await peer.ask('volatile').ended).toMatchObject(EXPIRED);
    expect(await peer.ask('volatile', 'x').ended).toEqual({ value: 'done' });
  });

  it('[op.ack] makes nobody of another scope forget, whose series it names', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const victim = await peers.connect();
    const attacker = await peers.connect();
    await victim.client.volatile({ n: 1 });
    attacker.say({ type: 'ack', series: peers.series[0]!, upTo: 100 });
    await peers.settle();
    expect(await askAgain(peers, victim, 1)).toMatchObject({ ok: true });
    expect(await victim.ask('volatile').ended).toEqual({ value: 'done' });
    expect(victim.counters).toMatchObject({ started: 2, replayed: 1 });
  });

  it('[op.ack] takes no more than the store gives it, for series that never were', async () => {
    await using peers = await operationPeers({ maxBytes: 20_000, handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    for (let n = 0; n < 1_000; n++) peer.say({ type: 'ack', series: n.toString(16).padStart(16, '0'), upTo: 5 });
    await peers.settle();
    expect(peers.store.records.bytes).toBeLessThanOrEqual(20_000);
    expect(peer.session.status).toBe('connected');
  });

  it('[op.ack] is ignored with a watermark below one it has given', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const series = peers.series[0]!;
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
    await using peers = await operationPeers({
      handlers: { volatile: (n) => n, persist: (_n, call) => call.fail('no'), idem: () => Promise.reject(new Error('oops')) },
    });
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

describe('what is kept, and how long', () => {
  const RETENTION_MS = 60_000;

  it('[op.expiry] tells the peer how long, in the welcome', async () => {
    await using peers = await operationPeers({ retentionMs: RETENTION_MS });
    await peers.connect();
    expect(peers.messages('welcome')[0]?.retentionMs).toBe(RETENTION_MS);
  });

  it('[op.expiry] is a sealed string id until its retention is over: then it is new', async () => {
    await using peers = await operationPeers({ retentionMs: RETENTION_MS, handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.volatile(1, { operationId: 'x' });
    await peers.clock.advance(RETENTION_MS * 0.9);
    await peer.client.volatile(1, { operationId: 'x' });
    expect(peer.counters).toMatchObject({ started: 1, replayed: 1 });
    await peers.clock.advance(RETENTION_MS * 0.2);
    await peer.client.volatile(1, { operationId: 'x' });
    expect(peer.counters).toMatchObject({ started: 2, replayed: 1 });
  });

  it('[op.expiry] is a released string id too', async () => {
    await using peers = await operationPeers({ retentionMs: RETENTION_MS, handlers: { volatile: () => Promise.reject(new Error('oops')) } });
    const peer = await peers.connect();
    const outcomes = [];
    for (let n = 0; n < 3; n++) {
      outcomes.push(await peer.ask('volatile', 'x').ended);
      if (n === 1) await peers.clock.advance(RETENTION_MS * 1.1);
    }
    expect(outcomes).toMatchObject([{ kind: 'cancelled' }, { kind: 'indeterminate', reason: 'handler-failed' }, { kind: 'cancelled' }]);
    expect(peer.counters.started).toBe(2);
  });

  it('[op.expiry] is a number, too: but then it is expired, and never new', async () => {
    await using peers = await operationPeers({ retentionMs: RETENTION_MS, handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    const outcomes = [];
    for (const requestId of [101, 103, 105]) {
      if (requestId === 105) await peers.clock.advance(RETENTION_MS * 1.1);
      outcomes.push(await peers.askForNumber(peer, 50, { requestId }));
    }
    expect(outcomes).toMatchObject([{ ok: true }, { ok: true }, { ok: false, error: { kind: 'indeterminate', reason: 'expired' } }]);
    expect(peer.counters.started).toBe(1);
  });

  it('[op.expiry] is as many numbers as the store has room for; those pushed out are expired', async () => {
    await using peers = await operationPeers({ maxBytes: 20_000, handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    for (let number = 2; number <= 100; number++) await peers.askForNumber(peer, number, { requestId: 1_000 + 2 * number + 1 });
    expect(peer.counters.started).toBe(99);
    expect(await peers.askForNumber(peer, 100, { requestId: 5_001 })).toMatchObject({ ok: true });
    expect(await peers.askForNumber(peer, 2, { requestId: 5_003 })).toMatchObject({ ok: false, error: { kind: 'indeterminate', reason: 'expired' } });
    expect(peer.counters.started).toBe(99);
  });

  it('[op.expiry] is what is live, however long it takes', async () => {
    await using peers = await operationPeers({ retentionMs: RETENTION_MS });
    const [one, other] = await peers.connectTwo();
    const first = one.ask('persist', 'x');
    await peers.clock.advance(RETENTION_MS * 3);
    const second = other.ask('persist', 'x');
    await peers.settle();
    peers.run.returns('at last');
    for (const asked of [first, second]) expect(await asked.ended).toEqual({ value: 'at last' });
    expect(peers.store.count('sweep')).toBeGreaterThanOrEqual(29);
  });

  it('[op.expiry] makes an operation unavailable rather than forget a young string id, when the store is full', async () => {
    await using peers = await operationPeers({ retentionMs: RETENTION_MS, maxBytes: 20_000, handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    const ids = [];
    for (let n = 0; n < 1_000; n++) {
      const ended = await peer.ask('volatile', `order-${n}`).ended;
      if ('kind' in ended) {
        expect(ended).toMatchObject({ kind: 'unavailable', retryable: true });
        break;
      }
      ids.push(`order-${n}`);
    }
    expect(ids.length).toBeGreaterThan(10);
    expect(peer.counters.started).toBe(ids.length);
    for (const id of ids) expect(await peer.ask('volatile', id).ended).toEqual({ value: 'done' });
    expect(peer.counters).toMatchObject({ started: ids.length, replayed: ids.length });
    await peers.clock.advance(RETENTION_MS * 1.1);
    expect(await peer.ask('volatile', 'late').ended).toEqual({ value: 'done' });
  });
});
