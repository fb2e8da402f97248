/**
 * What operations ask of their store, and what becomes of them when it fails, is slow, forgets, or is shared with another process. The store is
 * scripted; "another process" is a second server whose scripted store has the same records and knows nothing of what is live in the first.
 */
import { memoryStore } from 'statewire';
import { describe, expect, it } from 'vitest';
import { operationPeers, POLICIES } from '../support/operation-peers.ts';
import type { OperationPeers, Peer } from '../support/operation-peers.ts';
import { ENDS_WITH_LINK } from '../support/peers.ts';
import { otherProcess } from '../support/scripted-store.ts';
import type { ScriptedStore } from '../support/scripted-store.ts';

const ADMITTING = ['volatile', 'persist', 'persistIdem'] as const;
const UNAVAILABLE = { kind: 'unavailable', retryable: true };

describe('a purely idem operation', () => {
  it('[op.idem-not-admitted] is looked up and sealed, never admitted or released', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    for (const end of ['throws', 'returns'] as const) {
      const asked = peer.ask('idem', 'x');
      await peers.settle();
      peers.runs.at(-1)![end]('it');
      await asked.ended;
    }
    expect(peers.store.asked).toEqual(['lookup', 'lookup', 'seal']);
  });

  it('[op.idem-not-admitted] is admitted, and may be taken over, when it is persist too', async () => {
    await using peers = await operationPeers({ handlers: { persistIdem: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.persistIdem(1, { operationId: 'x' });
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'seal']);
    expect(peers.store.calls.find(({ method }) => method === 'admit')?.takeOver).toBe(true);
  });

  it('[op.idem-not-admitted] may run in two processes at once; the first outcome to be stored is replayed', async () => {
    await using peers = await operationPeers();
    const elsewhere = otherProcess(peers.store);
    await peers.listen('elsewhere', { store: elsewhere });
    const one = await peers.connect();
    const other = await peers.connect({ scope: one.scope }, 'elsewhere');
    const asked = [one.ask('idem', 'x'), other.ask('idem', 'x')];
    await peers.settle();
    expect(peers.runs).toHaveLength(2);
    peers.runs[1]?.returns('second');
    await asked[1]?.ended;
    peers.runs[0]?.returns('first');
    expect(await asked[0]?.ended).toEqual({ value: 'first' });
    expect(await one.ask('idem', 'x').ended).toEqual({ value: 'second' });
  });
});

describe('a persist operation', () => {
  it.each(['persist', 'persistIdem'] as const)('[op.seal-durable] does not start before its admission is durable, when it is %s', async (policy) => {
    await using peers = await operationPeers();
    peers.store.hold('admit');
    const peer = await peers.connect();
    const asked = peer.ask(policy, 'x');
    await peers.settle();
    expect(peers.store.count('admit')).toBe(1);
    expect(peers.runs).toEqual([]);
    peers.store.letGo('admit');
    await peers.settle();
    peers.run.returns('once');
    expect(await asked.ended).toEqual({ value: 'once' });
  });

  it.each(['persist', 'persistIdem'] as const)('[op.seal-durable] answers nobody before its outcome is durable, when it is %s', async (policy) => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const [one, other] = await peers.connectTwo();
    const asked = [one.ask(policy, 'x'), other.ask(policy, 'x')];
    await peers.settle();
    peers.run.returns('once');
    await peers.settle();
    asked.push(other.ask(policy, 'x'));
    await peers.settle();
    expect(peers.store.count('seal')).toBe(1);
    expect(peers.messages('response')).toEqual([]);
    peers.store.letGo('seal');
    for (const { ended } of asked) expect(await ended).toEqual({ value: 'once' });
    expect(peers.runs).toHaveLength(1);
  });

  it('[op.seal-durable] answers whoever is left when its owner is lost while it is being stored', async () => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const [one, other] = await peers.connectTwo();
    one.ask('persist', 'x');
    await peers.settle();
    const waiter = other.ask('persist', 'x');
    await peers.settle();
    peers.run.returns('once');
    await peers.settle();
    one.cut();
    await peers.settle();
    peers.store.letGo('seal');
    expect(await waiter.ended).toEqual({ value: 'once' });
    expect(peers.messages('response')).toHaveLength(1);
  });

  it('[op.seal-durable] holds a declared failure back as well', async () => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const peer = await peers.connect();
    const asked = peer.ask('persist', 'x');
    await peers.settle();
    peers.run.fails('no money');
    await peers.settle();
    expect(asked.now).toBeUndefined();
    peers.store.letGo('seal');
    expect(await asked.ended).toMatchObject({ kind: 'user', data: 'no money' });
  });

  it.each(['volatile', 'idem'] as const)('[op.seal-durable] is not what a %s one is: that answers while it is being stored', async (policy) => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const peer = await peers.connect();
    const asked = peer.ask(policy, 'x');
    await peers.settle();
    peers.run.returns('once');
    expect(await asked.ended).toEqual({ value: 'once' });
    expect(peers.store.count('seal')).toBe(1);
  });
});

