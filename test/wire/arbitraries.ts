/** Values and messages for properties: what a peer may say, at its edges as often as not. */

import fc from 'fast-check';
import type { Message, Metadata } from 'statewire/wire';

const bytes = fc.uint8Array({ maxLength: 40 });
const text = fc.string({ unit: 'binary', maxLength: 120 });
const wholeNumber = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const id = wholeNumber.map((number) => (number === 0 ? 1 : number));

/** Numbers with one encoding each: -0 becomes 0. */
const number = fc.oneof(
  fc.integer(),
  fc.double().map((double) => (double === 0 ? 0 : double)),
  fc.constantFrom(-32, -33, -128, -129, 2 ** 60, 2 ** 53),
);
const key = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('constructor', 'toString', 'hasOwnProperty', '0', '17', ''))
  .filter((name) => name !== '__proto__');

/** Anything that has an encoding. */
export const values: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(
      number,
      text,
      bytes,
      fc.boolean(),
      fc.constantFrom(null, undefined),
      fc.bigInt(),
      fc.bigInt(-(2n ** 70n), 2n ** 70n),
      fc.date({ noInvalidDate: true }),
    ),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 5 }).map((items) => new Set(items)),
  ),
})).value;

const metadata: fc.Arbitrary<Metadata> = fc.oneof(
  fc.constant([]),
  fc.array(
    fc.tuple(
      fc.string({ maxLength: 40 }),
      fc
        .oneof(fc.string({ unit: 'binary', maxLength: 60 }), bytes, fc.maxSafeInteger(), fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n))
        .map((value) => (value === 0 ? 0 : value)),
      fc.nat(3),
    ),
    { maxLength: 5 },
  ),
);

const series = fc.stringMatching(/^[0-9a-f]{16}$/);
const operationId = fc.oneof(id, fc.string({ unit: 'binary', maxLength: 60 }));
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
const limits = fc.record({ maxConcurrentRequests: wholeNumber, maxPayload: wholeNumber, maxConnections: wholeNumber, maxInitialCredit: wholeNumber });
const features = fc.record({ retry: fc.boolean(), resume: fc.boolean() });
const parity = fc.constantFrom('odd' as const, 'even' as const);
const secret = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const kind = fc.constantFrom(
  'user' as const,
  'unknown-method' as const,
  'invalid-payload' as const,
  'cancelled' as const,
  'indeterminate' as const,
  'unavailable' as const,
);
const type = <T extends string>(name: T) => fc.constant(name);

/** Every message there is. */
export const messages: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: type('hello'),
    version: fc.constant(1),
    role: fc.constant('initiator' as const),
    parity,
    limits,
    features,
    scope: secret(16),
    series,
    dial: wholeNumber,
    storeIdentity: text,
    credentials: optional(bytes),
    resumeKey: optional(secret(32)),
  }),
  fc.record({
    type: type('welcome'),
    version: fc.constant(1),
    role: fc.constant('acceptor' as const),
    parity,
    limits,
    features,
    sessionId: text,
    series,
    storeIdentity: text,
    retentionMs: wholeNumber,
    credentials: optional(bytes),
    resumed: fc.boolean(),
    resumeKey: optional(secret(32)),
  }),
  fc.record({ type: type('refuse'), reason: text }),
  fc.record({ type: type('protocol-error'), rule: text, message: text }),
  fc.record({ type: type('ping'), nonce: wholeNumber }),
  fc.record({ type: type('pong'), nonce: wholeNumber }),
  fc.record({ type: type('go-away'), graceMs: wholeNumber }),
  fc.record({ type: type('open'), connectionId: id, parity, limits: fc.record({ maxConcurrentRequests: wholeNumber }), metadata }),
  fc.record({ type: type('accept'), connectionId: id, limits: fc.record({ maxConcurrentRequests: wholeNumber }) }),
  fc.record({ type: type('reject'), connectionId: id, reason: text }),
  fc.record({ type: type('close'), connectionId: wholeNumber, reason: optional(text) }),
  fc.record({
    type: type('call'),
    connectionId: wholeNumber,
    requestId: id,
    methodId: fc.nat(2 ** 32 - 1),
    operationId: optional(operationId),
    series: optional(series),
    ack: optional(wholeNumber),
    channels: fc.array(id, { maxLength: 5 }),
    metadata,
    args: bytes,
  }),
  fc.record({ type: type('response'), connectionId: wholeNumber, requestId: id, ok: fc.constant(true as const), result: bytes, metadata }),
  fc.record({
    type: type('response'),
    connectionId: wholeNumber,
    requestId: id,
    ok: fc.constant(false as const),
    error: fc.record({ kind, reason: optional(text), message: text, data: optional(bytes) }),
    metadata,
  }),
  fc.record({ type: type('cancel'), connectionId: wholeNumber, requestId: id, operationId: optional(operationId) }),
  fc.record({ type: type('item'), connectionId: wholeNumber, channelId: id, value: bytes }),
  fc.record({ type: type('items'), connectionId: wholeNumber, channelId: id, values: fc.array(bytes, { maxLength: 20 }) }),
  fc.record({ type: type('end'), connectionId: wholeNumber, channelId: id }),
  fc.record({ type: type('reset'), connectionId: wholeNumber, channelId: id, reason: optional(text) }),
  fc.record({ type: type('grant'), connectionId: wholeNumber, channelId: id, credit: id }),
  fc.record({ type: type('ack'), series, upTo: wholeNumber }),
  fc.record({ type: type('schema'), connectionId: wholeNumber, methodId: wholeNumber, digest: text, schema: bytes }),
);
