/**
 * Channels as users hold them (api.md, "Channels"): `channel()` gives two ends, one of them is passed in a call's argument, the other one stays. A handle only
 * says what its user wants; what carries that out is a port: one that waits while the channel is unbound, the driver's once the argument was encoded or decoded.
 *
 *   Tx ──▶ Half ──▶ port        A handle is reached by nothing of the runtime unless somebody waits on it, so that a forgotten one is collected
 *           ▲                   (channel.drop): the port knows the half, the half knows its handle only while it is waited on.
 *         Pair
 */
import { Observable } from 'rxjs';
import { Pair } from './channel-pair.ts';
import type { Half, Received, ReceivingPort, RxStatus, SendingPort, TxStatus } from './channel-pair.ts';
import { ChannelEnd } from './wire/channel-ends.ts';

export type { Received, RxStatus, TxStatus } from './channel-pair.ts';

type AnyHalf = Half<SendingPort> | Half<ReceivingPort>;

/** Weakly: a half whose channel is live is held by its connection, and what it leads to may hold the handle. */
const halves = new FinalizationRegistry<WeakRef<AnyHalf>>((half) => half.deref()?.handleCollected());

/** The sending end of a channel. */
export class Tx<T> extends ChannelEnd implements Disposable {
  readonly #half: Half<SendingPort>;

  /** @internal Made by `channel`, or for a handler. */
  constructor(half: Half<SendingPort>) {
    super();
    this.#half = half;
    halves.register(this, new WeakRef<AnyHalf>(half));
  }

  /** @internal */
  static halfOf(tx: Tx<never>): Half<SendingPort> {
    return tx.#half;
  }

  /**
   * Sends one item; settles when it is on its way, and waits until the receiver has room for it (credit.spend). The value is read then, and must not
   * be changed before. Items arrive in the order of the calls.
   * Rejects with `RpcError`: `invalid-payload` for a value that has no encoding, `channel-reset` (`data`: the receiver's reason) when the receiver has
   * stopped, `connection-closed` when the channel was closed or its connection is gone.
   */
  send(value: T): Promise<void> {
    return this.#half.port.send(value, this);
  }

  /** Says that no item will come any more: what was sent arrives, then the end. Sends that still wait for credit reject (credit.wake). */
  close(): void {
    this.#half.port.close();
  }

  /** Gives the stream up: the receiver throws, after what was sent before. `reason` is shown to it. */
  reset(reason?: string): void {
    this.#half.port.reset(checkReason(reason));
  }

  /** Items that may be sent now. */
  get credit(): number {
    return this.#half.port.credit;
  }

  get status(): TxStatus {
    return this.#half.port.status;
  }

  /** As a WHATWG stream: closing it closes the channel, aborting it resets it. */
  writable(): WritableStream<T> {
    return new WritableStream<T>({
      write: (value) => this.send(value),
      close: () => this.close(),
      abort: (reason: unknown) => this.reset(typeof reason === 'string' ? reason : 'aborted'),
    });
  }

  /** `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** The receiving end of a channel. Iterate it once, or call `recv`. */
export class Rx<T> extends ChannelEnd implements AsyncIterable<T>, Disposable {
  readonly #half: Half<ReceivingPort>;

  /** @internal Made by `channel`, or for a handler. */
  constructor(half: Half<ReceivingPort>) {
    super();
    this.#half = half;
    halves.register(this, new WeakRef<AnyHalf>(half));
  }

  /** @internal */
  static halfOf(rx: Rx<unknown>): Half<ReceivingPort> {
    return rx.#half;
  }

  /**
   * The next item, or `{ done: true }` after the sender's close. Rejects with `RpcError` in every other case, so that a cut stream never looks complete
   * (channel.order): `channel-reset` (`data`: the sender's reason), `connection-closed`, `protocol-error` (reason `credit`: the sender sent more than it
   * was allowed to).
   */
  recv(): Promise<Received<T>> {
    return this.#half.port.recv(this) as Promise<Received<T>>;
  }

