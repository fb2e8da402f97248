/**
 * Bytes to values, in one strict pass. It is written here rather than left to msgpackr's `unpack`, because bytes from a peer need a
 * pass of their own anyway (depth, counts, lengths, extension types, UTF-8, keys), and a pass that has seen all of it has the
 * value. Nothing here depends on msgpackr's process-wide table of extensions, which any other module may change.
 */

import { EXTENSION_BIGINT, EXTENSION_MAP, EXTENSION_SET, EXTENSION_TIMESTAMP, EXTENSION_UNDEFINED } from './codes.ts';
import { MAX_BIGINT_BYTES, MAX_DEPTH } from './limits.ts';
import { hexOf } from './platform.ts';
import * as reader from './reader.ts';

const malformed = reader.malformed;
/** The farthest a Date reaches from 1970, either way. */
const MAX_DATE_MS = 8.64e15;

/** Reads one value at the reader's cursor. `depth` counts the containers around it. What is common comes first, and nothing else, so that it stays small. */
export function readValue(depth: number): unknown {
  const first = reader.token();
  if (first < 0x80) return first;
  if (first < 0x90) return readObject(first & 0x0f, depth);
  if (first < 0xa0) return readElements(first & 0x0f, depth);
  if (first < 0xc0) return reader.text(first & 0x1f);
  if (first >= 0xe0) return first - 0x100;
  if (first === 0xcb) return reader.float64();
  return first >= 0xca && first <= 0xd3 ? readNumber(first) : readOther(first, depth);
}

function readNumber(first: number): number | bigint {
  switch (first) {
    case 0xcc:
      return reader.uint8();
    case 0xcd:
      return reader.uint16();
    case 0xce:
      return reader.uint32();
    case 0xcf:
      return reader.bigUint64();
    case 0xd0:
      return (reader.uint8() << 24) >> 24;
    case 0xd1:
      return (reader.uint16() << 16) >> 16;
    case 0xd2:
      return reader.uint32() | 0;
    case 0xd3:
      return reader.bigInt64();
    default:
      return reader.float32();
  }
}

function readOther(first: number, depth: number): unknown {
  switch (first) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    // Copied: a view would keep the whole payload alive for as long as the user keeps the bytes.
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return reader.view(reader.binaryLength(first)).slice();
    case 0xc7:
      return readExtension(reader.uint8(), depth);
    case 0xc8:
      return readExtension(reader.uint16(), depth);
    case 0xc9:
      return readExtension(reader.uint32(), depth);
    case 0xd4:
      return readExtension(1, depth);
    case 0xd5:
      return readExtension(2, depth);
    case 0xd6:
      return readExtension(4, depth);
    case 0xd7:
      return readExtension(8, depth);
    case 0xd8:
      return readExtension(16, depth);
    case 0xd9:
    case 0xda:
    case 0xdb:
      return reader.text(reader.stringLength(first));
    case 0xdc:
    case 0xdd:
      return readElements(reader.arrayLength(first), depth);
    case 0xde:
      return readObject(reader.uint16(), depth);
    case 0xdf:
      return readObject(reader.uint32(), depth);
    default:
      throw malformed('0xc1 begins no element', reader.position() - 1);
  }
}

/** One container deeper. */
function deeper(depth: number): number {
  if (depth >= MAX_DEPTH) throw malformed(`a value is nested more than ${MAX_DEPTH} deep`);
  return depth + 1;
}

function readElements(count: number, depth: number): unknown[] {
  const inner = deeper(depth);
  const result = reader.makeArray(count);
  for (let index = 0; index < count; index++) result[index] = readValue(inner);
  return result;
}

/** Names that an object has before it has any property, such as `constructor` and `toString`. */
const INHERITED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/** Defines what an assignment would not: it fails where Object.prototype is frozen, and for `__proto__` it does something else. */
function defineInherited(result: Record<string, unknown>, key: string, depth: number): void {
  if (key === '__proto__') throw malformed('an object has a property named __proto__');
  Object.defineProperty(result, key, { value: readValue(depth), writable: true, enumerable: true, configurable: true });
}

