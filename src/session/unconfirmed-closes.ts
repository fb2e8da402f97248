/**
 * The connections that were closed here and of which the peer may not have heard: the link may be lost before the word has come through, and then it is said
 * again on the next one. A pong says that everything before its ping has.
 */
import { LazyMap } from '../lazy-collections.ts';
import type { Outbox } from './outbox.ts';

/** When so many closes are unconfirmed, the peer is asked. */
const ASK_AT = 64;
/** Nonces of these pings, apart from those of the keep-alive. */
const FIRST_NONCE = 2 ** 31;

export class UnconfirmedCloses {
  readonly #outbox: Outbox;
  /** Reasons by connection id, in the order they were said. */
  readonly #said = new LazyMap<number, string>();
  #nonce = FIRST_NONCE;
  /** How many of those said come before the ping that is on its way; 0: none is. */
  #asked = 0;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  say(connectionId: number, reason: string): void {
    this.#said.set(connectionId, reason);
    this.#outbox.send({ type: 'close', connectionId, reason });
    if (this.#said.size < ASK_AT || this.#asked > 0) return;
    this.#asked = this.#said.size;
    this.#outbox.send({ type: 'ping', nonce: ++this.#nonce });
  }

  pong(nonce: number): void {
    if (nonce !== this.#nonce || this.#asked === 0) return;
    for (const connectionId of [...this.#said.keys()].slice(0, this.#asked)) this.#said.delete(connectionId);
    this.#asked = 0;
  }

  /** There is a new link. */
  sayAgain(): void {
    this.#asked = 0;
    for (const [connectionId, reason] of this.#said) this.#outbox.send({ type: 'close', connectionId, reason });
  }

  /** The peer knows nothing of before. */
  forget(): void {
    this.#said.clear();
    this.#asked = 0;
  }
}
