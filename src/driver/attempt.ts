/**
 * One inbound request id: the callee's end of an attempt. It knows its call message, its connection and the operation that
 * answers it; its statechart says what may happen to it.
 */
import { NO_METADATA } from '../metadata.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { responseMachine } from '../machines/response.ts';
import { MessageTooLargeError, ValueError } from '../wire/index.ts';
import type { CallMessage, Metadata } from '../wire/index.ts';
import type { Inbound } from './inbound.ts';
import type { LiveOperation } from './operation.ts';
import { unsendable } from './outcome.ts';
import type { Outcome } from './outcome.ts';

const responses = defineActor<InboundAttempt>()({
  machine: responseMachine,
  name: 'response',
  actions: {
    reply: (attempt, { event }) => attempt.reply((event as { outcome: Outcome }).outcome),
    detach: (attempt) => attempt.inbound.remove(attempt),
  },
});

export class InboundAttempt {
  readonly inbound: Inbound;
  readonly message: CallMessage;
  readonly actor: LiveActor<typeof responseMachine>;
  /** Set once, right after the call was routed. */
  operation: LiveOperation | undefined = undefined;
  /** The response is in its session's batch, encoded in place. */
  #isWritten = false;

  constructor(inbound: Inbound, message: CallMessage) {
    this.inbound = inbound;
    this.message = message;
    this.actor = responses.spawn(inbound.host.actors, { key: message.requestId, input: undefined, owner: this, parent: inbound.parent });
  }

  /** How inspectors see it in an event: it is the runtime's own, and cyclic. */
  toJSON(): { readonly requestId: number } {
    return { requestId: this.message.requestId };
  }

  get metadata(): Metadata {
    return this.operation?.metadata ?? NO_METADATA;
  }

  /** Encodes a handler's value as this attempt's response. Throws ValueError or MessageTooLargeError, sending nothing. */
  encodeResult(value: unknown): Uint8Array {
    const { connectionId, requestId } = this.message;
    const result = this.inbound.host.outlet.sendResult({ connectionId, requestId, metadata: this.metadata }, value);
    this.#isWritten = true;
    return result;
  }

  /** Answers, unless the response was encoded in place, and frees the request id (attempt.one-response). */
  reply(outcome: Outcome): void {
    if (!this.#isWritten) {
      const { metadata } = this;
      if (!this.#trySend(outcome, metadata) && !(metadata.length > 0 && this.#trySend(outcome, NO_METADATA))) {
        this.#send(unsendable(outcome), NO_METADATA);
      }
    }
    this.#refuseChannels(outcome);
    this.inbound.remove(this);
  }

  /** Its channels have no handler if they are not bound by now (channel.no-handler). */
  #refuseChannels(outcome: Outcome): void {
    const { channels } = this.message;
    if (channels.length > 0) this.inbound.channels.refuse(channels, outcome.ok ? 'replayed' : (outcome.error.reason ?? outcome.error.kind));
  }

  /** False: the peer does not take as much, or the metadata that the handler has set is none. */
  #trySend(outcome: Outcome, metadata: Metadata): boolean {
    try {
      this.#send(outcome, metadata);
      return true;
    } catch (error) {
      if (!(error instanceof MessageTooLargeError || error instanceof ValueError)) throw error;
      const message = `a response could not be sent as it is: ${error.message}`;
      this.inbound.host.endpoint.options.log({ level: 'error', event: 'response-not-sent', message, requestId: this.message.requestId, error });
      return false;
    }
  }

  #send(outcome: Outcome, metadata: Metadata): void {
    const { connectionId, requestId } = this.message;
    const { outlet } = this.inbound.host;
    if (outcome.ok) outlet.send({ type: 'response', connectionId, requestId, ok: true, result: outcome.result, metadata });
    else outlet.send({ type: 'response', connectionId, requestId, ok: false, error: outcome.error, metadata });
  }
}
