/** Cancelling: what the caller sees at once, what the callee does at every stage of an operation, and who wins against a seal. */
import { describe, expect, it } from 'vitest';
import { operationPeers } from '../support/operation-peers.ts';
import type { Asked, OperationPeers, Peer, Policy } from '../support/operation-peers.ts';
import { ENDS_WITH_LINK } from '../support/peers.ts';

const CANCELLED = { kind: 'cancelled', reason: 'aborted', retryable: false };

describe('a caller that gives up', () => {
  it('[cancel.caller] is rejected at once, before the peer has heard of it', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    peers.network.hold();
    const reason = new Error('no longer wanted');
    asked.cancel(reason);
    expect(await asked.ended).toMatchObject(CANCELLED);
    expect(asked.error?.cause).toBe(reason);
    expect(peers.run.aborted).toBe(false);
    peers.network.release();
    await peers.settle();
    expect(peers.messages('cancel')).toMatchObject([{ connectionId: 0, requestId: 1, operationId: 'x' }]);
    expect(peers.run.aborted).toBe(true);
  });

  it('[cancel.caller] by its time limit is rejected with a TimeoutError as the cause', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x', undefined, { timeoutMs: 500 });
    await peers.clock.advance(499);
    expect(asked.now).toBeUndefined();
    await peers.clock.advance(1);
    expect(await asked.ended).toMatchObject({ kind: 'cancelled', reason: 'timeout' });
    expect(asked.error?.cause).toMatchObject({ name: 'TimeoutError' });
    await peers.settle();
    expect(peers.run.aborted).toBe(true);
  });

  it('[cancel.caller] gives up once: after its time limit the signal says nothing more, and after its answer neither does', async () => {
    await using peers = await operationPeers({ handlers: { idem: () => 'done' } });
    const peer = await peers.connect();
    const slow = peer.ask('volatile', 'x', undefined, { timeoutMs: 500 });
    const quick = peer.ask('idem', 'y', 1, { timeoutMs: 1_000 });
    await peers.clock.advance(500);
    slow.cancel();
    quick.cancel();
    await peers.clock.advance(1_000);
    expect(await slow.ended).toMatchObject({ reason: 'timeout' });
    expect(await quick.ended).toEqual({ value: 'done' });
    expect(peers.messages('cancel')).toHaveLength(1);
  });

  it('[cancel.caller] before its call was made sends nothing', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x', 1, { signal: AbortSignal.abort('changed my mind') });
    expect(await asked.ended).toMatchObject(CANCELLED);
    expect(asked.error?.cause).toBe('changed my mind');
    await peers.settle();
    expect(peers.messages('call')).toEqual([]);
    expect(peers.messages('cancel')).toEqual([]);
  });

  it('[cancel.caller] in the turn of its call leaves nothing running at the peer, and its place to the next', async () => {
    await using peers = await operationPeers({ server: { maxConcurrentRequests: 1 } });
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    const next = peer.ask('idem', 'y');
    asked.cancel();
    expect(await asked.ended).toMatchObject(CANCELLED);
    await peers.settle();
    expect(peers.runs.filter(({ method, aborted }) => method === 'volatile' && !aborted)).toEqual([]);
    peers.runs.at(-1)?.returns('done');
    expect(await next.ended).toEqual({ value: 'done' });
  });

  it('[cancel.caller] while its call waits for room sends nothing, and leaves the others their places', async () => {
    await using peers = await operationPeers({ server: { maxConcurrentRequests: 1 } });
    const peer = await peers.connect();
    const asked = ['a', 'b', 'c'].map((id) => peer.ask('volatile', id));
    await peers.settle();
    asked[1]?.cancel();
    expect(await asked[1]?.ended).toMatchObject(CANCELLED);
    peers.run.returns('done');
    await peers.settle();
    expect(peers.messages('call').map(({ operationId }) => operationId)).toEqual(['a', 'c']);
    expect(peers.messages('cancel')).toEqual([]);
  });

  it('[cancel.caller] ignores the response that comes all the same, and does not call it unmatched', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    peers.network.hold();
    peers.run.returns('done');
    asked.cancel();
    await peers.settle();
    peers.network.release();
    await peers.settle();
    expect(await asked.ended).toMatchObject(CANCELLED);
    expect(peers.answers).toEqual(['1: value']);
    expect(peer.session.counters.unmatched).toBe(0);
  });

  it.each(['persist', 'persistIdem'] as const)(
    '[cancel.caller] says nothing of effects: a %s operation runs on, and its outcome is there later',
    async (policy) => {
      await using peers = await operationPeers();
      const peer = await peers.connect();
      const asked = peer.ask(policy, 'x', undefined, { timeoutMs: 500 });
      await peers.clock.advance(500);
      expect(await asked.ended).toMatchObject({ kind: 'cancelled', reason: 'timeout' });
      expect(peers.run.aborted).toBe(false);
      peers.run.returns('done');
      await peers.settle();
      expect(await peer.ask(policy, 'x').ended).toEqual({ value: 'done' });
      expect(peer.counters).toMatchObject({ started: 1, replayed: 1 });
      expect(peer.session.counters.unmatched).toBe(0);
    },
  );
});

