/**
 * A second implementation of docs/wire.md, on @msgpack/msgpack and nothing of ours: it reads what we write, and we read what it writes.
 * The hex examples of the page itself are read too.
 */

import { deepStrictEqual } from 'node:assert';
import { readFileSync } from 'node:fs';
import { Decoder, Encoder, ExtensionCodec } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessages, decodeValue, encodeMessage, encodeMessages, encodeValue, type Message, type Metadata } from 'statewire/wire';
import { messages, values } from './arbitraries.ts';
import { bytesOf, untag } from './tagged.ts';

// Values: as the table of "Values" has them.
class Undefined {}
class Big {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}
const codec = new ExtensionCodec();
codec.register({ type: 0, encode: (value) => (value instanceof Undefined ? Uint8Array.of(0) : null), decode: () => new Undefined() });
codec.register({
  type: 0x42,
  encode(value) {
    if (!(value instanceof Big)) return null;
    const bytes: number[] = [];
    let rest = value.value;
    while (rest !== 0n && rest !== -1n) {
      bytes.unshift(Number(rest & 0xffn));
      rest >>= 8n;
    }
    return Uint8Array.of(rest === 0n ? 0 : 0xff, ...bytes);
  },
  decode(bytes) {
    let value = bytes[0]! >= 0x80 ? -1n : 0n;
    for (const byte of bytes) value = (value << 8n) | BigInt(byte);
    return value;
  },
});
// The library's own encoder and decoder are not re-entrant for extensions, so each content gets one of its own.
codec.register({
  type: 0x4d,
  encode: (value) => (value instanceof Map ? write([...value].flat(1)) : null),
  decode(bytes) {
    const contents = read(bytes) as unknown[];
    return new Map(Array.from({ length: contents.length / 2 }, (_, index) => [contents[2 * index], contents[2 * index + 1]] as const));
  },
});
codec.register({
  type: 0x53,
  encode: (value) => (value instanceof Set ? write([...value]) : null),
  decode: (bytes) => new Set(read(bytes) as unknown[]),
});

/** Undefined, and bigints beyond 64 bits, in the shape in which the library hands them to an extension; whole numbers beyond 32 bits as floats are its `forceIntegerToFloat`. */
function prepare(value: unknown): unknown {
  if (value === undefined) return new Undefined();
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value ? value : new Big(value);
  if (Array.isArray(value)) return value.map(prepare);
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [prepare(key), prepare(entry)] as const));
  if (value instanceof Set) return new Set([...value].map(prepare));
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(value)) copy[key] = prepare(part);
  return copy;
}

function finish(value: unknown): unknown {
  if (value instanceof Undefined) return undefined;
  if (Array.isArray(value)) return value.map(finish);
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [finish(key), finish(entry)] as const));
  if (value instanceof Set) return new Set([...value].map(finish));
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, part] of Object.entries(value)) copy[key] = finish(part);
  return copy;
}

/** In this library 64-bit integers are bigints where `useBigInt64` says so, and numbers beyond 32 bits are then floats: exactly our table. */
function write(prepared: unknown): Uint8Array {
  return new Encoder({ extensionCodec: codec, useBigInt64: true }).encode(prepared);
}

function read(bytes: Uint8Array): unknown {
  return new Decoder({ extensionCodec: codec, useBigInt64: true }).decode(bytes);
}

const writeValue = (value: unknown): Uint8Array => write(prepare(value));
const readValue = (bytes: Uint8Array): unknown => finish(read(bytes));

// Messages: as the tables of "Messages" have them. A field's name and how it is turned, in order.
type Field = readonly [name: string, kind?: 'parity' | 'features' | 'kind' | 'operation' | 'metadata' | 'uint'];
const LIMITS: readonly Field[] = ['maxConcurrentRequests', 'maxPayload', 'maxConnections', 'maxInitialCredit'].map(
  (name) => [`limits.${name}`, 'uint'] as const,
);
const CONNECTION: Field = ['connectionId', 'uint'];
const REQUEST: Field = ['requestId', 'uint'];
const CHANNEL: Field = ['channelId', 'uint'];
const METADATA: Field = ['metadata', 'metadata'];
const HANDSHAKE: readonly Field[] = [['magic'], ['version', 'uint'], ['parity', 'parity'], ...LIMITS, ['features', 'features']];

