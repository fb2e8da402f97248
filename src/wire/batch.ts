/**
 * Gathers messages into payloads. A message is written once, into a slab that all batches of the process share: a value is packed by
 * msgpackr where it will be sent from, its envelope written before it. A slab is filled from front to back and never reused, so
 * every view of it stays valid; the price is that a small view someone keeps holds its whole slab (64 KiB).
 */

import type { EndCollector } from './channel-ends.ts';
import { writeCallHead, writeItemHead, writeItemsHead, writeMessage, writeResultHead } from './encode.ts';
import { MessageTooLargeError } from './errors.ts';
import type { ItemRun } from './item-gather.ts';
import type { Message } from './messages.ts';
import { allocate } from './platform.ts';
import { callHeadBytes, messageBytes, resultHeadBytes } from './size.ts';
import type { CallHead, ResultHead } from './size.ts';
import { measure } from './value-check.ts';
import { assertNotPacking, encodeArgument, encodeValue, packInto, PACKING_MARGIN_BYTES } from './value-pack.ts';
import * as writer from './writer.ts';

const SLAB_BYTES = 64 * 1024;
/** A message that may be larger than this gets a buffer of its own, which leaves the slab to the small ones. */
const LARGE_BYTES = 16 * 1024;
/** No value takes less than this part of what `measure` says: a small number is one byte, measured as nine. */
const MEASURE_FACTOR = 9;
/** Waiting bytes are held in as many buffers as it took; at most this many of them are joined by copying. */
const JOINED_BYTES = 64 * 1024;

/** Bytes of the longest header of an item or items message. */
const ITEMS_HEAD_BYTES = 40;
/** Up to here the letters are copied one by one: a call to `set` costs more. */
const SHORT_COPY_BYTES = 48;

let slab: Uint8Array = new Uint8Array(0);
let used = 0;

/** Where the message that is being written goes. */
let target: Uint8Array = slab;
let start = 0;

/** Points the writer at `bytes` free bytes. */
function reserve(bytes: number): void {
  assertNotPacking();
  if (bytes > LARGE_BYTES) {
    target = allocate(bytes);
    start = 0;
  } else {
    if (slab.length - used < bytes) {
      slab = allocate(SLAB_BYTES);
      used = 0;
    }
    target = slab;
    start = used;
  }
  writer.begin(target, start);
}

/**
 * Encodes one value where the messages are: a view, valid for ever, that needs no buffer of its own. `ends` is shown the channel ends of an argument.
 * Throws ValueError.
 */
export function packValue(value: unknown, ends?: EndCollector): Uint8Array {
  reserve(measure(value, ends) + PACKING_MARGIN_BYTES);
  const end = packInto(target, start, value, ends);
  // Grown since it was measured, or measured so generously that its buffer is not worth keeping.
  if (end < 0 || (target !== slab && target.length > 2 * end)) return encodeArgument(value, ends);
  if (target === slab) used = end;
  return new Uint8Array(target.buffer, target.byteOffset + start, end - start);
}

/** The channel ends of an argument, once it was measured. */
export interface ArgumentChannels extends EndCollector {
  readonly isEmpty: boolean;
  /** Ids for the ends, in order: the call's list of channels. */
  allocate(): readonly number[];
  /** The argument is encoded, for good: the ends are passed. */
  encoded(): void;
}

export interface MessageBatchOptions {
  /** Bytes the peer takes in one payload (the `maxPayload` of its limits). */
  readonly maxPayload: number;
}

/** The messages of one session that wait to be handed to its link. */
export class MessageBatch {
  /** Bytes the peer takes in one payload. Set anew, it holds for what is added from then on. */
  maxPayload: number;
  /** Payloads that are complete, in order; then the one that grows, which is a range of `#buffer`. */
  #complete: Uint8Array[] = [];
  #completeBytes = 0;
  #buffer: Uint8Array = slab;
  #from = 0;
  #to = 0;

  constructor(options: MessageBatchOptions) {
    this.maxPayload = options.maxPayload;
  }

  /** Bytes that wait to be taken. */
  get byteLength(): number {
    return this.#completeBytes + this.#to - this.#from;
  }

  /** Adds any message. Throws ValueError or MessageTooLargeError, and then nothing was added. */
  add(message: Message): void {
    reserve(messageBytes(message));
    writeMessage(message);
    this.#append(writer.position());
  }

  /**
   * Adds a call whose arguments are packed in place, and gives a view of them, valid for ever. `ends` is shown the channel ends in them and says their
   * ids. Throws ValueError (the value or a field has no encoding) or MessageTooLargeError, and then nothing was added.
   */
  addCall(head: CallHead, value: unknown, ends?: ArgumentChannels): Uint8Array {
    const valueBytes = this.#measure(value, ends);
    const full = ends === undefined || ends.isEmpty ? head : { ...head, channels: ends.allocate() };
    reserve(callHeadBytes(full) + valueBytes + PACKING_MARGIN_BYTES);
    writeCallHead(full);
    let args = this.#appendValue(value, ends);
    if (args === undefined) {
      args = encodeArgument(value, ends);
      this.add({ ...full, type: 'call', args });
    }
    if (full !== head) ends?.encoded();
    return args;
  }