type Stage = 'looking up' | 'admitting' | 'live';

/** Brings an operation to a stage, asked for by the owner and, if there is one, a waiter of another session. */
async function bringTo(
  stage: Stage,
  peers: OperationPeers,
  ask: { policy: Policy; waits: boolean },
): Promise<{ owner: Asked; waiter: Asked | undefined; one: Peer; other: Peer }> {
  if (stage === 'looking up') peers.store.hold('lookup');
  if (stage === 'admitting') peers.store.hold('admit');
  const [one, other] = await peers.connectTwo();
  const owner = one.ask(ask.policy, 'x');
  await peers.settle();
  const waiter = ask.waits ? other.ask(ask.policy, 'x') : undefined;
  await peers.settle();
  return { owner, waiter, one, other };
}

/** Every stage that a policy has. */
const STAGES: [Policy, Stage][] = [
  ['volatile', 'looking up'],
  ['volatile', 'admitting'],
  ['volatile', 'live'],
  ['idem', 'looking up'],
  ['idem', 'live'],
];
const PERSIST_STAGES: [Policy, Stage][] = [
  ['persist', 'looking up'],
  ['persist', 'admitting'],
  ['persist', 'live'],
  ['persistIdem', 'admitting'],
  ['persistIdem', 'live'],
];