const LAYOUTS: Readonly<Record<number, readonly [constants: Readonly<Record<string, unknown>>, fields: readonly Field[]]>> = {
  1: [
    { type: 'hello', role: 'initiator' },
    [...HANDSHAKE, ['scope'], ['series'], ['dial', 'uint'], ['storeIdentity'], ['credentials'], ['resumeKey']],
  ],
  2: [
    { type: 'welcome', role: 'acceptor' },
    [...HANDSHAKE, ['sessionId'], ['series'], ['storeIdentity'], ['retentionMs', 'uint'], ['credentials'], ['resumed'], ['resumeKey']],
  ],
  3: [{ type: 'refuse' }, [['magic'], ['version', 'uint'], ['reason']]],
  4: [{ type: 'protocol-error' }, [['rule'], ['message']]],
  5: [{ type: 'ping' }, [['nonce', 'uint']]],
  6: [{ type: 'pong' }, [['nonce', 'uint']]],
  7: [{ type: 'go-away' }, [['graceMs', 'uint']]],
  8: [{ type: 'open' }, [CONNECTION, ['parity', 'parity'], ['limits.maxConcurrentRequests', 'uint'], METADATA]],
  9: [{ type: 'accept' }, [CONNECTION, ['limits.maxConcurrentRequests', 'uint']]],
  10: [{ type: 'reject' }, [CONNECTION, ['reason']]],
  11: [{ type: 'close' }, [CONNECTION, ['reason']]],
  16: [
    { type: 'call' },
    [CONNECTION, REQUEST, ['methodId', 'uint'], ['operationId', 'operation'], ['series'], ['ack', 'uint'], ['channels', 'uint'], METADATA, ['args']],
  ],
  17: [{ type: 'response', ok: true }, [CONNECTION, REQUEST, METADATA, ['result']]],
  18: [{ type: 'response', ok: false }, [CONNECTION, REQUEST, METADATA, ['error.kind', 'kind'], ['error.reason'], ['error.message'], ['error.data']]],
  19: [{ type: 'cancel' }, [CONNECTION, ['requestId', 'uint'], ['operationId', 'operation']]],
  20: [{ type: 'item' }, [CONNECTION, CHANNEL, ['value']]],
  21: [{ type: 'items' }, [CONNECTION, CHANNEL, ['values']]],
  22: [{ type: 'end' }, [CONNECTION, CHANNEL]],
  23: [{ type: 'reset' }, [CONNECTION, CHANNEL, ['reason']]],
  24: [{ type: 'grant' }, [CONNECTION, CHANNEL, ['credit', 'uint']]],
  25: [{ type: 'ack' }, [['series'], ['upTo', 'uint']]],
  26: [{ type: 'schema' }, [CONNECTION, ['methodId', 'uint'], ['digest'], ['schema']]],
};
const KINDS = ['', 'user', 'unknown-method', 'invalid-payload', 'cancelled', 'indeterminate', 'unavailable'];

