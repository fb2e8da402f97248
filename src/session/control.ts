/**
 * The messages that are not for a driver: what a session answers by itself, or its connections (connections.ts). Schemas are not offered by this side.
 */
import type { DriverMessage } from '../driver/driver.ts';
import type { Message } from '../wire/index.ts';
import type { SessionCore } from './session-core.ts';

type ControlMessage = Exclude<Message, DriverMessage>;

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
        core.acknowledgements.heard(message.series, message.upTo);
        return;
      case 'ping':
        this.answer({ type: 'pong', nonce: message.nonce });
        return;
      case 'pong':
        core.connections.pong(message.nonce);
        return;
      case 'go-away':
        core.endpoint.options.log({ level: 'info', event: 'go-away', message: `the peer takes nothing new and ends in ${message.graceMs} ms` });
        return;
      case 'close':
        if (message.connectionId === 0) core.peerClosed(message.reason ?? 'closed');
        else core.connections.closedByPeer(message);
        return;
      case 'protocol-error':
        core.peerReported(message.rule, message.message);
        return;
      case 'open':
        core.connections.asked(message);
        return;
      case 'accept':
        core.connections.accepted(message);
        return;
      case 'reject':
        core.connections.rejected(message);
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

  /** Says something that the peer has asked for: not without bound, if it does not read. */
  answer(message: Message): void {
    const { outbox } = this.#core;
    outbox.send(message);
    if (outbox.heldAnswers > MAX_HELD_ANSWERS)
      this.#core.protocolError('link.backpressure', `more than ${MAX_HELD_ANSWERS} answers wait for you to read`);
  }
}
