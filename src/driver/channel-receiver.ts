/**
 * A receiving end of a channel at work: what its handle's `recv`, `grant` and `reset` do (channel.ts), and what comes from the peer. Its statechart
 * (machines/receiver.ts) counts the credit; here are the items that nobody has read yet, still encoded, and those who wait for one.
 */
import type { Half, Received, ReceivingPort, RxStatus } from '../channel-pair.ts';
import { resetChannel } from '../channel-errors.ts';
import { RpcError, textOf } from '../errors.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { receiverMachine } from '../machines/receiver.ts';
import type { ReceiverEvent } from '../machines/receiver.ts';
import { decodeItem } from '../wire/index.ts';
import type { Channels } from './channels.ts';
import { asError, LINK_LOST } from './channel-loss.ts';
import type { ChannelLoss } from './channel-loss.ts';
import { WaitingLine } from './waiting-line.ts';

const OPENED = { type: 'opened' } as const;
const CONSUMED = { type: 'consumed' } as const;
const ASKED = { type: 'asked' } as const;
const DRAINED = { type: 'drained' } as const;

type EventOf<T extends ReceiverEvent['type']> = Extract<ReceiverEvent, { type: T }>;

const receivers = defineActor<ChannelReceiver>()({
  machine: receiverMachine,
  name: 'receiver',
  actions: {
    deliver: (receiver, { event }) => receiver.deliver((event as EventOf<'items'>).values),
    deliverAllowed: (receiver, { event, context }) => receiver.deliver((event as EventOf<'items'>).values.slice(0, context.credit)),
    violate: (receiver) => receiver.violate(),
    transmitGrant: (receiver, _, { credit }) => receiver.transmitGrant(credit),
    transmitReset: (receiver) => receiver.transmitReset(),
    countLate: (receiver, { event }) => receiver.countLate((event as EventOf<'items'>).count),
    noteEnding: (receiver, { event }) => receiver.noteEnding(event as ReceiverEnding),
    finish: (receiver) => receiver.finish(),
  },
});

/** Why no item will come, other than by the end. */
type ReceiverEnding =
  | EventOf<'reset' | 'peerReset' | 'lost'>
  | { readonly type: 'violation' }
  | { readonly type: 'malformed'; readonly problem: string };

interface WaitingReceive {
  resolve(received: Received<unknown>): void;
  reject(error: unknown): void;
}

/** The list is shortened from here on, and not before: each time costs a copy of it. */
const COMPACTED_BATCHES = 64;
const NO_ITEMS: readonly Uint8Array[] = Object.freeze([]);
const OVER: Received<unknown> = Object.freeze({ done: true, value: undefined });
const STATUSES: Readonly<Record<string, RxStatus>> = { early: 'unbound', resetting: 'reset' };

export class ChannelReceiver implements ReceivingPort {
  channelId: number;
  readonly actor: LiveActor<typeof receiverMachine>;
  readonly #channels: Channels;
  readonly half: Half<ReceivingPort>;
  /** Items that nobody has read, as they came, by message. */
  #batches: (readonly Uint8Array[])[] = [];
  /** The first batch that has unread items, and the first of those. */
  #batch = 0;
  #item = 0;
  #unread = 0;
  readonly #waiting = new WaitingLine<WaitingReceive>();
  #ending: ReceiverEnding | undefined = undefined;
  /** Credit that the user granted before the call left. */
  #grantedEarly = 0;

  constructor(channels: Channels, channelId: number, half: Half<ReceivingPort>) {
    const { host, parent } = channels;
    this.channelId = channelId;
    this.#channels = channels;
    this.half = half;
    this.actor = receivers.spawn(host.actors, { key: channelId, input: { initial: half.pair.credit }, owner: this, parent });
    channels.add(this);
  }

  /** The peer has heard of it. */
  get isOpened(): boolean {
    return this.actor.value !== 'early' && this.actor.value !== 'resetting';
  }

  /** Its user has stopped reading. */
  get isGivenUp(): boolean {
    return this.#ending?.type === 'reset';
  }

  /** The end has come: nothing is missing. */
  get isComplete(): boolean {
    return this.actor.value === 'ended';
  }

  /** Items that were not read. */
  get unread(): number {
    return this.#unread;
  }

  // ---- what the handle asks

  get credit(): number {
    const { value, context } = this.actor;
    return value === 'open' ? context.credit : 0;
  }

  get status(): RxStatus {
    const { value } = this.actor;
    return STATUSES[value] ?? (value as RxStatus);
  }

  /** Receives that wait for an item. */
  get waiting(): number {
    return this.#waiting.size;
  }

