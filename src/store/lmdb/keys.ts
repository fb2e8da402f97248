/**
 * The keys of an LMDB store, in order of bytes: what is found together stands together. Each is a string of bytes (one character a byte), because a Map finds those.
 *
 *   R caller scope 0 series number    a record with a number     R caller scope 1 id    one with a string id
 *   S caller scope series             which numbers of a series are forgotten
 *   F scope series                    a fence
 *   E time key                        when a record was settled, a series or fence last looked at: the order in which they are swept
 *   M name                            what the store says of itself    C digest    a schema
 */
import type { OperationKey } from '../store.ts';

export const RECORD = 'R';
export const SERIES = 'S';
export const FENCE = 'F';
export const EXPIRY = 'E';
export const META = 'M';
export const SCHEMA = 'C';

const NUMBERED = '\0';
const NAMED = '\x01';
const NUMBER_BYTES = 8;

/** A text as bytes, behind their number: no text is the beginning of another. */
function text(value: string): string {
  const bytes = Buffer.from(value, 'utf8').toString('latin1');
  return String.fromCharCode(bytes.length >> 8, bytes.length & 0xff) + bytes;
}

/** A whole number from 0 on, so that the order of bytes is its own. */
function number(value: number): string {
  const bytes = Buffer.alloc(NUMBER_BYTES);
  bytes.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(value))));
  return bytes.toString('latin1');
}

const home = (caller: OperationKey['caller'], scope: string): string => (caller === 'initiator' ? 'i' : 'a') + text(scope);

export function seriesKey(scope: string, caller: OperationKey['caller'], series: string): string {
  return SERIES + home(caller, scope) + text(series);
}

/** What the keys of all records of a series begin with. */
export function seriesPrefix(scope: string, caller: OperationKey['caller'], series: string): string {
  return RECORD + home(caller, scope) + NUMBERED + text(series);
}

export function numberedKey(prefix: string, id: number): string {
  return prefix + number(id);
}

export function recordKey({ scope, caller, series, id }: OperationKey): string {
  if (typeof id === 'string') return RECORD + home(caller, scope) + NAMED + text(id);
  if (series === undefined) throw new TypeError(`operation ${id}: a key with a number needs its series`);
  return numberedKey(seriesPrefix(scope, caller, series), id);
}

export const fenceKey = (scope: string, series: string): string => FENCE + text(scope) + text(series);

/** Where the sweep finds `key` when `time` (milliseconds since the epoch) is long enough ago. */
export const expiryKey = (time: number, key: string): string => EXPIRY + number(time) + key;

export const metaKey = (name: string): string => META + name;

export const schemaKey = (digest: string): string => SCHEMA + text(digest);

/** The key that follows every key that begins with `prefix`. */
export function after(prefix: string): string {
  let end = prefix.length;
  while (end > 0 && prefix.charCodeAt(end - 1) === 0xff) end--;
  return prefix.slice(0, end - 1) + String.fromCharCode(prefix.charCodeAt(end - 1) + 1);
}

/** Takes keys apart again. */
class KeyReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(key: string, at: number) {
    this.#bytes = Buffer.from(key, 'latin1');
    this.#at = at;
  }

  character(): string {
    return this.#bytes.toString('latin1', this.#at, ++this.#at);
  }

  text(): string {
    const length = this.#bytes.readUInt16BE(this.#at);
    this.#at += 2 + length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  number(): number {
    this.#at += NUMBER_BYTES;
    return Number(this.#bytes.readBigUInt64BE(this.#at - NUMBER_BYTES));
  }
}

export interface SeriesName {
  readonly scope: string;
  readonly caller: OperationKey['caller'];
  readonly series: string;
}

/** Of a record's key. */
export function readRecordKey(key: string): OperationKey {
  const reader = new KeyReader(key, 1);
  const caller = reader.character() === 'i' ? 'initiator' : 'acceptor';
  const scope = reader.text();
  if (reader.character() === NAMED) return { scope, caller, id: reader.text() };
  return { scope, caller, series: reader.text(), id: reader.number() };
}

export function readSeriesKey(key: string): SeriesName {
  const reader = new KeyReader(key, 1);
  const caller = reader.character() === 'i' ? 'initiator' : 'acceptor';
  return { caller, scope: reader.text(), series: reader.text() };
}

export function readExpiryKey(key: string): { readonly time: number; readonly key: string } {
  return { time: new KeyReader(key, 1).number(), key: key.slice(1 + NUMBER_BYTES) };
}
