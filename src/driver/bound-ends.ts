/**
 * The channel ends in the argument of a call that we serve: made and bound while it is decoded (channel.args), reset when no handler will use them any more
 * (channel.no-handler, channel.handler-end).
 */
import { bindReceiver, bindSender, Pair } from '../channel-pair.ts';
import { Rx, Tx } from '../channel.ts';
import { decodeArgument } from '../wire/index.ts';
import type { ChannelEnd, EndMark } from '../wire/index.ts';
import { ChannelReceiver } from './channel-receiver.ts';
import { ChannelSender } from './channel-sender.ts';
import type { BoundEnd, Channels } from './channels.ts';
import type { EarlyChannel } from './early-channels.ts';

export class BoundEnds {
  readonly #channels: Channels;
  readonly #ids: readonly number[];
  readonly #ends: BoundEnd[] = [];

  constructor(channels: Channels, ids: readonly number[]) {
    this.#channels = channels;
    this.#ids = ids;
  }

  /** Decodes the argument and binds the ends in it. Throws WireError, and then they are reset. */
  decode(args: Uint8Array): unknown {
    let value: unknown;
    try {
      value = decodeArgument(args, this.#ids.length, (mark) => this.#bind(mark));
    } catch (error) {
      // Those made so far are made to hear of it, as the peer is.
      for (const end of this.#ends) {
        this.#channels.takeEarly(end.channelId);
        end.opened();
      }
      this.reset('malformed');
      throw error;
    }
    for (const end of this.#ends) this.#open(end, this.#channels.takeEarly(end.channelId));
    return value;
  }

  #bind({ travels, ordinal, credit }: EndMark): ChannelEnd {
    const id = this.#ids[ordinal] as number;
    const { host } = this.#channels;
    const pair = new Pair(credit);
    if (travels === 'sender') {
      pair.passed = 'rx';
      const sender = new ChannelSender(this.#channels, id, pair.sending);
      this.#ends.push(sender);
      bindSender(pair.sending, sender);
      return new Tx<unknown>(pair.sending);
    }
    const { maxInitialCredit } = host.endpoint.options;
    if (credit > maxInitialCredit) {
      const message = `channel ${id} begins with a credit of ${credit}, above our maxInitialCredit of ${maxInitialCredit}`;
      host.protocolError('credit.cap', message);
      throw new RangeError(message);
    }
    pair.passed = 'tx';
    const receiver = new ChannelReceiver(this.#channels, id, pair.receiving);
    this.#ends.push(receiver);
    bindReceiver(pair.receiving, receiver);
    return new Rx<unknown>(pair.receiving);
  }

  /** Opens an end with what came for it before it was bound. */
  #open(end: BoundEnd, early: EarlyChannel): void {
    end.opened();
    const { host } = this.#channels;
    if (end instanceof ChannelReceiver) {
      if (early.credit > 0) host.protocolError('credit.grant', `credit for channel ${end.channelId}, of which you are the sender`);
      if (early.values.length > 0) end.items(early.values);
      if (early.ended) end.ended();
    } else {
      if (early.values.length > 0 || early.ended)
        host.protocolError('channel.order', `items on channel ${end.channelId}, of which you are the receiver`);
      if (early.credit > 0) end.granted(early.credit);
    }
    if (early.reset !== undefined) end.peerReset(early.reset.reason);
  }

  /** Resets what is not over. */
  reset(reason: string): void {
    for (const end of this.#ends.splice(0)) end.reset(reason);
    this.#channels.refuse(this.#ids, reason);
  }
}
