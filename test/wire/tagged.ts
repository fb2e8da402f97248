/** How the golden vectors of test/fixtures/wire write in JSON what JSON does not have: an object of one property, whose name says what it is. */

const SPECIAL_NUMBERS: Readonly<Record<string, number>> = { NaN: NaN, Infinity: Infinity, '-Infinity': -Infinity };

type Untag = (content: unknown) => unknown;
const TAGS: Readonly<Record<string, Untag>> = {
  $undefined: () => undefined,
  $number: (content) => SPECIAL_NUMBERS[String(content)],
  $bigint: (content) => BigInt(String(content)),
  $date: (content) => new Date(String(content)),
  $bytes: (content) => bytesOf(String(content)),
  $map: (content) => new Map((content as unknown[][]).map((entry) => entry.map(untag)) as [unknown, unknown][]),
  $set: (content) => new Set((content as unknown[]).map(untag)),
};

/** The value that tagged JSON describes. */
export function untag(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(untag);
  const entries = Object.entries(json);
  const [name, content] = entries[0] ?? [];
  const tag = entries.length === 1 && name?.startsWith('$') === true ? TAGS[name] : undefined;
  if (tag !== undefined) return tag(content);
  return Object.fromEntries(entries.map(([key, value]) => [key, untag(value)]));
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
