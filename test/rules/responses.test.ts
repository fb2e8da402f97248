/** attempt.one-response: every call gets one response, whatever its handler does. */
import { expect, it, onTestFinished } from 'vitest';
import { encodeValue } from 'statewire/wire';
import type { ResponseMessage } from 'statewire/wire';
import { attackServer, call } from '../support/hostile-peer.ts';
import { gated, lab, Lab } from '../support/peers.ts';
import type { LabHandler } from '../support/peers.ts';

const fails: LabHandler = (_input, { fail }) => fail('never');
const smallest = 64 * 1024;

/** What each handler's caller is answered; and, where something went wrong by accident, what `onHandlerError` is told. */
it.each<[string, LabHandler, Partial<ResponseMessage> | { error: object }, RegExp | undefined]>([
  ['returns', () => 5, { ok: true, result: encodeValue(5) }, undefined],
  ['returns nothing', () => {}, { ok: true, result: encodeValue(undefined) }, undefined],
  ['returns later', async () => 5, { ok: true, result: encodeValue(5) }, undefined],
  ['fails', (_input, context) => context.fail('no'), { error: { kind: 'user', data: encodeValue('no') } }, undefined],
  [
    'fails later',
    async (_input, context) => {
      await Promise.resolve();
      return context.fail('no');
    },
    { error: { kind: 'user', data: encodeValue('no') } },
    undefined,
  ],
  [
    'throws',
    () => {
      throw new Error('oh');
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /oh/,
  ],
  [
    'throws later',
    async () => {
      await Promise.resolve();
      throw new Error('oh');
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /oh/,
  ],
  [
    'throws nothing at all',
    () => {
      // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- JavaScript can, so a handler may
      throw undefined;
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /undefined/,
  ],
  ['calls a detached fail', fails, { error: { kind: 'cancelled', reason: 'handler-failed' } }, /./],
  [
    'catches its own fail and returns',
    (_input, context) => {
      try {
        return context.fail('first');
      } catch {
        return 'second';
      }
    },
    { error: { kind: 'user', data: encodeValue('first') } },
    /returned after fail/,
  ],
  [
    'catches its own fail and throws',
    (_input, context) => {
      try {
        context.fail('first');
      } catch {
        throw new Error('second');
      }
    },
    { error: { kind: 'user', data: encodeValue('first') } },
    /second/,
  ],
  [
    'fails twice',
    (_input, context) => {
      try {
        context.fail('first');
      } catch {
        return context.fail('second');
      }
    },
    { error: { kind: 'user', data: encodeValue('first') } },
    /fail\(\) after it had answered/,
  ],
  [
    'catches its own fail and returns later',
    async (_input, context) => {
      try {
        return context.fail('first');
      } catch {
        await Promise.resolve();
        return 'second';
      }
    },
    { error: { kind: 'user', data: encodeValue('first') } },
    /returned after fail/,
  ],
  ['returns what cannot be encoded', () => ({ deep: [() => {}] }), { error: { kind: 'cancelled', reason: 'handler-failed' } }, /\$\.deep\[0\]/],
  [
    'returns what throws when it is read',
    () => ({
      get trap() {
        throw new Error('caught you');
      },
    }),
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /caught you/,
  ],
  [
    'returns a cycle',
    () => {
      const loop: unknown[] = [];
      loop.push(loop);
      return loop;
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /\$\[0\]/,
  ],
  ['returns more than the caller takes', () => new Uint8Array(smallest), { error: { kind: 'cancelled', reason: 'handler-failed' } }, /maxPayload/],
  [
    'fails with what cannot be encoded',
    (_input, context) => context.fail(Symbol('no')),
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /\$/,
  ],
  [
    'fails with more than the caller takes',
    (_input, context) => context.fail(new Uint8Array(smallest)),
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /maxPayload/,
  ],
  [
    'sets response metadata that is above every bound',
    (_input, context) => {
      context.responseMetadata.set('large', 'x'.repeat(70_000));
      return 5;
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /./,
  ],
  [
    'sets response metadata under a key that is above every bound',
    (_input, context) => {
      context.responseMetadata.set('x'.repeat(2_000), 1);
      return 5;
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /./,
  ],
  [
    'sets more response metadata than the caller takes',
    (_input, context) => {
      for (let key = 0; key < 10; key++) context.responseMetadata.set(`${key}`, 'x'.repeat(10_000));
      return 5;
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /./,
  ],
  [
    'sets more entries of response metadata than there may be',
    (_input, context) => {
      for (let key = 0; key < 1_025; key++) context.responseMetadata.set(`${key}`, key);
      return 5;
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /./,
  ],
  [
    'sets too much response metadata and throws',
    (_input, context) => {
      for (let key = 0; key < 10; key++) context.responseMetadata.set(`${key}`, 'x'.repeat(10_000));
      throw new Error('oh');
    },
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    /oh/,
  ],
  ['overruns its time', () => new Promise(() => {}), { error: { kind: 'cancelled', reason: 'handler-failed' } }, undefined],
  [
    'returns after it has overrun',
    (_input, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(5))),
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    undefined,
  ],
  [
    'throws as soon as it has overrun',
    (_input, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    { error: { kind: 'cancelled', reason: 'handler-failed' } },
    undefined,
  ],
])('[attempt.one-response] a handler that %s', async (_what, handler, answer, accident) => {
  const limits = { maxConcurrentRequests: 8, maxPayload: smallest, maxConnections: 0, maxInitialCredit: 0 };
  const { peer, clock, settle, handlerErrors } = await attackServer({ services: [lab(handler)], handlerTimeoutMs: 50 }, { limits });
  peer.send(call(1));
  await clock.advance(50);
  peer.send(call(3, { methodId: 0 }));
  await settle();
  // The second answer says that the first has all been sent, and that the session is well.
  expect(peer.all('response').map(({ requestId }) => requestId)).toEqual([1, 3]);
  expect(peer.all('response')[0]).toMatchObject({ ok: false, ...answer });
  expect(peer.all('protocol-error')).toEqual([]);
  expect(handlerErrors.map(String)).toEqual(accident === undefined ? [] : [expect.stringMatching(accident)]);
});

it('[attempt.one-response] a handler whose call was cancelled answers once, with what the cancel says', async () => {
  const { handler, calls } = gated();
  const { peer, settle, accepted } = await attackServer({ services: [lab(handler)] });
  peer.send(call(1));
  await settle();
  peer.send({ type: 'cancel', connectionId: 0, requestId: 1 });
  expect(await peer.next('response')).toMatchObject({ requestId: 1, ok: false, error: { kind: 'cancelled' } });
  calls[0]?.resolve('too late');
  await settle();
  expect(peer.all('response')).toHaveLength(1);
  expect(accepted.counters).toMatchObject({ lateResults: 1, zombies: 0 });
});

it('[attempt.one-response] a handler that returns what only pretends to be a promise is answered by what that gives', async () => {
  const thenable: LabHandler = () => ({
    then: (resolve: (value: number) => void) => {
      resolve(1);
      resolve(2);
    },
  });
  const { peer, settle } = await attackServer({ services: [lab(thenable)] });
  peer.send(call(1));
  await settle();
  expect(peer.all('response')).toEqual([expect.objectContaining({ ok: true, result: encodeValue(1) })]);
});

it('[attempt.one-response] an exposed message that is above what the caller takes is left out, the kind is told', async () => {
  const limits = { maxConcurrentRequests: 8, maxPayload: smallest, maxConnections: 0, maxInitialCredit: 0 };
  const oh: LabHandler = () => {
    throw new Error('x'.repeat(100_000));
  };
  const { peer } = await attackServer({ services: [lab(oh)], exposeErrors: true }, { limits });
  peer.send(call(1));
  expect(await peer.next('response')).toMatchObject({ requestId: 1, error: { kind: 'cancelled', reason: 'handler-failed' } });
});

it('[attempt.one-response] a sealed outcome goes without the metadata that would not fit beside it', async () => {
  const limits = { maxConcurrentRequests: 8, maxPayload: smallest, maxConnections: 0, maxInitialCredit: 0 };
  const large: LabHandler = (_input, { responseMetadata }) => {
    for (let key = 0; key < 10; key++) responseMetadata.set(`${key}`, 'x'.repeat(10_000));
    return 'done';
  };
  const { peer, serverLog } = await attackServer({ services: [lab(large)] }, { limits });
  peer.send(call(1, { methodId: Lab.methods.persist.id }));
  expect(await peer.next('response')).toMatchObject({ requestId: 1, result: encodeValue('done'), metadata: [] });
  expect(serverLog).toEqual([expect.objectContaining({ event: 'response-not-sent' })]);
});

it('[attempt.one-response] a logger that throws keeps no caller waiting, and its error is not lost', async () => {
  const lost: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => lost.push(error.message));
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  });
  const oh: LabHandler = () => {
    throw new Error('oh');
  };
  const { peer, settle } = await attackServer({
    services: [lab(oh)],
    log: () => {
      throw new Error('no disk');
    },
  });
  peer.send(call(1), call(3, { methodId: 0 }));
  await settle();
  expect(peer.all('response').map(({ requestId }) => requestId)).toEqual([1, 3]);
  expect(lost).toEqual(['no disk']);
});

it('[attempt.one-response] an onHandlerError that throws keeps no caller waiting, and is logged', async () => {
  const oh: LabHandler = () => {
    throw new Error('oh');
  };
  const { peer, settle, serverLog } = await attackServer({
    services: [lab(oh)],
    onHandlerError: () => {
      throw new Error('not again');
    },
  });
  peer.send(call(1));
  await settle();
  expect(peer.all('response')).toHaveLength(1);
  expect(serverLog.map(({ error }) => (error as Error).message)).toEqual(['oh', 'not again']);
});
