/**
 * A second reader of values, on @msgpack/msgpack and docs/wire.md and nothing of ours. It is no judge of what is malformed; but what our decoder lets
 * through, it must read as the same value.
 */
import { decodeMulti, Decoder, ExtensionCodec } from '@msgpack/msgpack';

/** The library drops a byte order mark from longer strings. */
const MAX_BYTES = 190;

class Undefined {}

function bigint(bytes: Uint8Array): bigint {
  let result = (bytes[0] as number) >= 0x80 ? -1n : 0n;
  for (const byte of bytes) result = (result << 8n) | BigInt(byte);
  return result;
}

/** Cut towards the past, where the library cuts towards 1970. */
function date(bytes: Uint8Array): Date {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return new Date(view.getUint32(0) * 1_000);
  if (bytes.length === 12) return new Date(Number(view.getBigInt64(4)) * 1_000 + Math.floor(view.getUint32(0) / 1_000_000));
  const both = view.getBigUint64(0);
  return new Date(Number(both & 0x3_ffff_ffffn) * 1_000 + Math.floor(Number(both >> 34n) / 1_000_000));
}

const codec = new ExtensionCodec();
const options = { extensionCodec: codec, useBigInt64: true };
const read = (bytes: Uint8Array): unknown => new Decoder(options).decode(bytes);
const register = (type: number, decode: (bytes: Uint8Array) => unknown): void => codec.register({ type, encode: () => null, decode });
register(0, () => new Undefined());
register(-1, date);
register(0x42, bigint);
register(0x53, (bytes) => new Set(read(bytes) as unknown[]));
register(0x54, (bytes) => `\ufeff${new TextDecoder().decode(bytes.subarray(2))}`);
register(0x4d, (bytes) => {
  const contents = read(bytes) as unknown[];
  return new Map(Array.from({ length: contents.length / 2 }, (_, at) => [contents[2 * at], contents[2 * at + 1]] as const));
});

function finish(part: unknown): unknown {
  if (part instanceof Undefined) return undefined;
  if (Array.isArray(part)) return part.map(finish);
  if (part instanceof Map) return new Map([...part].map(([key, entry]) => [finish(key), finish(entry)] as const));
  if (part instanceof Set) return new Set([...part].map(finish));
  if (typeof part !== 'object' || part === null || part instanceof Uint8Array || part instanceof Date) return part;
  return Object.fromEntries(Object.entries(part).map(([key, entry]) => [key, finish(entry)]));
}

/** What these bytes are to the other library; undefined: nothing that it can be asked. Throws what the library throws. */
export function secondOpinion(bytes: Uint8Array): { readonly value: unknown } | undefined {
  return bytes.length > MAX_BYTES ? undefined : { value: finish(read(bytes)) };
}

/** How many elements, one behind the other, the bytes are to the other library. Throws what it throws. */
export function elementsOf(bytes: Uint8Array): number {
  let count = 0;
  for (const _element of decodeMulti(bytes, options)) count++;
  return count;
}
