/** A browser has no Buffer, and of msgpackr only what is plain JavaScript: its build without native help is a module of its own. */

import { deepStrictEqual } from 'node:assert';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { values } from './arbitraries.ts';
import { bytesOf, untag } from './tagged.ts';

const vectors = JSON.parse(readFileSync(new URL('../fixtures/wire/values.json', import.meta.url), 'utf8')) as { value: unknown; hex: string }[];

async function load(): Promise<{ decodeValue(bytes: Uint8Array): unknown; encodeValue(value: unknown): Uint8Array }> {
  const { decodeValue } = await import('../../src/wire/value-decode.ts');
  const { encodeValue } = await import('../../src/wire/value-pack.ts');
  return { decodeValue, encodeValue };
}

beforeEach(() => {
  vi.resetModules();
  vi.doMock('msgpackr', () => createRequire(import.meta.url)('msgpackr/index-no-eval') as object);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.doUnmock('msgpackr');
  vi.resetModules();
});

it('reads values where there is no Buffer, as in a browser', async () => {
  vi.stubGlobal('Buffer', undefined);
  const { decodeValue } = await load();
  const decoded = vectors.map(({ hex }) => decodeValue(bytesOf(hex)));
  const text = decodeValue(bytesOf(`d928${'61'.repeat(40)}`));
  expect(() => decodeValue(bytesOf(`d978${'61'.repeat(119)}ff`))).toThrow(/UTF-8/);
  vi.unstubAllGlobals();
  expect(decoded).toStrictEqual(vectors.map(({ value }) => untag(value)));
  expect(text).toBe('a'.repeat(40));
});

it('gives back every value where msgpackr has no native help', async () => {
  const { isNativeAccelerationEnabled } = await import('msgpackr');
  expect(isNativeAccelerationEnabled).toBe(false);
  const { decodeValue, encodeValue } = await load();
  fc.assert(
    fc.property(values, (value) => deepStrictEqual(decodeValue(encodeValue(value)), value)),
    { numRuns: 100 },
  );
});

it('keeps a byte order mark where msgpackr leaves text to a TextDecoder that drops it', async () => {
  const { decodeValue, encodeValue } = await load();
  const texts = [64, 65, 66, 255, 256, 65_536].map((length) => `\ufeff${'x'.repeat(length - 3)}`);
  const value = [
    ...texts,
    `\ufeff\ufeff${'é'.repeat(80)}`,
    Object.fromEntries(texts.map((text) => [text, text])),
    new Map([[texts[1], new Set(texts)]]),
  ];
  deepStrictEqual(decodeValue(encodeValue(value)), value);
});
