import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeMessage,
  decodeMessages,
  encodeMessage,
  encodeMessages,
  encodeValue,
  ValueError,
  WireError,
  type CallMessage,
  type Message,
} from 'statewire/wire';
import { decodeEach } from '../../src/wire/index.ts';
import { messages } from './arbitraries.ts';
import { bytesOf, hexOf } from './tagged.ts';

const call: CallMessage = { type: 'call', connectionId: 0, requestId: 1, methodId: 1, channels: [], metadata: [], args: Uint8Array.of(1) };

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('round trips', () => {
  it('gives back every message, and one payload for many', () => {
    fc.assert(
      fc.property(fc.array(messages, { maxLength: 10 }), (list) => {
        const payload = encodeMessages(list);
        const decoded = decodeMessages(payload);
        expect(decoded).toEqual(list);
        deepStrictEqual(encodeMessages(decoded), payload);
      }),
      { numRuns: 200 },
    );
  });

  it('gives encoded values as views onto the payload', () => {
    const payload = encodeMessage(call);
    const decoded = decodeMessage(payload) as CallMessage;
    expect(decoded.args.buffer).toBe(payload.buffer);
    expect(decodeMessage(Buffer.concat([Buffer.from([0]), payload]).subarray(1))).toEqual(call);
  });

  it('shares the lists that are empty, which nobody can change', () => {
    const [first, second] = decodeMessages(encodeMessages([call, call])) as CallMessage[];
    expect(first?.metadata).toBe(second?.metadata);
    expect(first?.channels).toBe(second?.channels);
    expect(Object.isFrozen(first?.metadata) && Object.isFrozen(first?.channels)).toBe(true);
  });

  it('lets the visitor encode and decode between two messages', () => {
    const seen: string[] = [];
    decodeEach(encodeMessages([call, { type: 'ping', nonce: 5 }, call]), (message) => {
      seen.push(message.type);
      decodeMessages(encodeMessages([{ type: 'pong', nonce: 6 }, call]));
      encodeValue({ in: 'between' });
    });
    expect(seen).toEqual(['call', 'ping', 'call']);
  });

  it('[meta.entries] keeps the order of metadata, and duplicates', () => {
    const metadata = [
      ['k', 'second', 0],
      ['a', 1n, 1],
      ['k', Uint8Array.of(1), 2],
    ] as const;
    expect((decodeMessage(encodeMessage({ ...call, metadata })) as CallMessage).metadata).toEqual(metadata);
  });

  it('an empty payload has no messages', () => {
    expect(decodeMessages(new Uint8Array(0))).toEqual([]);
    expect(encodeMessages([])).toHaveLength(0);
  });

  it.each([
    ['none', 0],
    ['two', 2],
  ])('decodeMessage refuses a payload with %s', (_, count) => {
    expect(() => decodeMessage(encodeMessages(Array.from({ length: count }, () => call)))).toThrow(WireError);
  });
});

describe('fields that cannot be encoded', () => {
  it.each<[string, Partial<Record<keyof CallMessage, unknown>>, string]>([
    ['a request id of 0', { requestId: 0 }, 'requestId'],
    ['a request id with a fraction', { requestId: 1.5 }, 'requestId'],
    ['a negative request id', { requestId: -1 }, 'requestId'],
    ['a request id above 2^53 - 1', { requestId: 2 ** 53 }, 'requestId'],
    ['a method id of 33 bits', { methodId: 2 ** 32 }, 'methodId'],
    ['an operation id above 1,024 bytes', { operationId: 'é'.repeat(513) }, 'operationId'],
    ['an operation id with a lone surrogate', { operationId: '\ud800' }, 'operationId'],
    ['a series that is not 16 hex digits', { series: 'abc' }, 'series'],
    ['more than 1,024 channels', { channels: Array.from({ length: 1_025 }, () => 1) }, 'channels'],
    ['more than 1,024 entries of metadata', { metadata: Array.from({ length: 1_025 }, () => ['k', 'v', 0]) }, 'metadata'],
    ['a metadata key above 1,024 bytes', { metadata: [['k'.repeat(1_025), 'v', 0]] }, 'metadata[0].key'],
    [
      'a metadata value above 64 KiB',
      {
        metadata: [
          ['k', 'v', 0],
          ['k', new Uint8Array(65_537), 0],
        ],
      },
      'metadata[1].value',
    ],
    ['a metadata number with a fraction', { metadata: [['k', 0.5, 0]] }, 'metadata[0].value'],
    ['a metadata bigint of 65 bits', { metadata: [['k', 2n ** 64n, 0]] }, 'metadata[0].value'],
  ])('%s is refused, naming the field', (_, fields, path) => {
    const error = thrownBy(() => encodeMessage({ ...call, ...fields } as CallMessage));
    expect(error).toBeInstanceOf(ValueError);
    expect((error as ValueError).path).toBe(path);
  });

  it('reasons are cut between letters, since a failure must be told', () => {
    const long = `${'é'.repeat(40_000)}`;
    const decoded = decodeMessage(encodeMessage({ type: 'refuse', reason: long })) as Extract<Message, { type: 'refuse' }>;
    expect(decoded.reason).toBe('é'.repeat(32_768));
    expect(decodeMessage(encodeMessage({ type: 'refuse', reason: 'a\ud800' }))).toEqual({ type: 'refuse', reason: 'a\ufffd' });
  });
});

