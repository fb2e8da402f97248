/** The golden vectors are the wire format: bytes that change here are a new protocol version. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeMessage, decodeValue, encodeMessage, encodeValue, methodId, type Message } from 'statewire/wire';
import { bytesOf, hexOf, untag } from './tagged.ts';

function vectors<Name extends string>(name: string): (Record<Name, unknown> & { title: string; hex: string })[] {
  return JSON.parse(readFileSync(new URL(`../fixtures/wire/${name}.json`, import.meta.url), 'utf8'));
}

describe('values', () => {
  it.each(vectors<'value'>('values'))('encodes $title to the golden bytes', ({ value, hex }) => {
    expect(hexOf(encodeValue(untag(value)))).toBe(hex);
  });

  it.each(vectors<'value'>('values'))('decodes the golden bytes of $title', ({ value, hex }) => {
    expect(decodeValue(bytesOf(hex))).toStrictEqual(untag(value));
  });
});

describe('messages', () => {
  it.each(vectors<'message'>('messages'))('encodes $title to the golden bytes', ({ message, hex }) => {
    expect(hexOf(encodeMessage(untag(message) as Message))).toBe(hex);
  });

  it.each(vectors<'message'>('messages'))('decodes the golden bytes of $title', ({ message, hex }) => {
    expect(decodeMessage(bytesOf(hex))).toEqual(untag(message));
  });
});

describe('method ids', () => {
  it.each([
    ['Bank', 'charge', 0x1b1505fb],
    ['', '', 0x2b0c98f1],
    ['Größe', 'messen', 0xce561483],
  ])('%s.%s is FNV-1a over UTF-8', (service, method, id) => {
    expect(methodId(service, method)).toBe(id);
  });
});
