/**
 * One call of ours: what its caller waits for, and what the statechart of its attempt (machines/request.ts) does to it.
 */
import { wakeWaiters } from '../channel-unsent.ts';
import type { AnyMethod, CallOptions } from '../contract.ts';
import { RpcError } from '../errors.ts';
import type { RpcErrorInit, RpcErrorKind } from '../errors.ts';
import { requestMachine } from '../machines/request.ts';
import type { RequestEvent } from '../machines/request.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { MetadataView } from '../metadata.ts';
import type { Metadata, ResponseMessage } from '../wire/index.ts';
import { unwatch, watch } from './abort-watch.ts';
import type { ArgumentEnds } from './argument-ends.ts';
import { whyNotAgain } from './judgement.ts';
import type { Judgement } from './judgement.ts';
import type { Outbound } from './outbound.ts';
import { readResponse } from './response-reader.ts';
import { unsentError } from './unsent.ts';
import type { Handover } from './outlet.ts';

const HANDED = { type: 'handed' } as const;

type EventOf<T extends RequestEvent['type']> = Extract<RequestEvent, { type: T }>;

const requests = defineActor<OutboundCall>()({
  machine: requestMachine,
  name: 'request',
  actions: {
    transmit: (call) => call.outbound.transmit(call),
    settleUnsent: (call, { event }) => call.settleUnsent((event as EventOf<'sendFailed'>).error),
    settleResponse: (call, { event }) => call.settleResponse((event as EventOf<'responded'>).message as ResponseMessage),
    settleUnknown: (call) =>
      call.fail({ kind: 'indeterminate', reason: 'store-lost', message: 'the peer cannot look up a call that it may have run before' }),
    settleAborted: (call, { event }) => call.settleAborted(event as EventOf<'aborted'>),
    tellPeer: (call) => call.outbound.sendCancel(call),
    settleEnded: (call, { event }) => call.settleEnded(event as EventOf<'ended'>),
    settleIndeterminate: (call, { event }) =>
      call.fail({
        kind: 'indeterminate',
        reason: (event as EventOf<'ended' | 'judged'>).reason,
        message: `the ${event.type === 'judged' ? 'link' : 'connection'} ended under the call: it may have run`,
      }),
  },
});

export interface CallWaiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: RpcError) => void;
}

export class OutboundCall implements Handover {
  readonly outbound: Outbound;
  readonly requestId: number;
  readonly method: AnyMethod;
  readonly operationId: string | number | undefined;
  readonly metadata: Metadata;
  readonly actor: LiveActor<typeof requestMachine>;
  /** The encoded arguments, from when there are any; `input` is let go then. */
  args: Uint8Array | undefined = undefined;
  input: unknown;
  /** The channel ends in its argument, if any, once that is encoded. */
  ends: ArgumentEnds | undefined = undefined;
  /** Its place among those that wait for room. */
  ticket: number | undefined = undefined;
  /** It counts as an attempt on the present link (attempt.limit-link). */
  inFlight = false;
  /** When it was first handed to a link, in milliseconds, and which store the peer had when it was handed to one last (resume.unknown). */
  #handedAtMs = 0;
  #handedTo = '';
  readonly #options: CallOptions;
  readonly #waiter: CallWaiter;
  #timeout: unknown = undefined;
  #parked: unknown = undefined;

  constructor(outbound: Outbound, method: AnyMethod, input: unknown, given: { options: CallOptions; metadata: Metadata; waiter: CallWaiter }) {
    const { host } = outbound;
    this.outbound = outbound;
    this.requestId = outbound.nextRequestId();
    this.method = method;
    this.operationId = host.retry ? (given.options.operationId ?? host.series.next()) : undefined;
    this.metadata = given.metadata;
    this.input = input;
    this.#options = given.options;
    this.#waiter = given.waiter;
    this.actor = requests.spawn(host.actors, {
      key: this.requestId,
      owner: this,
      input: { idem: method.idem, identified: host.retry },
      parent: outbound.parent,
    });
  }

  /** Arms what may end the call, until its caller has an answer: its timeout and its signal (cancel.caller). */
  watch(): void {
    const { signal, timeoutMs } = this.#options;
    if (timeoutMs !== undefined) {
      const expired = () => this.#giveUp('timeout', new DOMException(`no answer within ${timeoutMs} ms`, 'TimeoutError'));
      this.#timeout = this.outbound.host.endpoint.options.clock.setTimeout(expired, timeoutMs);
    }
    if (signal !== undefined) watch(signal, this);
  }

