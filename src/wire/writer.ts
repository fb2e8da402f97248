/**
 * Writes MessagePack elements, each in its shortest form, into a buffer that has room for them: who begins with `begin` has counted
 * the bytes (encode.ts). The cursor is one for the module, so that writing allocates nothing.
 */

import { ValueError } from './errors.ts';
import { hasUtf8 } from './utf8.ts';

let bytes: Uint8Array = new Uint8Array(0);
let at = 0;
const scratch = new DataView(new ArrayBuffer(8));
const encoder = new TextEncoder();
/** Strings up to here are written by the letter; longer ones by the platform. */
const SHORT_LETTERS = 40;

export function begin(buffer: Uint8Array, position: number): void {
  bytes = buffer;
  at = position;
}

export function position(): number {
  return at;
}

export function writeNil(): void {
  bytes[at++] = 0xc0;
}

export function writeBoolean(value: boolean): void {
  bytes[at++] = value ? 0xc3 : 0xc2;
}

function put16(value: number): void {
  bytes[at++] = value >>> 8;
  bytes[at++] = value;
}

function put32(value: number): void {
  bytes[at++] = value >>> 24;
  bytes[at++] = value >>> 16;
  bytes[at++] = value >>> 8;
  bytes[at++] = value;
}

function putScratch(): void {
  for (let index = 0; index < 8; index++) bytes[at++] = scratch.getUint8(index);
}

/** A safe non-negative integer. `what` names the field in the error. */
export function writeUint(value: number, what: string): void {
  if (value >= 0 && value < 0x80 && Number.isInteger(value)) {
    bytes[at++] = value;
    return;
  }
  if (!Number.isSafeInteger(value) || value < 0) throw new ValueError(what, `${value} is not a safe non-negative integer`);
  if (value < 0x100) {
    bytes[at++] = 0xcc;
    bytes[at++] = value;
  } else if (value < 0x1_0000) {
    bytes[at++] = 0xcd;
    put16(value);
  } else if (value < 0x1_0000_0000) {
    bytes[at++] = 0xce;
    put32(value);
  } else {
    bytes[at++] = 0xcf;
    put32(Math.floor(value / 0x1_0000_0000));
    put32(value % 0x1_0000_0000);
  }
}

/** The same, from 1 up. */
export function writeId(value: number, what: string): void {
  if (value === 0) throw new ValueError(what, 'an id is never 0');
  writeUint(value, what);
}

/** Any safe integer, as values have it: up to 32 bits as an integer, beyond as a float64, since 64-bit integers are bigints. */
export function writeInteger(value: number, what: string): void {
  if (!Number.isSafeInteger(value)) throw new ValueError(what, `${value} is not a safe integer`);
  if (value >= 0 && value <= 0xffff_ffff) {
    writeUint(value, what);
  } else if (value < 0 && value >= -0x20) {
    bytes[at++] = value;
  } else if (value < 0 && value >= -0x8000_0000) {
    bytes[at++] = 0xd2;
    put32(value);
  } else {
    bytes[at++] = 0xcb;
    scratch.setFloat64(0, value);
    putScratch();
  }
}

/** A bigint of at most 64 bits, signed where it fits. */
export function writeBigint(value: bigint, what: string): void {
  if (BigInt.asIntN(64, value) === value) {
    bytes[at++] = 0xd3;
    scratch.setBigInt64(0, value);
  } else if (BigInt.asUintN(64, value) === value) {
    bytes[at++] = 0xcf;
    scratch.setBigUint64(0, value);
  } else {
    throw new ValueError(what, `${value} has more than 64 bits`);
  }
  putScratch();
}

export function writeArray(count: number): void {
  if (count < 0x10) {
    bytes[at++] = 0x90 | count;
  } else if (count < 0x1_0000) {
    bytes[at++] = 0xdc;
    put16(count);
  } else {
    bytes[at++] = 0xdd;
    put32(count);
  }
}

function stringHeader(length: number): void {
  if (length < 0x20) {
    bytes[at++] = 0xa0 | length;
  } else if (length < 0x100) {
    bytes[at++] = 0xd9;
    bytes[at++] = length;
  } else if (length < 0x1_0000) {
    bytes[at++] = 0xda;
    put16(length);
  } else {
    bytes[at++] = 0xdb;
    put32(length);
  }
}

function isWritten(text: string): boolean {
  const start = at;
  stringHeader(text.length);
  for (let index = 0; index < text.length; index++) {
    const letter = text.charCodeAt(index);
    if (letter >= 0x80) {
      at = start;
      return false;
    }
    bytes[at++] = letter;
  }
  return true;
}

function putEncoded(encoded: Uint8Array): void {
  stringHeader(encoded.length);
  bytes.set(encoded, at);
  at += encoded.length;
}

/** A string of at most `maxBytes` of UTF-8. */
export function writeString(text: string, maxBytes: number, what: string): void {
  if (text.length <= SHORT_LETTERS && isWritten(text)) return;
  if (!hasUtf8(text)) throw new ValueError(what, 'a string with a lone surrogate has no UTF-8');
  const encoded = encoder.encode(text);
  if (encoded.length > maxBytes) throw new ValueError(what, `${encoded.length} bytes of UTF-8, at most ${maxBytes} are allowed`);
  putEncoded(encoded);
}

/** A string for people, which never fails: cut to `maxBytes` between letters, lone surrogates replaced. */
export function writeText(text: string, maxBytes: number): void {
  if (text.length <= SHORT_LETTERS && isWritten(text)) return;
  const room = new Uint8Array(Math.min(maxBytes, text.length * 3));
  putEncoded(room.subarray(0, encoder.encodeInto(text, room).written));
}

export function writeBinary(value: Uint8Array): void {
  const length = value.length;
  if (length < 0x100) {
    bytes[at++] = 0xc4;
    bytes[at++] = length;
  } else if (length < 0x1_0000) {
    bytes[at++] = 0xc5;
    put16(length);
  } else {
    bytes[at++] = 0xc6;
    put32(length);
  }
  // A call to `set` costs more than a few bytes do.
  if (length <= 24) {
    for (let index = 0; index < length; index++) bytes[at + index] = value[index]!;
  } else {
    bytes.set(value, at);
  }
  at += length;
}

/** The header of a binary whose length is not known yet, always in 32 bits; `endBinary` completes it. Gives where the contents begin. */
export function beginBinary(): number {
  bytes[at] = 0xc6;
  at += 5;
  return at;
}

export function endBinary(start: number, end: number): void {
  at = start - 4;
  put32(end - start);
  at = end;
}