  recv(handle: object): Promise<Received<unknown>> {
    if (this.#unread > 0) {
      try {
        return Promise.resolve(this.#take());
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (this.#ending !== undefined) return Promise.reject(this.#error(this.#ending));
    if (this.actor.value === 'ended') return Promise.resolve(OVER);
    this.half.hold(handle);
    const received = new Promise<Received<unknown>>((resolve, reject) => void this.#waiting.join({ resolve, reject }));
    this.actor.send(ASKED);
    return received;
  }

  grant(credit: number): void {
    if (this.actor.value === 'early') this.#grantedEarly += credit;
    else this.actor.send({ type: 'grant', credit });
  }

  reset(reason: string | undefined): void {
    // Ended, but not read to its end: what is dropped now must not look complete (channel.order).
    if (this.#unread > 0 && this.actor.done) this.#ending ??= { type: 'reset', reason };
    this.#drop();
    this.actor.send({ type: 'reset', reason });
  }

  dropped(): void {
    this.reset(undefined);
  }

  // ---- what happens to it

  /** Its call has left, or was decoded here: items may come. */
  opened(): void {
    this.actor.send(OPENED);
    if (this.#grantedEarly > 0) this.actor.send({ type: 'grant', credit: this.#grantedEarly });
    if (this.#waiting.size > 0) this.actor.send(ASKED);
  }

  items(values: readonly Uint8Array[]): void {
    this.actor.send({ type: 'items', count: values.length, values });
  }

  ended(): void {
    this.actor.send({ type: 'end', unread: this.#unread });
  }

  peerReset(reason: string | undefined): void {
    this.actor.send({ type: 'peerReset', reason });
  }

  lost(loss: ChannelLoss): void {
    this.actor.send({ type: 'lost', loss });
  }

  /** Its channel does not begin anew after all (resume.rebind). */
  forsaken(): void {
    this.#ending = { type: 'lost', loss: LINK_LOST };
    this.half.port = this;
  }

  // ---- actions of the statechart

  deliver(values: readonly Uint8Array[]): void {
    this.#batches.push(values);
    this.#unread += values.length;
    while (this.#unread > 0) {
      const next = this.#waiting.next();
      if (next === undefined) return;
      this.half.letGo();
      try {
        next.resolve(this.#take());
      } catch (error) {
        next.reject(error);
      }
    }
    if (this.#waiting.size > 0) this.actor.send(ASKED);
  }

  violate(): void {
    this.#ending = { type: 'violation' };
    this.#channels.host.counters.creditViolations++;
    this.#channels.sendReset(this.channelId, 'credit');
  }

  transmitGrant(credit: number): void {
    const { outlet, connectionId } = this.#channels.host;
    outlet.send({ type: 'grant', connectionId, channelId: this.channelId, credit });
  }

  transmitReset(): void {
    this.#channels.sendReset(this.channelId, this.#ending?.type === 'reset' ? this.#ending.reason : 'malformed');
  }

  countLate(items: number): void {
    this.#channels.host.counters.lateItems += items;
  }

  noteEnding(ending: ReceiverEnding): void {
    // Bytes that are no value were noted before the reset that they lead to.
    if (this.#ending?.type !== 'malformed') this.#ending = ending;
  }

  finish(): void {
    this.#channels.remove(this);
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next()) {
      if (this.#ending === undefined) next.resolve(OVER);
      else next.reject(this.#error(this.#ending));
    }
    this.half.over();
  }

  // ---- items

  /** Takes the next of the unread items. Throws RpcError where it is no value. */
  #take(): Received<unknown> {
    const batch = this.#batches[this.#batch] as readonly Uint8Array[];
    const bytes = batch[this.#item++] as Uint8Array;
    this.#unread--;
    if (this.#item === batch.length) this.#nextBatch();
    let value: unknown;
    try {
      value = decodeItem(bytes);
    } catch (error) {
      throw this.#malformed(error);
    }
    this.actor.send(this.#unread === 0 && this.actor.value === 'draining' ? DRAINED : CONSUMED);
    return { done: false, value };
  }

  #nextBatch(): void {
    this.#item = 0;
    // Let go of at once: what the list still held would grow old with its bytes, and only a full collection would free them.
    this.#batches[this.#batch++] = NO_ITEMS;
    if (this.#unread === 0) {
      this.#drop();
    } else if (this.#batch >= COMPACTED_BATCHES && this.#batch * 2 >= this.#batches.length) {
      this.#batches = this.#batches.slice(this.#batch);
      this.#batch = 0;
    }
  }

  #drop(): void {
    // The same list again: a new one for each item of a channel that is read as it is written would soon be old garbage.
    this.#batches.length = 0;
    this.#batch = 0;
    this.#item = 0;
    this.#unread = 0;
  }

  /** The peer has sent bytes that are no value: this channel is of no more use. */
  #malformed(error: unknown): RpcError {
    this.#drop();
    this.#ending = { type: 'malformed', problem: textOf(error) };
    this.actor.send({ type: 'reset', reason: 'malformed' });
    return this.#error(this.#ending);
  }

  #error(ending: ReceiverEnding): RpcError {
    switch (ending.type) {
      case 'reset':
        return resetChannel(`the channel was reset here${ending.reason === undefined ? '' : ` (${ending.reason})`}`, ending.reason);
      case 'peerReset':
        return resetChannel(`the sender gave the stream up${ending.reason === undefined ? '' : `: ${ending.reason}`}`, ending.reason);
      case 'violation':
        return new RpcError({ kind: 'protocol-error', reason: 'credit', message: 'the sender sent more than it was granted (credit.violation)' });
      case 'malformed':
        return new RpcError({ kind: 'protocol-error', reason: 'malformed', message: `an item is no value: ${ending.problem}` });
      case 'lost':
        return asError(ending.loss as ChannelLoss);
    }
  }
}
