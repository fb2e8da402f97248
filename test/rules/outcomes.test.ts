/** outcome.*: what a caller sees of a call that ended without a value, and never sees. outcome.invalid-payload: invalid-payload.test.ts. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineService, memoryStore, method } from 'statewire';
import type { OperationStore } from 'statewire';
import { encodeValue } from 'statewire/wire';
import type { ResponseMessage } from 'statewire/wire';
import { attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import { connectPeers, ENDS_WITH_LINK, failureOf, gated, lab, Lab } from '../support/peers.ts';
import type { LabHandler, Peers } from '../support/peers.ts';

const oh: LabHandler = () => {
  throw new Error('oh');
};
const never: LabHandler = () => new Promise(() => {});

/** A store that works but for one thing. */
function storeWith(change: Partial<OperationStore>): OperationStore {
  return Object.assign(memoryStore(), change);
}

const broken = () => {
  throw new Error('no disk');
};

describe('outcome.reason', () => {
  it.each<[string, (peers: Peers) => Promise<unknown>, object]>([
    [
      'its timeout',
      ({ session, clock }) => {
        const called = session.client(Lab).run('stay', { timeoutMs: 10 });
        return Promise.race([called, clock.advance(10).then(() => called)]);
      },
      { kind: 'cancelled', reason: 'timeout', cause: expect.objectContaining({ name: 'TimeoutError' }) as unknown },
    ],
    [
      'its signal',
      ({ session }) => {
        const given = new AbortController();
        const called = session.client(Lab).run('stay', { signal: given.signal });
        given.abort(new Error('enough'));
        return called;
      },
      { kind: 'cancelled', reason: 'aborted', cause: new Error('enough') },
    ],
    [
      'a signal that was aborted before',
      ({ session }) => session.client(Lab).run('stay', { signal: AbortSignal.abort('before') }),
      { kind: 'cancelled', reason: 'aborted', cause: 'before' },
    ],
    ['a volatile handler that throws', ({ session }) => session.client(Lab).run('throw'), { kind: 'cancelled', reason: 'handler-failed' }],
    ['an idem handler that throws', ({ session }) => session.client(Lab).idem('throw'), { kind: 'cancelled', reason: 'handler-failed' }],
    ['a persist handler that throws', ({ session }) => session.client(Lab).persist('throw'), { kind: 'indeterminate', reason: 'handler-failed' }],
    [
      'a handler that overran',
      ({ session, clock }) => {
        const called = session.client(Lab).run('stay');
        return Promise.race([called, clock.advance(1_000).then(() => called)]);
      },
      { kind: 'cancelled', reason: 'handler-failed' },
    ],
    [
      'an operation that was released before',
      async ({ session }) => {
        const { run } = session.client(Lab);
        await failureOf(run('throw', { operationId: 'one' }));
        return run('throw', { operationId: 'one' });
      },
      { kind: 'indeterminate', reason: 'handler-failed' },
    ],
    [
      'a session that is closed under it',
      async ({ session, settle }) => {
        const called = session.client(Lab).run('stay');
        called.catch(() => {});
        await settle();
        await session.close();
        return called;
      },
      { kind: 'indeterminate', reason: 'closed' },
    ],
  ])('[outcome.reason] says of a call that ended by %s', async (_what, attempt, expected) => {
    const handler: LabHandler = (input, context) => (input === 'throw' ? oh(input, context) : never(input, context));
    const peers = await connectPeers({ server: { services: [lab(handler)], handlerTimeoutMs: 1_000 } });
    const failure = await failureOf(attempt(peers));
    expect({ kind: failure.kind, reason: failure.reason, ...(failure.cause !== undefined && { cause: failure.cause }) }).toEqual(expected);
    expect(failure).toMatchObject({ retryable: false, name: 'RpcError' });
  });

  it.each<[string, Partial<OperationStore>, 'run' | 'persist', object]>([
    ['cannot look up', { lookup: broken }, 'run', { kind: 'unavailable', reason: 'store', retryable: true }],
    ['cannot admit', { admit: broken }, 'run', { kind: 'unavailable', reason: 'store', retryable: true }],
    ['cannot keep the outcome', { seal: broken }, 'persist', { kind: 'indeterminate', reason: 'store-lost', retryable: false }],
    [
      'knows it as one whose owner is lost',
      { lookup: () => ({ state: 'abandoned' }) },
      'run',
      { kind: 'indeterminate', reason: 'abandoned', retryable: false },
    ],
    [
      'knows it as released',
      { lookup: () => ({ state: 'released', reason: 'released' }) },
      'run',
      { kind: 'indeterminate', reason: 'released', retryable: false },
    ],
    ['knows it as too old', { lookup: () => ({ state: 'expired' }) }, 'run', { kind: 'indeterminate', reason: 'expired', retryable: false }],
  ])("[outcome.reason] says of a call whose callee's store %s", async (_what, change, name, expected) => {
    const { session, accepted } = await connectPeers({ server: { services: [lab()], store: storeWith(change) } });
    expect(await failureOf(session.client(Lab)[name]())).toMatchObject(expected);
    expect(accepted.status).toBe('connected');
  });

  it('[outcome.reason] passes on what the peer says, of every kind that it may say', async () => {
    const { session, peer } = await attackClient();
    const { run } = session.client(Lab);
    const kinds = ['user', 'unknown-method', 'invalid-payload', 'cancelled', 'indeterminate', 'unavailable'] as const;
    for (const kind of kinds) {
      const failing = failureOf(run());
      const { requestId, operationId } = await peer.next('call');
      const response: ResponseMessage = {
        type: 'response',
        connectionId: 0,
        requestId,
        ok: false,
        metadata: [],
        error: { kind, reason: `why ${kind}`, message: `what ${kind}`, data: kind === 'user' ? encodeValue({ code: 5 }) : undefined },
      };
      peer.send(response);
      const failure = await failing;
      expect(failure).toMatchObject({ kind, reason: `why ${kind}`, requestId, operationId, data: kind === 'user' ? { code: 5 } : undefined });
      expect(failure.message).toContain(`Lab.run: what ${kind}`);
      expect(failure.retryable).toBe(kind === 'unavailable');
    }
  });
});

