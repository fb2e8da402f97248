/**
 * Payloads on a byte stream: a 32-bit little-endian length, then so many bytes (link.boundaries). `FrameSplitter` gets payloads
 * out of chunks cut anywhere; `writeFrames` puts the payloads of one turn into few writes. Neither knows of sockets.
 */
import { PayloadTooLargeError } from './link.ts';

export const HEADER_BYTES = 4;

/** Payloads up to this are copied next to their header: cheaper than a second write. Larger ones are written from where they are. */
const COPY_LIMIT_BYTES = 8 * 1024;

function readLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0;
}

function writeLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 24;
}

/** Where a splitter's payloads go. */
export interface FrameReceiver {
  /** Takes one payload. False: deliver no more, the rest of the chunk is dropped. */
  deliver(payload: Uint8Array): boolean;
  /** The largest length to accept, in bytes; asked at every length. */
  limit(): number;
  /** A length above the limit: nothing of that size was allocated, and nothing may be pushed any more. */
  refuse(error: PayloadTooLargeError): void;
}

/**
 * Feeds on chunks and delivers payloads. A payload whole inside a chunk is a view of it; one that spans chunks is copied once,
 * into a buffer of its own length, made after the length was checked (link.limit). The system commits the pages of a large
 * buffer as they are written, so a peer that announces much and sends little costs little.
 */
export class FrameSplitter {
  readonly #receiver: FrameReceiver;
  /** The length in a header cut by the end of a chunk as far as it is here, and how many of its bytes that are. Zero: between payloads. */
  #header = 0;
  #headerFilled = 0;
  /** A payload cut by the end of a chunk; its header is complete then. */
  #body: Uint8Array | undefined;
  #bodyFilled = 0;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /** Whether a payload has begun and not ended: a stream that ends now was cut. */
  get isInsidePayload(): boolean {
    return this.#headerFilled > 0;
  }

  push(chunk: Uint8Array): void {
    const end = chunk.byteLength;
    let offset = this.#headerFilled > 0 ? this.#resume(chunk) : 0;
    while (end - offset >= HEADER_BYTES) {
      const length = readLength(chunk, offset);
      const start = offset + HEADER_BYTES;
      if (end - start < length) break;
      if (!this.#accepts(length) || !this.#receiver.deliver(new Uint8Array(chunk.buffer, chunk.byteOffset + start, length))) return;
      offset = start + length;
    }
    if (offset < end) this.#take(chunk, offset);
  }

  /** Ends the payload that the chunks before left unfinished. Returns where the next one begins; the chunk's end if there is no more to do. */
  #resume(chunk: Uint8Array): number {
    const offset = this.#take(chunk, 0);
    if (this.#headerFilled < HEADER_BYTES || this.#body === undefined || this.#bodyFilled < this.#body.byteLength) return chunk.byteLength;
    const payload = this.#body;
    this.#body = undefined;
    this.#header = 0;
    this.#headerFilled = 0;
    return this.#receiver.deliver(payload) ? offset : chunk.byteLength;
  }

  /** Takes of one payload what the chunk has from `start` on, and returns where that ends. */
  #take(chunk: Uint8Array, start: number): number {
    let offset = start;
    while (this.#headerFilled < HEADER_BYTES && offset < chunk.byteLength) {
      this.#header += (chunk[offset++] as number) * 0x100 ** this.#headerFilled++;
    }
    if (this.#headerFilled < HEADER_BYTES) return offset;
    if (this.#body === undefined) {
      const length = this.#header;
      if (!this.#accepts(length)) return chunk.byteLength;
      // Not zeroed, as every byte of it is written before anybody sees it.
      this.#body = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
      this.#bodyFilled = 0;
    }
    const count = Math.min(chunk.byteLength - offset, this.#body.byteLength - this.#bodyFilled);
    this.#body.set(chunk.subarray(offset, offset + count), this.#bodyFilled);
    this.#bodyFilled += count;
    return offset + count;
  }

  #accepts(length: number): boolean {
    const limit = this.#receiver.limit();
    if (length <= limit) return true;
    this.#receiver.refuse(new PayloadTooLargeError(length, limit));
    return false;
  }
}

/** The part of a Writable that frames go to. */
export interface FrameSink {
  cork(): void;
  uncork(): void;
  write(bytes: Uint8Array): boolean;
}

/** Frames `payloads` in order. Small ones share one buffer; a large one follows its header uncopied, all in one vectored write. */
export function writeFrames(sink: FrameSink, payloads: readonly Uint8Array[]): void {
  const onlyPayload = payloads.length === 1 ? payloads[0] : undefined;
  if (onlyPayload !== undefined && onlyPayload.byteLength <= COPY_LIMIT_BYTES) {
    sink.write(joinFrames(payloads, 0, 1, 0));
    return;
  }
  sink.cork();
  let from = 0;
  for (let index = 0; index < payloads.length; index++) {
    const payload = payloads[index] as Uint8Array;
    if (payload.byteLength <= COPY_LIMIT_BYTES) continue;
    const head = joinFrames(payloads, from, index, HEADER_BYTES);
    writeLength(head, head.byteLength - HEADER_BYTES, payload.byteLength);
    sink.write(head);
    sink.write(payload);
    from = index + 1;
  }
  if (from < payloads.length) sink.write(joinFrames(payloads, from, payloads.length, 0));
  sink.uncork();
}

/** The frames of `payloads[from, to)` in one buffer with `spareBytes` behind. */
function joinFrames(payloads: readonly Uint8Array[], from: number, to: number, spareBytes: number): Uint8Array {
  let size = spareBytes + (to - from) * HEADER_BYTES;
  for (let index = from; index < to; index++) size += (payloads[index] as Uint8Array).byteLength;
  const joined = Buffer.allocUnsafe(size);
  let at = 0;
  for (let index = from; index < to; index++) {
    const payload = payloads[index] as Uint8Array;
    writeLength(joined, at, payload.byteLength);
    joined.set(payload, at + HEADER_BYTES);
    at += HEADER_BYTES + payload.byteLength;
  }
  return joined;
}
