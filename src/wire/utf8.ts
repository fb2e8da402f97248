/**
 * UTF-8, strictly: the same bytes are always the same string, bytes that are no UTF-8 are no string, and a string that has no UTF-8 is
 * known before it is written. Short ASCII is read here, since a call into the platform costs more than it does; all else is the platform's.
 */

import { isPlatformUtf8, latin1Slice } from './platform.ts';

/** ASCII up to here is put together by the letter. */
const SHORT_BYTES = 24;
/** ASCII up to here is looked for, since it is quicker to read; a longer string is the platform's whatever it is. */
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

/** The string in `length` bytes from `start`, which must be there; undefined where they are no UTF-8. */
export function readUtf8(bytes: Uint8Array, start: number, length: number): string | undefined {
  const end = start + length;
  if (length <= LOCAL_BYTES && isAscii(bytes, start, end)) {
    if (length <= SHORT_BYTES) return readShortAscii(bytes, start, end);
    if (latin1Slice !== undefined) return latin1Slice.call(bytes, start, end);
  }
  try {
    return strict.decode(bytes.subarray(start, end));
  } catch {
    return undefined;
  }
}

/** Where the letter that begins with a byte from 0x80 up ends, or -1 where it is none: no over-long forms, no surrogates, nothing above U+10FFFF. */
function letterEnd(bytes: Uint8Array, start: number, end: number): number {
  const first = bytes[start]!;
  if (first < 0xc2 || first > 0xf4) return -1;
  const stop = start + (first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4);
  if (stop > end) return -1;
  const second = bytes[start + 1]!;
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return -1;
  for (let at = start + 2; at < stop; at++) {
    if ((bytes[at]! & 0xc0) !== 0x80) return -1;
  }
  return stop;
}

/** Whether the bytes from `start` to `end` are UTF-8. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > LOCAL_BYTES && isPlatformUtf8 !== undefined) {
    return isPlatformUtf8(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start));
  }
  let at = start;
  while (at >= 0 && at < end) at = bytes[at]! < 0x80 ? at + 1 : letterEnd(bytes, at, end);
  return at >= 0;
}
