/**
 * A session before it is connected: takes the one message that is due, agrees to it or not, and keeps what comes early
 * (session.handshake). What is agreed is handshake.ts's; what follows from it the session's statechart's.
 */
import { RpcError } from '../errors.ts';
import { decodeMessages, WireError } from '../wire/index.ts';
import type { Message } from '../wire/index.ts';
import { agreeToHello, agreeToWelcome, toHex, unexpectedMessage } from './handshake.ts';
import type { Agreement, Meeting } from './handshake.ts';

/** What a payload that is kept takes besides its bytes: empty ones must not be free. */
const EARLY_PAYLOAD_BYTES = 256;

export interface HandshakingOptions {
  readonly role: 'initiator' | 'acceptor';
  /** Asked when there is a link. */
  readonly meeting: () => Meeting;
  /** A hello has told the scope. */
  readonly onScope: (scope: Uint8Array) => void;
  /** A welcome has come: the acceptor may speak from here on. */
  readonly onWelcome: () => void;
  /** `resumeKey`: what the peer resumes by, or may be resumed by. */
  readonly onAgreed: (agreement: Agreement, resumeKey: Uint8Array | undefined) => Promise<void> | void;
  /** The number of our dial, where we have made the link. */
  readonly dial: number;
  /** We say no. */
  readonly onDisagreed: (reason: string) => void;
  /** The peer says no. */
  readonly onRefused: (reason: string) => void;
  readonly onReported: (rule: string, message: string) => void;
}

export class Handshaking {
  readonly #options: HandshakingOptions;
  /** Payloads that came behind the message that is being thought about; undefined before it. */
  #early: Uint8Array[] | undefined = undefined;
  #earlyBytes = 0;

  constructor(options: HandshakingOptions) {
    this.#options = options;
  }

  /** Throws WireError. */
  receive(payload: Uint8Array): void {
    if (this.#early !== undefined) {
      this.#keep(payload, this.#early);
      return;
    }
    const { role, onDisagreed, onRefused, onReported } = this.#options;
    const [first, ...rest] = decodeMessages(payload);
    const expected = role === 'acceptor' ? 'hello' : 'welcome';
    if (first?.type === 'refuse') {
      onRefused(first.reason);
    } else if (first?.type === 'protocol-error') {
      onReported(first.rule, first.message);
    } else if (first?.type !== expected || rest.length > 0) {
      onDisagreed(unexpectedMessage(rest[0] ?? first, `${expected} alone`));
    } else {
      this.#early = [];
      this.#agree(first).catch((error: unknown) => this.#disagree(error));
    }
  }

  /** What came early, in order. */
  takeEarly(): Uint8Array[] {
    return this.#early?.splice(0) ?? [];
  }

  /** Nothing of an unauthenticated initiator is read; an acceptor that has welcomed us may speak at once, but not without bound. */
  #keep(payload: Uint8Array, early: Uint8Array[]): void {
    if (this.#options.role === 'acceptor') throw new WireError('session.handshake', 'a payload before the welcome', 0);
    const { maxPayload } = this.#options.meeting().endpoint.options;
    early.push(payload);
    this.#earlyBytes += payload.byteLength + EARLY_PAYLOAD_BYTES;
    if (this.#earlyBytes > maxPayload) {
      throw new WireError('session.handshake-limits', `more than ${maxPayload} bytes before the handshake was done`, 0);
    }
  }

  async #agree(message: Message): Promise<void> {
    const { meeting, onAgreed, onScope, onWelcome, dial } = this.#options;
    if (message.type === 'hello') {
      onScope(message.scope.slice());
      const sessionId = toHex(meeting().endpoint.options.random.bytes(16));
      await onAgreed(await agreeToHello(message, meeting(), sessionId), message.resumeKey?.slice());
    } else if (message.type === 'welcome') {
      onWelcome();
      await onAgreed(await agreeToWelcome(message, meeting(), dial), message.resumeKey?.slice());
    }
  }

  #disagree(error: unknown): void {
    const { meeting, onDisagreed } = this.#options;
    if (error instanceof RpcError && error.kind === 'refused') {
      onDisagreed(error.reason ?? 'refused');
      return;
    }
    meeting().endpoint.options.log({ level: 'error', event: 'internal-error', message: 'the handshake failed', error });
    onDisagreed('internal error');
  }
}
