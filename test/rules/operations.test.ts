/** Operations: one intent, however many attempts ask for it. What stores may do to them is operation-store.test.ts; acknowledging, acknowledgement.test.ts. */
import type { StandardSchemaV1 } from 'statewire';
import { describe, expect, it } from 'vitest';
import { operationPeers, Work } from '../support/operation-peers.ts';
import type { OperationPeers, Policy } from '../support/operation-peers.ts';

const CONFLICT = { kind: 'invalid-payload', reason: 'conflict', retryable: false };

/** A call past the session, with arguments that no session would send. */
function rawCall(requestId: number, method: keyof typeof Work.methods, operationId: string, args: Uint8Array) {
  return { type: 'call', connectionId: 0, requestId, methodId: Work.methods[method].id, operationId, channels: [], metadata: [], args } as const;
}

const SCOPE = new Uint8Array(32).fill(7);

describe('the way of a call with an id', () => {
  it('[op.order] [op.admit] looks up, then admits, then starts', async () => {
    const order: string[] = [];
    await using peers = await operationPeers({ handlers: { volatile: () => void order.push(...peers.store.asked, 'handler') } });
    const peer = await peers.connect();
    await peer.client.volatile(1);
    expect(order).toEqual(['lookup', 'admit', 'handler']);
    expect(peers.store.asked.slice(2)).toEqual(['seal']);
    expect(peers.store.calls.find(({ method }) => method === 'admit')?.takeOver).toBe(false);
  });

  it('[op.order] validates before it admits: what does not fit is neither admitted nor run', async () => {
    await using peers = await checkedPeers(() => ({ issues: [{ message: 'is never right', path: ['n'] }] }));
    const peer = await peers.connect();
    expect(await peer.ask('volatile', 'x').ended).toMatchObject({ kind: 'invalid-payload', reason: 'n' });
    expect(peers.runs).toEqual([]);
    expect(peers.store.asked).toEqual(['lookup']);
  });

  it('[op.order] does not validate again what joins or is replayed', async () => {
    let validations = 0;
    await using peers = await checkedPeers((value) => {
      validations++;
      return { value };
    });
    const peer = await peers.connect();
    const asked = [peer.ask('volatile', 'x'), peer.ask('volatile', 'x')];
    await peers.settle();
    peers.run.returns('once');
    await Promise.all(asked.map(({ ended }) => ended));
    expect(await peer.ask('volatile', 'x').ended).toEqual({ value: 'once' });
    expect(validations).toBe(1);
  });

  it('[op.order] compares before it decodes: arguments that do not decode conflict under a used id, and are invalid under a new one', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.volatile(1, { operationId: 'used' });
    const args = new Uint8Array([0xc1]);
    peer.say(rawCall(101, 'volatile', 'used', args));
    peer.say(rawCall(103, 'volatile', 'new', args));
    await peers.settle();
    expect(peers.answerTo(101)).toMatchObject({ ok: false, error: { kind: 'invalid-payload', reason: 'conflict' } });
    expect(peers.answerTo(103)).toMatchObject({ ok: false, error: { kind: 'invalid-payload', reason: 'malformed' } });
    expect(peer.counters.started).toBe(1);
    expect(peers.store.count('admit')).toBe(1);
  });

  it('[op.admit] runs one handler for two sessions that ask while the store thinks', async () => {
    await using peers = await operationPeers({ answers: 'by promise' });
    const [one, other] = await peers.connectTwo();
    const asked = [one.ask('persist', 'x'), other.ask('persist', 'x')];
    await peers.settle();
    peers.run.returns('once');
    expect(await Promise.all(asked.map(({ ended }) => ended))).toEqual([{ value: 'once' }, { value: 'once' }]);
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'seal']);
  });

  it('[op.admit] runs one handler for two servers of a process that share a store', async () => {
    await using peers = await operationPeers();
    await peers.listen('branch');
    const one = await peers.connect();
    const other = await peers.connect({ scope: one.scope }, 'branch');
    const asked = [one.ask('volatile', 'x'), other.ask('volatile', 'x')];
    await peers.settle();
    peers.run.returns('once');
    expect(await Promise.all(asked.map(({ ended }) => ended))).toEqual([{ value: 'once' }, { value: 'once' }]);
    expect(await other.ask('volatile', 'x').ended).toEqual({ value: 'once' });
    expect(peers.store.count('open')).toBe(1);
  });

  it('[op.admit] runs a new intent for each new id, and for each call without one', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    for (const operationId of ['a', 'b', undefined, undefined]) await peer.client.volatile('same', { operationId });
    expect(peer.counters).toMatchObject({ started: 4, attached: 0, replayed: 0 });
  });
});

