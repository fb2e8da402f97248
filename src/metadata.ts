/**
 * What users give and see of metadata: `toMetadata` checks and normalises what is given, `MetadataView` reads what came, and neither lets a
 * sensitive value into a log (meta.sensitive). The entries themselves are the wire's (wire/messages.ts); forwarding is not here.
 */
import { MAX_METADATA_ENTRIES } from './wire/limits.ts';
import { NO_PROPAGATE, SENSITIVE } from './wire/messages.ts';
import type { Metadata, MetadataEntry, MetadataValue } from './wire/messages.ts';

/** What an entry is besides its value. Both default to false. */
export interface MetadataFlags {
  /** Never shown in a log, an inspector or an error (meta.sensitive). */
  readonly sensitive?: boolean | undefined;
  /** Stripped where the request is forwarded (meta.no-propagate). */
  readonly noPropagate?: boolean | undefined;
}

/** Metadata as a user gives it: a record, or an iterable of entries where order, duplicates or flags matter. */
export type MetadataInput =
  | Readonly<Record<string, MetadataValue>>
  | Iterable<readonly [key: string, value: MetadataValue, flags?: MetadataFlags | undefined]>;

/** One entry as a user reads it. */
export interface MetadataViewEntry {
  readonly key: string;
  readonly value: MetadataValue;
  readonly sensitive: boolean;
  readonly noPropagate: boolean;
}

export const NO_METADATA: Metadata = Object.freeze([]);

/**
 * The wire's entries of what a user gave, in its order, duplicates kept (meta.entries). Byte values are copied. Throws a TypeError that names
 * the place, never the value.
 */
export function toMetadata(given: MetadataInput | undefined, path = 'metadata'): Metadata {
  if (given === undefined) return NO_METADATA;
  if (typeof given !== 'object' || given === null) throw new TypeError(`${path} must be a record or an iterable of [key, value, flags?] entries`);
  const entries: MetadataEntry[] = [];
  if (isIterable(given)) {
    for (const entry of given) {
      const place = `${path}[${entries.length}]`;
      if (!Array.isArray(entry)) throw new TypeError(`${place} must be an entry [key, value, flags?]`);
      entries.push(toEntry(entry as readonly [unknown, unknown, unknown?], place));
    }
  } else {
    for (const key of Object.keys(given)) entries.push([key, checkValue(given[key], `${path}[${JSON.stringify(key)}]`), 0]);
  }
  return entries;
}

/** Collects the entries that a handler sends back with its response. */
export class MetadataBuilder {
  readonly #entries: MetadataEntry[] = [];

  /** Sets a key to one value, in place of any it had. Throws a TypeError for a value that metadata cannot carry. */
  set(key: string, value: MetadataValue, flags?: MetadataFlags): void {
    const entry = toEntry([key, value, flags], `responseMetadata[${JSON.stringify(key)}]`);
    const at = this.#entries.findIndex((other) => other[0] === key);
    if (at === -1 && this.#entries.length >= MAX_METADATA_ENTRIES) {
      throw new RangeError(`responseMetadata has ${MAX_METADATA_ENTRIES} entries already, which is all a response carries`);
    }
    if (at === -1) this.#entries.push(entry);
    else this.#entries[at] = entry;
  }

  get entries(): Metadata {
    return this.#entries;
  }
}

const concealedEntries = new WeakMap<Metadata, Metadata>();

/**
 * Entries as they may be shown to anybody: sensitive values are replaced by `[sensitive]`. `MetadataView` alone finds the values behind them.
 * The runtime's actors are given only these, since their events go to inspectors (meta.sensitive).
 */
export function conceal(entries: Metadata): Metadata {
  if (!entries.some(([, , flags]) => (flags & SENSITIVE) !== 0)) return entries;
  const shown = entries.map((entry): MetadataEntry => ((entry[2] & SENSITIVE) === 0 ? entry : [entry[0], '[sensitive]', entry[2]]));
  concealedEntries.set(shown, entries);
  return shown;
}

