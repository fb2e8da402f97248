/** What a user's own code may do in the middle of a call: validate slowly, throw where nobody expects it, fail too late, close the session. */
import { describe, expect, it } from 'vitest';
import { defineService, implement, method } from 'statewire';
import type { StandardSchemaV1 } from 'statewire';
import { SimulatedClock } from 'statewire/testing';
import { connectPeers, deferred, failureOf, isSettled, lab, Lab } from '../support/peers.ts';
import type { LabHandler } from '../support/peers.ts';

type Place = 'input' | 'output' | 'error';

/** `Lab.run` with a schema that fits everything, once `gate` has opened. */
function slowLab(place: Place, gate: Promise<unknown>) {
  const schema: StandardSchemaV1 = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value) => {
        await gate;
        return { value };
      },
    },
  };
  return defineService('Lab', { run: method<unknown, unknown, unknown>({ [place]: schema }) });
}

const aborted = (signal: AbortSignal) => new Promise((resolve) => signal.addEventListener('abort', resolve));

describe('a call whose caller gives up while its own schema takes its time', () => {
  it.each<[Place, 'aborted' | 'timeout', number]>([
    ['input', 'aborted', 0],
    ['input', 'timeout', 0],
    ['output', 'aborted', 1],
    ['output', 'timeout', 1],
  ])('[cancel.caller] over the %s is rejected at once (%s), and the peer hears of no cancel', async (place, reason, sentCalls) => {
    const gate = deferred();
    const { session, settle, clock, sent } = await connectPeers({ server: { services: [lab()] } });
    const controller = new AbortController();
    const { run } = session.client(slowLab(place, gate.promise));
    const failing = failureOf(run(1, reason === 'aborted' ? { signal: controller.signal } : { timeoutMs: 10 }));
    await settle();
    expect(await isSettled(failing)).toBe(false);
    if (reason === 'aborted') controller.abort();
    else await clock.advance(10);
    expect(await isSettled(failing)).toBe(true);
    expect(await failing).toMatchObject({ kind: 'cancelled', reason, requestId: 1 });
    gate.resolve();
    await settle();
    expect([sent('initiator', 'call').length, sent('initiator', 'cancel')]).toEqual([sentCalls, []]);
  });
});

describe('a handler that is aborted', () => {
  it('[cancel.abort] and then fails has come too late: it has not answered twice, and nobody at home is told', async () => {
    const handler: LabHandler = async (_input, call) => {
      await aborted(call.signal);
      return call.fail({ code: 'x' });
    };
    const { session, accepted, settle, handlerErrors } = await connectPeers({ server: { services: [lab(handler)] } });
    const controller = new AbortController();
    const failing = failureOf(session.client(Lab).run(1, { signal: controller.signal }));
    await settle();
    controller.abort();
    await settle();
    expect((await failing).kind).toBe('cancelled');
    expect(accepted.counters).toMatchObject({ zombies: 0, lateResults: 1, secondAnswers: 0 });
    expect(handlerErrors).toEqual([]);
  });

  it.each<[string, Place, LabHandler]>([
    ['failed', 'error', async (_input, call) => call.fail(1)],
    ['returned', 'output', () => 1],
  ])('[cancel.abort] after it has %s, while that is being validated, is no zombie', async (_what, place, handler) => {
    const gate = deferred();
    const Slow = slowLab(place, gate.promise);
    const { session, accepted, settle } = await connectPeers({ server: { services: [implement(Slow, { run: handler })] } });
    const controller = new AbortController();
    const failing = failureOf(session.client(Lab).run(1, { signal: controller.signal }));
    await settle();
    controller.abort();
    await settle();
    expect((await failing).kind).toBe('cancelled');
    expect(accepted.counters.zombies).toBe(0);
    gate.resolve();
    await settle();
    expect(accepted.counters).toMatchObject({ zombies: 0, lateResults: 1, secondAnswers: 0 });
  });
});

describe('a handler that is answered for whatever it does', () => {
  const boo = () => {
    throw new Error('boo');
  };

  it.each<[string, LabHandler]>([
    [
      'an object whose then cannot be read',
      () => ({
        get then() {
          return boo();
        },
      }),
    ],
    ['a thenable that throws', () => ({ then: boo })],
  ])('[attempt.one-response] returns %s', async (_what, handler) => {
    const { session, settle, handlerErrors, serverLog } = await connectPeers({ server: { services: [lab(handler)] } });
    const failing = failureOf(session.client(Lab).run(1));
    await settle();
    expect(await isSettled(failing)).toBe(true);
    expect(await failing).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(handlerErrors).toEqual([new Error('boo')]);
    expect(serverLog.map(({ event }) => event)).toEqual(['handler-error']);
  });

  const unprintable = () => Object.create(null) as Error;
  const unreadable = () => Object.defineProperty(new Error('hidden'), 'message', { get: boo });

  it.each<[string, LabHandler, string]>([
    ['what cannot be printed', () => Promise.reject(unprintable()), 'something that cannot be printed'],
    [
      'what cannot be printed, at once',
      () => {
        throw unprintable();
      },
      'something that cannot be printed',
    ],
    ['an error whose message cannot be read', () => Promise.reject(unreadable()), 'something that cannot be printed'],
    ['a text', () => Promise.reject('no error'), 'no error'],
    ['nothing', () => Promise.reject(undefined), 'undefined'],
  ])('[attempt.one-response] [outcome.private] throws %s, and errors are exposed', async (_what, handler, text) => {
    const { session, settle, serverLog } = await connectPeers({ server: { services: [lab(handler)], exposeErrors: true } });
    const failing = failureOf(session.client(Lab).run(1));
    await settle();
    expect(await isSettled(failing)).toBe(true);
    expect(await failing).toMatchObject({ kind: 'cancelled', reason: 'handler-failed', message: `Lab.run: ${text}` });
    expect(serverLog.map(({ event }) => event)).toEqual(['handler-error']);
  });
});

describe('a session that is closed within a callback of its own', () => {
  it('[session.status] leaves no timer behind; the call that brought it there has its value, the others are judged', async () => {
    const clock = new SimulatedClock();
    const { session, settle } = await connectPeers({ client: { clock }, server: { services: [lab({ idem: () => new Promise(() => {}) })] } });
    const { run, idem } = session.client(Lab);
    const other = failureOf(idem(2, { timeoutMs: 1_000 }));
    const onResponseMetadata = () => void session.close();
    const value = run(1, { onResponseMetadata, timeoutMs: 1_000, signal: new AbortController().signal });
    await settle();
    await session.closed;
    expect(await value).toBe(1);
    expect(await other).toMatchObject({ kind: 'connection-closed', retryable: true });
    await settle();
    expect(clock.pending).toBe(0);
  });
});