/** A server whose `volatile` has an input schema, of which its clients know nothing. */
async function checkedPeers(validate: StandardSchemaV1['~standard']['validate']): Promise<OperationPeers> {
  return operationPeers({ schemas: { input: { '~standard': { version: 1, vendor: 'test', validate } } } });
}

describe('a duplicate of a live operation', () => {
  const endings: [string, (peers: OperationPeers) => void, unknown][] = [
    ['value', (peers) => peers.run.returns({ receipt: 7 }), { value: { receipt: 7 } }],
    ['declared failure', (peers) => peers.run.fails({ code: 'insufficient' }), { kind: 'user', data: { code: 'insufficient' } }],
    ['accident', (peers) => peers.run.throws(new Error('oops')), { kind: 'cancelled', reason: 'handler-failed' }],
  ];

  it.each(endings)('[op.attach] gets the same %s, from one run of the handler', async (_what, end, expected) => {
    await using peers = await operationPeers();
    const [one, other] = await peers.connectTwo();
    const asked = [one.ask('volatile', 'x'), other.ask('volatile', 'x'), one.ask('volatile', 'x')];
    await peers.settle();
    end(peers);
    for (const { ended } of asked) expect(await ended).toMatchObject(expected as object);
    expect(one.counters.attached + other.counters.attached).toBe(2);
    expect(one.counters.started + other.counters.started).toBe(1);
  });

  it.each(['lookup', 'admit'] as const)('[op.attach] joins while the %s is pending', async (stage) => {
    await using peers = await operationPeers();
    peers.store.hold(stage);
    const [one, other] = await peers.connectTwo();
    const asked = [one.ask('volatile', 'x'), other.ask('volatile', 'x')];
    await peers.settle();
    expect(peers.runs).toEqual([]);
    peers.store.letGo(stage);
    await peers.settle();
    peers.run.returns('once');
    for (const { ended } of asked) expect(await ended).toEqual({ value: 'once' });
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'seal']);
  });

  it('[op.attach] joins while the arguments are being validated, and is told when they do not fit', async () => {
    const validated: ((result: { issues: { message: string }[] }) => void)[] = [];
    await using peers = await checkedPeers(() => new Promise((resolve) => validated.push(resolve)));
    const [one, other] = await peers.connectTwo();
    const asked = [one.ask('volatile', 'x'), other.ask('volatile', 'x')];
    await peers.settle();
    expect(validated).toHaveLength(1);
    validated[0]?.({ issues: [{ message: 'too late in the day' }] });
    for (const { ended } of asked) expect(await ended).toMatchObject({ kind: 'invalid-payload', reason: 'input' });
    expect(peers.store.asked).toEqual(['lookup']);
  });

  it('[op.attach] joins an operation that has answered and is being stored', async () => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const [one, other] = await peers.connectTwo();
    const first = one.ask('volatile', 'x');
    await peers.settle();
    peers.run.returns('once');
    expect(await first.ended).toEqual({ value: 'once' });
    expect(await other.ask('volatile', 'x').ended).toEqual({ value: 'once' });
    expect(peers.runs).toHaveLength(1);
  });

  it.each(['volatile', 'persist'] as const)('[op.waiters] is answered once, in the order in which all joined, when it is %s', async (policy) => {
    await using peers = await operationPeers();
    const first = await peers.connect();
    const others = [await peers.connect({ scope: first.scope }), await peers.connect({ scope: first.scope })];
    const joining = [others[1]!, first, first, others[0]!, first];
    const asked = [];
    for (const peer of joining) {
      asked.push(peer.ask(policy, 'x'));
      await peers.settle();
    }
    peers.run.returns('once');
    for (const { ended } of asked) expect(await ended).toEqual({ value: 'once' });
    await peers.settle();
    const answers = peers.sent.filter(({ message }) => message.type === 'response');
    const answered = answers.map(({ link, message }) => `${link}/${'requestId' in message ? message.requestId : ''}`);
    // What one session has to say leaves together: the first to join decides over the order of sessions.
    expect(answered).toEqual(['bank#3/1', 'bank#1/1', 'bank#1/3', 'bank#1/5', 'bank#2/1']);
  });

  it.each(['volatile', 'persist'] as const)(
    '[op.waiters] is answered though one of them cannot take an outcome of that size, when it is %s',
    async (policy) => {
      await using peers = await operationPeers();
      const [one, small] = [await peers.connect({ scope: SCOPE }), await peers.connect({ scope: SCOPE, maxPayload: 64 * 1024 })];
      const asked = [];
      for (const peer of [one, small, one]) {
        asked.push(peer.ask(policy, 'x'));
        await peers.settle();
      }
      const value = 'x'.repeat(100_000);
      peers.run.returns(value);
      expect(await asked[0]?.ended).toEqual({ value });
      expect(await asked[1]?.ended).toMatchObject({ kind: 'indeterminate' });
      expect(await asked[2]?.ended).toEqual({ value });
      expect(small.session.status).toBe('connected');
    },
  );

  it('[op.waiters] is answered in the order of joining when it fails, without one that left', async () => {
    await using peers = await operationPeers();
    const [one, other] = await peers.connectTwo();
    const asked = [];
    for (const peer of [one, other, one, one]) {
      asked.push(peer.ask('volatile', 'x'));
      await peers.settle();
    }
    asked[2]!.cancel();
    await peers.settle();
    peers.run.throws(new Error('oops'));
    const results = await Promise.all(asked.map(({ ended }) => ended));
    expect(results.map((ended) => 'reason' in ended && ended.reason)).toEqual(['handler-failed', 'handler-failed', 'aborted', 'handler-failed']);
    await peers.settle();
    expect(peers.messages('response').map(({ requestId }) => requestId)).toEqual([3, 1, 5, 1]);
  });
});

