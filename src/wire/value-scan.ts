/**
 * One strict pass over a value's bytes before msgpackr unpacks them (value-decode.ts): msgpackr is fast but trusting, and these bytes come
 * from a peer. It builds nothing; it looks at depth, counts, lengths, extension types and their contents, property names and UTF-8.
 *
 * The few elements that msgpackr would read as something else are noted as patches: bytes to be written over a copy.
 */

import { END_MARK_BYTES, readEndMark } from './channel-ends.ts';
import type { EndMark } from './channel-ends.ts';
import {
  EXTENSION_BIGINT,
  EXTENSION_CHANNEL,
  EXTENSION_MAP,
  EXTENSION_SET,
  EXTENSION_TEXT,
  EXTENSION_TIMESTAMP,
  EXTENSION_UNDEFINED,
} from './codes.ts';
import { malformed } from './errors.ts';
import { MAX_BIGINT_BYTES, MAX_DEPTH } from './limits.ts';
import { isUtf8 } from './utf8.ts';

/** The farthest a Date reaches from 1970, either way. */
const MAX_DATE_MS = 8.64e15;
const NANOSECONDS_PER_MS = 1_000_000;
/** Longer strings are left by msgpackr, where it has no native help, to a TextDecoder that drops a byte order mark. */
const MARK_KEPT_BYTES = 64;
const FORBIDDEN_KEY = new TextEncoder().encode('__proto__');
const NOTHING = new Uint8Array(0);

let bytes: Uint8Array = NOTHING;
let at = 0;
let end = 0;
let boxes = 0;
let patches: number[] = [];
/** How many channel ends the value may hold, each with a place of its own below this; and those found, by place. */
let endsAllowed = 0;
let marks: Map<number, EndMark> | undefined = undefined;

/** How many Maps and Sets the value last scanned holds. */
export function boxesScanned(): number {
  return boxes;
}

/** What to write over a copy of the value last scanned: position, byte, position, byte … counted as the scan counts. */
export function patchesScanned(): readonly number[] {
  return patches;
}

/** The channel ends of the value last scanned, by their places. */
export function marksScanned(): ReadonlyMap<number, EndMark> {
  return marks ?? new Map<number, EndMark>();
}

/**
 * Scans the one value that begins at `start` and gives where it ends. It must hold `channelEnds` channel ends, one for each place: none, but in the
 * argument of a call. Throws WireError.
 */
export function scanValue(source: Uint8Array, start: number, channelEnds = 0): number {
  bytes = source;
  endsAllowed = channelEnds;
  marks = undefined;
  at = start;
  end = source.length;
  boxes = 0;
  if (patches.length > 0) patches = [];
  try {
    scan(0);
    const found = (marks as Map<number, EndMark> | undefined)?.size ?? 0;
    if (found !== channelEnds) throw malformed(`the value has ${found} channel ends, and ${channelEnds} channels were announced`, start);
    return at;
  } finally {
    bytes = NOTHING;
  }
}

/** The next element. `depth` counts the containers around it. What is common comes first, and nothing else, so that it stays small. */
function scan(depth: number): void {
  if (at >= end) throw malformed('the bytes end where an element should begin', at);
  const first = bytes[at++]!;
  if (first < 0x80 || first >= 0xe0) return;
  if (first < 0x90) scanObject(first & 0x0f, depth);
  else if (first < 0xa0) scanElements(first & 0x0f, depth);
  else if (first < 0xc0) scanText(first & 0x1f, at - 1);
  else scanOther(first, depth);
}

function scanOther(first: number, depth: number): void {
  switch (first) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return;
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return skip(readLength(1 << (first - 0xc4)));
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return scanExtension(readLength(1 << (first - 0xc7)), depth);
    case 0xcc:
    case 0xd0:
      return skipNumber(1);
    case 0xcd:
    case 0xd1:
      return skipNumber(2);
    case 0xca:
    case 0xce:
    case 0xd2:
      return skipNumber(4);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return skipNumber(8);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return scanExtension(1 << (first - 0xd4), depth);
    case 0xd9:
    case 0xda:
    case 0xdb:
      return scanLongText(first);
    case 0xdc:
    case 0xdd:
      return scanElements(readLength(2 << (first - 0xdc)), depth);
    case 0xde:
    case 0xdf:
      return scanObject(readLength(2 << (first - 0xde)), depth);
    default:
      throw malformed('0xc1 begins no element', at - 1);
  }
}

function skipNumber(width: number): void {
  if (width > end - at) throw malformed('the bytes end within a number', at);
  at += width;
}

/** A length or count of `width` bytes. */
function readLength(width: number): number {
  if (width > end - at) throw malformed('the bytes end within a number or length', at);
  let length = 0;
  for (const stop = at + width; at < stop; at++) length = length * 0x100 + bytes[at]!;
  return length;
}

function checkLength(length: number): void {
  if (length > end - at) throw malformed(`a length of ${length} is beyond the end of the bytes`, at);
}

function skip(length: number): void {
  checkLength(length);
  at += length;
}

/** One container deeper. */
function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw malformed(`a value is nested more than ${MAX_DEPTH} deep`, at);
  return depth + 1;
}

function scanElements(count: number, depth: number): void {
  if (count > end - at) throw malformed(`an array of ${count} elements is beyond the end of the bytes`, at);
  const inner = deeper(depth);
  for (let index = 0; index < count; index++) scan(inner);
}

function scanObject(count: number, depth: number): void {
  if (count * 2 > end - at) throw malformed(`an object of ${count} properties is beyond the end of the bytes`, at);
  const inner = deeper(depth);
  for (let index = 0; index < count; index++) {
    scanKey();
    scan(inner);
  }
}