/** Each way in which a method of a store can fail. */
const FAILURES = [
  ['rejects', 'rejects'],
  ['throws at once', 'throws'],
] as const;

describe('a store that fails', () => {
  describe.each(FAILURES)('and %s', (_what, how) => {
    it.each(POLICIES)('[op.store-failure] makes a %s call unavailable when it cannot look up, and nothing runs', async (policy) => {
      await using peers = await operationPeers();
      peers.store.hold('lookup');
      peers.store.fail('lookup', how);
      const [one, other] = await peers.connectTwo();
      const asked = [one.ask(policy, 'x'), other.ask(policy, 'x')];
      await peers.settle();
      peers.store.letGo('lookup');
      for (const { ended } of asked) expect(await ended).toMatchObject(UNAVAILABLE);
      expect(await one.ask(policy, 'x').ended).toMatchObject(UNAVAILABLE);
      expect(peers.runs).toEqual([]);
      expect(one.counters.storeFailures).toBe(2);
      await expectRuns(peers, one, policy, 'lookup');
    });

    it.each(ADMITTING)('[op.store-failure] makes a %s call unavailable when it cannot admit, and nothing runs', async (policy) => {
      await using peers = await operationPeers();
      peers.store.fail('admit', how);
      const [one, other] = await peers.connectTwo();
      const asked = [one.ask(policy, 'x'), other.ask(policy, 'x')];
      for (const { ended } of asked) expect(await ended).toMatchObject(UNAVAILABLE);
      expect(peers.runs).toEqual([]);
      await expectRuns(peers, one, policy, 'admit');
    });

    it.each(['persist', 'persistIdem'] as const)(
      '[op.store-failure] leaves all waiters of a %s call in the dark when it cannot seal',
      async (policy) => {
        await using peers = await operationPeers();
        peers.store.fail('seal', how);
        const [one, other] = await peers.connectTwo();
        const asked = [one.ask(policy, 'x'), other.ask(policy, 'x')];
        await peers.settle();
        peers.run.returns('once');
        for (const { ended } of asked) expect(await ended).toMatchObject({ kind: 'indeterminate', reason: 'store-lost', retryable: false });
        expect(peers.log).toContainEqual(expect.objectContaining({ level: 'error', event: 'store-failure' }));
        peers.store.mend('seal');
        const again = one.ask(policy, 'x');
        await peers.settle();
        if (policy === 'persist') {
          expect(await again.ended).toMatchObject({ kind: 'indeterminate', reason: 'store-lost' });
        } else {
          peers.runs[1]?.returns('twice');
          expect(await again.ended).toEqual({ value: 'twice' });
        }
      },
    );

    it('[op.store-failure] cannot take back the answer of a volatile call when it cannot seal: it is logged, and later attempts fail closed', async () => {
      await using peers = await operationPeers();
      peers.store.fail('seal', how);
      const peer = await peers.connect();
      const asked = peer.ask('volatile', 'x');
      await peers.settle();
      peers.run.returns('once');
      expect(await asked.ended).toEqual({ value: 'once' });
      await peers.settle();
      expect(peers.log).toContainEqual(expect.objectContaining({ level: 'error', event: 'store-failure' }));
      expect(peer.counters.storeFailures).toBe(1);
      expect(await peer.ask('volatile', 'x').ended).toMatchObject({ kind: 'indeterminate', reason: 'store-lost' });
      expect(peers.runs).toHaveLength(1);
    });

    it('[op.store-failure] tells the waiters all the same when it cannot release; what is left counts as abandoned', async () => {
      await using peers = await operationPeers();
      peers.store.fail('release', how);
      const peer = await peers.connect();
      const asked = peer.ask('volatile', 'x');
      await peers.settle();
      peers.run.throws(new Error('oops'));
      expect(await asked.ended).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
      await peers.settle();
      expect(peer.counters.storeFailures).toBe(1);
      expect(await peer.ask('volatile', 'x').ended).toMatchObject({ kind: 'indeterminate', reason: 'abandoned' });
    });
  });

  it('[op.store-failure] lets an idem operation run again whose outcome it could not keep', async () => {
    await using peers = await operationPeers();
    peers.store.fail('seal');
    const peer = await peers.connect();
    for (const value of ['first', 'second']) {
      const asked = peer.ask('idem', 'x');
      await peers.settle();
      peers.runs.at(-1)?.returns(value);
      expect(await asked.ended).toEqual({ value });
      await peers.settle();
    }
    expect(peers.store.asked).toEqual(['lookup', 'seal', 'lookup', 'seal']);
  });

  it('[op.store-failure] says nothing of why to the caller', async () => {
    await using peers = await operationPeers();
    peers.store.fail('lookup');
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await asked.ended;
    expect(asked.error?.message).not.toContain('disk');
  });

  it('[op.store-failure] that refuses an admission makes the call unavailable, with its reason', async () => {
    await using peers = await operationPeers();
    peers.store.answer('admit', () => ({ state: 'refused', reason: 'the store is full' }));
    const peer = await peers.connect();
    expect(await peer.ask('volatile', 'x').ended).toMatchObject({ ...UNAVAILABLE, reason: 'the store is full' });
    expect(peers.runs).toEqual([]);
  });
});