describe('another intent under a used id', () => {
  const others: [string, keyof typeof Work.methods, unknown][] = [
    ['another method', 'other', { a: 1, b: 2 }],
    ['other arguments', 'volatile', { a: 1, b: 3 }],
    ['equal arguments in another order', 'volatile', { b: 2, a: 1 }],
    ['fewer arguments', 'volatile', { a: 1 }],
  ];

  it.each(others)('[op.conflict] is refused for %s, while the first is live and later, and leaves the first alone', async (_what, name, input) => {
    await using peers = await operationPeers();
    const [one, other] = await peers.connectTwo();
    const first = one.ask('volatile', 'x', { a: 1, b: 2 });
    await peers.settle();
    const refused = other.ask(name, 'x', input);
    expect(await refused.ended).toMatchObject(CONFLICT);
    expect(refused.error?.message).toContain('operation id conflict');
    expect(first.now).toBeUndefined();
    peers.run.returns('once');
    expect(await first.ended).toEqual({ value: 'once' });
    expect(await other.ask(name, 'x', input).ended).toMatchObject(CONFLICT);
    expect(await other.ask('volatile', 'x', { a: 1, b: 2 }).ended).toEqual({ value: 'once' });
    expect(peers.runs).toHaveLength(1);
  });

  it.each([
    [
      'Map',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ],
    ['Set', new Set(['a', 'b']), new Set(['b', 'a'])],
  ])('[op.conflict] tells a %s from an equal one of another insertion order', async (_what, input, same) => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const peer = await peers.connect();
    await peer.client.volatile(input, { operationId: 'x' });
    expect(await peer.ask('volatile', 'x', same).ended).toMatchObject(CONFLICT);
    expect(await peer.ask('volatile', 'x', input).ended).toEqual({ value: 'done' });
  });

  it('[op.conflict] is refused while the first is being looked up, without a look-up of its own', async () => {
    await using peers = await operationPeers();
    peers.store.hold('lookup');
    const peer = await peers.connect();
    const first = peer.ask('volatile', 'x', 1);
    expect(await peer.ask('volatile', 'x', 2).ended).toMatchObject(CONFLICT);
    peers.store.letGo('lookup');
    await peers.settle();
    peers.run.returns('once');
    expect(await first.ended).toEqual({ value: 'once' });
    expect(peers.store.count('lookup')).toBe(1);
  });

  it('[op.conflict] is told to all who joined while the look-up found it out', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => 'done' } });
    const [one, other] = await peers.connectTwo();
    await one.client.volatile(1, { operationId: 'x' });
    peers.store.hold('lookup');
    const asked = [one.ask('volatile', 'x', 2), other.ask('volatile', 'x', 2)];
    await peers.settle();
    peers.store.letGo('lookup');
    for (const { ended } of asked) expect(await ended).toMatchObject(CONFLICT);
    expect(peers.store.count('lookup')).toBe(2);
  });

  it('[op.conflict] is refused for an operation that was released without an outcome', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => Promise.reject(new Error('oops')) } });
    const peer = await peers.connect();
    await peer.ask('volatile', 'x', 1).ended;
    expect(await peer.ask('volatile', 'x', 2).ended).toMatchObject(CONFLICT);
  });
});