/** Received metadata: looked up by key or iterated in order. JSON and `console.log` show sensitive values as `[sensitive]`. */
export class MetadataView implements Iterable<MetadataViewEntry> {
  readonly #entries: Metadata;

  constructor(entries: Metadata) {
    this.#entries = concealedEntries.get(entries) ?? entries;
  }

  /** The view of some entries; the same empty view for none. */
  static of(entries: Metadata): MetadataView {
    return entries.length === 0 ? EMPTY_METADATA_VIEW : new MetadataView(entries);
  }

  /** The first value of a key. */
  get(key: string): MetadataValue | undefined {
    for (const entry of this.#entries) if (entry[0] === key) return entry[1];
    return undefined;
  }

  /** Every value of a key, in order. */
  getAll(key: string): MetadataValue[] {
    return this.#entries.filter((entry) => entry[0] === key).map((entry) => entry[1]);
  }

  has(key: string): boolean {
    return this.#entries.some((entry) => entry[0] === key);
  }

  *[Symbol.iterator](): Iterator<MetadataViewEntry> {
    for (const [key, value, flags] of this.#entries) {
      yield { key, value, sensitive: (flags & SENSITIVE) !== 0, noPropagate: (flags & NO_PROPAGATE) !== 0 };
    }
  }

  /** For logs: sensitive values are replaced, bigints are decimal strings, bytes are shown by their number. */
  toJSON(): { key: string; value: string | number; sensitive?: true; noPropagate?: true }[] {
    return Array.from(this, (entry) => ({
      key: entry.key,
      value: entry.sensitive ? '[sensitive]' : printable(entry.value),
      ...(entry.sensitive && { sensitive: true as const }),
      ...(entry.noPropagate && { noPropagate: true as const }),
    }));
  }

  /** What Node's `util.inspect` and `console.log` show. */
  [Symbol.for('nodejs.util.inspect.custom')](_depth: number, options: object, inspect?: (value: unknown, options: object) => string): unknown {
    const shown = this.toJSON();
    return inspect === undefined ? shown : `MetadataView ${inspect(shown, options)}`;
  }
}

/** The one view of no entries. */
export const EMPTY_METADATA_VIEW: MetadataView = new MetadataView(NO_METADATA);

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value;
}

function toEntry([key, value, flags]: readonly [unknown, unknown, unknown?], path: string): MetadataEntry {
  if (typeof key !== 'string') throw new TypeError(`${path}: the key must be a string, not ${kindOf(key)}`);
  return [key, checkValue(value, path), flags === undefined ? 0 : flagBits(flags, path)];
}

function flagBits(flags: unknown, path: string): number {
  if (typeof flags !== 'object' || flags === null) throw new TypeError(`${path}: the flags must be an object { sensitive?, noPropagate? }`);
  const { sensitive, noPropagate } = flags as MetadataFlags;
  for (const [name, flag] of [
    ['sensitive', sensitive],
    ['noPropagate', noPropagate],
  ] as const) {
    if (flag !== undefined && typeof flag !== 'boolean') throw new TypeError(`${path}: the flag ${name} must be a boolean, not ${kindOf(flag)}`);
  }
  return (sensitive === true ? SENSITIVE : 0) | (noPropagate === true ? NO_PROPAGATE : 0);
}

function checkValue(value: unknown, path: string): MetadataValue {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      if (Number.isSafeInteger(value)) return value;
      throw new TypeError(`${path} must be an integer that a number holds exactly: give a bigint or a string`);
    case 'bigint':
      if (BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value) return value;
      throw new TypeError(`${path} must fit 64 bits: give a string or bytes`);
    default:
      // A copy, because the call may wait in a queue while its giver reuses the buffer.
      if (value instanceof Uint8Array) return new Uint8Array(value);
      throw new TypeError(`${path} must be a string, an integer, a bigint or a Uint8Array, not ${kindOf(value)}`);
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}

function printable(value: MetadataValue): string | number {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? `[${value.byteLength} bytes]` : value;
}
