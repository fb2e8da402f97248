/**
 * What every link shares, whatever carries its bytes: the life of a link, the checks of `send`, `close` exactly once, and a
 * bound on how long a graceful close may take. A transport adds five verbs: start, transmit, finishSending, destroy, progress.
 *
 *   open ──close() or the peer's end──▶ closing ──both ways done──▶ closed
 *     └──────────abort(), lost─────────────┴──▶ aborted ──later, never within the call──▶ closed
 */
import { DEFAULT_MAX_PAYLOAD, PayloadTooLargeError } from './link.ts';
import type { Link, LinkHandler, LinkLimits } from './link.ts';

/** Inbound payloads are delivered in `open` and `closing` only; `send` works in `open` only. */
export type LinkState = 'open' | 'closing' | 'aborted' | 'closed';

/** `send` on a link that no longer takes payloads. Nothing of the payload was sent. */
export class LinkClosedError extends Error {
  override readonly name = 'LinkClosedError';
}

/** Timers a link needs; a simulated clock fits. */
export interface LinkTimers {
  setTimeout(run: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** A graceful close in which nothing moves for so long is given up, so that a silent peer cannot keep a link for ever. */
export const CLOSE_TIMEOUT_MS = 30_000;

/** Payloads of so many bytes are worth a system call of their own. */
const WORTH_BYTES = 512;
/** Above this they are large ones, of which some go in one call. */
const LARGE_BYTES = 64 * 1024;

/** Whether a payload leaves at once, for the peer to begin on it; the others wait for the end of the tick, and leave together. */
export function leavesAtOnce({ byteLength }: Uint8Array): boolean {
  return byteLength >= WORTH_BYTES && byteLength <= LARGE_BYTES;
}

/** The platform's timers, which do not keep a process alive. */
export const platformTimers: LinkTimers = {
  setTimeout(run, delayMs) {
    const timer: unknown = setTimeout(run, delayMs);
    if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') timer.unref();
    return timer;
  },
  clearTimeout(timer) {
    clearTimeout(timer as number);
  },
};

/**
 * The limit of a link: the smaller of what its transport was made with and what the session asks for; 16 MiB when neither says.
 * @throws RangeError for what no length prefix can say.
 */
export function resolveMaxPayload(own: number | undefined, limits: LinkLimits | undefined): number {
  const given = [own, limits?.maxPayload].filter((value) => value !== undefined);
  const maxPayload = given.length === 0 ? DEFAULT_MAX_PAYLOAD : Math.min(...given);
  if (!Number.isInteger(maxPayload) || maxPayload < 1 || maxPayload > 0xffff_ffff) {
    throw new RangeError(`maxPayload must be a whole number of bytes from 1 to 4,294,967,295, not ${String(maxPayload)}`);
  }
  return maxPayload;
}

/** Links hand out plain Uint8Arrays: what decodes them treats a Buffer in another way. Copies nothing. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The reason of an aborted signal, as an Error. */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error('connecting was aborted', { cause: reason });
}

/** See the top of the file. Rules link.limit, link.close. */
export abstract class BaseLink implements Link {
  abstract readonly facts: Readonly<Record<string, unknown>>;
  protected state: LinkState = 'open';
  protected handler: LinkHandler | undefined;
  protected inboundLimit: number;
  readonly #maxPayload: number;
  readonly #timers: LinkTimers;
  #failure: Error | undefined;
  #closeTimer: unknown;

  constructor(maxPayload: number, timers: LinkTimers = platformTimers) {
    this.#maxPayload = maxPayload;
    this.inboundLimit = maxPayload;
    this.#timers = timers;
  }

  /** Begins delivery to the handler; called once, in `open`, `closing` or `aborted`. */
  protected abstract start(): void;
  /** Takes one payload that passed the checks. False: above the high-water mark. */
  protected abstract transmit(payload: Uint8Array): boolean;
  /** Sends what is queued, then the end. */
  protected abstract finishSending(): void;
  /** Lets go of everything at once. `settle` follows by itself. */
  protected abstract destroy(): void;
  /** A number that changes when bytes move: a slow close is not a stuck one. */
  protected abstract progress(): number;

  send(payload: Uint8Array): boolean {
    if (this.state !== 'open') throw new LinkClosedError(`link is ${this.state}: the payload was not sent`);
    if (payload.byteLength > this.#maxPayload) throw new PayloadTooLargeError(payload.byteLength, this.#maxPayload);
    return this.transmit(payload);
  }

  open(handler: LinkHandler): void {
    if (this.handler !== undefined) throw new Error('open() was called twice on a link: a link has one handler');
    this.handler = handler;
    if (this.state === 'closed') queueMicrotask(() => handler.close(this.#failure));
    else this.start();
  }

  close(): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.#watchClose();
    this.finishSending();
  }

  abort(reason?: Error): void {
    if (this.state === 'aborted' || this.state === 'closed') return;
    this.state = 'aborted';
    this.#failure = reason ?? new Error('link was aborted from this side');
    this.destroy();
    queueMicrotask(() => this.settle());
  }

  limitInbound(maxBytes: number): void {
    this.inboundLimit = Math.min(maxBytes, this.#maxPayload);
  }

  /** Hands one payload on. False: the link is over, deliver no more. */
  protected deliver(payload: Uint8Array): boolean {
    if (!this.isReceiving) return false;
    if (payload.byteLength > this.inboundLimit) {
      this.abort(new PayloadTooLargeError(payload.byteLength, this.inboundLimit));
      return false;
    }
    try {
      this.handler?.message(payload);
    } catch (error) {
      // Whoever handles this link is in an unknown state: the link ends and says why, other links of the process go on.
      this.abort(error instanceof Error ? error : new Error('the handler of a link threw', { cause: error }));
    }
    return this.isReceiving;
  }

  /** Whether inbound payloads still have somebody to go to. */
  protected get isReceiving(): boolean {
    return this.state === 'open' || this.state === 'closing';
  }

  /** The transport is done in both directions. The first call counts; a failure told by `abort` wins. */
  protected settle(error?: Error): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#failure ??= error;
    this.#timers.clearTimeout(this.#closeTimer);
    this.handler?.close(this.#failure);
  }

  #watchClose(): void {
    const before = this.progress();
    this.#closeTimer = this.#timers.setTimeout(() => {
      if (this.progress() !== before) this.#watchClose();
      else this.abort(new Error(`the peer did not finish closing the link within ${CLOSE_TIMEOUT_MS} ms`));
    }, CLOSE_TIMEOUT_MS);
  }
}
