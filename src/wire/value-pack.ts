/**
 * Values to bytes, by msgpackr: it packs into a buffer of ours at a place of ours, so that nothing is copied. What it may be given
 * is decided by value-check.ts; bytes are read back by value-decode.ts.
 *
 * msgpackr keeps the buffer it packs into, and its position there, once for the process, shared by every Packr. So it is lent our
 * buffer for the time of one `pack` and handed a full one afterwards, behind which anybody else's next `pack` begins a buffer of its own.
 */

import { addExtension, Packr, RESERVE_START_SPACE, REUSE_BUFFER_MODE } from 'msgpackr';
import { ChannelEnd, writeEndMark } from './channel-ends.ts';
import type { EndCollector } from './channel-ends.ts';
import { EXTENSION_CHANNEL, EXTENSION_MAP, EXTENSION_SET } from './codes.ts';
import { ValueError } from './errors.ts';
import { allocate } from './platform.ts';
import { measure, needsBoxing } from './value-check.ts';

/** Free bytes that msgpackr wants to see before it begins in a buffer (2,048) and behind everything it writes (10). */
export const PACKING_MARGIN_BYTES = 2_048 + 16;

const packr = new Packr({ useRecords: false, variableMapSize: true, useBigIntExtension: true, useToJSON: false });
const full = allocate(8_192);

/** A Map's or Set's contents, encoded: msgpackr would pack the Map itself as an object and the Set as an array. */
class MapBox {
  readonly contents: Uint8Array;
  constructor(contents: Uint8Array) {
    this.contents = contents;
  }
}
class SetBox {
  readonly contents: Uint8Array;
  constructor(contents: Uint8Array) {
    this.contents = contents;
  }
}
const writeContents = (box: MapBox | SetBox): Uint8Array => box.contents;
// Only for those who unpack our values with msgpackr themselves: they get the contents' bytes.
const readContents = (contents: Uint8Array): Uint8Array => contents.slice();
addExtension({ Class: MapBox, type: EXTENSION_MAP, pack: writeContents as never, unpack: readContents });
addExtension({ Class: SetBox, type: EXTENSION_SET, pack: writeContents as never, unpack: readContents });
/** Who knows the channel ends of the value being packed: set for the time of one `pack`. */
let ends: EndCollector | undefined = undefined;
// Every end has been taken by the collector when the value was measured.
addExtension({
  Class: ChannelEnd,
  type: EXTENSION_CHANNEL,
  pack: ((end: ChannelEnd) => writeEndMark(ends!.markOf(end))) as never,
  unpack: readContents,
});

/** A copy of the value with its Maps and Sets boxed. Only a value that has some pays for it. */
function box(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date || value instanceof ChannelEnd)
    return value;
  if (Array.isArray(value)) return value.map(box);
  if (value instanceof Map) return new MapBox(packAlone([...value].flat(1).map(box)));
  if (value instanceof Set) return new SetBox(packAlone(Array.from(value, box)));
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) Object.defineProperty(copy, key, { value: box((value as Record<string, unknown>)[key]), enumerable: true });
  return copy;
}

let packing = false;

/** Packing runs a value's getters, which may do anything but encode: there is one buffer, and it is being written. */
export function assertNotPacking(): void {
  if (packing) throw new ValueError('$', 'a getter of a value that is being encoded may not make calls');
}

/** What msgpackr is to be given, once `collector` knows its channel ends. Boxing runs getters as packing does. */
function packable(value: unknown, collector: EndCollector | undefined): unknown {
  assertNotPacking();
  ends = collector;
  if (!needsBoxing()) return value;
  packing = true;
  try {
    return box(value);
  } finally {
    packing = false;
  }
}

/** Lends msgpackr `buffer` from `position` on for one `pack`. */
function lend(buffer: Uint8Array, position: number): void {
  packing = true;
  packr.useBuffer(buffer);
  packr.position = position;
}

function takeBack(): void {
  packr.useBuffer(full);
  packr.position = full.length;
  packing = false;
}

/** Packs into a buffer that msgpackr makes; the result is a copy. The contents of a box are packed while what is around them is being boxed. */
function packAlone(value: unknown): Uint8Array {
  const isBoxing = packing;
  lend(full, full.length);
  try {
    return new Uint8Array(packr.pack(value));
  } finally {
    takeBack();
    packing = isBoxing;
  }
}

/**
 * Packs the value last measured into `buffer` from `start` and gives the end, where at least its measured bytes and
 * PACKING_MARGIN_BYTES were free; or, where the value has grown since (a getter), packs nothing there and gives -1.
 */
export function packInto(buffer: Uint8Array, start: number, value: unknown, collector?: EndCollector): number {
  const given = packable(value, collector);
  // msgpackr begins at a multiple of 8 and keeps free as many bytes as it is told to.
  const gap = start & 7;
  lend(buffer, start - gap);
  try {
    // Gives the buffer itself rather than a view of what was packed, which would cost as much as packing a small value.
    const packed: Uint8Array = packr.pack(given, RESERVE_START_SPACE | REUSE_BUFFER_MODE | gap);
    return packed === buffer ? packr.position : -1;
  } finally {
    takeBack();
  }
}

/**
 * Encodes one value. Objects, Maps and Sets keep their insertion order, so equal values give equal bytes (op.conflict).
 * Throws ValueError where a part of it has no encoding, naming the path.
 */
export function encodeValue(value: unknown): Uint8Array {
  return encodeArgument(value, undefined);
}

/** The same for an argument, whose channel ends `collector` is shown. */
export function encodeArgument(value: unknown, collector: EndCollector | undefined): Uint8Array {
  measure(value, collector);
  return packAlone(packable(value, collector));
}
