import { readFileSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { bytesOf, untag } from './tagged.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

it('reads values where there is no Buffer, as in a browser', async () => {
  const vectors = JSON.parse(readFileSync(new URL('../fixtures/wire/values.json', import.meta.url), 'utf8')) as { value: unknown; hex: string }[];
  vi.stubGlobal('Buffer', undefined);
  vi.resetModules();
  const { decodeValue } = await import('../../src/wire/value-decode.ts');
  const decoded = vectors.map(({ hex }) => decodeValue(bytesOf(hex)));
  const text = decodeValue(bytesOf(`d928${'61'.repeat(40)}`));
  vi.unstubAllGlobals();
  expect(decoded).toStrictEqual(vectors.map(({ value }) => untag(value)));
  expect(text).toBe('a'.repeat(40));
});
