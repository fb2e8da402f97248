/** Everything of a source into a channel, at the receiver's pace. */
import { Subject, takeUntil } from 'rxjs';
import type { Observable } from 'rxjs';
import { RpcError } from './errors.ts';
import { Tx } from './channel.ts';

export interface SendAllOptions {
  /**
   * Items of an Observable, which cannot be made to wait, that may wait for credit; one more resets the channel (reason `overflow`) and rejects with
   * `send-failed`. Default 65,536. An iterable is asked for the next item only when there is room.
   */
  readonly maxBuffered?: number | undefined;
}

type Source<T> = Observable<T> | AsyncIterable<T> | Iterable<T>;

const DEFAULT_MAX_BUFFERED = 65_536;

/**
 * Sends every item of `source`, waiting for credit, then closes the channel.
 * Rejects with what `send` rejects with when the receiver is gone (the source is then left: its `return` is called, its subscription ends); with the
 * source's own error when that fails, and the channel is reset, so that the stream does not look complete.
 */
export async function sendAll<T>(tx: Tx<T>, source: Source<T>, options: SendAllOptions = {}): Promise<void> {
  const { maxBuffered = DEFAULT_MAX_BUFFERED } = options;
  if (!Number.isInteger(maxBuffered) || maxBuffered < 0)
    throw new TypeError(`sendAll: options.maxBuffered must be a whole number of items, not ${String(maxBuffered)}`);
  try {
    if (isObservable(source)) await sendObserved(tx, source, maxBuffered);
    else if (isIterable(source)) for await (const item of source) await tx.send(item);
    else throw new TypeError('sendAll needs an Observable, an AsyncIterable or an Iterable');
  } catch (error) {
    // Where the channel is over already this does nothing.
    tx.reset(isOverflow(error) ? 'overflow' : 'source-failed');
    throw error;
  }
  tx.close();
}

function isObservable<T>(source: Source<T>): source is Observable<T> {
  return typeof (source as Partial<Observable<T>> | null)?.subscribe === 'function';
}

function isIterable(source: unknown): source is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof source === 'string') return true;
  return typeof source === 'object' && source !== null && (Symbol.asyncIterator in source || Symbol.iterator in source);
}

function isOverflow(error: unknown): boolean {
  return error instanceof RpcError && error.kind === 'send-failed' && error.reason === 'overflow';
}

const waitingSends = (tx: Tx<never>): number => Tx.halfOf(tx).port.waiting;

function sendObserved<T>(tx: Tx<T>, source: Observable<T>, maxBuffered: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = new Subject<void>();
    let last = Promise.resolve();
    const fail = (error: unknown): void => {
      ended.next();
      reject(error);
    };
    const next = (item: T): void => {
      last = tx.send(item);
      last.catch(fail);
      if (waitingSends(tx) <= maxBuffered) return;
      const message = `more than ${maxBuffered} items of an Observable wait for credit: give sendAll a larger maxBuffered, or an AsyncIterable`;
      fail(new RpcError({ kind: 'send-failed', reason: 'overflow', message }));
    };
    // Items are sent in order: with the last one all are.
    const complete = (): void => void last.then(resolve, reject);
    // Ends by itself when it fails, also a source that emits while it is being subscribed to.
    source.pipe(takeUntil(ended)).subscribe({ next, error: fail, complete });
  });
}