  /** It cannot be sent again on this link, say because the peer takes less now: it waits for the next one, but not for ever (attempt.never-parked). */
  park(): void {
    const { endpoint, recoveryMs } = this.outbound.host;
    if (this.#parked !== undefined) return;
    const given = { type: 'ended', kind: 'session-shutdown', reason: 'deadline' } as const;
    this.#parked = endpoint.options.clock.setTimeout(() => this.actor.value === 'interrupted' && this.actor.send(given), recoveryMs);
  }

  abortedBy(signal: AbortSignal): void {
    this.#giveUp('aborted', signal.reason);
  }

  #giveUp(reason: 'timeout' | 'aborted', cause: unknown): void {
    // Answered, and the answer is still being validated: there is nothing to tell the peer.
    if (this.actor.done) this.reject(this.#error(abortedError(reason, cause)));
    else this.actor.send({ type: 'aborted', reason, cause });
  }

  handed(): void {
    const { host } = this.outbound;
    this.#handedTo = host.peerStoreIdentity;
    if (this.#isNamed && this.#handedAtMs === 0) this.#handedAtMs = host.endpoint.options.clock.now();
    this.actor.send(HANDED);
    // Also of a call that was given up meanwhile: a cancel closes no channel (cancel.channels).
    this.ends?.opened();
  }

  /** Only a string id can be new again when its record is gone (op.expiry). */
  get #isNamed(): boolean {
    return typeof this.operationId === 'string';
  }

  /** Why it must not be sent again after a loss; undefined: it may. */
  whyNotAgain(judgement: Judgement): string | undefined {
    const { idem, persist } = this.method;
    const handed = { handedAtMs: this.#handedAtMs, handedTo: this.#handedTo };
    return whyNotAgain({ idem, persist, channels: this.ends !== undefined, named: this.#isNamed, ...handed }, judgement);
  }

  // ---- actions of the statechart

  fail(init: ErrorFacts): void {
    // Not encoded: the channels in it are nobody's.
    if (this.args === undefined) wakeWaiters(this.input);
    this.ends?.forsaken();
    this.outbound.finished(this);
    this.reject(this.#error(init));
  }

  settleUnsent(error: unknown): void {
    this.ends?.abandoned();
    this.fail(unsentError(error));
  }

  settleResponse(message: ResponseMessage): void {
    this.outbound.finished(this);
    readResponse(this, message, this);
  }

  settleAborted({ reason, cause }: EventOf<'aborted'>): void {
    if (this.actor.value === 'queued') this.ends?.abandoned();
    this.fail(abortedError(reason, cause));
  }

  settleEnded({ kind, reason }: EventOf<'ended'>): void {
    const harmless = !this.actor.context.handed || this.method.idem;
    this.fail({ kind, reason, message: ENDED_MESSAGES[kind], retryable: harmless && kind !== 'protocol-error' });
  }

  // ---- the caller's answer

  /** What came with the response. What the user's callback throws is the user's, and costs the call nothing. */
  showMetadata(metadata: Metadata): void {
    const { onResponseMetadata } = this.#options;
    if (onResponseMetadata === undefined) return;
    try {
      onResponseMetadata(MetadataView.of(metadata));
    } catch (error) {
      const { log } = this.outbound.host.endpoint.options;
      log({ level: 'error', event: 'user-error', message: 'onResponseMetadata threw', requestId: this.requestId, error });
    }
  }

  resolve(value: unknown): void {
    this.#unwatch();
    this.#waiter.resolve(value);
  }

  reject(error: RpcError): void {
    this.#unwatch();
    this.#waiter.reject(error);
  }

  #error(init: ErrorFacts): RpcError {
    const { requestId, operationId } = this;
    return new RpcError({ ...init, requestId, operationId });
  }

  #unwatch(): void {
    const { clock } = this.outbound.host.endpoint.options;
    if (this.#timeout !== undefined) clock.clearTimeout(this.#timeout);
    if (this.#parked !== undefined) clock.clearTimeout(this.#parked);
    if (this.#options.signal !== undefined) unwatch(this.#options.signal, this);
  }
}

type ErrorFacts = Omit<RpcErrorInit, 'requestId' | 'operationId'>;

function abortedError(reason: 'timeout' | 'aborted', cause: unknown): ErrorFacts {
  return { kind: 'cancelled', reason, message: reason === 'timeout' ? 'the call timed out' : 'the call was aborted', cause };
}

const ENDED_MESSAGES: Record<EventOf<'ended'>['kind'], string> = {
  'connection-closed': 'the connection is closed',
  'session-shutdown': 'the session was given up',
  'protocol-error': 'the session ended by a protocol error',
} satisfies Partial<Record<RpcErrorKind, string>>;