  /** Adds a call's result as `addCall` does a call. */
  addResult(head: ResultHead, value: unknown): Uint8Array {
    const valueBytes = this.#measure(value);
    reserve(resultHeadBytes(head) + valueBytes + PACKING_MARGIN_BYTES);
    writeResultHead(head);
    const result = this.#appendValue(value);
    if (result !== undefined) return result;
    const copy = encodeValue(value);
    this.add({ ...head, type: 'response', ok: true, result: copy });
    return copy;
  }

  /** Adds the items of one channel that `arena` holds, as binaries: one message. */
  addItems(run: ItemRun, arena: Uint8Array): void {
    reserve(ITEMS_HEAD_BYTES + run.byteLength);
    writeItemsHead(run);
    const { pieces } = run;
    let at = writer.position();
    for (let index = 0; index < pieces.length; index += 2) {
      const from = pieces[index]!;
      const to = pieces[index + 1]!;
      if (to - from <= SHORT_COPY_BYTES) {
        for (let byte = from; byte < to; byte++) target[at++] = arena[byte]!;
      } else {
        target.set(new Uint8Array(arena.buffer, arena.byteOffset + from, to - from), at);
        at += to - from;
      }
    }
    this.#append(at);
  }

  /** Adds one item, packed where it will be sent from: for large ones. Throws as `addCall` does. */
  addItem(run: ItemRun, value: unknown, valueBytes: number): void {
    const least = Math.floor(valueBytes / MEASURE_FACTOR);
    if (least > this.maxPayload) throw new MessageTooLargeError(least, this.maxPayload);
    reserve(ITEMS_HEAD_BYTES + valueBytes + PACKING_MARGIN_BYTES);
    writeItemHead(run);
    if (this.#appendValue(value) === undefined)
      this.add({ type: 'item', connectionId: run.connectionId, channelId: run.channelId, value: encodeValue(value) });
  }

  /** Everything gathered, in order, as payloads of at most `maxPayload` bytes: normally one. The batch begins anew. */
  take(): Uint8Array[] {
    this.#completeRange();
    const payloads = this.#complete;
    this.#complete = [];
    this.#completeBytes = 0;
    return payloads.length < 2 ? payloads : join(payloads, Math.min(this.maxPayload, JOINED_BYTES));
  }

  #measure(value: unknown, ends?: EndCollector): number {
    const valueBytes = measure(value, ends);
    const least = Math.floor(valueBytes / MEASURE_FACTOR);
    if (least > this.maxPayload) throw new MessageTooLargeError(least, this.maxPayload);
    return valueBytes;
  }

  /** Packs the value behind the head just written; undefined where it has outgrown its measure, and then nothing was added. */
  #appendValue(value: unknown, ends?: EndCollector): Uint8Array | undefined {
    const contents = writer.beginBinary();
    const end = packInto(target, contents, value, ends);
    if (end < 0) return undefined;
    writer.endBinary(contents, end);
    this.#append(end);
    return new Uint8Array(target.buffer, target.byteOffset + contents, end - contents);
  }

  /** Takes over what was written from `start` to `end`. */
  #append(end: number): void {
    const length = end - start;
    if (length > this.maxPayload) throw new MessageTooLargeError(length, this.maxPayload);
    if (target === slab) {
      used = end;
    } else if (target.length > 2 * end) {
      // Measured generously, as text always is: not to be kept at that size by whoever keeps the value.
      target = new Uint8Array(target.subarray(0, end));
    }
    if (target === this.#buffer && start === this.#to && end - this.#from <= this.maxPayload) {
      this.#to = end;
      return;
    }
    this.#completeRange();
    this.#buffer = target;
    this.#from = start;
    this.#to = end;
  }

  #completeRange(): void {
    const length = this.#to - this.#from;
    if (length === 0) return;
    this.#complete.push(new Uint8Array(this.#buffer.buffer, this.#buffer.byteOffset + this.#from, length));
    this.#completeBytes += length;
    this.#from = this.#to;
  }
}

/**
 * Joins small neighbours: batches that were filled by turns have their messages in many places of the slab, and a payload each would
 * cost a write each. Large ones are left as they are, since a copy would cost more.
 */
function join(payloads: readonly Uint8Array[], maxBytes: number): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let group: Uint8Array[] = [];
  let groupBytes = 0;
  const close = (): void => {
    const only = group.length === 1 ? group[0] : undefined;
    if (groupBytes > 0) joined.push(only ?? concatenate(group, groupBytes));
    group = [];
    groupBytes = 0;
  };
  for (const payload of payloads) {
    if (groupBytes + payload.length > maxBytes) close();
    group.push(payload);
    groupBytes += payload.length;
  }
  close();
  return joined;
}

function concatenate(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  const whole = new Uint8Array(byteLength);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
