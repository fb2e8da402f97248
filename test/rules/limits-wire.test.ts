/** The limits of the wire and of what is remembered of a series (docs/limits.md) that no other test reaches: what is just within, and what is one too much. */
import { describe, expect, it } from 'vitest';
import { decodeMessage, decodeValue, encodeMessage, ValueError, WireError } from 'statewire/wire';
import type { HelloMessage } from 'statewire/wire';
import { ForgottenNumbers } from '../../src/store/forgotten-numbers.ts';
import { hello } from '../support/hostile-peer.ts';

const MOST_BIGINT_BYTES = 2 ** 26;

function bigintOf(byteLength: number): Uint8Array {
  const bytes = new Uint8Array(6 + byteLength);
  bytes[0] = 0xc9;
  new DataView(bytes.buffer).setUint32(1, byteLength);
  bytes[5] = 0x42;
  return bytes;
}

it('[session.protocol-error] a bigint above 2^26 bytes is refused before it is made', () => {
  expect(() => decodeValue(bigintOf(MOST_BIGINT_BYTES + 1))).toThrow(/bigint/);
  expect(() => decodeValue(bigintOf(MOST_BIGINT_BYTES + 1))).toThrow(WireError);
  expect(decodeValue(bigintOf(1_000))).toBe(0n);
});

it('[session.protocol-error] a Date beyond 8.64e15 ms of 1970 is refused', () => {
  const dateOf = (seconds: bigint): Uint8Array => {
    const bytes = new Uint8Array(15);
    bytes.set([0xc7, 12, 0xff]);
    new DataView(bytes.buffer).setBigInt64(7, seconds);
    return bytes;
  };
  expect(decodeValue(dateOf(8_640_000_000_000n))).toEqual(new Date(8.64e15));
  expect(decodeValue(dateOf(-8_640_000_000_000n))).toEqual(new Date(-8.64e15));
  for (const seconds of [8_640_000_000_001n, -8_640_000_000_001n]) expect(() => decodeValue(dateOf(seconds))).toThrow(WireError);
});

describe('[session.protocol-error] of a hello', () => {
  const heldTo = (change: Partial<HelloMessage>): Uint8Array => encodeMessage(hello(change));

  it.each<[what: string, least: number, most: number, make: (length: number) => Partial<HelloMessage>]>([
    ['a name (the store identity)', 0, 1_024, (length) => ({ storeIdentity: 'n'.repeat(length) })],
    ['a scope', 16, 1_024, (length) => ({ scope: new Uint8Array(length) })],
    ['a resume key', 32, 32, (length) => ({ resumeKey: new Uint8Array(length) })],
  ])('%s has from %i to %i bytes, for who writes it', (_what, least, most, make) => {
    for (const length of [least, most]) expect(decodeMessage(heldTo(make(length)))).toMatchObject(make(length));
    for (const length of [least - 1, most + 1]) if (length >= 0) expect(() => heldTo(make(length))).toThrow(ValueError);
  });

  /** A hello in which the bytes `from` are others: our own writer refuses what is too long. */
  function replaced(bytes: Uint8Array, from: readonly number[], to: Uint8Array): Uint8Array {
    const at = Buffer.from(bytes).indexOf(Buffer.from(from));
    expect(at).toBeGreaterThan(0);
    return Buffer.concat([bytes.subarray(0, at), to, bytes.subarray(at + from.length)]);
  }

  const inBinary = (length: number): Uint8Array => Buffer.concat([Uint8Array.of(0xc5, length >> 8, length & 0xff), new Uint8Array(length).fill(7)]);
  const text = (length: number): Uint8Array => Buffer.concat([Uint8Array.of(0xda, length >> 8, length & 0xff), new Uint8Array(length).fill(0x6e)]);
  const SCOPE = [0xc4, 32, ...new Uint8Array(32).fill(7)];
  const KEY = [0xc4, 32, ...new Uint8Array(32).fill(9)];

  it.each<[what: string, from: readonly number[], make: (length: number) => Uint8Array, fits: readonly number[], tooMuch: readonly number[]]>([
    ['a scope', SCOPE, inBinary, [16, 1_024], [15, 1_025]],
    ['a resume key', KEY, inBinary, [32], [31, 33, 1_024]],
    ['a name (the store identity)', [0xa8, ...Buffer.from('scripted')], text, [0, 1_024], [1_025]],
  ])('%s is held to its length by who reads it', (_what, from, make, fits, tooMuch) => {
    const bytes = encodeMessage(hello({ resumeKey: new Uint8Array(32).fill(9) }));
    for (const length of fits) expect(decodeMessage(replaced(bytes, from, make(length))).type).toBe('hello');
    for (const length of tooMuch) expect(() => decodeMessage(replaced(bytes, from, make(length)))).toThrow(WireError);
  });
});

it('[session.protocol-error] up to 16 added fields of a message are read over, and not one more', () => {
  const ping = (added: number): Uint8Array => Uint8Array.from([0xdc, 0, 2 + added, 0x05, 0x07, ...new Uint8Array(added).fill(0xc0)]);
  expect(decodeMessage(ping(16))).toEqual({ type: 'ping', nonce: 7 });
  expect(() => decodeMessage(ping(17))).toThrow(WireError);
});

it('[op.expiry] of a series with more than 1,024 gaps between its forgotten numbers the oldest gaps are closed', () => {
  const numbers = new ForgottenNumbers();
  for (let number = 2; number <= 2 * 1_024; number += 2) numbers.add(number);
  expect([numbers.has(1), numbers.excess]).toEqual([false, undefined]);
  numbers.add(2 * 1_025);
  // The store that holds them raises the mark so far.
  expect(numbers.excess).toBe(2);
  numbers.raise(2);
  expect([numbers.has(1), numbers.has(3), numbers.excess]).toEqual([true, false, undefined]);
});
