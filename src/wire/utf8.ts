/**
 * UTF-8, strictly: the same bytes are always the same string, bytes that are no UTF-8 are no string, and a string that has no UTF-8 is
 * known before it is written. Short strings are read here, since a call into the platform costs more than they do; long ones are the platform's.
 */

import { latin1Slice } from './platform.ts';

/** ASCII up to here is put together by the letter. */
const SHORT_BYTES = 24;
/** Any UTF-8 up to here is decoded here; longer is the platform's. */
const LOCAL_BYTES = 96;
const fromCharCode = String.fromCharCode;
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const isWellFormed: ((this: string) => boolean) | undefined = (String.prototype as { isWellFormed?: () => boolean }).isWellFormed;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A string with half of a surrogate pair has no UTF-8. */
export function hasUtf8(text: string): boolean {
  return isWellFormed === undefined ? !LONE_SURROGATE.test(text) : isWellFormed.call(text);
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at]! >= 0x80) return false;
  }
  return true;
}

function readShortAscii(bytes: Uint8Array, start: number, end: number): string {
  let at = start;
  let result = '';
  for (; end - at >= 8; at += 8) {
    result += fromCharCode(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
    );
  }
  if (end - at >= 4) {
    result += fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
    at += 4;
  }
  switch (end - at) {
    case 3:
      return result + fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!);
    case 2:
      return result + fromCharCode(bytes[at]!, bytes[at + 1]!);
    case 1:
      return result + fromCharCode(bytes[at]!);
    default:
      return result;
  }
}

/** The six low bits of a continuation byte, or a number so negative that whatever it is added to stays negative. */
function continuation(byte: number | undefined): number {
  return byte !== undefined && (byte & 0xc0) === 0x80 ? byte & 0x3f : -0x1000_0000;
}

const units: number[] = [];

/** A string of at most LOCAL_BYTES, decoded by the letter: shortest forms only, no surrogates, nothing above U+10FFFF. */
function readLocal(bytes: Uint8Array, start: number, end: number): string | undefined {
  units.length = 0;
  let at = start;
  while (at < end) {
    const first = bytes[at]!;
    if (first < 0x80) {
      units.push(first);
      at += 1;
    } else if (first < 0xe0) {
      const point = at + 2 > end ? -1 : ((first & 0x1f) << 6) + continuation(bytes[at + 1]);
      if (first < 0xc2 || point < 0x80) return undefined;
      units.push(point);
      at += 2;
    } else if (first < 0xf0) {
      const point = at + 3 > end ? -1 : ((first & 0x0f) << 12) + (continuation(bytes[at + 1]) << 6) + continuation(bytes[at + 2]);
      if (point < 0x800 || (point >= 0xd800 && point <= 0xdfff)) return undefined;
      units.push(point);
      at += 3;
    } else {
      const point =
        first > 0xf4 || at + 4 > end
          ? -1
          : ((first & 0x07) << 18) + continuation(bytes[at + 1]) * 0x1000 + continuation(bytes[at + 2]) * 0x40 + continuation(bytes[at + 3]);
      if (point < 0x1_0000 || point > 0x10_ffff) return undefined;
      units.push(0xd800 + ((point - 0x1_0000) >> 10), 0xdc00 + ((point - 0x1_0000) & 0x3ff));
      at += 4;
    }
  }
  return fromCharCode.apply(null, units);
}

/** The string in `length` bytes from `start`, which must be there; undefined where they are no UTF-8. */
export function readUtf8(bytes: Uint8Array, start: number, length: number): string | undefined {
  const end = start + length;
  if (length <= LOCAL_BYTES) {
    if (!isAscii(bytes, start, end)) return readLocal(bytes, start, end);
    if (length <= SHORT_BYTES) return readShortAscii(bytes, start, end);
    return latin1Slice === undefined ? readLocal(bytes, start, end) : latin1Slice.call(bytes, start, end);
  }
  try {
    return strict.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** Property names come again and again: remembered by their bytes, they cost a comparison. One entry per slot, so it cannot grow. */
interface RememberedKey {
  readonly bytes: Uint8Array;
  readonly key: string;
}
const SLOTS = 1_024;
const LONGEST_KEY_BYTES = 32;
const remembered: (RememberedKey | undefined)[] = Array.from({ length: SLOTS }, () => undefined);

function isSame(bytes: Uint8Array, start: number, other: Uint8Array): boolean {
  for (let index = 0; index < other.length; index++) {
    if (bytes[start + index] !== other[index]) return false;
  }
  return true;
}

/** `readUtf8` for property names. */
export function readKeyUtf8(bytes: Uint8Array, start: number, length: number): string | undefined {
  if (length === 0 || length > LONGEST_KEY_BYTES) return readUtf8(bytes, start, length);
  const slot = (length * 67 + bytes[start]! * 31 + bytes[start + length - 1]! * 7 + bytes[start + (length >> 1)]!) & (SLOTS - 1);
  const entry = remembered[slot];
  if (entry !== undefined && entry.bytes.length === length && isSame(bytes, start, entry.bytes)) return entry.key;
  const key = readUtf8(bytes, start, length);
  if (key !== undefined) remembered[slot] = { bytes: bytes.slice(start, start + length), key };
  return key;
}