/** The store works again, the server is up, and nothing is left of the attempts that failed. */
async function expectRuns(peers: OperationPeers, peer: Peer, policy: (typeof POLICIES)[number], mended: 'lookup' | 'admit'): Promise<void> {
  peers.store.mend(mended);
  const asked = peer.ask(policy, 'x');
  await peers.settle();
  peers.run.returns('at last');
  expect(await asked.ended).toEqual({ value: 'at last' });
}

/** A session with a server of another process, under the scope of `peer`. `live`: that process knows that what it does not own is alive. */
async function connectElsewhere(peers: OperationPeers, peer: Peer, { live }: { live: boolean }): Promise<[Peer, ScriptedStore]> {
  const store = otherProcess(peers.store);
  const seen = (real: { state: string }) => (live && real.state === 'abandoned' ? { state: 'live' as const } : real);
  store.answer('lookup', seen as never);
  store.answer('admit', seen as never);
  await peers.listen('elsewhere', { store });
  return [await peers.connect({ scope: peer.scope }, 'elsewhere'), store];
}

describe('an operation that another process has', () => {
  it.each([
    ['volatile', { kind: 'indeterminate', reason: 'abandoned' }],
    ['persist', { kind: 'indeterminate', reason: 'abandoned' }],
    ['persistIdem', { value: 'again' }],
  ] as const)('[op.indeterminate] and lost, as %s, is %j', async (policy, expected) => {
    await using peers = await operationPeers();
    const one = await peers.connect();
    one.ask(policy, 'x');
    await peers.settle();
    const [other, store] = await connectElsewhere(peers, one, { live: false });
    const asked = other.ask(policy, 'x');
    await peers.settle();
    peers.runs[1]?.returns('again');
    expect(await asked.ended).toMatchObject(expected);
    expect(peers.runs).toHaveLength('value' in expected ? 2 : 1);
    expect(store.asked).toEqual('value' in expected ? ['lookup', 'admit', 'seal'] : ['lookup']);
  });

  it('[op.indeterminate] and lost, runs again when it is purely idem', async () => {
    await using peers = await operationPeers({ handlers: { idem: () => 'again' } });
    const peer = await peers.connect();
    peers.store.answer('lookup', () => ({ state: 'abandoned' }));
    expect(await peer.ask('idem', 'x').ended).toEqual({ value: 'again' });
    expect(peers.store.asked).toEqual(['lookup', 'seal']);
  });

  it.each([
    ['lookup', ['lookup', 'settled']],
    ['admit', ['lookup', 'admit', 'settled']],
  ] as const)('[op.admit] is waited for when its %s says that it is live, and gives its outcome', async (seenBy, asked) => {
    await using peers = await operationPeers();
    const one = await peers.connect();
    const first = one.ask('persist', 'x');
    await peers.settle();
    const [other, store] = await connectElsewhere(peers, one, { live: true });
    if (seenBy === 'admit') store.answer('lookup', () => ({ state: 'unknown' }));
    store.hold('settled');
    const waiting = [other.ask('persist', 'x'), other.ask('persist', 'x')];
    await peers.settle();
    expect(waiting.map(({ now }) => now)).toEqual([undefined, undefined]);
    peers.run.fails('no money');
    expect(await first.ended).toMatchObject({ kind: 'user', data: 'no money' });
    store.letGo('settled');
    for (const { ended } of waiting) expect(await ended).toMatchObject({ kind: 'user', data: 'no money' });
    expect(peers.runs).toHaveLength(1);
    expect(store.asked).toEqual(asked);
  });

  it.each([
    ['volatile', { kind: 'indeterminate', reason: 'handler-failed' }],
    ['persist', { kind: 'indeterminate', reason: 'handler-failed' }],
    ['persistIdem', { value: 'again' }],
  ] as const)('[op.released] and that ends there without an outcome, as %s, is %j', async (policy, expected) => {
    await using peers = await operationPeers();
    const one = await peers.connect();
    one.ask(policy, 'x');
    await peers.settle();
    const [other, store] = await connectElsewhere(peers, one, { live: true });
    store.hold('settled');
    const waiting = other.ask(policy, 'x');
    await peers.settle();
    peers.run.throws(new Error('oops'));
    await peers.settle();
    store.letGo('settled');
    await peers.settle();
    peers.runs[1]?.returns('again');
    expect(await waiting.ended).toMatchObject(expected);
  });

  it('[op.store-failure] is unavailable when the store can no longer wait for it', async () => {
    await using peers = await operationPeers();
    const one = await peers.connect();
    one.ask('persist', 'x');
    await peers.settle();
    const [other, store] = await connectElsewhere(peers, one, { live: true });
    store.fail('settled');
    expect(await other.ask('persist', 'x').ended).toMatchObject(UNAVAILABLE);
    expect(peers.runs).toHaveLength(1);
  });

  it('[cancel.callee] is no longer waited for by an attempt that was cancelled', async () => {
    await using peers = await operationPeers();
    const one = await peers.connect();
    one.ask('volatile', 'x');
    await peers.settle();
    const [other, store] = await connectElsewhere(peers, one, { live: true });
    store.hold('settled');
    const waiting = other.ask('volatile', 'x');
    await peers.settle();
    waiting.cancel();
    await peers.settle();
    expect(peers.messages('response')).toMatchObject([{ ok: false, error: { kind: 'cancelled' } }]);
    expect(peers.run.aborted).toBe(false);
    expect(other.counters.storeFailures).toBe(0);
  });
});