describe('outcome.retryable', () => {
  const limits = { maxConcurrentRequests: 1, maxPayload: 65_536, maxConnections: 0, maxInitialCredit: 0 };

  it.each<[string, 'run' | 'idem' | 'persist', boolean, object]>([
    ['sent', 'run', true, { kind: 'indeterminate', reason: 'closed', retryable: false }],
    ['sent and persist', 'persist', true, { kind: 'indeterminate', reason: 'closed', retryable: false }],
    ['sent and idem', 'idem', true, { kind: 'connection-closed', retryable: true }],
    ['never sent', 'run', false, { kind: 'connection-closed', retryable: true }],
    ['never sent and persist', 'persist', false, { kind: 'connection-closed', retryable: true }],
    ['never sent and idem', 'idem', false, { kind: 'connection-closed', retryable: true }],
  ])('[outcome.retryable] [outcome.closing] a call that is %s', async (_what, name, sent, expected) => {
    for (const end of ['we close', 'the peer closes', 'the link is lost'] as const) {
      const { session, peer, network } = await attackClient({}, { limits });
      if (!sent)
        session
          .client(Lab)
          .idem('takes the only place')
          .catch(() => {});
      const failing = failureOf(session.client(Lab)[name]());
      await peer.next('call');
      if (end === 'we close') await session.close();
      else if (end === 'the peer closes') peer.send({ type: 'close', connectionId: 0, reason: 'going' });
      else network.cut();
      expect(await failing).toMatchObject(expected);
    }
  });

  it('[outcome.retryable] [outcome.closing] a call that was made in the turn of the close is retryable only if it was not run', async () => {
    for (const name of ['run', 'persist'] as const) {
      const { session, accepted, settle } = await connectPeers({ server: { services: [lab()] } });
      const failing = failureOf(session.client(Lab)[name]());
      await session.close();
      await settle();
      const failure = await failing;
      expect(failure.retryable).toBe(accepted.counters.started === 0);
      expect(failure.kind).toBe(failure.retryable ? 'connection-closed' : 'indeterminate');
    }
  });

  it('[outcome.retryable] [outcome.closing] a call that was made in the turn in which the link is lost was never handed to one', async () => {
    const { session, accepted, network } = await connectPeers({ server: { services: [lab()] }, client: ENDS_WITH_LINK });
    const failing = failureOf(session.client(Lab).run());
    network.cut();
    expect(await failing).toMatchObject({ kind: 'connection-closed', retryable: true });
    expect(accepted.counters.started).toBe(0);
  });

  it('[outcome.retryable] [outcome.closing] a call made by a handler that is being aborted is never sent, and says so', async () => {
    const late: Promise<unknown>[] = [];
    const { handler, calls } = gated();
    const { session, accepted, settle } = await connectPeers({ server: { services: [lab(handler)] }, client: { services: [lab()] } });
    session
      .client(Lab)
      .run()
      .catch(() => {});
    await settle();
    const [running] = calls;
    running?.call.signal.addEventListener('abort', () => late.push(failureOf(running.call.client(Lab).run('last words'))));
    await accepted.close();
    await settle();
    expect(await Promise.all(late)).toEqual([expect.objectContaining({ kind: 'connection-closed', retryable: true })]);
    expect(session.counters.started).toBe(0);
  });

  it('[outcome.retryable] a protocol error says nothing of what ran, and is never retryable', async () => {
    const { session, peer } = await attackClient();
    const failing = [failureOf(session.client(Lab).run()), failureOf(session.client(Lab).idem())];
    await peer.next('call');
    peer.sendBytes(new Uint8Array([0xc1]));
    for (const failure of await Promise.all(failing)) expect(failure).toMatchObject({ kind: 'protocol-error', retryable: false });
  });

  it('[outcome.retryable] calls on a session that has ended were never sent', async () => {
    const { session } = await connectPeers({ server: { services: [lab()] } });
    const { run } = session.client(Lab);
    await session.close();
    expect(await failureOf(run())).toMatchObject({ kind: 'connection-closed', retryable: true });
    expect(await failureOf(session.client(Lab).persist())).toMatchObject({ kind: 'connection-closed', retryable: true });
  });

  it('[outcome.retryable] an input that is being validated when the session ends was never sent', async () => {
    const slow = z.string().refine(() => new Promise<boolean>((resolve) => setImmediate(() => resolve(true))));
    const Slow = defineService('Slow', { m: method({ input: slow }) });
    const { session } = await connectPeers();
    const failing = failureOf(session.client(Slow).m('x'));
    await session.close();
    expect(await failing).toMatchObject({ kind: 'connection-closed', retryable: true });
  });
});