describe('the handshake', () => {
  const magic = 'a97374617465776972 65';

  it.each([
    ['another magic', '9301a568656c6c6f01', /does not speak statewire/],
    ['no magic', '93010101', /does not speak statewire/],
    ['another version, of other fields', `9301${magic}02`, /version 2, this side 1/],
    ['another version in a welcome', `9302${magic}02`, /version 2, this side 1/],
  ])('[session.handshake] %s is told apart before anything else is read', (_, hex, problem) => {
    const error = thrownBy(() => decodeMessage(bytesOf(hex)));
    expect(error).toBeInstanceOf(WireError);
    expect((error as WireError).rule).toBe('session.handshake');
    expect((error as WireError).message).toMatch(problem);
  });

  it('[session.handshake] a refusal is read whatever version it comes from', () => {
    expect(decodeMessage(bytesOf(`9403${magic}63a26e6f`))).toEqual({ type: 'refuse', reason: 'no' });
  });

  it('[session.protocol-error] a hello of our version that lacks fields is malformed', () => {
    const error = thrownBy(() => decodeMessages(Uint8Array.of(...bytesOf(`9301${magic}01`), ...bytesOf('00'.repeat(200)))));
    expect((error as WireError).rule).toBe('session.protocol-error');
  });

  it('features that are not known are ignored', () => {
    const hex = hexOf(
      encodeMessage({
        type: 'hello',
        version: 1,
        role: 'initiator',
        parity: 'odd',
        limits: { maxConcurrentRequests: 1, maxPayload: 2, maxConnections: 3, maxInitialCredit: 4 },
        features: { retry: true, resume: false },
        scope: new Uint8Array(16),
        series: '0'.repeat(16),
        dial: 0,
        storeIdentity: '',
      }),
    );
    const newer = bytesOf(hex.replace('0102030401c410', '0102030479c410'));
    expect(decodeMessage(newer)).toMatchObject({ features: { retry: true, resume: false } });
  });
});