describe('an operation that ended without an outcome', () => {
  it.each([
    ['volatile', 'throws', { kind: 'indeterminate', reason: 'handler-failed' }],
    ['volatile', 'is cancelled', { kind: 'indeterminate', reason: 'released' }],
    ['idem', 'throws', { value: 'again' }],
    ['idem', 'is cancelled', { value: 'again' }],
    ['persist', 'throws', { kind: 'indeterminate', reason: 'handler-failed' }],
    ['persistIdem', 'throws', { value: 'again' }],
  ] as const)('[op.released] because a %s handler %s, is %j to a later attempt', async (policy, how, expected) => {
    await using peers = await operationPeers();
    const [one, other] = await peers.connectTwo();
    const first = one.ask(policy, 'x');
    await peers.settle();
    if (how === 'throws') peers.run.throws(new Error('oops'));
    else first.cancel();
    await first.ended;
    await peers.settle();
    const later = other.ask(policy, 'x');
    await peers.settle();
    peers.runs[1]?.returns('again');
    expect(await later.ended).toMatchObject(expected);
    if ('value' in expected) expect(await one.ask(policy, 'x').ended).toEqual(expected);
    expect(peers.runs).toHaveLength('value' in expected ? 2 : 1);
  });
});

describe('a release that is slow to reach the store', () => {
  it.each(['rejects', 'throws', 'is done'] as const)(
    '[op.released] [op.seal-durable] does not undo what runs after it, and holds nothing up when it %s',
    async (how) => {
      await using peers = await operationPeers();
      peers.store.hold('release');
      const [one, other] = await peers.connectTwo();
      one.ask('persistIdem', 'x');
      await peers.settle();
      peers.run.throws(new Error('oops'));
      await peers.settle();
      const again = [one.ask('persistIdem', 'x'), other.ask('persistIdem', 'x')];
      await peers.settle();
      if (how !== 'is done') peers.store.fail('release', how);
      peers.store.letGo('release');
      await peers.settle();
      peers.runs[1]?.returns('again');
      for (const { ended } of again) expect(await ended).toEqual({ value: 'again' });
      expect(await other.ask('persistIdem', 'x').ended).toEqual({ value: 'again' });
      expect(peers.runs).toHaveLength(2);
    },
  );

  it('[op.released] is waited for under its own id alone, also by a session that comes later', async () => {
    await using peers = await operationPeers({ handlers: { other: () => 'done' }, client: ENDS_WITH_LINK });
    peers.store.hold('release');
    const one = await peers.connect();
    one.ask('volatile', 'x');
    await peers.settle();
    one.cut();
    await peers.settle();
    const two = await peers.connect({ scope: one.scope });
    const same = two.ask('volatile', 'x');
    expect(await two.ask('other', 'y').ended).toEqual({ value: 'done' });
    expect(same.now).toBeUndefined();
    peers.store.letGo('release');
    expect(await same.ended).toMatchObject({ kind: 'indeterminate', reason: 'released' });
  });
});

describe('the default store', () => {
  it('[op.replay] keeps outcomes as long as the server lives', async () => {
    await using peers = await operationPeers({ handlers: { persist: () => 'done' } });
    await peers.listen('plain', { store: memoryStore({ clock: peers.clock }) });
    const one = await peers.connect({}, 'plain');
    await one.client.persist(1, { operationId: 'x' });
    await one.session.close();
    const other = await peers.connect({ scope: one.scope }, 'plain');
    expect(await other.client.persist(1, { operationId: 'x' })).toBe('done');
    expect(other.counters).toMatchObject({ started: 0, replayed: 1 });
  });
});
