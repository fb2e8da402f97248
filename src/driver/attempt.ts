/**
 * One inbound request id: the callee's end of an attempt. It knows its call message, its connection and the operation that
 * answers it; its statechart says what may happen to it.
 */
import { MetadataBuilder, NO_METADATA } from '../metadata.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { responseMachine } from '../machines/response.ts';
import { MessageTooLargeError } from '../wire/index.ts';
import type { CallMessage, Metadata } from '../wire/index.ts';
import type { Inbound } from './inbound.ts';
import type { LiveOperation } from './operation.ts';
import { failure } from './outcome.ts';
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
  #responseMetadata: MetadataBuilder | undefined = undefined;

  constructor(inbound: Inbound, message: CallMessage) {
    this.inbound = inbound;
    this.message = message;
    this.actor = responses.spawn(inbound.host.actors, { key: message.requestId, input: undefined, owner: this, parent: inbound.parent });
  }

  /** What the handler adds for its caller. */
  get responseMetadata(): MetadataBuilder {
    return (this.#responseMetadata ??= new MetadataBuilder());
  }

  get metadata(): Metadata {
    return this.#responseMetadata?.entries ?? NO_METADATA;
  }

  /** Encodes a handler's value as this attempt's response. Throws ValueError or MessageTooLargeError, sending nothing. */
  encodeResult(value: unknown): Uint8Array {
    const { connectionId, requestId } = this.message;
    return this.inbound.host.sender.sendResult({ connectionId, requestId, metadata: this.metadata }, value);
  }

  /** Answers, unless the response was encoded in place, and frees the request id (attempt.one-response). */
  reply(outcome: Outcome): void {
    if (!outcome.ok || outcome.writtenFor !== this) {
      try {
        this.#send(outcome);
      } catch (error) {
        if (!(error instanceof MessageTooLargeError)) throw error;
        this.#send(failure('indeterminate', 'handler-failed', `the outcome is above your maxPayload: ${error.message}`));
      }
    }
    this.inbound.remove(this);
  }

  #send(outcome: Outcome): void {
    const { connectionId, requestId } = this.message;
    const { sender } = this.inbound.host;
    if (outcome.ok) sender.send({ type: 'response', connectionId, requestId, ok: true, result: outcome.result, metadata: this.metadata });
    else sender.send({ type: 'response', connectionId, requestId, ok: false, error: outcome.error, metadata: this.metadata });
  }
}
