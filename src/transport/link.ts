/**
 * The border between transports and the rest: a link moves payloads, and knows nothing of what is in them.
 * Every transport implements these interfaces; the session is the only one that uses them.
 */

/** What a link tells its user. `close` comes exactly once, whoever closed (link.close). */
export interface LinkHandler {
  /** One payload, as it was handed to the other end's `send`. The receiver owns the bytes (link.ownership). */
  message(payload: Uint8Array): void;
  /** The transport has fallen below its high-water mark: `send` after a `false` may go on. */
  drain(): void;
  /** The end. With an error when the link was lost or aborted, without one after a graceful close. */
  close(error?: Error): void;
}

/** One message-oriented, ordered, reliable two-way pipe. Rules link.*. */
export interface Link {
  /**
   * Hands one payload over. False: it was taken, but the transport is above its high-water mark; wait for `drain`.
   * Throws when the link is closed or the payload is above `maxPayload`. The sender may not touch the bytes again.
   */
  send(payload: Uint8Array): boolean;
  /** Starts delivery; called once. */
  open(handler: LinkHandler): void;
  /** Graceful: what was sent is delivered first. */
  close(): void;
  /** At once; what was not yet written is lost. */
  abort(reason?: Error): void;
  /**
   * Sets the largest payload this end takes from now on, in bytes, never above the `maxPayload` it was made with. The session holds a link at
   * 64 KiB until its peer is authenticated (session.handshake-limits). A link without it leaves the check to the session.
   */
  limitInbound?(maxBytes: number): void;
  /** Grows with whatever arrives, also with parts of a payload: a sign of life of a peer that sends a large one (session.keepalive). */
  readonly inboundActivity?: number;
  /** Remote address, TLS peer certificate and the like. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What the session asks of every link of one side. */
export interface LinkLimits {
  /** Largest payload in bytes, either way (link.limit). Default 16 MiB. */
  readonly maxPayload: number;
  /** How many peers may be in a handshake that a listening transport has before there is a link, such as TLS's (session.capacity). Default 1,024. */
  readonly maxHandshakes?: number;
}

/** Makes links. A rejection is transient unless its error has `final: true`. */
export interface Connector {
  connect(signal: AbortSignal, limits?: LinkLimits): Promise<Link>;
}

/** Receives links. */
export interface Listener<A = unknown> {
  listen(onLink: (link: Link) => void, limits?: LinkLimits): Promise<{ address: A; close(): Promise<void> }>;
}

/** 16 MiB. */
export const DEFAULT_MAX_PAYLOAD = 16 * 1024 * 1024;

/** Why a payload was refused: the error of link.limit. Final, since the same bytes would be refused again. */
export class PayloadTooLargeError extends Error {
  override readonly name = 'PayloadTooLargeError';
  readonly final = true;
  readonly byteLength: number;
  readonly maxPayload: number;
  constructor(byteLength: number, maxPayload: number) {
    super(`payload of ${byteLength} bytes is above maxPayload (${maxPayload} bytes)`);
    this.byteLength = byteLength;
    this.maxPayload = maxPayload;
  }
}