/** msgpackr would make a string of a key that is none, and rename `__proto__`. */
function scanKey(): void {
  const offset = at;
  if (at >= end) throw malformed('the bytes end where a property name should begin', at);
  const first = bytes[at++]!;
  if ((first < 0xa0 || first > 0xbf) && (first < 0xd9 || first > 0xdb)) throw malformed('a property name is not a string', offset);
  const length = first < 0xc0 ? first & 0x1f : readLength(1 << (first - 0xd9));
  scanText(length, offset);
  if (length === FORBIDDEN_KEY.length && FORBIDDEN_KEY.every((letter, index) => bytes[at - length + index] === letter)) {
    throw malformed('a property may not be named __proto__', offset);
  }
}

/** A string whose length has bytes of its own. */
function scanLongText(first: number): void {
  const header = at - 1;
  scanText(readLength(1 << (first - 0xd9)), header);
}

/** The `length` bytes of the string whose header is at `header`. */
function scanText(length: number, header: number): void {
  checkLength(length);
  const start = at;
  at += length;
  if (!isUtf8(bytes, start, at)) throw malformed('a string is not valid UTF-8', header);
  if (length > MARK_KEPT_BYTES && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) patchText(length, header, start);
}

/** The same bytes as an extension of text: its type takes the place of the mark's first byte, so that all else stays where it is. */
function patchText(length: number, header: number, start: number): void {
  patch(header, 1, bytes[header]! - 0xd9 + 0xc7);
  patch(header + 1, start - header - 1, length - 1);
  patch(start, 1, EXTENSION_TEXT);
}

/** Notes that `value` is to be written at `offset`, in `width` bytes. */
function patch(offset: number, width: number, value: number): void {
  for (let index = 0; index < width; index++) patches.push(offset + index, (value >>> (8 * (width - 1 - index))) & 0xff);
}

function scanExtension(length: number, depth: number): void {
  const offset = at;
  const type = readLength(1);
  checkLength(length);
  switch (type) {
    case EXTENSION_UNDEFINED:
      if (length !== 1 || bytes[at] !== 0) throw malformed('undefined is not one zero byte', offset);
      return skip(1);
    case EXTENSION_BIGINT:
      if (length === 0 || length > MAX_BIGINT_BYTES) throw malformed(`a bigint has ${length} bytes, not 1 to ${MAX_BIGINT_BYTES}`, offset);
      return skip(length);
    case EXTENSION_TIMESTAMP:
      return scanTimestamp(length, offset);
    case EXTENSION_MAP:
      return scanContents('Map', length, depth);
    case EXTENSION_SET:
      return scanContents('Set', length, depth);
    case EXTENSION_CHANNEL:
      return scanEnd(length, offset);
    default:
      throw malformed(`extension type ${type} is unknown`, offset);
  }
}

function scanEnd(length: number, offset: number): void {
  if (endsAllowed === 0) throw malformed('a channel end where there may be none', offset);
  if (length !== END_MARK_BYTES) throw malformed(`a channel end has ${length} bytes, not ${END_MARK_BYTES}`, offset);
  const mark = readEndMark(bytes, at);
  if (mark === undefined) throw malformed('a channel end that is neither a receiver nor a sender', offset);
  if (mark.ordinal >= endsAllowed) throw malformed(`a channel end with the place ${mark.ordinal} of ${endsAllowed} channels`, offset);
  marks ??= new Map();
  if (marks.has(mark.ordinal)) throw malformed(`two channel ends with the place ${mark.ordinal}`, offset);
  marks.set(mark.ordinal, mark);
  skip(length);
}

/** MessagePack's timestamp in its three widths: seconds; nanoseconds and seconds in 30 and 34 bits; in 32 and 64. */
function scanTimestamp(length: number, offset: number): void {
  if (length !== 4 && length !== 8 && length !== 12) throw malformed(`a timestamp has ${length} bytes, not 4, 8 or 12`, offset);
  if (length === 4) return skip(4);
  const start = at;
  const high = readLength(4);
  const nanoseconds = length === 8 ? high >>> 2 : high;
  const seconds = length === 8 ? (high & 3) * 0x1_0000_0000 + readLength(4) : (readLength(4) | 0) * 0x1_0000_0000 + readLength(4);
  const rest = nanoseconds % NANOSECONDS_PER_MS;
  const milliseconds = seconds * 1_000 + (nanoseconds - rest) / NANOSECONDS_PER_MS;
  if (nanoseconds > 999_999_999 || Math.abs(milliseconds) > MAX_DATE_MS) throw malformed('a timestamp is out of range', offset);
  // What is finer than a millisecond is cut off; msgpackr would round it, one way or the other.
  if (rest !== 0) patch(start, 4, length === 8 ? high - rest * 4 : high - rest);
}

/** The array that a Map's or Set's extension holds, and nothing behind it. It is no container of its own: the Map is. */
function scanContents(what: 'Map' | 'Set', length: number, depth: number): void {
  const outer = end;
  const offset = at;
  end = at + length;
  boxes += 1;
  const first = length === 0 ? 0 : bytes[at++]!;
  let count: number;
  if (first >= 0x90 && first <= 0x9f) count = first & 0x0f;
  else if (first === 0xdc || first === 0xdd) count = readLength(2 << (first - 0xdc));
  else throw malformed(`a ${what} does not hold an array`, offset);
  if (what === 'Map' && count % 2 !== 0) throw malformed('a Map has a key without a value', offset);
  scanElements(count, depth);
  if (at !== end) throw malformed('an extension has bytes behind its value', at);
  end = outer;
}
