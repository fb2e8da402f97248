/** What a driver needs of its session's outbox. */
import type { CallMessage, Message, Metadata } from '../wire/index.ts';

/** A call in the batch, which wants to know when a link takes it. */
export interface Handover {
  handed(): void;
}

export interface Sender {
  /** Whether a call may be added now: there is a link, and it is not full (link.backpressure). */
  readonly ready: boolean;
  /** A connection's responses that wait because the link is full. */
  heldResponses(connectionId: number): number;
  /** Adds a message whose values are encoded. Throws MessageTooLargeError. */
  send(message: Message): void;
  /**
   * Encodes `value` in place as the call's arguments, and gives their bytes. Throws ValueError or MessageTooLargeError, adding nothing.
   * `call` is told when the batch is handed to a link, which may be before this returns.
   */
  sendCall(call: Handover, head: Omit<CallMessage, 'type' | 'args'>, value: unknown): Uint8Array;
  /** The same for arguments that are encoded already. */
  sendEncodedCall(call: Handover, message: CallMessage): void;
  /** Encodes `value` in place as a result. Throws as `sendCall` does. */
  sendResult(head: { readonly connectionId: number; readonly requestId: number; readonly metadata: Metadata }, value: unknown): Uint8Array;
}
