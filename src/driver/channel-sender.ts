/**
 * A sending end of a channel at work: what its handle's `send`, `close` and `reset` do (channel.ts), and what comes from the peer. Its statechart
 * (machines/sender.ts) counts the credit and says what may still happen; here are the sends that wait, and the items' way into the batch.
 */
import type { Half, SendingPort, TxStatus } from '../channel-pair.ts';
import { closedChannel, resetChannel } from '../channel-errors.ts';
import { RpcError } from '../errors.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { senderMachine } from '../machines/sender.ts';
import type { SenderEvent } from '../machines/sender.ts';
import { ItemRun, measure } from '../wire/index.ts';
import type { Channels } from './channels.ts';
import { asError, LINK_LOST } from './channel-loss.ts';
import type { ChannelLoss } from './channel-loss.ts';
import type { RoomWaiter } from './outlet.ts';
import { unsentError } from './unsent.ts';
import { WaitingLine } from './waiting-line.ts';

const OPENED = { type: 'opened' } as const;
const SPENT = { type: 'spent' } as const;
const FLUSHED = { type: 'flushed' } as const;
/** What every `send` gives that need not wait: one promise for all, since an item may cost less than a promise. */
const SENT = Promise.resolve();

const senders = defineActor<ChannelSender>()({
  machine: senderMachine,
  name: 'sender',
  actions: {
    pump: (sender, { context }) => sender.pump(context.credit),
    transmitEnd: (sender) => sender.transmitEnd(),
    transmitReset: (sender) => sender.transmitReset(),
    noteEnding: (sender, { event }) => sender.noteEnding(event as SenderEnding),
    finish: (sender) => sender.finish(),
  },
});

/** Why nothing can be sent any more. */
type SenderEnding = Extract<SenderEvent, { type: 'close' | 'reset' | 'peerReset' | 'lost' }>;

interface WaitingSend {
  readonly value: unknown;
  resolve(): void;
  reject(error: unknown): void;
}

const UNOPENED: ReadonlySet<string> = new Set(['unbound', 'closingUnbound', 'resetting']);
const STATUSES: Readonly<Record<string, TxStatus>> = { closingUnbound: 'closed', closing: 'closed', resetting: 'reset' };

export class ChannelSender implements SendingPort, RoomWaiter {
  #channelId: number;
  readonly actor: LiveActor<typeof senderMachine>;
  readonly #channels: Channels;
  readonly half: Half<SendingPort>;
  #run: ItemRun;
  readonly #waiting = new WaitingLine<WaitingSend>();
  #ending: SenderEnding | undefined = undefined;

  constructor(channels: Channels, channelId: number, half: Half<SendingPort>) {
    const { host, parent } = channels;
    this.#channelId = channelId;
    this.#channels = channels;
    this.half = half;
    this.#run = new ItemRun(host.connectionId, channelId);
    this.actor = senders.spawn(host.actors, { key: channelId, input: { initial: half.pair.credit }, owner: this, parent });
    channels.add(this);
  }

  get channelId(): number {
    return this.#channelId;
  }

  /** Before any link has heard of it. */
  set channelId(id: number) {
    this.#channelId = id;
    this.#run = new ItemRun(this.#channels.host.connectionId, id);
  }

  /** The peer has heard of it. */
  get isOpened(): boolean {
    return !UNOPENED.has(this.actor.value);
  }

  /** Its user has said that no more will be sent. */
  get isGivenUp(): boolean {
    return this.#ending !== undefined && this.#ending.type !== 'peerReset' && this.#ending.type !== 'lost';
  }

  // ---- what the handle asks

