/**
 * docs/limits.md against the code: the numbers are those of the constants and defaults it names, no limit of the runtime is missing on it, and the tests it
 * names are there and speak of it.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');

interface Row {
  readonly limit: string;
  readonly value: string;
  readonly file: string | undefined;
  readonly name: string | undefined;
  readonly test: string;
  /** What the test must speak of. */
  readonly word: string;
}

function readRow(line: string): Row {
  const [limit = '', value = '', , , where = '', , test = ''] = line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
  const [, file, name] = /^`(\S+) (\S+)`$/.exec(where) ?? [];
  const [, path = '', word = ''] = /^`(\S+)` (.+)$/.exec(test) ?? [];
  return { limit, value, file, name, test: path, word };
}

const rows = read('docs/limits.md')
  .split('\n')
  .filter((line) => /^\| (?!limit \|)/.test(line))
  .map(readRow);
const placed = rows.filter(({ file }) => file !== undefined);

/** A product, power or number of the source or the page; nothing else is a limit. */
function evaluate(text: string): number {
  const plain = text.replaceAll(/[_,]/g, '').trim();
  const minus = /^(.+) - (\d+)$/.exec(plain);
  if (minus !== null) return evaluate(minus[1]!) - Number(minus[2]);
  const power = /^(\d+) \*\* (\d+)$/.exec(plain);
  if (power !== null) return Number(power[1]) ** Number(power[2]);
  return plain.split(/ [*×] /).reduce((product, factor) => product * Number(factor), 1);
}

/** What the code says: of a constant its value, of an option its default. */
function valueOf(file: string, name: string): number {
  const source = read(file);
  const constant = new RegExp(`\\bconst ${name} = ([^;]+);`).exec(source)?.[1];
  const fallback = new RegExp(`\\b${name}(?:: Range =|:) \\{ fallback: ([^,]+),`).exec(source)?.[1];
  return evaluate(constant ?? fallback ?? 'not there');
}

it.each(placed)('docs/limits.md says of "$limit" what $file says', ({ value, file, name }) => {
  expect(evaluate(value)).toBe(valueOf(file!, name!));
});

it.each(rows)('the test that docs/limits.md names for "$limit" speaks of it', ({ test, word }) => {
  expect(word).not.toBe('');
  expect(read(test)).toContain(word);
});

describe('docs/limits.md has every limit of the runtime', () => {
  const sources = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/^(cli|testing)\//.test(path))
    .map((path) => `src/${path}`);
  const known = new Set(placed.map(({ file, name }) => `${file} ${name}`));
  const LIMIT = /\bconst ((?:MAX|MOST|MIN|LARGEST|LONGEST|DEFAULT|HIGH_WATER)_\w+|\w+_MAX_PAYLOAD|\w+_TIMEOUT_MS) = [\d(]/g;
  const OPTION = /^ {2}(\w+): \{ fallback: \d/gm;

  it.each([
    ['constants', LIMIT],
    ['options', OPTION],
  ])('and knows all %s', (_, pattern) => {
    const found = sources.flatMap((file) => Array.from(read(file).matchAll(pattern), ([, name]) => `${file} ${name}`));
    expect(found.length).toBeGreaterThan(10);
    expect(found.filter((place) => !known.has(place))).toEqual([]);
  });
});
