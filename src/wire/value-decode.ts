/**
 * Bytes to values: one scan of our own (value-scan.ts), then msgpackr. Bytes that the scan lets through are a value, and msgpackr reads it.
 *
 * Two things stand between it and us. What it caches on the array it reads from, and how it reads, depends on that array: it is given a
 * buffer of ours. And what reads an extension is set once for the process: ours are set anew whenever a value needs them, since another
 * module, or another copy of this one, may have set its own. They never call back into msgpackr, which would copy the whole source for it.
 */

import { addExtension, Unpackr } from 'msgpackr';
import { readEndMark } from './channel-ends.ts';
import type { EndBinder, EndMark } from './channel-ends.ts';
import { EXTENSION_CHANNEL, EXTENSION_MAP, EXTENSION_SET, EXTENSION_TEXT } from './codes.ts';
import { malformed, WireError } from './errors.ts';
import { readUtf8 } from './utf8.ts';
import { boxesScanned, marksScanned, patchesScanned, scanValue } from './value-scan.ts';

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

/** Values up to here are unpacked from one buffer that is kept, larger ones from a view or copy of their own. */
const KEPT_BYTES = 4_096;
const kept = new Uint8Array(KEPT_BYTES);
const NOTHING = new Uint8Array(0);

/** What msgpackr reads from: a plain Uint8Array, so that bytes come out as copies and as Uint8Arrays. */
let source: Uint8Array = NOTHING;
/** Which part of it: one object, refilled, for it is read before anything else is done. */
const range = { start: 0, end: 0 };

/** A Map or Set that is still empty, and where the array of its contents is. */
interface Box {
  readonly container: Map<unknown, unknown> | Set<unknown>;
  readonly start: number;
  readonly end: number;
}
let boxes: Box[] = [];

/** Reads a Map's or Set's extension: empty for now, filled when msgpackr is done with what is around it. */
function readBox(contents: Uint8Array, makeContainer: () => Box['container']): unknown {
  // Somebody else's unpacking: as value-pack.ts has it.
  if (contents.buffer !== source.buffer) return contents.slice();
  const container = makeContainer();
  const start = contents.byteOffset - source.byteOffset;
  boxes.push({ container, start, end: start + contents.length });
  return container;
}

/** Makes the channel ends of the argument being read; undefined while another value is. */
let binder: EndBinder | undefined = undefined;

function readEnd(contents: Uint8Array): unknown {
  const mark = binder === undefined || contents.buffer !== source.buffer ? undefined : readEndMark(contents, 0);
  // Somebody else's unpacking, as above: the scan has seen to it that ours are marks.
  return mark === undefined ? contents.slice() : binder!(mark);
}

const extensions = [
  { type: EXTENSION_MAP, unpack: (contents: Uint8Array) => readBox(contents, () => new Map()) },
  { type: EXTENSION_SET, unpack: (contents: Uint8Array) => readBox(contents, () => new Set()) },
  { type: EXTENSION_CHANNEL, unpack: readEnd },
  // A string that begins with a byte order mark, of which the scan has taken the first byte for the type.
  { type: EXTENSION_TEXT, unpack: (rest: Uint8Array) => `\ufeff${readUtf8(rest, 2, rest.length - 2)}` },
];

function unpack(start: number, end: number): unknown {
  range.start = start;
  range.end = end;
  try {
    return unpackr.unpack(source, range) as unknown;
  } catch (error) {
    throw malformed(`the value cannot be read: ${String(error)}`, start);
  }
}

/** Fills every box. Boxes within boxes come after those they are in, so that none waits within another: no recursion, and no byte is read twice. */
function fillBoxes(): void {
  for (const { container, start, end } of boxes) {
    const contents = unpack(start, end) as unknown[];
    if (container instanceof Map) {
      for (let index = 0; index < contents.length; index += 2) container.set(contents[index], contents[index + 1]);
      if (container.size * 2 !== contents.length) throw malformed('a Map has a key twice', start);
    } else {
      for (const item of contents) container.add(item);
      if (container.size !== contents.length) throw malformed('a Set has an item twice', start);
    }
  }
}

/** The buffer that is kept, with a copy of the bytes, or a view of its own; a copy where it is to be patched. */
function chooseSource(bytes: Uint8Array, patches: readonly number[]): Uint8Array {
  const { length } = bytes;
  if (length > KEPT_BYTES) {
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    return patches.length === 0 ? view : view.slice();
  }
  kept.set(bytes);
  return kept;
}

/** Reads exactly one value. The bytes are not kept. Throws WireError. */
export function decodeValue(bytes: Uint8Array): unknown {
  return decode(bytes, 0);
}

/** Reads the argument of a call that announced so many channels; `bind` makes each of their ends. Throws WireError, or what `bind` throws. */
export function decodeArgument(bytes: Uint8Array, channels: number, bind: EndBinder): unknown {
  binder = bind;
  try {
    return decode(bytes, channels);
  } finally {
    binder = undefined;
  }
}

/**
 * The channel ends in the argument of a call that announced so many channels, by their places, for those who pass it on and decode nothing. Undefined:
 * whoever decodes it will find it malformed.
 */
export function findEndMarks(bytes: Uint8Array, channels: number): ReadonlyMap<number, EndMark> | undefined {
  try {
    return scanValue(bytes, 0, channels) === bytes.length ? marksScanned() : undefined;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** Bytes of binary from which an item is handed on as a view, where nearly all of what it is a view of is the item. */
const VIEWED_BYTES = 16 * 1024;

/**
 * Reads one item of a channel. The bytes of a large one that is all binary are not copied: nobody else holds on to them. Throws WireError.
 */
export function decodeItem(bytes: Uint8Array): unknown {
  const headerBytes = bytes[0] === 0xc5 ? 3 : 5;
  const contents = bytes.length - headerBytes;
  if (contents < VIEWED_BYTES || (bytes[0] !== 0xc5 && bytes[0] !== 0xc6) || bytes.buffer.byteLength > 2 * contents) return decode(bytes, 0);
  // The header is right: nothing is behind the value.
  if (scanValue(bytes, 0) !== bytes.length) return decode(bytes, 0);
  return new Uint8Array(bytes.buffer, bytes.byteOffset + headerBytes, contents);
}

function decode(bytes: Uint8Array, channels: number): unknown {
  const end = scanValue(bytes, 0, channels);
  if (end !== bytes.length) throw malformed(`${bytes.length - end} bytes are left behind the value`, end);
  const patches = patchesScanned();
  const mustExtend = channels > 0 || boxesScanned() > 0 || patches.length > 0;
  if (mustExtend) for (const extension of extensions) addExtension(extension);
  source = chooseSource(bytes, patches);
  for (let index = 0; index < patches.length; index += 2) source[patches[index]!] = patches[index + 1]!;
  try {
    const value = unpack(0, end);
    if (boxes.length > 0) fillBoxes();
    return value;
  } finally {
    source = NOTHING;
    if (boxes.length > 0) boxes = [];
  }
}
