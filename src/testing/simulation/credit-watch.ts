/**
 * Watches the channels of a simulation on the wire: nobody sends beyond its credit, and nobody is granted more than it has sent. Both are counted when they
 * are sent, so a sender that passes this has kept to the rules whenever its grants came.
 */
import { findEndMarks } from '../../wire/index.ts';
import type { Message } from '../../wire/index.ts';
import type { Role } from './intents.ts';

interface Flow {
  readonly sender: Role;
  readonly initial: number;
  sent: number;
  granted: number;
}

export type Complain = (rule: string, message: string) => void;

export class CreditWatch {
  readonly #complain: Complain;
  /** Channels do not outlive their link, so a link's are forgotten with it. */
  readonly #links = new Map<string, Map<string, Flow>>();

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  see(linkId: string, from: Role, message: Message): void {
    switch (message.type) {
      case 'call':
        if (message.channels.length === 0) return;
        for (const { ordinal, travels, credit } of findEndMarks(message.args, message.channels.length)?.values() ?? []) {
          const sender = (travels === 'receiver') === (from === 'initiator') ? 'initiator' : 'acceptor';
          const place = `${message.connectionId}.${message.channels[ordinal]}`;
          this.#flowsOf(linkId).set(place, { sender, initial: credit, sent: 0, granted: 0 });
        }
        return;
      case 'item':
        this.#items(linkId, from, { ...message, count: 1 });
        return;
      case 'items':
        this.#items(linkId, from, { ...message, count: message.values.length });
        return;
      case 'grant':
        this.#grant(linkId, from, message);
        return;
      default:
    }
  }

  #flowsOf(linkId: string): Map<string, Flow> {
    let flows = this.#links.get(linkId);
    if (flows === undefined) this.#links.set(linkId, (flows = new Map()));
    return flows;
  }

  #items(linkId: string, from: Role, { connectionId, channelId, count }: { connectionId: number; channelId: number; count: number }): void {
    const flow = this.#flowsOf(linkId).get(`${connectionId}.${channelId}`);
    if (flow === undefined || flow.sender !== from) {
      this.#complain(
        'channel.early',
        `${linkId}: the ${from} sends items on channel ${channelId} of connection ${connectionId}, which is not its own to send on`,
      );
      return;
    }
    flow.sent += count;
    if (flow.sent > flow.initial + flow.granted)
      this.#complain(
        'credit.spend',
        `${linkId}: the ${from} has sent ${flow.sent} items on channel ${channelId}, and was granted ${flow.initial} and ${flow.granted}`,
      );
  }

  #grant(linkId: string, from: Role, { connectionId, channelId, credit }: { connectionId: number; channelId: number; credit: number }): void {
    const flow = this.#flowsOf(linkId).get(`${connectionId}.${channelId}`);
    if (flow === undefined || flow.sender === from) {
      this.#complain(
        'credit.grant',
        `${linkId}: the ${from} grants on channel ${channelId} of connection ${connectionId}, which is not its own to grant on`,
      );
      return;
    }
    flow.granted += credit;
    if (flow.granted > flow.sent)
      this.#complain('credit.grant', `${linkId}: the ${from} has granted ${flow.granted} on channel ${channelId}, for ${flow.sent} items`);
  }
}
