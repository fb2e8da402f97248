/**
 * Reads MessagePack elements strictly: one token at a time, every length checked against what is left, every failure a WireError.
 * The cursor is one for the module, so that reading allocates nothing; a read must therefore not be interrupted by another one:
 * whoever calls out between two elements keeps `position()` and begins anew with `seek`.
 */

import * as errors from './errors.ts';
import type { WireError } from './errors.ts';
import { readUtf8 } from './utf8.ts';
import { scanValue } from './value-scan.ts';

const NOTHING = new Uint8Array(0);

let bytes: Uint8Array = NOTHING;
let at = 0;
let end = 0;

/** Moves the cursor. Positions count from the beginning of `source`. */
export function seek(source: Uint8Array, position: number): void {
  bytes = source;
  at = position;
  end = source.length;
}

export function position(): number {
  return at;
}

/** Lets go of the bytes, so that the module does not keep the last payload alive. */
export function letGo(): void {
  bytes = NOTHING;
  at = 0;
  end = 0;
}

export function malformed(problem: string, offset = at): WireError {
  return errors.malformed(problem, offset);
}

export function peek(): number {
  if (at >= end) throw malformed('the bytes end where an element should begin');
  return bytes[at]!;
}

/** The next byte, a token. */
export function token(): number {
  if (at >= end) throw malformed('the bytes end where an element should begin');
  return bytes[at++]!;
}

function uint8(): number {
  if (at >= end) throw malformed('the bytes end within a number or length');
  return bytes[at++]!;
}

function uint16(): number {
  if (end - at < 2) throw malformed('the bytes end within a number or length');
  const value = (bytes[at]! << 8) | bytes[at + 1]!;
  at += 2;
  return value;
}

function uint32(): number {
  if (end - at < 4) throw malformed('the bytes end within a number or length');
  const value = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  at += 4;
  return value;
}

/** `length` bytes as a view, not copied. */
function view(length: number): Uint8Array {
  if (length > end - at) throw malformed(`a length of ${length} is beyond the end of the bytes`);
  const result = new Uint8Array(bytes.buffer, bytes.byteOffset + at, length);
  at += length;
  return result;
}

/** `length` bytes of UTF-8. */
export function text(length: number): string {
  if (length > end - at) throw malformed(`a length of ${length} is beyond the end of the bytes`);
  const result = readUtf8(bytes, at, length);
  if (result === undefined) throw malformed('a string is not valid UTF-8');
  at += length;
  return result;
}

/** The bytes of the string that begins with token `first`, or -1 where that is not a string. */
export function stringLength(first: number): number {
  if (first >= 0xa0 && first <= 0xbf) return first & 0x1f;
  if (first === 0xd9) return uint8();
  if (first === 0xda) return uint16();
  if (first === 0xdb) return uint32();
  return -1;
}

/** The bytes of the binary that begins with token `first`, or -1 where that is not a binary. */
function binaryLength(first: number): number {
  if (first === 0xc4) return uint8();
  if (first === 0xc5) return uint16();
  if (first === 0xc6) return uint32();
  return -1;
}

/** The elements of the array that begins with token `first`, or -1 where that is not an array. More than there are bytes is refused. */
function arrayLength(first: number): number {
  let count: number;
  if (first >= 0x90 && first <= 0x9f) count = first & 0x0f;
  else if (first === 0xdc) count = uint16();
  else if (first === 0xdd) count = uint32();
  else return -1;
  if (count > end - at) throw malformed(`an array of ${count} elements is beyond the end of the bytes`);
  return count;
}

/** A safe non-negative integer in any of MessagePack's unsigned widths. */
export function readUint(what: string): number {
  const first = token();
  if (first < 0x80) return first;
  if (first === 0xcc) return uint8();
  if (first === 0xcd) return uint16();
  if (first === 0xce) return uint32();
  if (first === 0xcf) {
    const offset = at - 1;
    const high = uint32();
    const low = uint32();
    if (high > 0x1f_ffff) throw malformed(`${what} is above 2^53 - 1`, offset);
    return high * 0x1_0000_0000 + low;
  }
  throw malformed(`${what} is not an unsigned integer`, at - 1);
}

/** The same, from 1 up: an id. */
export function readId(what: string): number {
  const offset = at;
  const value = readUint(what);
  if (value === 0) throw malformed(`${what} is 0`, offset);
  return value;
}

export function readString(what: string, maxBytes: number): string {
  const offset = at;
  const length = stringLength(token());
  if (length < 0) throw malformed(`${what} is not a string`, offset);
  if (length > maxBytes) throw malformed(`${what} has ${length} bytes, more than ${maxBytes}`, offset);
  return text(length);
}

export function readBinary(what: string): Uint8Array {
  const offset = at;
  const length = binaryLength(token());
  if (length < 0) throw malformed(`${what} is not a binary`, offset);
  return view(length);
}

/** The header of an array of at most `max` elements. */
export function readArray(what: string, max: number): number {
  const offset = at;
  const count = arrayLength(token());
  if (count < 0) throw malformed(`${what} is not an array`, offset);
  if (count > max) throw malformed(`${what} has ${count} elements, more than ${max}`, offset);
  return count;
}

/** True, and the element is read, where the next element is nil. */
export function readNil(): boolean {
  if (peek() !== 0xc0) return false;
  at += 1;
  return true;
}

export function readBoolean(what: string): boolean {
  const first = token();
  if (first !== 0xc2 && first !== 0xc3) throw malformed(`${what} is not a boolean`, at - 1);
  return first === 0xc3;
}

/** The bytes of the next element, which may be any value. */
export function readAny(): Uint8Array {
  return view(scanValue(bytes, at) - at);
}