describe('a cancel at the callee', () => {
  it.each(
    STAGES.flatMap(
      ([policy, stage]) =>
        [
          [policy, stage, false],
          [policy, stage, true],
        ] as [Policy, Stage, boolean][],
    ),
  )('[cancel.callee] of the owner ends a %s operation that is %s (somebody waits: %s)', async (policy, stage, waits) => {
    await using peers = await operationPeers();
    const { owner, waiter, other } = await bringTo(stage, peers, { policy, waits });
    owner.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(waits ? ['1: cancelled', '1: cancelled'] : ['1: cancelled']);
    if (waiter !== undefined) expect(await waiter.ended).toMatchObject(CANCELLED);
    peers.store.letGo('lookup');
    peers.store.letGo('admit');
    await peers.settle();
    expect(peers.runs.map(({ aborted }) => aborted)).toEqual(stage === 'live' ? [true] : []);
    expect(peers.store.count('release')).toBe(policy === 'volatile' && stage !== 'looking up' ? 1 : 0);
    const later = other.ask(policy, 'x');
    await peers.settle();
    peers.runs.at(-1)?.returns('anew');
    const isNew = policy === 'idem' || stage === 'looking up';
    expect(await later.ended).toMatchObject(isNew ? { value: 'anew' } : { kind: 'indeterminate', reason: 'released' });
  });

  it.each([...STAGES, ...PERSIST_STAGES])(
    '[cancel.callee] of one that only waits takes it alone out of a %s operation that is %s',
    async (policy, stage) => {
      await using peers = await operationPeers();
      const { owner, waiter, one } = await bringTo(stage, peers, { policy, waits: true });
      const third = one.ask(policy, 'x');
      await peers.settle();
      waiter?.cancel();
      await peers.settle();
      expect(peers.answers).toEqual(['1: cancelled']);
      peers.store.letGo('lookup');
      peers.store.letGo('admit');
      await peers.settle();
      expect(peers.run.aborted).toBe(false);
      peers.run.returns('done');
      for (const { ended } of [owner, third]) expect(await ended).toEqual({ value: 'done' });
      expect(peers.answers).toEqual(['1: cancelled', '1: value', '3: value']);
      expect(peers.store.count('release')).toBe(0);
    },
  );

  it.each(PERSIST_STAGES)(
    '[cancel.callee] of the owner of a %s operation that is %s changes nothing: its answer comes when it seals',
    async (policy, stage) => {
      await using peers = await operationPeers();
      const { owner, waiter } = await bringTo(stage, peers, { policy, waits: true });
      owner.cancel();
      await peers.settle();
      expect(peers.answers).toEqual([]);
      peers.store.letGo('lookup');
      peers.store.letGo('admit');
      await peers.settle();
      peers.run.returns('done');
      expect(await waiter?.ended).toEqual({ value: 'done' });
      expect(peers.run.aborted).toBe(false);
      await peers.settle();
      expect(peers.answers).toEqual(['1: value', '1: value']);
    },
  );

  it('[cancel.callee] of a persist operation that is being stored changes nothing for the owner, and lets a waiter go', async () => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const [one, other] = await peers.connectTwo();
    const [owner, second, waiter] = [one.ask('persist', 'x'), one.ask('persist', 'x'), other.ask('persist', 'x')];
    await peers.settle();
    peers.run.returns('done');
    await peers.settle();
    owner.cancel();
    waiter.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    peers.store.letGo('seal');
    expect(await second.ended).toEqual({ value: 'done' });
    expect(peers.answers).toEqual(['1: cancelled', '1: value', '3: value']);
  });

  it('[cancel.callee] [op.released] who asks again while the store still admits what was cancelled waits for its release, and is not told that its owner was lost', async () => {
    await using peers = await operationPeers();
    const { owner, one } = await bringTo('admitting', peers, { policy: 'volatile', waits: false });
    owner.cancel();
    await peers.settle();
    const again = one.ask('volatile', 'x');
    await peers.settle();
    expect(peers.store.asked).toEqual(['lookup', 'admit']);
    peers.store.letGo('admit');
    expect(await again.ended).toMatchObject({ kind: 'indeterminate', reason: 'released' });
    expect(peers.runs).toEqual([]);
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'release', 'lookup']);
  });

  it('[cancel.callee] [op.store-failure] who asks again while that admission fails goes on after it', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const { owner, one } = await bringTo('admitting', peers, { policy: 'volatile', waits: false });
    owner.cancel();
    await peers.settle();
    const again = one.ask('volatile', 'x');
    peers.store.fail('admit');
    peers.store.letGo('admit');
    await peers.settle();
    peers.store.mend('admit');
    expect([await again.ended, peers.store.count('admit')]).toMatchObject([{ kind: 'unavailable' }, 2]);
    expect(await one.ask('volatile', 'x').ended).toEqual({ value: 'done' });
  });

  it('[cancel.callee] while the arguments are being validated ends it: it is neither admitted nor run', async () => {
    const validated: ((result: { value: unknown }) => void)[] = [];
    const validate = () => new Promise<{ value: unknown }>((resolve) => validated.push(resolve));
    await using peers = await operationPeers({ schemas: { input: { '~standard': { version: 1, vendor: 'test', validate } } } });
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    validated[0]?.({ value: 1 });
    await peers.settle();
    expect(peers.runs).toEqual([]);
    expect(peers.store.asked).toEqual(['lookup']);
  });

  it("[cancel.callee] of the heir counts as the owner's, once the owner's connection is gone", async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    peers.store.hold('lookup');
    const [one, other] = await peers.connectTwo();
    one.ask('volatile', 'x');
    await peers.settle();
    const heir = other.ask('volatile', 'x');
    await peers.settle();
    one.cut();
    await peers.settle();
    heir.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    peers.store.letGo('lookup');
    await peers.settle();
    expect(peers.runs).toEqual([]);
  });

  it('[cancel.callee] of the heir of a persist operation that is being stored changes nothing', async () => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const [one, other] = await peers.connectTwo();
    one.ask('persist', 'x');
    await peers.settle();
    const heir = other.ask('persist', 'x');
    await peers.settle();
    peers.run.returns('done');
    await peers.settle();
    one.cut();
    await peers.settle();
    heir.cancel();
    await peers.settle();
    expect(peers.answers).toEqual([]);
    peers.store.letGo('seal');
    await peers.settle();
    expect(peers.answers).toEqual(['1: value']);
  });

  it("[cancel.callee] of whoever joins a persist operation that has no owner any more counts as the owner's: it changes nothing", async () => {
    await using peers = await operationPeers();
    const one = await peers.connect();
    one.ask('persist', 'x');
    await peers.settle();
    one.cut();
    await peers.settle();
    const two = await peers.connect({ scope: one.scope });
    two.ask('persist', 'x').cancel();
    await peers.settle();
    expect(peers.answers).toEqual([]);
    peers.run.returns('done');
    await peers.settle();
    expect(peers.answers).toEqual(['1: value']);
  });

  it.each(['volatile', 'idem', 'persist'] as const)('[cancel.callee] aborts a %s handler where calls have no ids', async (policy) => {
    await using peers = await operationPeers({ server: { retry: false } });
    const peer = await peers.connect();
    const asked = peer.ask(policy);
    await peers.settle();
    expect(peers.run.call.operationId).toBeUndefined();
    asked.cancel();
    await peers.settle();
    expect(peers.run.aborted).toBe(true);
    expect(peers.answers).toEqual(['1: cancelled']);
    expect(peers.store.asked).toEqual([]);
  });

  it('[cancel.callee] of a request that nobody knows, or no more, is counted and does nothing', async () => {
    await using peers = await operationPeers({ handlers: { idem: () => 'done' } });
    const peer = await peers.connect();
    const running = peer.ask('volatile', 'x');
    await peer.client.idem(1);
    peer.say({ type: 'cancel', connectionId: 0, requestId: 3, operationId: 1 });
    peer.say({ type: 'cancel', connectionId: 0, requestId: 99, operationId: 'x' });
    await peers.settle();
    expect(peer.counters.unmatched).toBe(2);
    peers.run.returns('done');
    expect(await running.ended).toEqual({ value: 'done' });
  });
});

