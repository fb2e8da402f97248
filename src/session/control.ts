/**
 * The messages that are not for a driver: what a session answers by itself. Virtual connections, channels and schemas are not
 * offered by this side, and it says so by the rules for what nobody asked for.
 */
import type { Message } from '../wire/index.ts';
import type { SessionCore } from './session-core.ts';

type ControlMessage = Exclude<Message, { type: 'call' | 'response' | 'cancel' }>;

/** Answers that may wait for a full link: more than a peer that reads ever leaves there. */
const MAX_HELD_ANSWERS = 4_096;

export class Control {
  readonly #core: SessionCore;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  receive(message: ControlMessage): void {
    const core = this.#core;
    switch (message.type) {
      case 'ack':
        if (core.agreement?.retry === true && core.root.space !== undefined)
          core.acknowledgements.receive(core.root.space, message.series, message.upTo);
        return;
      case 'ping':
        this.#answer({ type: 'pong', nonce: message.nonce });
        return;
      case 'pong':
        return;
      case 'go-away':
        core.endpoint.options.log({ level: 'info', event: 'go-away', message: `the peer takes nothing new and ends in ${message.graceMs} ms` });
        return;
      case 'close':
        if (message.connectionId === 0) core.peerClosed(message.reason ?? 'closed');
        else this.#unknownConnection(message.connectionId);
        return;
      case 'protocol-error':
        core.peerReported(message.rule, message.message);
        return;
      case 'open':
        if ((message.connectionId % 2 === 1) === (core.role === 'initiator')) {
          core.protocolError('id.violation', `connection id ${message.connectionId} has our parity, not yours`);
          return;
        }
        this.#answer({ type: 'reject', connectionId: message.connectionId, reason: 'no acceptor is configured' });
        return;
      case 'accept':
      case 'reject':
        core.protocolError('conn.unknown', `no connection ${message.connectionId} was opened`);
        return;
      case 'item':
      case 'items':
      case 'end':
      case 'reset':
      case 'grant':
        if (message.connectionId === 0) core.counters.lateItems++;
        else this.#unknownConnection(message.connectionId);
        return;
      case 'schema':
        core.counters.unmatched++;
        return;
      case 'refuse':
        if (core.role === 'acceptor') core.peerRefused(message.reason);
        else core.protocolError('session.handshake', 'a refuse after the welcome');
        return;
      case 'hello':
      case 'welcome':
        core.protocolError('session.handshake', `a ${message.type} after the handshake`);
    }
  }

  #answer(message: Message): void {
    const { outbox } = this.#core;
    outbox.send(message);
    if (outbox.heldAnswers > MAX_HELD_ANSWERS)
      this.#core.protocolError('link.backpressure', `more than ${MAX_HELD_ANSWERS} answers wait for you to read`);
  }

  #unknownConnection(id: number): void {
    this.#core.protocolError('conn.unknown', `connection ${id} never was`);
  }
}