  /** Leaving the loop early resets the channel (channel.reset). */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined> {
    return new Loop(this, this.#half);
  }

  /** As an rxjs Observable: consumes with credit, whoever subscribes; unsubscribing resets. */
  observable(): Observable<T> {
    return new Observable<T>((subscriber) => {
      const loop = this[Symbol.asyncIterator]();
      const step = (): void => {
        loop.next().then(
          (received) => {
            if (subscriber.closed) return;
            if (received.done === true) {
              subscriber.complete();
            } else {
              subscriber.next(received.value);
              step();
            }
          },
          (error: unknown) => subscriber.error(error),
        );
      };
      step();
      return () => void loop.return?.();
    });
  }

  /** As a WHATWG stream, which takes an item when it is asked for one; cancelling it resets. */
  readable(): ReadableStream<T> {
    return new ReadableStream<T>(
      {
        pull: async (controller) => {
          const received = await this.recv();
          if (received.done === true) controller.close();
          else controller.enqueue(received.value);
        },
        cancel: (reason: unknown) => this.reset(typeof reason === 'string' ? reason : undefined),
      },
      { highWaterMark: 0 },
    );
  }

  /** Stops the stream: the sender's next `send` rejects with `reason` (channel.reset). Items not read yet are dropped. */
  reset(reason?: string): void {
    this.#half.port.reset(checkReason(reason));
  }

  /** Lets the sender send `credit` items more, at any time, besides what is granted as items are consumed (credit.grant). */
  grant(credit: number): void {
    if (!Number.isInteger(credit) || credit < 1 || credit > LARGEST_CREDIT)
      throw new TypeError(`grant: credit must be a whole number of items from 1 to ${LARGEST_CREDIT}, not ${String(credit)}`);
    this.#half.port.grant(credit);
  }

  /** Items granted to the sender and not received yet. */
  get credit(): number {
    return this.#half.port.credit;
  }

  get status(): RxStatus {
    return this.#half.port.status;
  }

  /** `reset`, for `using`. After the end it does nothing. */
  [Symbol.dispose](): void {
    this.reset();
  }
}

/** One `for await`, which keeps its handle until it is left. */
class Loop<T> implements AsyncIterableIterator<T, undefined> {
  readonly #rx: Rx<T>;
  readonly #half: Half<ReceivingPort>;
  #phase: 'before' | 'in' | 'after' = 'before';

  constructor(rx: Rx<T>, half: Half<ReceivingPort>) {
    this.#rx = rx;
    this.#half = half;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Received<T>> {
    if (this.#phase === 'after') return Promise.resolve({ done: true, value: undefined });
    if (this.#phase === 'before') {
      this.#phase = 'in';
      // Until the loop is left; where the channel ends it, the port lets go.
      this.#half.hold(this.#rx);
    }
    return this.#rx.recv();
  }

  return(): Promise<Received<T>> {
    if (this.#phase === 'in') this.#half.letGo();
    this.#phase = 'after';
    this.#rx.reset();
    return Promise.resolve({ done: true, value: undefined });
  }
}

export interface ChannelOptions {
  /** Items the sender may have on their way before the receiver has consumed any (credit.initial): 0 to 2^31 - 1. Default 16. */
  readonly credit?: number | undefined;
}

const DEFAULT_CREDIT = 16;
const LARGEST_CREDIT = 2 ** 31 - 1;

/**
 * Makes a channel: a sending and a receiving end. Pass one of them, once, anywhere in a call's argument, and use the other (channel.args).
 * @throws TypeError for a credit that makes no sense.
 */
export function channel<T = unknown>(options: ChannelOptions = {}): [Tx<T>, Rx<T>] {
  const { credit = DEFAULT_CREDIT } = options;
  if (!Number.isInteger(credit) || credit < 0 || credit > LARGEST_CREDIT)
    throw new TypeError(`channel: options.credit must be a whole number of items from 0 to ${LARGEST_CREDIT}, not ${String(credit)}`);
  const pair = new Pair(credit);
  return [new Tx<T>(pair.sending), new Rx<T>(pair.receiving)];
}

function checkReason(reason: unknown): string | undefined {
  if (reason === undefined || typeof reason === 'string') return reason;
  throw new TypeError(`reset: the reason must be a string, not ${typeof reason}`);
}
