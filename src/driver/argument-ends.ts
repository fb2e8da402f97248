/**
 * The channel ends in the argument of one of our calls (channel.args): collected while it is measured, numbered while it is encoded, and bound once it is. The
 * ends that stay may be used from when the call is handed to the link (channel.early).
 */
import { bindReceiver, bindSender, passEnd } from '../channel-pair.ts';
import type { Pair } from '../channel-pair.ts';
import { Rx, Tx } from '../channel.ts';
import type { AnyMethod } from '../contract.ts';
import { MAX_CHANNELS } from '../wire/limits.ts';
import type { ArgumentChannels, ChannelEnd, EndMark } from '../wire/index.ts';
import { NOT_SENT } from './channel-loss.ts';
import { forsakeEnd, interruptEnd, successorOf } from './rebinding.ts';
import { ChannelReceiver } from './channel-receiver.ts';
import { ChannelSender } from './channel-sender.ts';
import type { BoundEnd, Channels } from './channels.ts';

const NO_IDS: readonly number[] = Object.freeze([]);

interface Passed {
  readonly pair: Pair;
  /** The end that leaves in the argument. */
  readonly end: 'tx' | 'rx';
}

export class ArgumentEnds implements ArgumentChannels {
  readonly #channels: Channels;
  /** In the order they stand in the argument: the place is the ordinal. */
  readonly #found = new Map<Pair, Passed & { readonly ordinal: number }>();
  #method: AnyMethod | undefined = undefined;
  #ids: readonly number[] = NO_IDS;
  #bound: BoundEnd[] = [];

  constructor(channels: Channels) {
    this.#channels = channels;
  }

  /** Of which method it is the argument. */
  set method(method: AnyMethod) {
    this.#method = method;
  }

  get isEmpty(): boolean {
    return this.#found.size === 0;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  begin(): void {
    if (this.#found.size > 0) this.#found.clear();
  }

  take(end: ChannelEnd): string | undefined {
    const passed = passedBy(end);
    if (passed === undefined) return 'a channel end of another copy of statewire';
    const { pair } = passed;
    const problem = this.#problemOf(passed);
    if (problem === undefined) this.#found.set(pair, { ...passed, ordinal: this.#found.size });
    return problem;
  }

  #problemOf({ pair, end }: Passed): string | undefined {
    if (this.#method?.persist === true)
      return `${this.#method.service}.${this.#method.name} is a persist method, whose arguments carry no channels (retry.persist-no-channels)`;
    if (this.#found.get(pair)?.end === end) return 'the same channel end stands here twice';
    if (this.#found.has(pair)) return 'both ends of one channel are passed: keep one of them';
    if (pair.passed === end) return 'this channel end was passed before: make a new channel';
    if (pair.passed !== 'neither') return 'this channel end cannot be passed on: the other end is at a peer already';
    if (this.#found.size >= MAX_CHANNELS) return `an argument carries at most ${MAX_CHANNELS} channels`;
    // credit.cap: whoever receives sets the cap.
    const { host } = this.#channels;
    const cap = end === 'rx' ? host.peerMaxInitialCredit : host.endpoint.options.maxInitialCredit;
    if (pair.credit > cap) return `the channel begins with a credit of ${pair.credit}, above the receiver's maxInitialCredit of ${cap}`;
    return undefined;
  }

  markOf(end: ChannelEnd): EndMark {
    const passed = passedBy(end) as Passed;
    const ordinal = this.#found.get(passed.pair)?.ordinal ?? 0;
    return { travels: passed.end === 'rx' ? 'receiver' : 'sender', ordinal, credit: passed.pair.credit };
  }

  allocate(): readonly number[] {
    return (this.#ids = Array.from(this.#found, () => this.#channels.nextChannelId()));
  }

  encoded(): void {
    if (this.#ids.length < this.#found.size) this.allocate();
    this.#bound = Array.from(this.#found.values(), ({ pair, end, ordinal }) => this.#bindOne(pair, end, this.#ids[ordinal] as number));
  }

  #bindOne(pair: Pair, end: 'tx' | 'rx', id: number): BoundEnd {
    passEnd(pair, end);
    if (end === 'rx') {
      const sender = new ChannelSender(this.#channels, id, pair.sending);
      bindSender(pair.sending, sender);
      return sender;
    }
    const receiver = new ChannelReceiver(this.#channels, id, pair.receiving);
    bindReceiver(pair.receiving, receiver);
    return receiver;
  }

  /** The call was handed to a link. */
  opened(): void {
    for (const end of this.#bound) end.opened();
  }

  /** The call ended before any link had taken it. */
  abandoned(): void {
    for (const end of this.#bound) end.lost(NOT_SENT);
  }

  // ---- a lost link

  /** The call may be sent again: its channels are over, and its handles wait for the next ones (resume.rebind). */
  interrupted(): void {
    for (const end of this.#bound) if (end.isOpened) interruptEnd(end);
  }

  /** The call is sent again: gives its channels the next ids, and its handles the channels. */
  again(): void {
    this.#bound = Array.from(this.#bound, (end) => {
      if (end.isOpened) return successorOf(end, this.#channels);
      this.#channels.renumber(end);
      return end;
    });
    this.#ids = this.#bound.map(({ channelId }) => channelId);
  }

  /** The call is not sent again after all. */
  forsaken(): void {
    for (const end of this.#bound) if (end.isOpened) forsakeEnd(end);
  }
}

function passedBy(end: ChannelEnd): Passed | undefined {
  if (end instanceof Rx) return { pair: Rx.halfOf(end).pair, end: 'rx' };
  if (end instanceof Tx) return { pair: Tx.halfOf(end).pair, end: 'tx' };
  return undefined;
}
