/**
 * What peers say, at random: values, and messages of every type with fields that are in order by their kind, ids from a small range so that they meet.
 * Whether such a message makes sense where it is said is another matter; script.ts sees to that.
 */
import { encodeValue, MAGIC, PROTOCOL_VERSION } from 'statewire/wire';
import type { CallMessage, Message, MessageType, Metadata, MetadataEntry, ResponseErrorKind, WireLimits } from 'statewire/wire';
import type { SeededRandom } from 'statewire/testing';

const TEXTS = ['', 'a', 'id', 'key', 'length', 'constructor', 'grüße', '\u{1f600}', '\ufeffmark', MAGIC, 'x'.repeat(33), 'y'.repeat(70)] as const;
const NUMBERS = [0, 1, -1, 127, 128, 255, 256, 65_535, 65_536, -32, -33, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31) - 1, 0.5, -0.25, 1e300, NaN, Infinity];
const COUNTS = [0, 1, 2, 3, 15, 16, 255, 65_536, 2 ** 31, 2 ** 32 - 1, Number.MAX_SAFE_INTEGER] as const;
export const SERIES = ['00112233445566ff', 'aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'] as const;
const KINDS: readonly ResponseErrorKind[] = ['user', 'unknown-method', 'invalid-payload', 'cancelled', 'indeterminate', 'unavailable'];

/** Any value that has an encoding. `depth` bounds the containers within each other. */
export function value(dice: SeededRandom, depth = 3): unknown {
  switch (dice.below(depth > 0 ? 14 : 9)) {
    case 0:
      return undefined;
    case 1:
      return dice.pick([null, true, false]);
    case 2:
    case 3:
      return dice.pick(NUMBERS);
    case 4:
      return dice.below(1_000);
    case 5:
      return dice.pick(TEXTS);
    case 6:
      return BigInt(dice.between(-5, 5)) ** BigInt(dice.below(40));
    case 7:
      return dice.bytes(dice.below(6));
    case 8:
      return new Date(dice.pick([0, -1, 1_500, 2 ** 35, -(2 ** 41), 8.64e15]));
    case 9:
      return new Map(new Map(list(dice, depth).map((item, at) => [at, item])));
    case 10:
      return new Set(Array.from({ length: dice.below(4) }, (_, at) => at));
    case 11:
      return list(dice, depth);
    default:
      return Object.fromEntries(list(dice, depth).map((item) => [dice.pick(TEXTS), item]));
  }
}

function list(dice: SeededRandom, depth: number): unknown[] {
  return Array.from({ length: dice.below(4) }, () => value(dice, depth - 1));
}

export const smallId = (dice: SeededRandom): number => dice.between(1, 12);
const anyId = (dice: SeededRandom): number => (dice.chance(0.9) ? smallId(dice) : dice.pick(COUNTS) || 1);
/** The root nearly always: what is behind it is where things may break. */
const connection = (dice: SeededRandom): number => (dice.chance(0.7) ? 0 : dice.below(6));
const encoded = (dice: SeededRandom): Uint8Array => encodeValue(value(dice, 2));
const maybe = <T>(dice: SeededRandom, make: () => T): T | undefined => (dice.chance(0.5) ? make() : undefined);
const reason = (dice: SeededRandom): string | undefined => maybe(dice, () => dice.pick(TEXTS));

export function metadata(dice: SeededRandom): Metadata {
  if (dice.chance(0.7)) return [];
  return Array.from({ length: dice.between(1, 3) }, (): MetadataEntry => {
    const content = dice.pick([dice.pick(TEXTS), dice.bytes(3), dice.below(70_000), 5n, -(2n ** 63n)]);
    return [dice.pick(TEXTS), content, dice.below(4)];
  });
}

function limits(dice: SeededRandom): WireLimits {
  const count = (usual: number): number => (dice.chance(0.8) ? usual : dice.pick(COUNTS));
  return { maxConcurrentRequests: count(256), maxPayload: count(16 * 1024 * 1024), maxConnections: count(16), maxInitialCredit: count(1_024) };
}

export function operationId(dice: SeededRandom): string | number | undefined {
  return dice.pick([undefined, smallId(dice), smallId(dice), smallId(dice), `op-${dice.below(6)}`, dice.pick(COUNTS) || 1]);
}

/** Any call, its args without channel ends. */
export function call(dice: SeededRandom): CallMessage {
  return {
    type: 'call',
    connectionId: connection(dice),
    requestId: anyId(dice),
    methodId: dice.below(2 ** 32),
    operationId: operationId(dice),
    series: dice.chance(0.9) ? undefined : dice.pick(SERIES),
    ack: dice.chance(0.9) ? undefined : dice.below(12),
    channels: dice.chance(0.9) ? [] : Array.from({ length: dice.between(1, 3) }, () => anyId(dice)),
    metadata: metadata(dice),
    args: encoded(dice),
  };
}

