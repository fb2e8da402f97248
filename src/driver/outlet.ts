/** What a driver needs of its session's outbox: the way out. */
import type { ArgumentChannels, CallMessage, ItemRun, Message, Metadata } from '../wire/index.ts';

/** A call in the batch, which wants to know when a link takes it. */
export interface Handover {
  handed(): void;
}

/** Somebody with something to send who waits for the link to take it. */
export interface RoomWaiter {
  /** There is room now; who still has something to send afterwards waits again. */
  room(): void;
}

export interface Outlet {
  /** Whether a call or item may be added now: there is a link, and it is not full (link.backpressure). */
  readonly ready: boolean;
  /** Tells `waiter` once when there is room. Asking twice is asking once. */
  awaitRoom(waiter: RoomWaiter): void;
  /** It waits no longer. */
  stopAwaitingRoom(waiter: RoomWaiter): void;
  /** A connection's responses that wait because the link is full. */
  heldResponses(connectionId: number): number;
  /** Adds a message whose values are encoded. Throws MessageTooLargeError. */
  send(message: Message): void;
  /**
   * Encodes `value` in place as the call's arguments, and gives their bytes. Throws ValueError or MessageTooLargeError, adding nothing.
   * `call` is told when the batch is handed to a link, which may be before this returns.
   */
  sendCall(
    call: Handover,
    head: Omit<CallMessage, 'type' | 'args'>,
    argument: { readonly value: unknown; readonly ends: ArgumentChannels },
  ): Uint8Array;
  /** The same for arguments that are encoded already. */
  sendEncodedCall(call: Handover, message: CallMessage): void;
  /** Encodes `value` in place as a result. Throws as `sendCall` does. */
  sendResult(head: { readonly connectionId: number; readonly requestId: number; readonly metadata: Metadata }, value: unknown): Uint8Array;
  /** Adds an item to what its channel sends in this turn. Throws as `sendCall` does. */
  sendItem(run: ItemRun, value: unknown): void;
}