describe('an operation that has its outcome', () => {
  it.each(['volatile', 'idem', 'persist', 'persistIdem'] as const)(
    '[op.replay] [op.seal] is answered from the store, when it is %s',
    async (policy: Policy) => {
      await using peers = await operationPeers();
      const [one, other] = await peers.connectTwo();
      const cases = [
        { id: 'value', end: (run: (typeof peers.runs)[0]) => run.returns({ at: new Date(7) }), expected: { value: { at: new Date(7) } } },
        { id: 'nothing', end: (run: (typeof peers.runs)[0]) => run.returns(undefined), expected: { value: undefined } },
        { id: 'failure', end: (run: (typeof peers.runs)[0]) => run.fails({ missing: 3n }), expected: { kind: 'user', data: { missing: 3n } } },
      ];
      for (const { id, end, expected } of cases) {
        const first = one.ask(policy, id);
        await peers.settle();
        end(peers.runs.at(-1)!);
        expect(await first.ended).toMatchObject(expected);
        for (const peer of [one, other]) expect(await peer.ask(policy, id).ended).toMatchObject(expected);
      }
      expect(peers.runs).toHaveLength(3);
      expect(one.counters.replayed + other.counters.replayed).toBe(6);
      expect(peers.store.count('seal')).toBe(3);
    },
  );

  it.each([
    ['a value', () => 'done', { value: 'done' }],
    [
      'an accident',
      () => {
        throw new Error('oops');
      },
      { kind: 'cancelled', reason: 'handler-failed' },
    ],
  ])('[op.seal] may be the work of a handler that answers at once: %s', async (_what, volatile, expected) => {
    await using peers = await operationPeers({ handlers: { volatile } });
    const peer = await peers.connect();
    expect(await peer.ask('volatile', 'x').ended).toMatchObject(expected);
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'value' in expected ? 'seal' : 'release']);
  });

  it('[op.seal] may be the work of a handler that fails at once', async () => {
    await using peers = await operationPeers({ handlers: { volatile: (_input, call) => call.fail('no money') } });
    const peer = await peers.connect();
    for (let n = 0; n < 2; n++) expect(await peer.ask('volatile', 'x').ended).toMatchObject({ kind: 'user', data: 'no money' });
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'seal', 'lookup']);
  });

  it('[op.seal] is not an operation whose handler threw: that one is released', async () => {
    await using peers = await operationPeers({ handlers: { volatile: () => Promise.reject(new Error('oops')) } });
    const peer = await peers.connect();
    await peer.ask('volatile', 'x').ended;
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'release']);
    expect(peers.store.calls.at(-1)).toMatchObject({ reason: 'handler-failed' });
  });

  it('[op.seal] keeps it whatever comes later: a cancel, a second answer, the end of its session', async () => {
    const runs: (() => void)[] = [];
    await using peers = await operationPeers({
      handlers: {
        volatile: async (_input, call) => {
          try {
            call.fail('first');
          } catch {
            await new Promise<void>((resolve) => runs.push(resolve));
          }
          return 'second';
        },
      },
    });
    const [one, other] = await peers.connectTwo();
    const asked = one.ask('volatile', 'x');
    expect(await asked.ended).toMatchObject({ kind: 'user', data: 'first' });
    one.say({ type: 'cancel', connectionId: 0, requestId: 1, operationId: 'x' });
    runs[0]?.();
    await peers.settle();
    expect(one.counters.secondAnswers).toBe(1);
    one.cut();
    await peers.settle();
    expect(await other.ask('volatile', 'x').ended).toMatchObject({ kind: 'user', data: 'first' });
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'seal', 'lookup']);
  });
});
