/** outcome.invalid-payload: arguments, results and failures that do not decode or do not fit their schema. */
import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineService, implement, method } from 'statewire';
import type { ListenOptions } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import { connectPeers, failureOf } from '../support/peers.ts';

const Shop = defineService('Shop', {
  order: method({
    input: z.object({ items: z.array(z.object({ sku: z.string() })) }),
    output: z.object({ total: z.number() }),
    error: z.object({ code: z.enum(['sold-out']) }),
  }),
});
const good = { items: [{ sku: 'a' }] };

function shop(handler: (input: unknown, context: { fail(error: never): never }) => unknown): ListenOptions & { ran: () => number } {
  let runs = 0;
  const counted = (input: unknown, context: { fail(error: never): never }) => {
    runs++;
    return handler(input, context) as never;
  };
  return { services: [implement(Shop, { order: counted })], ran: () => runs };
}

it('[outcome.invalid-payload] an input that does not fit is refused before it is sent, with path and reason', async () => {
  const { ran, ...server } = shop(() => ({ total: 1 }));
  const { session, sent } = await connectPeers({ server });
  const failure = await failureOf(session.client(Shop).order({ items: [{ sku: 'a' }, { sku: 5 as never }] }));
  expect(failure).toMatchObject({ kind: 'invalid-payload', reason: 'items[1].sku', retryable: false });
  expect(failure.message).toMatch(/^Shop\.order: items\[1\]\.sku: .*string/);
  expect(sent('initiator', 'call')).toEqual([]);
  expect(ran()).toBe(0);
});

it.each<[string, Uint8Array, string, RegExp]>([
  ['do not fit the schema', encodeValue({ items: [{ sku: 5 }] }), 'items[0].sku', /Shop\.order: items\[0\]\.sku: .*string/],
  ['are of another kind altogether', encodeValue('items'), 'input', /input: .*object/],
  ['are nothing', encodeValue(undefined), 'input', /input/],
  ['are no value', new Uint8Array([0xc1]), 'malformed', /do not decode/],
  ['are cut off', encodeValue(good).subarray(0, 6), 'malformed', /do not decode/],
  ['are two values', new Uint8Array([0x01, 0x02]), 'malformed', /do not decode/],
  ['are empty', new Uint8Array(0), 'malformed', /do not decode/],
])('[outcome.invalid-payload] a handler is not run for arguments that %s', async (_what, args, reason, message) => {
  const { ran, ...server } = shop(() => ({ total: 1 }));
  const { peer } = await attackServer(server);
  peer.send(call(1, { methodId: Shop.methods.order.id, args }));
  expect(await peer.next('response')).toMatchObject({
    ok: false,
    error: { kind: 'invalid-payload', reason, message: expect.stringMatching(message) as string },
  });
  expect(ran()).toBe(0);
  peer.send(call(3, { methodId: Shop.methods.order.id, args: encodeValue(good) }));
  expect(await peer.next('response')).toMatchObject(result(3, { total: 1 }));
});

it.each<[string, (input: unknown, context: { fail(error: never): never }) => unknown, RegExp]>([
  ['a result', () => ({ total: 'free' }), /Shop\.order: output total does not fit.*number/],
  ['no result', () => undefined, /Shop\.order: output {2}does not fit/],
  ['a failure', (_input, context) => context.fail({ code: 'gone' } as never), /Shop\.order: error code does not fit/],
])("[outcome.invalid-payload] %s that does not fit its schema is the handler's fault: a throw", async (_what, handler, told) => {
  const { ran, ...server } = shop(handler);
  const { session, handlerErrors } = await connectPeers({ server });
  expect(await failureOf(session.client(Shop).order(good))).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
  expect(handlerErrors.map(String)).toEqual([expect.stringMatching(told)]);
  expect(ran()).toBe(1);
});

it.each<[string, object, string]>([
  ['a result that does not fit', { ok: true, result: encodeValue({ total: 'free' }) }, 'result.total'],
  ['a result that does not decode', { ok: true, result: new Uint8Array([0xc1]) }, 'result'],
  ['a failure that does not fit', { ok: false, error: { kind: 'user', message: '', data: encodeValue({ code: 5 }) } }, 'error.code'],
  ['a failure that does not decode', { ok: false, error: { kind: 'user', message: '', data: new Uint8Array(0) } }, 'error'],
])('[outcome.invalid-payload] the caller checks too: %s of a peer of another version', async (_what, answer, reason) => {
  const { session, peer } = await attackClient();
  const failing = failureOf(session.client(Shop).order(good));
  await peer.next('call');
  peer.send(Object.assign(result(1), answer));
  expect(await failing).toMatchObject({ kind: 'invalid-payload', reason });
  expect(session.status).toBe('connected');
});

it("[outcome.invalid-payload] a schema that throws refuses the call on either side, and is not a peer's fault", async () => {
  const input = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: () => {
        throw new RangeError('mine');
      },
    },
  };
  const Broken = defineService('Broken', { m: method({ input }) });
  const { session, sent } = await connectPeers();
  expect(await failureOf(session.client(Broken).m('x'))).toMatchObject({ kind: 'invalid-payload', cause: new RangeError('mine') });
  expect(sent('initiator', 'call')).toEqual([]);
  const { peer, serverLog } = await attackServer({ services: [implement(Broken, { m: () => {} })] });
  peer.send(call(1, { methodId: Broken.methods.m.id }));
  const response = await peer.next('response');
  expect(response).toMatchObject({ ok: false, error: { kind: 'invalid-payload' } });
  expect(JSON.stringify(response)).not.toContain('mine');
  expect(serverLog).toEqual([expect.objectContaining({ event: 'schema-error', error: new RangeError('mine') })]);
});