describe('outcome.scope', () => {
  it('[outcome.scope] whatever becomes of one call, its neighbours get their answers', async () => {
    const services = [lab({ run: oh, persist: (input, context) => context.fail(input) })];
    const { session, clock } = await connectPeers({ server: { services, maxPayload: 65_536 } });
    const Unknown = defineService('Unknown', { m: method() });
    const { run, idem, persist } = session.client(Lab);
    const given = new AbortController();
    const failing = [
      run(),
      persist('no'),
      session.client(Unknown).m(),
      run(() => {}),
      run(new Uint8Array(70_000)),
      run(1, { signal: given.signal }),
      run(1, { timeoutMs: 1 }),
    ].map(failureOf);
    const fine = Array.from({ length: 5 }, (_, index) => idem(index));
    given.abort();
    await clock.advance(1);
    expect(await Promise.all(fine)).toEqual([0, 1, 2, 3, 4]);
    expect((await Promise.all(failing)).map(({ kind }) => kind)).toEqual([
      'cancelled',
      'user',
      'unknown-method',
      'invalid-payload',
      'send-failed',
      'cancelled',
      'cancelled',
    ]);
    expect(await idem('still')).toBe('still');
  });
});

describe('outcome.unknown-method', () => {
  it.each(['initiator', 'acceptor'] as const)(
    '[outcome.unknown-method] the %s calls what the other does not serve, and the connection stays up',
    async (role) => {
      const { session, accepted } = await connectPeers({ server: { services: [lab()] }, client: { services: [lab()] } });
      const caller = role === 'initiator' ? session : accepted;
      const Other = defineService('Lab', { walk: method() });
      const failure = await failureOf(caller.client(Other).walk());
      expect(failure).toMatchObject({ kind: 'unknown-method', retryable: false });
      expect(failure.message).toContain('Lab.walk');
      expect(await caller.client(Lab).run('up')).toBe('up');
    },
  );

  it('[outcome.unknown-method] a side without services knows no method', async () => {
    const { accepted } = await connectPeers();
    expect((await failureOf(accepted.client(Lab).run())).kind).toBe('unknown-method');
  });

  it('[outcome.unknown-method] an id that was refused so is not taken: a later service may run it', async () => {
    const { peer } = await attackServer({ services: [lab()] });
    peer.send(call(1, { methodId: 1, operationId: 'same' }));
    expect(await peer.next('response')).toMatchObject({ error: { kind: 'unknown-method' } });
    peer.send(call(3, { operationId: 'same', args: encodeValue(3) }));
    expect(await peer.next('response')).toMatchObject(result(3, 3));
  });
});