function readObject(count: number, depth: number): Record<string, unknown> {
  if (count * 2 > reader.remaining()) throw malformed(`an object of ${count} properties is beyond the end of the bytes`);
  const inner = deeper(depth);
  const result: Record<string, unknown> = {};
  const offset = reader.position();
  for (let index = 0; index < count; index++) {
    const key = reader.readKey();
    if (INHERITED.has(key)) defineInherited(result, key, inner);
    else result[key] = readValue(inner);
  }
  if (Object.keys(result).length !== count) throw malformed('an object has a property twice', offset);
  return result;
}

function readExtension(length: number, depth: number): unknown {
  const offset = reader.position();
  const type = reader.uint8();
  if (length > reader.remaining()) throw malformed(`a length of ${length} is beyond the end of the bytes`, offset);
  switch (type) {
    case EXTENSION_UNDEFINED:
      if (length !== 1 || reader.uint8() !== 0) throw malformed('undefined is not one zero byte', offset);
      return undefined;
    case EXTENSION_BIGINT:
      return readBigInt(length, offset);
    case EXTENSION_TIMESTAMP:
      return readDate(length, offset);
    case EXTENSION_MAP:
      return readMap(length, depth);
    case EXTENSION_SET:
      return readSet(length, depth);
    default:
      throw malformed(`extension type ${type} is unknown`, offset);
  }
}

/** Two's complement, most significant byte first. */
function readBigInt(length: number, offset: number): bigint {
  if (length === 0 || length > MAX_BIGINT_BYTES) throw malformed(`a bigint has ${length} bytes, not 1 to ${MAX_BIGINT_BYTES}`, offset);
  const digits = reader.view(length);
  const value = BigInt(`0x${hexOf(digits)}`);
  return digits[0]! >= 0x80 ? value - (1n << BigInt(length * 8)) : value;
}

/** MessagePack's timestamp in its three widths; what is finer than a millisecond is cut off. */
function readDate(length: number, offset: number): Date {
  let nanoseconds = 0;
  let seconds: number;
  if (length === 4) {
    seconds = reader.uint32();
  } else if (length === 8) {
    const high = reader.uint32();
    nanoseconds = high >>> 2;
    seconds = (high & 3) * 0x1_0000_0000 + reader.uint32();
  } else if (length === 12) {
    nanoseconds = reader.uint32();
    seconds = Number(reader.bigInt64());
  } else {
    throw malformed(`a timestamp has ${length} bytes, not 4, 8 or 12`, offset);
  }
  const milliseconds = seconds * 1_000 + Math.floor(nanoseconds / 1_000_000);
  if (nanoseconds > 999_999_999 || Math.abs(milliseconds) > MAX_DATE_MS) throw malformed('a timestamp is out of range', offset);
  return new Date(milliseconds);
}

/** The header of the array that a Map's or Set's extension holds. */
function readContents(what: string): number {
  const offset = reader.position();
  const count = reader.arrayLength(reader.token());
  if (count < 0) throw malformed(`a ${what} does not hold an array`, offset);
  return count;
}

function readMap(length: number, depth: number): Map<unknown, unknown> {
  const outer = reader.enter(length);
  const offset = reader.position();
  const inner = deeper(depth);
  const count = readContents('Map');
  if (count % 2 !== 0) throw malformed('a Map has a key without a value', offset);
  const result = new Map<unknown, unknown>();
  for (let index = 0; index < count; index += 2) {
    const key = readValue(inner);
    result.set(key, readValue(inner));
  }
  if (result.size * 2 !== count) throw malformed('a Map has a key twice', offset);
  reader.leave(outer);
  return result;
}

function readSet(length: number, depth: number): Set<unknown> {
  const outer = reader.enter(length);
  const offset = reader.position();
  const inner = deeper(depth);
  const count = readContents('Set');
  const result = new Set<unknown>();
  for (let index = 0; index < count; index++) result.add(readValue(inner));
  if (result.size !== count) throw malformed('a Set has an item twice', offset);
  reader.leave(outer);
  return result;
}

/** Reads exactly one value. The bytes are not kept. */
export function decodeValue(bytes: Uint8Array): unknown {
  reader.seek(bytes, 0);
  try {
    const value = readValue(0);
    if (reader.remaining() !== 0) throw malformed(`${reader.remaining()} bytes are left behind the value`);
    return value;
  } finally {
    reader.letGo();
  }
}
