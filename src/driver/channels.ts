/**
 * The channels of one connection, both ends: which id is which, what comes for each (one `Map` look-up), and what is of none. How an end behaves is
 * channel-sender.ts's and channel-receiver.ts's; how ends get into arguments and out of them is argument-ends.ts's and bound-ends.ts's.
 */
import type { AnyMethod } from '../contract.ts';
import { LazyMap } from '../lazy-collections.ts';
import type { LiveActor } from '../machines/spawn.ts';
import type { driverMachine } from '../machines/driver.ts';
import type { EndMessage, GrantMessage, ItemMessage, ItemsMessage, ResetMessage } from '../wire/index.ts';
import { ArgumentEnds } from './argument-ends.ts';
import { ChannelReceiver } from './channel-receiver.ts';
import { ChannelSender } from './channel-sender.ts';
import type { ChannelLoss } from './channel-loss.ts';
import { EarlyChannels, isPeers } from './early-channels.ts';
import type { EarlyChannel } from './early-channels.ts';
import type { DriverHost } from './host.ts';

export type BoundEnd = ChannelSender | ChannelReceiver;
export type ChannelMessage = ItemMessage | ItemsMessage | EndMessage | ResetMessage | GrantMessage;

export class Channels {
  readonly host: DriverHost;
  readonly parent: LiveActor<typeof driverMachine>;
  readonly #ends = new LazyMap<number, BoundEnd>();
  readonly #early: EarlyChannels;
  #nextId: number;
  #receivers = 0;

  constructor(host: DriverHost, parent: LiveActor<typeof driverMachine>) {
    this.host = host;
    this.parent = parent;
    this.#nextId = host.oddIds ? 1 : 2;
    this.#early = new EarlyChannels(host);
  }

  /** Channels that are bound and not over. */
  get live(): number {
    return this.#ends.size;
  }

  /** Receiving ends among them: they hold the connection (liveness.refcount). */
  get receivers(): number {
    return this.#receivers;
  }

  /** Channels the peer has named that are not bound. */
  get early(): number {
    return this.#early.size;
  }

  /** Sends and receives that wait. */
  get waiting(): number {
    let waiting = 0;
    for (const end of this.#ends.values()) waiting += end.waiting;
    return waiting;
  }

  nextChannelId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  add(end: BoundEnd): void {
    this.#ends.set(end.channelId, end);
    if (end instanceof ChannelReceiver) this.#receivers++;
  }

  remove(end: BoundEnd): void {
    if (!this.#ends.delete(end.channelId) || !(end instanceof ChannelReceiver)) return;
    this.#receivers--;
    this.host.holderGone();
  }

  sendReset(channelId: number, reason: string | undefined): void {
    const { outlet, connectionId } = this.host;
    outlet.send({ type: 'reset', connectionId, channelId, reason });
  }

  /** The connection is gone: every channel ends, and who waits on one is told (conn.closed, channel.terminal). */
  lose(loss: ChannelLoss): void {
    this.#early.clear();
    for (const end of [...this.#ends.values()]) end.lost(loss);
  }

  /** The link is gone: so is every channel that the peer knows of. Those of calls that no link has taken wait with them. */
  loseOpened(loss: ChannelLoss): void {
    this.#early.clear();
    for (const end of [...this.#ends.values()]) if (end.isOpened) end.lost(loss);
  }

  /** The peer counts its channels from the beginning again. */
  startOver(): void {
    this.#early.startOver();
  }

  /** Gives an end that the peer has not heard of the next id: ids leave in order (id.unique). */
  renumber(end: BoundEnd): number {
    this.#ends.delete(end.channelId);
    end.channelId = this.nextChannelId();
    this.#ends.set(end.channelId, end);
    return end.channelId;
  }

  // ---- what comes from the peer

  /** What a call's list of channels breaks; undefined: nothing, and from here on they are announced (id.parity, id.violation). */
  announce(ids: readonly number[]): string | undefined {
    for (const id of ids) {
      if (!isPeers(id, this.host)) return `channel id ${id} has our parity, not yours`;
      if (this.#early.wasAnnounced(id)) return `channel id ${id} was used before`;
      this.#early.announce(id);
    }
    return undefined;
  }

  /** Takes what came early for a channel that is bound now. */
  takeEarly(id: number): EarlyChannel {
    return this.#early.take(id);
  }

  /** No handler will have these channels: those that are not bound are reset (channel.no-handler). */
  refuse(ids: readonly number[], reason: string): void {
    for (const id of ids) {
      if (!this.#early.isAnnounced(id)) continue;
      this.#early.take(id);
      this.sendReset(id, reason);
    }
  }

  items(message: ItemMessage | ItemsMessage): void {
    const { channelId } = message;
    const values = message.type === 'item' ? [message.value] : message.values;
    const end = this.#ends.get(channelId);
    if (end instanceof ChannelReceiver) {
      end.items(values);
    } else if (end !== undefined) {
      this.#mistaken('channel.order', `items on channel ${channelId}, of which you are the receiver`);
    } else {
      const early = this.#early.find(channelId);
      if (early === undefined) this.host.counters.lateItems += values.length;
      else this.#keep(early, values);
    }
  }

  #keep(early: EarlyChannel, values: readonly Uint8Array[]): void {
    if (early.ended || early.reset !== undefined) this.host.counters.lateItems += values.length;
    else this.#early.keep(early, values);
    this.#checkEarly();
  }

  #checkEarly(): void {
    const { excess } = this.#early;
    if (excess !== undefined) this.#mistaken('channel.early', excess);
  }

  end({ channelId }: EndMessage): void {
    const end = this.#ends.get(channelId);
    if (end instanceof ChannelReceiver) end.ended();
    else if (end !== undefined) this.#mistaken('channel.order', `the end of channel ${channelId}, of which you are the receiver`);
    else this.#keepSignal(channelId, (early) => (early.ended = true));
  }

  reset({ channelId, reason }: ResetMessage): void {
    const end = this.#ends.get(channelId);
    if (end !== undefined) end.peerReset(reason);
    else this.#keepSignal(channelId, (early) => this.#early.keepReset(early, reason));
  }

  grant({ channelId, credit }: GrantMessage): void {
    const end = this.#ends.get(channelId);
    if (end instanceof ChannelSender) end.granted(credit);
    else if (end !== undefined) this.#mistaken('credit.grant', `credit for channel ${channelId}, of which you are the sender`);
    else this.#keepSignal(channelId, (early) => (early.credit = Math.min(early.credit + credit, Number.MAX_SAFE_INTEGER)));
  }

  #keepSignal(channelId: number, note: (early: EarlyChannel) => void): void {
    const early = this.#early.find(channelId);
    if (early === undefined) {
      this.host.counters.lateSignals++;
      return;
    }
    note(early);
    this.#checkEarly();
  }

  #mistaken(rule: string, message: string): void {
    this.host.protocolError(rule, message);
  }

  // ---- arguments of our own calls

  #spareEnds: ArgumentEnds | undefined = undefined;

  /** Who collects the channel ends of one argument. Given back with `recycle` if there was none, as in most calls. */
  collector(method: AnyMethod): ArgumentEnds {
    const ends = this.#spareEnds ?? new ArgumentEnds(this);
    this.#spareEnds = undefined;
    ends.method = method;
    return ends;
  }

  recycle(ends: ArgumentEnds): void {
    this.#spareEnds = ends;
  }
}
