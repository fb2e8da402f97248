/**
 * Bytes that a store in memory keeps for long. What is handed in is mostly a view into a network chunk or the encoder's slab: keeping the view would
 * pin the whole of it, and a buffer of its own costs half a microsecond from the allocator once it is above 64 bytes. A one-byte string
 * (Latin-1: one character per byte) lives on the JavaScript heap, costs a third of that and is exactly as long as the bytes.
 */

export type KeptBytes = Uint8Array | string;

/** V8 keeps typed arrays up to here on its own heap. */
const SMALL_BYTES = 64;
/** Above this the allocator's cost no longer shows. */
const STRING_BYTES = 16 * 1024;

type Latin1Slice = (this: Uint8Array, start: number, end: number) => string;
/** Node's; elsewhere bytes are copied. Taken from the prototype because it works on any Uint8Array, without the cost of a Buffer around it. */
const latin1Slice = (globalThis.Buffer?.prototype as { latin1Slice?: Latin1Slice } | undefined)?.latin1Slice;

/** Bytes to keep: a copy, unless the view owns the whole of a large buffer, which the giver then no longer touches (link.ownership). */
export function keepBytes(view: Uint8Array): KeptBytes {
  const length = view.byteLength;
  if (length > SMALL_BYTES && length <= STRING_BYTES && latin1Slice !== undefined) return latin1Slice.call(view, 0, length);
  if (length > SMALL_BYTES && view.byteLength === view.buffer.byteLength && !isBuffer(view)) return view;
  return new Uint8Array(view);
}

/** Bytes that nobody touches any more: a view is kept as it is where it is most of a large buffer, so that what it pins is at most twice what the store counts. */
export function keepOwnBytes(view: Uint8Array): KeptBytes {
  const length = view.byteLength;
  return length > STRING_BYTES && view.buffer.byteLength <= 2 * length && !isBuffer(view) ? view : keepBytes(view);
}

/** The kept bytes, as a plain Uint8Array that owns its buffer. Whoever gets them reads only. */
export function readBytes(kept: KeptBytes): Uint8Array {
  if (typeof kept !== 'string') return kept;
  const bytes = new Uint8Array(kept.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = kept.charCodeAt(at);
  return bytes;
}

export function sameBytes(kept: KeptBytes, view: Uint8Array): boolean {
  const length = view.byteLength;
  if (kept.length !== length) return false;
  if (typeof kept === 'string') {
    for (let at = 0; at < length; at++) if (kept.charCodeAt(at) !== view[at]) return false;
  } else {
    for (let at = 0; at < length; at++) if (kept[at] !== view[at]) return false;
  }
  return true;
}

/** A Buffer is kept as a plain array, because what is decoded from a Buffer comes out as Buffers. */
function isBuffer(view: Uint8Array): boolean {
  return view.constructor !== Uint8Array;
}