/** An unsigned integer beyond 32 bits is a uint 64, which the library writes for bigints and reads as one. */
function toUint(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toUint);
  return typeof value === 'number' && value > 0xffff_ffff ? new Uint64(value) : value;
}
class Uint64 {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

function fromUint(value: unknown): unknown {
  return Array.isArray(value) ? value.map(fromUint) : typeof value === 'bigint' ? Number(value) : value;
}

function toElement(value: unknown, kind: Field[1]): unknown {
  if (value === undefined) return null;
  switch (kind) {
    case 'parity':
      return value === 'odd' ? 1 : 0;
    case 'features':
      return ((value as { retry: boolean }).retry ? 1 : 0) + ((value as { resume: boolean }).resume ? 2 : 0);
    case 'kind':
      return KINDS.indexOf(value as string);
    case 'operation':
    case 'uint':
      return toUint(value);
    default:
      return value;
  }
}

function fromElement(element: unknown, kind: Field[1]): unknown {
  if (element === null) return undefined;
  switch (kind) {
    case 'parity':
      return element === 1 ? 'odd' : 'even';
    case 'features':
      return { retry: ((element as number) & 1) !== 0, resume: ((element as number) & 2) !== 0 };
    case 'kind':
      return KINDS[element as number];
    case 'operation':
    case 'uint':
      return fromUint(element);
    case 'metadata':
      return (element as Metadata).map(([key, value, flags]) => [key, value, Number(flags)]);
    default:
      return element;
  }
}

function at(message: unknown, path: string): unknown {
  return path.split('.').reduce((part: unknown, name) => (part as Record<string, unknown> | undefined)?.[name], message);
}

/** The array's header and its elements one by one, since a uint 64 is a bigint to the library only where it is told. */
function writeMessage(message: Message): Uint8Array {
  const [code, layout] = Object.entries(LAYOUTS).find(([, [constants]]) =>
    Object.entries(constants).every(([name, value]) => at(message, name) === value),
  )!;
  const elements = layout[1].map(([name, kind]) =>
    name === 'magic' ? 'statewire' : toElement(at(message, name) ?? (name === 'version' ? 1 : undefined), kind),
  );
  return writeArray([Number(code), ...elements]);
}

function writeArray(elements: readonly unknown[]): Uint8Array {
  const header = elements.length < 16 ? [0x90 + elements.length] : [0xdc, elements.length >> 8, elements.length & 0xff];
  return Uint8Array.of(
    ...header,
    ...elements.flatMap((element) => {
      if (element instanceof Uint64) return [...write(BigInt.asUintN(64, BigInt(element.value)))].map((byte, index) => (index === 0 ? 0xcf : byte));
      return [...(Array.isArray(element) && element.some((part) => part instanceof Uint64) ? writeArray(element) : write(element))];
    }),
  );
}

function readMessage(array: unknown): Record<string, unknown> {
  const [code, ...elements] = array as [number, ...unknown[]];
  const [constants, fields] = LAYOUTS[code]!;
  const message: Record<string, unknown> = { ...constants };
  fields.forEach(([name, kind], index) => {
    if (name === 'magic' || (code === 3 && name === 'version')) return;
    const [outer, inner] = name.split('.') as [string, string?];
    const value = fromElement(elements[index], kind);
    if (inner === undefined) message[outer] = value;
    else message[outer] = { ...(message[outer] as object), [inner]: value };
  });
  return message;
}

function readPayload(payload: Uint8Array): Record<string, unknown>[] {
  return [...new Decoder({ extensionCodec: codec, useBigInt64: true }).decodeMulti(payload)].map(readMessage);
}

describe('another implementation of docs/wire.md', () => {
  it('reads our values', () => {
    fc.assert(
      fc.property(values, (value) => deepStrictEqual(readValue(encodeValue(value)), value)),
      { numRuns: 150 },
    );
  });

  it('writes values that we read', () => {
    fc.assert(
      fc.property(values, (value) => deepStrictEqual(decodeValue(writeValue(value)), value)),
      { numRuns: 150 },
    );
  });

  it('reads our payloads', () => {
    fc.assert(
      fc.property(fc.array(messages, { maxLength: 5 }), (list) => {
        expect(readPayload(encodeMessages(list))).toEqual(list);
      }),
      { numRuns: 150 },
    );
  });

  it('writes messages that we read', () => {
    fc.assert(
      fc.property(fc.array(messages, { maxLength: 5 }), (list) => {
        expect(decodeMessages(Uint8Array.of(...list.flatMap((message) => [...writeMessage(message)])))).toEqual(list);
      }),
      { numRuns: 150 },
    );
  });

  it('writes the golden messages byte for byte as we do', () => {
    const vectors = JSON.parse(readFileSync(new URL('../fixtures/wire/messages.json', import.meta.url), 'utf8')) as {
      message: unknown;
      hex: string;
    }[];
    for (const { message, hex } of vectors) expect(writeMessage(untag(message) as Message)).toEqual(bytesOf(hex));
  });
});

describe('the examples of docs/wire.md', () => {
  const page = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8');

  it.each<[string, unknown]>([
    ['{ a: 1, b: [true, null] }', { a: 1, b: [true, null] }],
    ['2n', 2n],
    ['2n ** 64n', 2n ** 64n],
    ['2 ** 40', 2 ** 40],
    ["new Map([['k', 1]])", new Map([['k', 1]])],
    ['new Set([1, 2])', new Set([1, 2])],
    ['new Date(1500)', new Date(1_500)],
    ['new Uint8Array([1])', new Uint8Array([1])],
  ])('%s has the bytes that the page says', (text, value) => {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${text}\` |`));
    const hex = /\| `([0-9a-f ]+)`/.exec(row?.slice(text.length + 4) ?? '')?.[1];
    expect(encodeValue(value)).toEqual(bytesOf(hex ?? 'none'));
  });

  it('the call, its result and its failure are as the page says', () => {
    const block = page.slice(page.indexOf('18 00 00 00'), page.indexOf('Its result'));
    const bytes = bytesOf([...block.matchAll(/^ *((?:[0-9a-f]{2} )*[0-9a-f]{2})(?= |$)/gm)].map((match) => match[1]).join(''));
    expect(new DataView(bytes.buffer).getUint32(0, true)).toBe(bytes.length - 4);
    const [call] = decodeMessages(bytes.subarray(4));
    expect(call).toMatchObject({ type: 'call', requestId: 1, operationId: 7 });
    expect(call?.type === 'call' && decodeValue(call.args)).toEqual({ cents: 5 });
    expect(page).toContain('95 11 00 01 90 c4 01 c3');
    expect(encodeMessage({ type: 'response', connectionId: 0, requestId: 1, ok: true, result: encodeValue(true), metadata: [] })).toEqual(
      bytesOf('95 11 00 01 90 c4 01 c3'),
    );
    const failure = '98 12 00 01 90 01 c0 a0 c4 07 81 a4 63 6f 64 65 01';
    expect(page).toContain(failure);
    expect(decodeMessages(bytesOf(failure))).toMatchObject([{ ok: false, error: { kind: 'user', message: '', data: encodeValue({ code: 1 }) } }]);
  });
});