  get credit(): number {
    const { value, context } = this.actor;
    // What waits for room in the link has spent its credit already, as far as who asks is concerned.
    return value === 'ready' ? Math.max(0, context.credit - this.#waiting.size) : 0;
  }

  get status(): TxStatus {
    const { value } = this.actor;
    return STATUSES[value] ?? (value as TxStatus);
  }

  /** Sends that wait: for credit, for room in the link, or for the call to leave. */
  get waiting(): number {
    return this.#waiting.size;
  }

  send(value: unknown, handle: object): Promise<void> {
    const { outlet } = this.#channels.host;
    if (this.actor.value !== 'ready' || this.#waiting.size > 0 || !outlet.ready) return this.#wait(value, handle);
    try {
      outlet.sendItem(this.#run, value);
    } catch (error) {
      return Promise.reject(new RpcError(unsentError(error)));
    }
    this.actor.send(SPENT);
    return SENT;
  }

  #wait(value: unknown, handle: object): Promise<void> {
    if (this.#ending !== undefined) return Promise.reject(this.#error(this.#ending));
    try {
      // What cannot be sent is told now; it is encoded when there is credit, so that nothing is buffered before (credit.spend).
      measure(value);
    } catch (error) {
      return Promise.reject(new RpcError(unsentError(error)));
    }
    this.half.hold(handle);
    if (this.actor.value === 'ready') this.#channels.host.outlet.awaitRoom(this);
    return new Promise((resolve, reject) => void this.#waiting.join({ value, resolve, reject }));
  }

  /** Sends that have credit still leave, those beyond it are woken with an error (credit.wake). */
  close(): void {
    if (this.#ending !== undefined) return;
    const beyond = this.#takeBeyond(this.actor.context.credit);
    this.actor.send({ type: 'close', waiting: this.#waiting.size });
    for (const { reject } of beyond) reject(closedChannel('the channel was closed here before there was credit'));
  }

  /** Takes the sends behind the first `count` out of the line. */
  #takeBeyond(count: number): WaitingSend[] {
    const sends: WaitingSend[] = [];
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next()) sends.push(next);
    const beyond = sends.splice(count);
    for (const send of sends) this.#waiting.join(send);
    for (let index = 0; index < beyond.length; index++) this.half.letGo();
    return beyond;
  }

  reset(reason: string | undefined): void {
    this.actor.send({ type: 'reset', reason });
  }

  dropped(): void {
    this.close();
  }

  // ---- what happens to it

  /** Its call has left, or was decoded here: items may go. */
  opened(): void {
    this.actor.send(OPENED);
  }

  granted(credit: number): void {
    this.actor.send({ type: 'granted', credit });
  }

  peerReset(reason: string | undefined): void {
    this.actor.send({ type: 'peerReset', reason });
  }

  lost(loss: ChannelLoss): void {
    this.actor.send({ type: 'lost', loss });
  }

  room(): void {
    this.pump(this.actor.context.credit);
  }

  /** Its channel does not begin anew after all (resume.rebind). */
  forsaken(): void {
    this.#ending = { type: 'lost', loss: LINK_LOST };
    this.half.port = this;
  }

  // ---- actions of the statechart

  /** Sends what waits, as far as `credit` and the link allow. */
  pump(credit: number): void {
    const { outlet } = this.#channels.host;
    let left = credit;
    while (left > 0 && outlet.ready) {
      const next = this.#waiting.next();
      if (next === undefined) break;
      this.half.letGo();
      if (this.#sendWaiting(next)) left--;
    }
    if (this.#waiting.size > 0 && left > 0) outlet.awaitRoom(this);
    else if (this.#ending?.type === 'close') this.actor.send(FLUSHED);
  }

  #sendWaiting({ value, resolve, reject }: WaitingSend): boolean {
    try {
      this.#channels.host.outlet.sendItem(this.#run, value);
    } catch (error) {
      reject(new RpcError(unsentError(error)));
      return false;
    }
    this.actor.send(SPENT);
    resolve();
    return true;
  }

  transmitEnd(): void {
    const { outlet, connectionId } = this.#channels.host;
    outlet.send({ type: 'end', connectionId, channelId: this.channelId });
  }

  transmitReset(): void {
    if (this.#ending?.type === 'reset') this.#channels.sendReset(this.channelId, this.#ending.reason);
  }

  noteEnding(ending: SenderEnding): void {
    this.#ending = ending;
  }

  finish(): void {
    this.#channels.host.outlet.stopAwaitingRoom(this);
    this.#channels.remove(this);
    this.#rejectAll();
    this.half.over();
  }

  #rejectAll(): void {
    if (this.#ending === undefined) return;
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next()) {
      this.half.letGo();
      next.reject(this.#error(this.#ending));
    }
  }

  #error(ending: SenderEnding): RpcError {
    switch (ending.type) {
      case 'close':
        return closedChannel('the channel was closed here');
      case 'reset':
        return closedChannel(`the channel was reset here${ending.reason === undefined ? '' : ` (${ending.reason})`}`);
      case 'peerReset':
        return resetChannel(`the receiver stopped${ending.reason === undefined ? '' : `: ${ending.reason}`}`, ending.reason);
      case 'lost':
        return asError(ending.loss as ChannelLoss);
    }
  }
}
