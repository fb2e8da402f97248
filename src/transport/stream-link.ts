/**
 * A link over Node byte streams: one socket (tcp, tls, unix) or a pair of streams (stdio). Frames with framing.ts; small payloads
 * of one turn of the event loop leave in one system call. How streams come about is not its matter: tcp.ts, unix.ts, stdio.ts.
 */
import type { Readable, Writable } from 'node:stream';
import { BaseLink, leavesAtOnce } from './base-link.ts';
import { FrameSplitter, HEADER_BYTES, writeFrames } from './framing.ts';
import type { FrameReceiver } from './framing.ts';
import type { PayloadTooLargeError } from './link.ts';

/** Bytes handed over and not yet taken by the system above which `send` says false (link.backpressure). */
export const HIGH_WATER_BYTES = 256 * 1024;

export interface StreamLinkOptions {
  readonly maxPayload: number;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Lets go of the streams at once, in a way that the peer can tell from an end where the transport has one. */
  readonly destroy: () => void;
}

/** A socket given as both streams must be made with `allowHalfOpen: true`: the link itself answers an end with an end. */
export class StreamLink extends BaseLink implements FrameReceiver {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly #readable: Readable;
  readonly #writable: Writable;
  readonly #highWaterBytes: number;
  readonly #destroy: () => void;
  readonly #splitter: FrameSplitter;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #receivedChunks = 0;
  #flow: 'free' | 'saturated' = 'free';
  #inbound: 'flowing' | 'ended' = 'flowing';
  #outbound: 'flowing' | 'ended' = 'flowing';

  constructor(readable: Readable, writable: Writable, options: StreamLinkOptions) {
    super(options.maxPayload);
    this.facts = options.facts;
    this.#readable = readable;
    this.#writable = writable;
    this.#destroy = options.destroy;
    // Never below the stream's own mark: then a `send` that says false always leads to a `drain` event of the stream.
    this.#highWaterBytes = Math.max(HIGH_WATER_BYTES, writable.writableHighWaterMark);
    this.#splitter = new FrameSplitter(this);
    const fail = (error: Error): void => this.abort(error);
    readable.on('error', fail);
    if (writable !== (readable as unknown)) writable.on('error', fail);
    readable.on('end', () => this.#inboundEnded());
    readable.on('close', () => this.#inboundClosed());
    writable.on('finish', () => this.#outboundEnded());
    writable.on('close', () => this.#outboundClosed());
    writable.on('drain', () => this.#drained());
  }

  protected start(): void {
    this.#readable.on('data', (chunk: Uint8Array | string) => this.#received(chunk));
    // A stream that ended or closed before anyone looked tells nobody again.
    if (this.#readable.readableEnded) this.#inboundEnded();
    else if (this.#readable.destroyed) queueMicrotask(() => this.#inboundClosed());
  }

  protected transmit(payload: Uint8Array): boolean {
    if (this.#queue.length === 0) process.nextTick(flush, this);
    this.#queue.push(payload);
    this.#queuedBytes += payload.byteLength + HEADER_BYTES;
    if (leavesAtOnce(payload)) this.flush();
    if (this.#queuedBytes + this.#writable.writableLength < this.#highWaterBytes) return true;
    this.#flow = 'saturated';
    return false;
  }

  get inboundActivity(): number {
    return this.#receivedChunks;
  }

  /** Writes what this turn has sent. Public for `process.nextTick` alone, which takes a function and its argument without a closure. */
  flush(): void {
    if (this.#queue.length === 0 || !this.isReceiving) return;
    const payloads = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    writeFrames(this.#writable, payloads);
  }

  protected finishSending(): void {
    this.flush();
    this.#writable.end();
  }

  protected destroy(): void {
    this.#queue = [];
    this.#destroy();
  }

  protected progress(): number {
    return this.#receivedChunks - this.#writable.writableLength;
  }

  // ---- for its splitter alone (FrameReceiver)

  override deliver(payload: Uint8Array): boolean {
    return super.deliver(payload);
  }

  limit(): number {
    return this.inboundLimit;
  }

  refuse(error: PayloadTooLargeError): void {
    this.abort(error);
  }

  // ---- what its streams tell

  #received(chunk: Uint8Array | string): void {
    this.#receivedChunks++;
    if (!this.isReceiving) return;
    if (typeof chunk === 'string') {
      this.abort(new TypeError('a link needs a stream of bytes: do not call setEncoding() on it'));
      return;
    }
    this.#splitter.push(chunk);
  }

  #inboundEnded(): void {
    this.#inbound = 'ended';
    if (this.#splitter.isInsidePayload) this.abort(new Error('the link ended in the middle of a payload'));
    else this.close();
    this.#settleIfDone();
  }

  #inboundClosed(): void {
    if (this.#inbound === 'flowing') this.abort(new Error('the link was lost: its stream closed before its end'));
    this.#settleIfDone();
  }

  #outboundEnded(): void {
    this.#outbound = 'ended';
    this.#settleIfDone();
  }

  #outboundClosed(): void {
    if (this.#outbound === 'flowing') this.abort(new Error('the link was lost: its stream closed before all was written'));
  }

  #settleIfDone(): void {
    if (this.#inbound === 'ended' && this.#outbound === 'ended' && this.state === 'closing') this.settle();
  }

  #drained(): void {
    if (this.#flow === 'free' || this.#queuedBytes + this.#writable.writableLength >= this.#highWaterBytes) return;
    this.#flow = 'free';
    if (this.state === 'open') this.handler?.drain();
  }
}

function flush(link: StreamLink): void {
  link.flush();
}