const HANDSHAKE = { version: PROTOCOL_VERSION };

const MAKERS: { readonly [T in MessageType]: (dice: SeededRandom) => Extract<Message, { type: T }> } = {
  hello: (dice) => ({
    ...{ type: 'hello', ...HANDSHAKE, role: 'initiator', parity: dice.pick(['odd', 'even']), limits: limits(dice) },
    features: { retry: dice.chance(0.8), resume: dice.chance(0.5) },
    ...{ scope: dice.bytes(dice.pick([16, 32])), series: dice.pick(SERIES), dial: dice.below(5), storeIdentity: dice.pick(TEXTS) },
    ...{ credentials: maybe(dice, () => encoded(dice)), resumeKey: maybe(dice, () => dice.bytes(32)) },
  }),
  welcome: (dice) => ({
    ...{ type: 'welcome', ...HANDSHAKE, role: 'acceptor', parity: dice.pick(['odd', 'even']), limits: limits(dice) },
    features: { retry: dice.chance(0.8), resume: dice.chance(0.5) },
    ...{ sessionId: dice.pick(TEXTS), series: dice.pick(SERIES), storeIdentity: dice.pick(TEXTS), retentionMs: dice.pick(COUNTS) },
    ...{ credentials: maybe(dice, () => encoded(dice)), resumed: dice.chance(0.3), resumeKey: maybe(dice, () => dice.bytes(32)) },
  }),
  refuse: (dice) => ({ type: 'refuse', reason: dice.pick(TEXTS) }),
  'protocol-error': (dice) => ({ type: 'protocol-error', rule: dice.pick(TEXTS), message: dice.pick(TEXTS) }),
  ping: (dice) => ({ type: 'ping', nonce: dice.pick(COUNTS) }),
  pong: (dice) => ({ type: 'pong', nonce: dice.pick(COUNTS) }),
  'go-away': (dice) => ({ type: 'go-away', graceMs: dice.pick(COUNTS) }),
  open: (dice) => ({
    ...{ type: 'open', connectionId: anyId(dice), parity: dice.pick(['odd', 'even']) },
    ...{ limits: { maxConcurrentRequests: dice.pick(COUNTS) }, metadata: metadata(dice) },
  }),
  accept: (dice) => ({ type: 'accept', connectionId: anyId(dice), limits: { maxConcurrentRequests: dice.pick(COUNTS) } }),
  reject: (dice) => ({ type: 'reject', connectionId: anyId(dice), reason: dice.pick(TEXTS) }),
  close: (dice) => ({ type: 'close', connectionId: dice.below(8), reason: reason(dice) }),
  call,
  response: (dice) => {
    const common = { type: 'response', connectionId: connection(dice), requestId: anyId(dice), metadata: metadata(dice) } as const;
    if (dice.chance(0.6)) return { ...common, ok: true, result: encoded(dice) };
    const kind = dice.pick(KINDS);
    const data = kind === 'user' ? encoded(dice) : undefined;
    return { ...common, ok: false, error: { kind, reason: reason(dice), message: dice.pick(TEXTS), data } };
  },
  cancel: (dice) => {
    const requestId = anyId(dice);
    return { type: 'cancel', connectionId: connection(dice), requestId, operationId: operationId(dice) };
  },
  item: (dice) => ({ type: 'item', connectionId: connection(dice), channelId: anyId(dice), value: encoded(dice) }),
  items: (dice) => ({
    ...{ type: 'items', connectionId: connection(dice), channelId: anyId(dice) },
    values: Array.from({ length: dice.below(5) }, () => encoded(dice)),
  }),
  end: (dice) => ({ type: 'end', connectionId: connection(dice), channelId: anyId(dice) }),
  reset: (dice) => ({ type: 'reset', connectionId: connection(dice), channelId: anyId(dice), reason: reason(dice) }),
  grant: (dice) => ({ type: 'grant', connectionId: connection(dice), channelId: anyId(dice), credit: dice.pick(COUNTS) || 1 }),
  ack: (dice) => ({ type: 'ack', series: dice.pick(SERIES), upTo: dice.pick(COUNTS) }),
  schema: (dice) => ({
    ...{ type: 'schema', connectionId: connection(dice), methodId: dice.below(2 ** 32), digest: dice.pick(TEXTS) },
    schema: dice.bytes(dice.below(5)),
  }),
};

const TYPES = Object.keys(MAKERS) as MessageType[];

/** A message of that type. */
export function messageOf<T extends MessageType>(type: T, dice: SeededRandom): Extract<Message, { type: T }> {
  return MAKERS[type](dice);
}

/** A message of any type. */
export function message(dice: SeededRandom): Message {
  return MAKERS[dice.pick(TYPES)](dice);
}
