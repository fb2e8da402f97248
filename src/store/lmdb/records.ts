/**
 * What an LMDB store keeps under its keys, as bytes. Each begins with the version of its layout, so that a later one can tell; what a call carries is opaque.
 */
import { createHash } from 'node:crypto';
import { ForgottenNumbers } from '../forgotten-numbers.ts';
import type { Range } from '../forgotten-numbers.ts';
import type { OperationSignature } from '../store.ts';

export const LAYOUT = 1;

/** Longer arguments are compared by their digest. */
const MOST_ARGS_BYTES = 4_096;
const STATES = ['admitted', 'sealed', 'released'] as const;
const ARGS_WHOLE = 0;
const ARGS_DIGEST = 1;
/** layout, state, methodId, since, kind and length of the arguments. */
const HEAD_BYTES = 1 + 1 + 4 + 8 + 1 + 4;

export interface StoredRecord {
  readonly state: (typeof STATES)[number];
  readonly methodId: number;
  /** When it came into its state, in milliseconds since the epoch. */
  readonly since: number;
  /** The encoded arguments, or of long ones a SHA-256. */
  readonly args: Uint8Array;
  readonly isDigest: boolean;
  /** The outcome of a sealed one, the reason of a released one. */
  readonly rest: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export function newRecord({ methodId, args }: OperationSignature, since: number): StoredRecord {
  const isDigest = args.byteLength > MOST_ARGS_BYTES;
  return { state: 'admitted', methodId, since, args: isDigest ? digestOf(args) : args, isDigest, rest: NOTHING };
}

const digestOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

export function isSameIntent(record: StoredRecord, { methodId, args }: OperationSignature): boolean {
  if (record.methodId !== methodId) return false;
  return Buffer.compare(record.args, record.isDigest ? digestOf(args) : args) === 0;
}

export function encodeRecord({ state, methodId, since, args, isDigest, rest }: StoredRecord): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + args.byteLength + rest.byteLength);
  bytes[0] = LAYOUT;
  bytes[1] = STATES.indexOf(state);
  bytes.writeUInt32BE(methodId, 2);
  bytes.writeDoubleBE(since, 6);
  bytes[14] = isDigest ? ARGS_DIGEST : ARGS_WHOLE;
  bytes.writeUInt32BE(args.byteLength, 15);
  bytes.set(args, HEAD_BYTES);
  bytes.set(rest, HEAD_BYTES + args.byteLength);
  return bytes;
}

/** Throws RangeError for bytes that are no record of this layout. */
export function decodeRecord(stored: Uint8Array): StoredRecord {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const state = STATES[bytes[1] ?? STATES.length];
  if (bytes[0] !== LAYOUT || state === undefined || bytes.byteLength < HEAD_BYTES) throw new RangeError('not a record of this version of the store');
  const argsEnd = HEAD_BYTES + bytes.readUInt32BE(15);
  return {
    state,
    methodId: bytes.readUInt32BE(2),
    since: bytes.readDoubleBE(6),
    isDigest: bytes[14] === ARGS_DIGEST,
    args: bytes.subarray(HEAD_BYTES, argsEnd),
    rest: bytes.subarray(argsEnd),
  };
}

/** Which numbers of a series are forgotten, and when anybody last looked at it. */
export interface StoredSeries {
  readonly forgotten: ForgottenNumbers;
  since: number;
}

const RANGE_BYTES = 16;
const SERIES_HEAD_BYTES = 1 + 8 + 8;

export function encodeSeries({ forgotten, since }: StoredSeries): Uint8Array {
  const bytes = Buffer.allocUnsafe(SERIES_HEAD_BYTES + RANGE_BYTES * forgotten.ranges.length);
  bytes[0] = LAYOUT;
  bytes.writeDoubleBE(since, 1);
  bytes.writeDoubleBE(forgotten.mark, 9);
  let at = SERIES_HEAD_BYTES;
  for (const { first, last } of forgotten.ranges) {
    bytes.writeDoubleBE(first, at);
    bytes.writeDoubleBE(last, at + 8);
    at += RANGE_BYTES;
  }
  return bytes;
}

export function decodeSeries(stored: Uint8Array): StoredSeries {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const ranges: Range[] = [];
  for (let at = SERIES_HEAD_BYTES; at < bytes.byteLength; at += RANGE_BYTES)
    ranges.push({ first: bytes.readDoubleBE(at), last: bytes.readDoubleBE(at + 8) });
  return { since: bytes.readDoubleBE(1), forgotten: new ForgottenNumbers(bytes.readDoubleBE(9), ranges) };
}

/** The highest dial that has raised the fence of a series, and when. */
export interface StoredFence {
  readonly dial: number;
  readonly since: number;
}

export function encodeFence({ dial, since }: StoredFence): Uint8Array {
  const bytes = Buffer.allocUnsafe(17);
  bytes[0] = LAYOUT;
  bytes.writeDoubleBE(since, 1);
  bytes.writeDoubleBE(dial, 9);
  return bytes;
}

export function decodeFence(stored: Uint8Array): StoredFence {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  return { since: bytes.readDoubleBE(1), dial: bytes.readDoubleBE(9) };
}