describe('a cancel and a seal that race', () => {
  it.each([
    ['volatile', { value: 'done' }],
    ['idem', { value: 'done' }],
    ['persist', { value: 'done' }],
  ] as const)('[cancel.race] leave a %s operation its outcome where the handler answered first', async (policy, later) => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const [one, other] = await peers.connectTwo();
    const asked = one.ask(policy, 'x');
    await peers.settle();
    peers.network.hold();
    asked.cancel();
    peers.run.returns('done');
    await peers.settle();
    peers.network.release();
    await peers.settle();
    peers.store.letGo('seal');
    await peers.settle();
    expect(await asked.ended).toMatchObject(CANCELLED);
    expect(await other.ask(policy, 'x').ended).toEqual(later);
    expect(peers.runs).toHaveLength(1);
    expect(one.counters).toMatchObject({ zombies: 0, lateResults: 0 });
    expect(peers.store.count('release')).toBe(0);
  });

  it('[cancel.race] leave it without one where the cancel came first', async () => {
    await using peers = await operationPeers();
    const [one, other] = await peers.connectTwo();
    const asked = one.ask('volatile', 'x');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    peers.run.returns('done');
    await peers.settle();
    for (const peer of [one, other]) expect(await peer.ask('volatile', 'x').ended).toMatchObject({ kind: 'indeterminate', reason: 'released' });
    expect(peers.store.count('seal')).toBe(0);
    expect(peers.runs).toHaveLength(1);
  });

  it('[cancel.race] are won by the cancel while what the handler returned is still being validated', async () => {
    const validated: ((result: { value: unknown }) => void)[] = [];
    const validate = () => new Promise<{ value: unknown }>((resolve) => validated.push(resolve));
    await using peers = await operationPeers({ schemas: { output: { '~standard': { version: 1, vendor: 'test', validate } } } });
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    peers.run.returns('done');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    expect(peers.run.aborted).toBe(true);
    validated[0]?.({ value: 'done' });
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    expect(peers.store.count('seal')).toBe(0);
    expect(peer.counters).toMatchObject({ zombies: 0, lateResults: 1 });
    expect(await peer.ask('volatile', 'x').ended).toMatchObject({ kind: 'indeterminate', reason: 'released' });
  });

  it('[cancel.race] are told apart by later attempts as they came out, when the release itself is slow', async () => {
    await using peers = await operationPeers();
    peers.store.hold('release');
    const [one, other] = await peers.connectTwo();
    const asked = one.ask('volatile', 'x');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    const later = [other.ask('volatile', 'x'), one.ask('volatile', 'x'), other.ask('volatile', 'x')];
    await peers.settle();
    later[0]?.cancel();
    await peers.settle();
    peers.store.letGo('release');
    for (const { ended } of later.slice(1)) expect(await ended).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
    expect(await other.ask('volatile', 'x').ended).toMatchObject({ kind: 'indeterminate', reason: 'released' });
    expect(peers.runs).toHaveLength(1);
  });
});
