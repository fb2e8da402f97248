/**
 * Gathers messages into payloads. A message is written once, into a slab that all batches of the process share: a value is packed by
 * msgpackr where it will be sent from, its envelope written before it. A slab is filled from front to back and never reused, so
 * every view of it stays valid; the price is that a small view someone keeps holds its whole slab (64 KiB).
 */

import { writeCallHead, writeMessage, writeResultHead } from './encode.ts';
import { MessageTooLargeError } from './errors.ts';
import type { Message } from './messages.ts';
import { allocate } from './platform.ts';
import { callHeadBytes, messageBytes, resultHeadBytes } from './size.ts';
import type { CallHead, ResultHead } from './size.ts';
import { measure } from './value-check.ts';
import { assertNotPacking, encodeValue, packInto, PACKING_MARGIN_BYTES } from './value-pack.ts';
import * as writer from './writer.ts';

const SLAB_BYTES = 64 * 1024;
/** A message that may be larger than this gets a buffer of its own, which leaves the slab to the small ones. */
const LARGE_BYTES = 16 * 1024;
/** No value takes less than this part of what `measure` says: a small number is one byte, measured as nine. */
const MEASURE_FACTOR = 9;
/** Waiting bytes are held in as many buffers as it took; at most this many of them are joined by copying. */
const JOINED_BYTES = 64 * 1024;

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

/** Encodes one value where the messages are: a view, valid for ever, that needs no buffer of its own. Throws ValueError. */
export function packValue(value: unknown): Uint8Array {
  reserve(measure(value) + PACKING_MARGIN_BYTES);
  const end = packInto(target, start, value);
  // Grown since it was measured, or measured so generously that its buffer is not worth keeping.
  if (end < 0 || (target !== slab && target.length > 2 * end)) return encodeValue(value);
  if (target === slab) used = end;
  return new Uint8Array(target.buffer, target.byteOffset + start, end - start);
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
   * Adds a call whose arguments are packed in place, and gives a view of them, valid for ever. Throws ValueError (the value or a field has
   * no encoding) or MessageTooLargeError, and then nothing was added.
   */
  addCall(head: CallHead, value: unknown): Uint8Array {
    this.#reserveFor(value, callHeadBytes(head));
    writeCallHead(head);
    const args = this.#appendValue(value);
    if (args !== undefined) return args;
    const copy = encodeValue(value);
    this.add({ ...head, type: 'call', args: copy });
    return copy;
  }

  /** Adds a call's result as `addCall` does a call. */
  addResult(head: ResultHead, value: unknown): Uint8Array {
    this.#reserveFor(value, resultHeadBytes(head));
    writeResultHead(head);
    const result = this.#appendValue(value);
    if (result !== undefined) return result;
    const copy = encodeValue(value);
    this.add({ ...head, type: 'response', ok: true, result: copy });
    return copy;
  }

  /** Everything gathered, in order, as payloads of at most `maxPayload` bytes: normally one. The batch begins anew. */
  take(): Uint8Array[] {
    this.#completeRange();
    const payloads = this.#complete;
    this.#complete = [];
    this.#completeBytes = 0;
    return payloads.length < 2 ? payloads : join(payloads, Math.min(this.maxPayload, JOINED_BYTES));
  }

  #reserveFor(value: unknown, headBytes: number): void {
    const valueBytes = measure(value);
    const least = Math.floor(valueBytes / MEASURE_FACTOR);
    if (least > this.maxPayload) throw new MessageTooLargeError(least, this.maxPayload);
    reserve(headBytes + valueBytes + PACKING_MARGIN_BYTES);
  }

  /** Packs the value behind the head just written; undefined where it has outgrown its measure, and then nothing was added. */
  #appendValue(value: unknown): Uint8Array | undefined {
    const contents = writer.beginBinary();
    const end = packInto(target, contents, value);
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
