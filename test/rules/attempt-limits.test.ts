/** attempt.limit-*: how many calls are in flight at once, who waits, and in which order. */
import { describe, expect, it } from 'vitest';
import { attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import { connectPeers, failureOf, gated, isSettled, lab, Lab } from '../support/peers.ts';

describe('attempt.limit-out', () => {
  it('[attempt.limit-out] no more calls are in flight than the peer takes; the others wait in order', async () => {
    const { handler, calls } = gated();
    const { session, settle } = await connectPeers({ server: { services: [lab(handler)], maxConcurrentRequests: 2 } });
    const { run } = session.client(Lab);
    const pending = Array.from({ length: 6 }, (_, index) => run(index));
    for (let done = 0; done < 6; done++) {
      await settle();
      expect(calls.map(({ input }) => input)).toEqual([0, 1, 2, 3, 4, 5].slice(0, done + 2));
      calls[done]?.resolve(done);
    }
    expect(await Promise.all(pending)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('[attempt.limit-out] a call that is made in the moment when a place is free goes behind those that wait', async () => {
    const { handler, calls } = gated();
    const { session, settle } = await connectPeers({ server: { services: [lab(handler)], maxConcurrentRequests: 1 } });
    const { run } = session.client(Lab);
    const pending: Promise<unknown>[] = [];
    pending.push(run('first', { onResponseMetadata: () => pending.push(run('late comer')) }), run('waits'), run('waits too'));
    for (let done = 0; done < 4; done++) {
      await settle();
      calls[done]?.resolve(done);
    }
    await settle();
    await Promise.all(pending);
    expect(calls.map(({ input }) => input)).toEqual(['first', 'waits', 'waits too', 'late comer']);
  });

  it('[attempt.limit-out] a call past the bound of the queue fails at once, and may be made again', async () => {
    const { handler, calls } = gated();
    const { session, settle } = await connectPeers({
      client: { maxQueuedRequests: 2 },
      server: { services: [lab(handler)], maxConcurrentRequests: 1 },
    });
    const { run } = session.client(Lab);
    const pending = [run(0), run(1), run(2)];
    expect(await failureOf(run(3))).toMatchObject({ kind: 'send-failed', reason: 'queue-full', retryable: true });
    await settle();
    calls[0]?.resolve('done');
    await settle();
    pending.push(run(4));
    expect((await failureOf(run(5))).kind).toBe('send-failed');
    for (const index of [1, 2, 3]) {
      calls[index]?.resolve('done');
      await settle();
    }
    expect(await Promise.all(pending)).toEqual(['done', 'done', 'done', 'done']);
    expect(calls.map(({ input }) => input)).toEqual([0, 1, 2, 4]);
  });

  it('[attempt.limit-out] a queue of no length refuses what cannot go at once', async () => {
    const { handler } = gated();
    const { session } = await connectPeers({ client: { maxQueuedRequests: 0 }, server: { services: [lab(handler)], maxConcurrentRequests: 1 } });
    const { run } = session.client(Lab);
    const running = run().catch(() => {});
    expect((await failureOf(run())).reason).toBe('queue-full');
    await session.close();
    await running;
  });

  it('[attempt.limit-out] a call that is cancelled while it waits leaves its place to another, and is never sent', async () => {
    const { handler, calls } = gated();
    const { session, settle, sent } = await connectPeers({
      client: { maxQueuedRequests: 1 },
      server: { services: [lab(handler)], maxConcurrentRequests: 1 },
    });
    const { run } = session.client(Lab);
    const running = run('running');
    const given = new AbortController();
    const cancelled = failureOf(run('cancelled', { signal: given.signal }));
    expect((await failureOf(run('no room'))).reason).toBe('queue-full');
    given.abort('changed my mind');
    expect(await cancelled).toMatchObject({ kind: 'cancelled', reason: 'aborted', cause: 'changed my mind' });
    const taking = run('takes its place');
    await settle();
    calls[0]?.resolve('done');
    await running;
    await settle();
    calls[1]?.resolve('done');
    await taking;
    expect(calls.map(({ input }) => input)).toEqual(['running', 'takes its place']);
    expect(sent('initiator', 'cancel')).toEqual([]);
  });

  it('[attempt.limit-out] a call times out in the queue too', async () => {
    const { handler } = gated();
    const { session, clock } = await connectPeers({ server: { services: [lab(handler)], maxConcurrentRequests: 1 } });
    const { run } = session.client(Lab);
    run().catch(() => {});
    const waiting = failureOf(run(undefined, { timeoutMs: 100 }));
    await clock.advance(99);
    expect(await isSettled(waiting)).toBe(false);
    await clock.advance(1);
    expect(await waiting).toMatchObject({ kind: 'cancelled', reason: 'timeout', cause: { name: 'TimeoutError' } });
  });
});

describe('attempt.limit-in', () => {
  const unanswered = { services: [lab(() => new Promise(() => {}))], maxConcurrentRequests: 2 };

  it('[attempt.limit-in] one call more than we take is a protocol error', async () => {
    const { peer, accepted } = await attackServer(unanswered);
    peer.send(call(1), call(3), call(5));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'attempt.limit-in', message: expect.stringContaining('2') as string });
    await accepted.closed;
    expect(accepted.counters.started).toBe(2);
  });

  it('[attempt.limit-in] only what is in flight at once counts, whatever the calls are', async () => {
    const { peer, settle } = await attackServer(unanswered);
    for (let id = 1; id < 40; id += 2) peer.send(call(id, { methodId: Lab.methods.run.id }), { type: 'cancel', connectionId: 0, requestId: id });
    await settle();
    expect(peer.all('response')).toHaveLength(20);
    expect(peer.all('protocol-error')).toEqual([]);
  });

  it('[attempt.limit-in] an attempt that joined a live operation counts like any other', async () => {
    const { peer } = await attackServer(unanswered);
    peer.send(call(1, { operationId: 'same' }), call(3, { operationId: 'same' }), call(5, { operationId: 'same' }));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'attempt.limit-in' });
  });
});

