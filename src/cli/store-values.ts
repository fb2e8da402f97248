/** What a stored operation carries, as people and as programs read it: sizes, and the values themselves only when they are asked for. */
import { isDeepStrictEqual, inspect } from 'node:util';
import { decodeValue } from '../wire.ts';
import type { StoredRecord } from '../store/lmdb/browse.ts';

/** `value`: exactly what JSON can say; `text`: a value that it cannot; `hex`: bytes that are no value. */
export type Decoded = { readonly value: unknown } | { readonly text: string } | { readonly hex: string };

export interface Carried {
  /** Which end it is, of an outcome; a SHA-256 in place of the arguments, of long ones. */
  readonly kind?: 'value' | 'failure' | 'unknown' | 'sha256';
  readonly bytes: number;
  readonly decoded: Decoded;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const valueText = (value: unknown): string => inspect(value, { depth: null, maxArrayLength: null, maxStringLength: null, breakLength: 120 });

function decode(bytes: Uint8Array): Decoded {
  let value: unknown;
  try {
    // A plain array: from a Buffer come Buffers.
    value = decodeValue(new Uint8Array(bytes));
  } catch {
    return { hex: hexOf(bytes) };
  }
  return isJson(value) ? { value } : { text: valueText(value) };
}

function isJson(value: unknown): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(JSON.stringify(value)), value);
  } catch {
    // A bigint, or no text at all, as of undefined.
    return false;
  }
}

export function argumentsOf({ args, isDigest }: StoredRecord): Carried {
  if (isDigest) return { kind: 'sha256', bytes: args.byteLength, decoded: { hex: hexOf(args) } };
  return { bytes: args.byteLength, decoded: decode(args) };
}

/** Of a sealed one: a byte that says which, then the value or the data of the failure (see driver/outcome.ts). */
export function outcomeOf({ rest }: StoredRecord): Carried {
  const bytes = rest.subarray(1);
  switch (rest[0]) {
    case 0:
      return { kind: 'value', bytes: bytes.byteLength, decoded: decode(bytes) };
    case 1:
      return { kind: 'failure', bytes: bytes.byteLength, decoded: decode(bytes) };
    default:
      return { kind: 'unknown', bytes: rest.byteLength, decoded: { hex: hexOf(rest) } };
  }
}

export function carriedJson({ kind, bytes, decoded }: Carried, withValues: boolean): Record<string, unknown> {
  return { ...(kind !== undefined && { kind }), bytes, ...(withValues && decoded) };
}

const KINDS = { value: 'value, ', failure: 'declared failure, ', unknown: 'of no known kind, ', sha256: 'only the SHA-256 of long ones, ' } as const;

export function carriedText({ kind, bytes, decoded }: Carried, withValues: boolean): string {
  const size = `${kind === undefined ? '' : KINDS[kind]}${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  if (!withValues || bytes === 0) return size;
  if ('hex' in decoded) return `${size}: hex ${decoded.hex}`;
  return `${size}: ${'text' in decoded ? decoded.text : valueText(decoded.value)}`;
}
