/**
 * Who still needs a connection (liveness.refcount): a client, a `Connection` or a `Session` is a holder, counted until it is released as often as it
 * was retained. What the last release of all holders means is the connection's matter.
 */

/** Where a holder keeps its count. */
export const HOLD: unique symbol = Symbol('statewire.hold');

/** Anything that can be retained and released: a client, a `Connection`, a `Session`. */
export interface Holder {
  readonly [HOLD]: Hold;
}

/** One holder's count. It begins at one: whoever was given the thing holds it once. */
export class Hold {
  readonly #onReleased: () => void;
  #count = 1;

  /** `onReleased`: the count has come to zero, for good. */
  constructor(onReleased: () => void) {
    this.#onReleased = onReleased;
  }

  get isReleased(): boolean {
    return this.#count === 0;
  }

  retain(): void {
    if (this.#count === 0) throw new Error('what was released for good cannot be retained: make a new client');
    this.#count++;
  }

  /** Beyond the last release it does nothing, so that `using` and `release` may meet. */
  release(): void {
    if (this.#count === 0) return;
    this.#count--;
    if (this.#count === 0) this.#onReleased();
  }
}

function holdOf(target: object, what: string): Hold {
  const hold = (target as Partial<Holder> | null)?.[HOLD];
  if (hold === undefined) throw new TypeError(`${what} needs a client, a Connection or a Session`);
  return hold;
}

/**
 * Holds a client, a connection or a session once more: it takes one more `release` to let go of it (liveness.refcount). Gives it back.
 * @throws Error when it was released for good; TypeError when it is none of these.
 */
export function retain<T extends object>(target: T): T {
  holdOf(target, 'retain').retain();
  return target;
}

/**
 * Gives back one hold. After the last one calls through that handle fail with `connection-closed`, and when nothing else holds its connection (no
 * other handle, pending call or bound receiver), a virtual connection closes by itself, and the root lets its session end (liveness.last-drop).
 * @throws TypeError when it is neither a client nor a connection nor a session.
 */
export function release(target: object): void {
  holdOf(target, 'release').release();
}
