/**
 * What leaves a session: messages gather in a batch, and what one turn of the event loop gathered goes to the link together,
 * normally as one payload. A turn that gathers many hands over the first of them early: the peer begins on those while we go on. Items
 * gather by channel, and join the batch before whatever message follows them. While the link is above its high-water mark the batch
 * waits, and no new call or item is added to it (link.backpressure); answers are, and are counted, so that a peer that asks on and reads
 * none of them can be stopped.
 */
import type { Handover, Outlet, RoomWaiter } from '../driver/outlet.ts';
import { LazyMap, LazySet } from '../lazy-collections.ts';
import type { Link } from '../transport/link.ts';
import { ItemGather, LARGE_ITEM_BYTES, measure, MessageBatch } from '../wire/index.ts';
import type { ArgumentChannels, CallMessage, ItemRun, Message, Metadata } from '../wire/index.ts';
import { afterTurn } from './turn.ts';

/** Bytes after which a batch leaves within its turn, so that one turn cannot gather without bound. */
const FLUSH_BYTES = 256 * 1024;
/** Messages after which it does so too; the second time within a turn after twice as many, and so on: a write costs as much as some calls do. */
const EARLY_MESSAGES = 24;
/** Bytes of items after which they are handed over too: as much work for the peer as those messages are. */
const EARLY_ITEM_BYTES = 8 * 1024;
/** Credit that is worth a write of its own: its sender may be waiting for it. */
const EARLY_CREDIT = 64;

export class Outbox implements Outlet {
  readonly #batch: MessageBatch;
  readonly #items: ItemGather;
  readonly #onFailure: (error: unknown) => void;
  #link: Link | undefined;
  #full = false;
  #scheduled = false;
  /** Messages added since the last hand-over of this turn, and how many lead to the next. */
  #gathered = 0;
  #early = EARLY_MESSAGES;
  /** Responses that wait for a full link, by connection, and other answers. */
  readonly #heldResponses = new LazyMap<number, number>();
  #heldAnswers = 0;
  #handovers: Handover[] = [];
  readonly #roomWaiters = new LazySet<RoomWaiter>();
  readonly #flushTurn = () => {
    this.#scheduled = false;
    this.#gathered = 0;
    this.#early = EARLY_MESSAGES;
    this.flush();
  };

  /** `onFailure`: the link refused a payload: it is of no more use. */
  constructor(options: { maxPayload: number; onFailure: (error: unknown) => void }) {
    this.#batch = new MessageBatch({ maxPayload: options.maxPayload });
    this.#items = new ItemGather(this.#batch);
    this.#onFailure = options.onFailure;
  }

  get hasLink(): boolean {
    return this.#link !== undefined;
  }

  get ready(): boolean {
    return this.#link !== undefined && !this.#full;
  }

  awaitRoom(waiter: RoomWaiter): void {
    this.#roomWaiters.add(waiter);
  }

  stopAwaitingRoom(waiter: RoomWaiter): void {
    this.#roomWaiters.delete(waiter);
  }

  heldResponses(connectionId: number): number {
    return this.#heldResponses.get(connectionId) ?? 0;
  }

  /** Answers to what is no call, such as pongs, that wait because the link is full. */
  get heldAnswers(): number {
    return this.#heldAnswers;
  }

  attach(link: Link): void {
    this.#link = link;
    this.#full = false;
  }

  /** The link is gone, and with it what waited for it. */
  detach(): void {
    this.#link = undefined;
    this.#handovers = [];
    this.#holdNothing();
    this.#items.clear();
    this.#batch.take();
  }

  /** Bytes the peer takes in one payload. */
  set maxPayload(bytes: number) {
    this.#batch.maxPayload = bytes;
  }

  send(message: Message): void {
    if (this.#link === undefined) return;
    if (!isBesideItems(message)) this.#items.flush();
    this.#batch.add(message);
    if (this.#full) this.#hold(message);
    if (message.type === 'grant' && message.credit >= EARLY_CREDIT) this.flush();
    else this.#added();
  }

  sendCall(call: Handover, head: Omit<CallMessage, 'type' | 'args'>, argument: { value: unknown; ends: ArgumentChannels }): Uint8Array {
    this.#items.flush();
    const args = this.#batch.addCall(head, argument.value, argument.ends);
    this.#handovers.push(call);
    this.#added();
    return args;
  }

  sendEncodedCall(call: Handover, message: CallMessage): void {
    this.#items.flush();
    this.#batch.add(message);
    this.#handovers.push(call);
    this.#added();
  }

  sendResult(head: { connectionId: number; requestId: number; metadata: Metadata }, value: unknown): Uint8Array {
    this.#items.flush();
    const result = this.#batch.addResult(head, value);
    if (this.#full) this.#holdResponse(head.connectionId);
    this.#added();
    return result;
  }

  sendItem(run: ItemRun, value: unknown): void {
    const bytes = measure(value);
    if (bytes <= LARGE_ITEM_BYTES) {
      this.#items.add(run, value, bytes);
    } else {
      this.#items.flush();
      this.#batch.addItem(run, value, bytes);
    }
    this.#schedule();
  }

  /** The session's last word to its peer: everything that waits goes before it, whether or not the link is full. */
  sendLast(message: Message, link: Link): void {
    this.#link = link;
    this.#items.flush();
    this.#batch.add(message);
    this.flushAll();
  }

  /** Hands over what there is, whether or not the link is full: for a session's end, when nothing more will come. */
  flushAll(): void {
    this.#full = false;
    this.flush();
  }

  drained(): void {
    this.#full = false;
    this.flush();
    // In turn: who finds no room any more, since others took it, waits again behind those who have not been asked yet.
    for (const waiter of this.#roomWaiters) {
      if (this.#full) return;
      this.#roomWaiters.delete(waiter);
      waiter.room();
    }
  }

  /** Hands over what there is, now. */
  flush(): void {
    const link = this.#link;
    if (link === undefined || this.#full || this.#batch.byteLength + this.#items.byteLength === 0) return;
    this.#holdNothing();
    const handovers = this.#handovers;
    if (handovers.length > 0) {
      this.#handovers = [];
      for (const call of handovers) call.handed();
    }
    this.#items.flush();
    try {
      for (const payload of this.#batch.take()) if (!link.send(payload)) this.#full = true;
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #hold(message: Message): void {
    if (message.type === 'response') this.#holdResponse(message.connectionId);
    else if (message.type === 'pong' || message.type === 'reject') this.#heldAnswers++;
  }

  #holdResponse(connectionId: number): void {
    this.#heldResponses.set(connectionId, this.heldResponses(connectionId) + 1);
  }

  #holdNothing(): void {
    this.#heldAnswers = 0;
    if (this.#heldResponses.size > 0) this.#heldResponses.clear();
  }

  /** One message more, which is no item. */
  #added(): void {
    this.#gathered++;
    if (this.#gathered < this.#early) {
      this.#schedule();
      return;
    }
    this.#gathered = 0;
    this.#early *= 2;
    this.flush();
  }

  #schedule(): void {
    if (this.#items.byteLength >= EARLY_ITEM_BYTES || this.#batch.byteLength + this.#items.byteLength >= FLUSH_BYTES) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      afterTurn(this.#flushTurn);
    }
  }
}

/** Messages that say nothing about what was sent before them: items gather on across them. */
function isBesideItems({ type }: Message): boolean {
  return type === 'grant' || type === 'ack' || type === 'ping' || type === 'pong';
}
