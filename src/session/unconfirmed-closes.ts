/**
 * The connections that were closed here and of which the peer may not have heard: the link may be lost before the word has come through, and then it is said
 * again on the next one. A pong says that everything before its ping has.
 */
import type { Message } from '../wire/index.ts';

/** When so many closes are unconfirmed, the peer is asked. */
const ASK_AT = 64;
/** Nonces of these pings, apart from those of the keep-alive. */
const FIRST_NONCE = 2 ** 31;

export class UnconfirmedCloses {
  readonly #send: (message: Message) => void;
  /** Reasons by connection id, in the order they were said. */
  readonly #said = new Map<number, string>();
  #nonce = FIRST_NONCE;
  /** How many of those said come before the ping that is on its way; 0: none is. */
  #asked = 0;

  constructor(send: (message: Message) => void) {
    this.#send = send;
  }

  say(connectionId: number, reason: string): void {
    this.#said.set(connectionId, reason);
    this.#send({ type: 'close', connectionId, reason });
    if (this.#said.size < ASK_AT || this.#asked > 0) return;
    this.#asked = this.#said.size;
    this.#send({ type: 'ping', nonce: ++this.#nonce });
  }

  pong(nonce: number): void {
    if (nonce !== this.#nonce || this.#asked === 0) return;
    for (const connectionId of [...this.#said.keys()].slice(0, this.#asked)) this.#said.delete(connectionId);
    this.#asked = 0;
  }

  /** There is a new link. */
  sayAgain(): void {
    this.#asked = 0;
    for (const [connectionId, reason] of this.#said) this.#send({ type: 'close', connectionId, reason });
  }

  /** The peer knows nothing of before. */
  forget(): void {
    this.#said.clear();
    this.#asked = 0;
  }
}