describe('bytes that are no message', () => {
  it.each<[string, string, RegExp]>([
    ['a value that is no array', 'c0', /not an array/],
    ['an empty array', '90', /type 0 is unknown/],
    ['a type that is not known', '9263 01', /type 99 is unknown/],
    ['a type that is no number', '91a161', /not an unsigned integer/],
    ['too few elements', '9105', /1 elements, not 2/],
    ['far too many elements', `dc002005${'00'.repeat(31)}`, /32 elements, not 2/],
    ['a float for a number', '9205cb3ff0000000000000', /nonce is not an unsigned integer/],
    ['a negative number', '9205ff', /nonce is not an unsigned integer/],
    ['a number above 2^53 - 1', '9205cf0020000000000000', /nonce is above/],
    ['a request id of 0', '9a10000001c0c0c09090c40101', /requestId is 0/],
    ['a method id of 33 bits', '9a100001cf0000000100000000c0c0c09090c40101', /methodId has more than 32 bits/],
    ['an operation id of 0', '9a1000010100c0c09090c40101', /operationId is 0/],
    ['an operation id that is bytes', '9a10000101c40101c0c09090c40101', /operationId is not a string/],
    ['an operation id above 1,024 bytes', `9a10000101da0401${'61'.repeat(1_025)}c0c09090c40101`, /operationId has 1025 bytes/],
    ['a series of 15 digits', '9319af30303030303030303030303030303000', /series/],
    ['a series in capitals', '9319b04142434445464142434445464142434400', /series/],
    ['a channel id of 0', '9a10000101c0c0c0910090c40101', /channel id is 0/],
    ['more than 1,024 channels', `9a10000101c0c0c0dc0401${'01'.repeat(1_025)}90c40101`, /channels has 1025 elements/],
    ['more than 1,024 entries of metadata', `9a10000101c0c0c090dc0401${'93a0a000'.repeat(1_025)}c40101`, /metadata has 1025 elements/],
    ['a metadata entry of two elements', '9a10000101c0c0c0909192a0a0c40101', /entry has not 3/],
    ['a metadata value with a fraction', '9a10000101c0c0c0909193a0cb3ff800000000000000c40101', /neither a string/],
    ['a metadata value that is nil', '9a10000101c0c0c0909193a0c000c40101', /neither a string/],
    ['arguments that are a string', '9a10000101c0c0c09090a101', /args is not a binary/],
    ['arguments beyond the end', '9a10000101c0c0c09090c4ff01', /beyond the end/],
    ['a failure of no known kind', '981200019007c0a0c0', /error.kind is unknown/],
    ['a failure of kind 0', '981200019000c0a0c0', /error.kind is unknown/],
    ['a cancel of nothing', '941300c0c0', /neither request nor operation/],
    ['a grant of nothing', '9418000200', /credit is 0/],
    ['a parity of 2', '950801020890', /parity/],
    ['an open of the root', '950800010890', /connectionId is 0/],
    ['a reason that is no string', '930b0001', /reason is not a string/],
    ['a reason above 64 KiB', `930b00db00010001${'61'.repeat(65_537)}`, /reason has 65537 bytes/],
    ['more than 65,536 items', `94150001dd00010001${'c400'.repeat(65_537)}`, /values has 65537 elements/],
  ])('[session.protocol-error] %s is refused', (_, hex, problem) => {
    const error = thrownBy(() => decodeMessages(bytesOf(hex)));
    expect(error).toBeInstanceOf(WireError);
    expect((error as WireError).message).toMatch(problem);
    expect((error as WireError).rule).toBe('session.protocol-error');
  });

  it.each<[string, string, unknown]>([
    ['fields that a newer peer has added', '940507c082a16101a16290', { type: 'ping', nonce: 7 }],
    ['longer headers than needed', 'dd00000002cc05cf0000000000000007', { type: 'ping', nonce: 7 }],
  ])('%s are read over', (_, hex, message) => {
    expect(decodeMessage(bytesOf(hex))).toEqual(message);
  });

  it('an added field must be a value', () => {
    expect(() => decodeMessage(bytesOf('930507c1'))).toThrow(WireError);
  });

  it('what came before malformed bytes has been seen', () => {
    const seen: Message[] = [];
    expect(() => decodeEach(bytesOf('920507c0'), (message) => seen.push(message))).toThrow(/byte 3/);
    expect(seen).toEqual([{ type: 'ping', nonce: 7 }]);
  });

  it('[session.protocol-error] no bytes give another error than a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...Array.from({ length: 28 }, (_, code) => code)), (bytes, code) => {
        for (const payload of [bytes, Uint8Array.of(0x90 | (bytes.length & 15), code, ...bytes)]) {
          const error = thrownBy(() => decodeMessages(payload));
          if (error !== undefined) expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('[session.protocol-error] a changed byte gives messages or a WireError, and a cut payload fewer messages or a WireError', () => {
    fc.assert(
      fc.property(fc.array(messages, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat(255), (list, place, byte) => {
        const payload = encodeMessages(list);
        for (const cut of [payload.subarray(0, place % payload.length), payload.with(place % payload.length, byte)]) {
          const error = thrownBy(() => decodeMessages(cut));
          if (error !== undefined) expect(error).toBeInstanceOf(WireError);
        }
        expect(
          thrownBy(() => expect(decodeMessages(payload.subarray(0, place % payload.length)).length).toBeLessThan(list.length)) ??
            new WireError('', '', 0),
        ).toBeInstanceOf(WireError);
      }),
      { numRuns: 200 },
    );
  });
});