describe('attempt.limit-link', () => {
  it('[attempt.limit-link] a cancelled attempt counts until its response has come', async () => {
    const { peer, session, settle } = await attackClient(
      {},
      { limits: { maxConcurrentRequests: 1, maxPayload: 65_536, maxConnections: 0, maxInitialCredit: 0 } },
    );
    const { run } = session.client(Lab);
    const given = new AbortController();
    const cancelled = failureOf(run('first', { signal: given.signal }));
    const next = run('next');
    await peer.next('call');
    given.abort();
    await cancelled;
    await peer.next('cancel');
    await settle();
    expect(peer.all('call')).toHaveLength(1);
    peer.send({
      type: 'response',
      connectionId: 0,
      requestId: 1,
      ok: false,
      error: { kind: 'cancelled', reason: 'aborted', message: '' },
      metadata: [],
    });
    expect(await peer.next('call')).toMatchObject({ requestId: 3 });
    peer.send(result(3, 'next'));
    expect(await next).toBe('next');
  });

  it('[attempt.limit-link] every cancelled attempt gets a response, so that no place is lost', async () => {
    const { session, settle, accepted } = await connectPeers({
      server: { services: [lab({ run: () => new Promise(() => {}) })], maxConcurrentRequests: 2 },
    });
    const { run, idem } = session.client(Lab);
    for (let round = 0; round < 10; round++) {
      const given = new AbortController();
      const failures = [failureOf(run(1, { signal: given.signal })), failureOf(run(2, { signal: given.signal }))];
      if (round % 2 === 0) await settle();
      given.abort();
      await Promise.all(failures);
      expect(await idem(round)).toBe(round);
    }
    expect(accepted.counters.zombies).toBe(20);
  });
});
