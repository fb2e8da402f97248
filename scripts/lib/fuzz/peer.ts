/**
 * The fuzzer's end of a link, and its memory: what it said as a decoder of ours understands it, what it heard, and whether that is right. It does not
 * know the rules of a session; it knows what may be answered to what was asked.
 */
import { deepStrictEqual } from 'node:assert';
import { decodeMessages, decodeValue } from 'statewire/wire';
import type { Link } from 'statewire';
import type { CallMessage, Message, WelcomeMessage } from 'statewire/wire';
import { decodeEach } from '../../../src/wire/index.ts';
import { Breach } from './breach.ts';
import { ECHO_IDS } from './script.ts';

/** What happens to the fuzzer's bytes on their way: for tests that show that it notices a runtime which is not as it should be. */
export type Sabotage = (payload: Uint8Array) => Uint8Array;

const keyOf = ({ connectionId, requestId }: { connectionId: number; requestId?: number | undefined }): string => `${connectionId}/${requestId}`;

/** The memory of one session, over all its links. */
export class Memory {
  /** By connection and request id: the calls and cancels that may be answered. */
  readonly #asked = new Map<string, { readonly calls: CallMessage[]; open: number }>();
  welcome: WelcomeMessage | undefined = undefined;
  answered = 0;
  calls = 0;
  #problem: string | undefined = undefined;

  get problem(): string | undefined {
    return this.#problem;
  }

  asks(message: Message): void {
    if ((message.type !== 'call' && message.type !== 'cancel') || message.requestId === undefined) return;
    const entry = this.#asked.get(keyOf(message)) ?? { calls: [], open: 0 };
    this.#asked.set(keyOf(message), entry);
    entry.open++;
    if (message.type !== 'call') return;
    entry.calls.push(message);
    this.calls++;
  }

  hears(message: Message): void {
    if (message.type === 'welcome') this.welcome = message;
    if (message.type !== 'response') return;
    const entry = this.#asked.get(keyOf(message));
    if (entry === undefined || entry.open === 0) {
      this.#problem ??= `a response for ${keyOf(message)}, where none is due`;
      return;
    }
    entry.open--;
    this.answered++;
    if (!message.ok || entry.calls.some(({ methodId }) => !ECHO_IDS.has(methodId))) return;
    if (entry.calls.some(({ args }) => isSameValue(args, message.result))) return;
    this.#problem ??= `a wrong answer for ${keyOf(message)}`;
  }

  fails(problem: string): void {
    this.#problem ??= problem;
  }
}

function isSameValue(args: Uint8Array, result: Uint8Array): boolean {
  if (Buffer.compare(args, result) === 0) return true;
  try {
    deepStrictEqual(decodeValue(result), decodeValue(args));
    return true;
  } catch {
    return false;
  }
}

export class FuzzPeer {
  readonly #link: Link;
  readonly #memory: Memory;
  readonly #sabotage: Sabotage;
  #state: 'open' | 'closed' = 'open';
  /** The rule that was broken for sure on this link: it must end. */
  #broken: string | undefined = undefined;
  #greeted = false;

  constructor(link: Link, memory: Memory, sabotage: Sabotage) {
    this.#link = link;
    this.#memory = memory;
    this.#sabotage = sabotage;
    link.open({ message: (payload) => this.#hear(payload), drain: () => {}, close: () => (this.#state = 'closed') });
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Why the link must not be open any more; undefined: it may be. */
  get mustEnd(): string | undefined {
    return this.#state === 'open' ? this.#broken : undefined;
  }

  say(payload: Uint8Array): void {
    if (this.#state === 'closed') return;
    this.#remember(payload);
    try {
      this.#link.send(this.#sabotage(payload));
    } catch (error) {
      // The other side has closed, and its close is on its way.
      if (!(error instanceof Error) || error.name !== 'LinkClosedError') throw new Breach(`sending threw ${String(error)}`, { cause: error });
    }
  }

  abort(): void {
    this.#link.abort();
  }

  /** Messages that stand before malformed bytes count. */
  #remember(payload: Uint8Array): void {
    try {
      decodeEach(payload, (message) => {
        this.#memory.asks(message);
        const isFirst = !this.#greeted;
        this.#greeted = true;
        if (!isFirst && message.type === 'hello') this.#broken ??= 'a second hello';
      });
    } catch {
      this.#broken ??= 'malformed bytes';
    }
  }

  #hear(payload: Uint8Array): void {
    try {
      for (const message of decodeMessages(payload)) this.#memory.hears(message);
    } catch (error) {
      this.#memory.fails(`the runtime said what cannot be decoded: ${String(error)}`);
    }
  }
}

/** Ids of calls and opens that the fuzzer's side must not use (id.parity), on the root connection. */
export function breaksParity(message: Message, role: 'initiator' | 'acceptor'): boolean {
  const wrong = role === 'initiator' ? 0 : 1;
  if (message.type === 'call') return message.connectionId === 0 && message.requestId % 2 === wrong;
  return message.type === 'open' && message.connectionId % 2 === wrong;
}
