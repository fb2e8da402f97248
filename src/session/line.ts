/**
 * One link as a session has it: from its first byte to its end it is somebody's, and what it says when it is nobody's any more is not heard
 * (resume.supersedes). A link that turns out to resume another session is handed over to that.
 */
import type { Clock } from '../options.ts';
import type { Link, LinkHandler } from '../transport/link.ts';
import { encodeMessage } from '../wire/index.ts';
import type { Message } from '../wire/index.ts';

/** Whose link it is. */
export interface LineHolder {
  received(line: Line, payload: Uint8Array): void;
  drained(line: Line): void;
  lineClosed(line: Line, error: Error | undefined): void;
}

export class Line implements LinkHandler {
  readonly link: Link;
  /** The largest payload that is taken, in bytes: a link without a limit of its own leaves the check to its holder. */
  maxInbound = 0;
  /** The link is no more. */
  isClosed = false;
  #holder: LineHolder;
  #clock: Clock;
  #linger: unknown = undefined;

  constructor(link: Link, holder: LineHolder, clock: Clock) {
    this.link = link;
    this.#holder = holder;
    this.#clock = clock;
  }

  get facts(): Readonly<Record<string, unknown>> {
    return this.link.facts;
  }

  /** Starts delivery. */
  open(): void {
    this.link.open(this);
  }

  // ---- what the link tells (LinkHandler)

  message(payload: Uint8Array): void {
    this.#holder.received(this, payload);
  }

  drain(): void {
    this.#holder.drained(this);
  }

  close(error?: Error): void {
    this.isClosed = true;
    this.#stopLingering();
    this.#holder.lineClosed(this, error);
  }

  // ---- what its holder does with it

  handOver(holder: LineHolder): void {
    this.#holder = holder;
  }

  limitInbound(maxBytes: number): void {
    this.maxInbound = maxBytes;
    this.link.limitInbound?.(maxBytes);
  }

  /** Says something outside the batch: the handshake's messages go alone. Throws what the link throws. */
  say(message: Message): void {
    this.link.send(encodeMessage(message));
  }

  /** What was sent is delivered first, if the peer takes it in time. */
  closeWithin(lingerMs: number): void {
    this.#linger = this.#clock.setTimeout(() => this.link.abort(), lingerMs);
    this.link.close();
  }

  abort(reason: unknown): void {
    this.link.abort(reason instanceof Error ? reason : undefined);
  }

  #stopLingering(): void {
    if (this.#linger !== undefined) this.#clock.clearTimeout(this.#linger);
    this.#linger = undefined;
  }
}