describe('outcome.private', () => {
  const secret = 'S3CRET-path-of-the-database';
  const leaks: LabHandler = () => {
    throw Object.assign(new Error(`cannot open ${secret}`), { path: secret });
  };

  it.each(['run', 'idem', 'persist'] as const)('[outcome.private] what a handler of %s throws by accident stays at home', async (name) => {
    const { session, network, handlerErrors, serverLog } = await connectPeers({ server: { services: [lab(leaks)] } });
    let wire = '';
    network.tap(({ payload }) => (wire += new TextDecoder('latin1').decode(payload)));
    const failure = await failureOf(session.client(Lab)[name]());
    expect(`${failure.stack} ${failure.message} ${JSON.stringify(failure)}`).not.toContain(secret);
    expect(wire).not.toContain(secret);
    expect(handlerErrors.map(String)).toEqual([expect.stringContaining(secret)]);
    expect(serverLog).toEqual([expect.objectContaining({ event: 'handler-error', error: handlerErrors[0] })]);
  });

  it('[outcome.private] with exposeErrors the caller gets the message, and nothing more', async () => {
    const { session } = await connectPeers({ server: { services: [lab(leaks)], exposeErrors: true } });
    const failure = await failureOf(session.client(Lab).run());
    expect(failure).toMatchObject({ kind: 'cancelled', reason: 'handler-failed', data: undefined });
    expect(failure.message).toBe(`Lab.run: cannot open ${secret}`);
  });

  it('[outcome.private] onHandlerError is told of which call', async () => {
    const told: unknown[] = [];
    const { session } = await connectPeers({
      server: {
        services: [lab(oh)],
        onHandlerError: (error, { service, method: name, operationId, requestId }) =>
          told.push([String(error), service, name, operationId, requestId]),
      },
    });
    await failureOf(session.client(Lab).run(undefined, { operationId: 'order-42' }));
    expect(told).toEqual([['Error: oh', 'Lab', 'run', 'order-42', 1]]);
  });

  it('[outcome.private] a declared failure is no accident: nobody at home is told', async () => {
    const { session, handlerErrors, serverLog } = await connectPeers({ server: { services: [lab((input, context) => context.fail(input))] } });
    expect(await failureOf(session.client(Lab).run({ code: 5 }))).toMatchObject({ kind: 'user', data: { code: 5 }, retryable: false });
    expect([handlerErrors, serverLog]).toEqual([[], []]);
  });
});
