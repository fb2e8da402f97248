/**
 * The calls we make on one connection. An attempt is in flight from when it is handed to the batch until its response has
 * come, cancelled ones too (attempt.limit-link); beyond the peer's limit calls wait in order (attempt.limit-out).
 */
import type { AnyMethod, CallOptions } from '../contract.ts';
import { RpcError } from '../errors.ts';
import { IdTable } from '../id-table.ts';
import { LazyMap } from '../lazy-collections.ts';
import type { LiveActor } from '../machines/spawn.ts';
import type { driverMachine } from '../machines/driver.ts';
import type { RequestEvent, ResponseVerdict } from '../machines/request.ts';
import { NO_METADATA, toMetadata } from '../metadata.ts';
import { validate } from '../schema.ts';
import type { StandardSchemaV1 } from '../schema.ts';
import { packValue } from '../wire/index.ts';
import type { CallMessage, Metadata, ResponseMessage } from '../wire/index.ts';
import type { Channels } from './channels.ts';
import type { DriverHost } from './host.ts';
import type { Judgement } from './judgement.ts';
import { settle } from './maybe.ts';
import type { RoomWaiter } from './outlet.ts';
import { OutboundCall } from './outbound-call.ts';
import type { CallWaiter } from './outbound-call.ts';
import { QueueFullError } from './unsent.ts';
import { WaitingLine } from './waiting-line.ts';

const DISPATCH = { type: 'dispatch' } as const;
const LINK_LOST = { type: 'linkLost' } as const;
const LOST_WITHOUT_ID = { type: 'ended', kind: 'connection-closed', reason: 'link-lost' } as const;
const NO_CHANNELS: readonly number[] = Object.freeze([]);

type EndedEvent = Extract<RequestEvent, { type: 'ended' }>;

export class Outbound implements RoomWaiter {
  readonly host: DriverHost;
  readonly channels: Channels;
  readonly parent: LiveActor<typeof driverMachine>;
  /** By request id, until the caller has its outcome. */
  readonly #pending = new IdTable<OutboundCall>();
  /** Attempts whose caller gave up when a link had taken them: their responses are still to come. */
  readonly #givenUp = new LazyMap<number, OutboundCall>();
  /** There is no link, or calls of before go first. */
  #isResuming = false;
  /** Calls without an attempt in flight, in order. */
  readonly #queue = new WaitingLine<OutboundCall>();
  #inFlight = 0;
  #nextId: number;
  #ended: EndedEvent | undefined = undefined;

  constructor(host: DriverHost, channels: Channels, parent: LiveActor<typeof driverMachine>) {
    this.host = host;
    this.channels = channels;
    this.parent = parent;
    this.#nextId = host.oddIds ? 1 : 2;
  }

  /** Calls whose caller still waits. */
  get pending(): number {
    return this.#pending.size;
  }

  /** No call was ever made. */
  get isUnused(): boolean {
    return this.#nextId <= 2;
  }

  /** Calls that wait for room. */
  get queued(): number {
    return this.#queue.size;
  }

  nextRequestId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  call(method: AnyMethod, input: unknown, options: CallOptions): Promise<unknown> {
    // A client turns what this throws into a rejection.
    const metadata = options.metadata === undefined ? NO_METADATA : toMetadata(options.metadata, 'options.metadata');
    const refusal = this.#refusal(options.signal);
    if (refusal !== undefined) throw refusal;
    return new Promise((resolve, reject) => this.#start(method, input, { options, metadata, waiter: { resolve, reject } }));
  }

  /** Why no call can be made at all. */
  #refusal(signal: AbortSignal | undefined): RpcError | undefined {
    if (this.#ended !== undefined) {
      const { kind, reason } = this.#ended;
      return new RpcError({ kind, reason, message: 'the connection has ended', retryable: kind !== 'protocol-error' });
    }
    if (signal?.aborted !== true) return undefined;
    return new RpcError({ kind: 'cancelled', reason: 'aborted', message: 'the call was aborted before it was made', cause: signal.reason });
  }

  #start(method: AnyMethod, input: unknown, given: { options: CallOptions; metadata: Metadata; waiter: CallWaiter }): void {
    // attempt.slot-first: the attempt is known by its id before anything is sent; and it can be given up from here on (cancel.caller).
    const call = new OutboundCall(this, method, input, given);
    this.#pending.set(call.requestId, call);
    call.watch();
    if (method.input === undefined) this.#dispatchOrEnqueue(call);
    else this.#validate(call, method.input);
  }

  /** The user gets the refusal; the peer gets what the user gave, which it parses itself. */
  #validate(call: OutboundCall, schema: StandardSchemaV1): void {
    const name = `${call.method.service}.${call.method.name}`;
    const refuse = (path: string, message: string, cause?: unknown) => {
      const error = new RpcError({ kind: 'invalid-payload', reason: path, message: `${name}: ${path}: ${message}`, cause });
      call.actor.send({ type: 'sendFailed', error });
    };
    settle(
      () => validate(schema, call.input),
      (validated) => {
        if (validated.issues !== undefined) refuse(validated.issues[0]?.path || 'input', validated.issues[0]?.message ?? 'does not fit the schema');
        else if (!call.actor.done) this.#dispatchOrEnqueue(call);
      },
      (error) => refuse('input', 'could not be validated: its schema threw', error),
    );
  }

  #dispatchOrEnqueue(call: OutboundCall): void {
    if (this.#queue.size === 0 && this.#hasRoom()) call.actor.send(DISPATCH);
    else this.#enqueue(call);
  }

  #hasRoom(): boolean {
    return this.host.outlet.ready && !this.#isResuming && this.#inFlight < this.host.peerMaxConcurrentRequests;
  }

  #enqueue(call: OutboundCall): void {
    const { maxQueuedRequests } = this.host.endpoint.options;
    try {
      if (this.#queue.size >= maxQueuedRequests) throw new QueueFullError(`${maxQueuedRequests} calls wait already (maxQueuedRequests)`);
      // Encoded at once: the user hears of a bad value now, and may change the object while the call waits.
      const ends = this.channels.collector(call.method);
      call.args = packValue(call.input, ends);
      if (!ends.isEmpty) {
        ends.encoded();
        call.ends = ends;
      } else {
        this.channels.recycle(ends);
      }
      call.input = undefined;
    } catch (error) {
      call.actor.send({ type: 'sendFailed', error });
      return;
    }
    call.ticket = this.#queue.join(call);
    this.#awaitRoom();
  }

  /** Sends what waits, as far as there is room. */
  room(): void {
    while (this.#hasRoom()) {
      const call = this.#queue.next();
      if (call === undefined) return;
      call.ticket = undefined;
      call.actor.send(DISPATCH);
    }
    this.#awaitRoom();
  }

  #awaitRoom(): void {
    if (this.#queue.size > 0 && !this.#isResuming && !this.host.outlet.ready) this.host.outlet.awaitRoom(this);
  }

  response(message: ResponseMessage): void {
    const { requestId } = message;
    const call = this.#pending.get(requestId);
    if (call !== undefined && call.actor.value === 'awaiting') {
      this.#leaveLink(call);
      call.actor.send({ type: 'responded', verdict: verdictOf(message), message });
    } else if (!this.#answerGivenUp(requestId)) {
      this.host.counters.unmatched++;
      return;
    }
    if (this.#queue.size > 0) this.room();
  }

  #answerGivenUp(requestId: number): boolean {
    const call = this.#givenUp.get(requestId);
    if (call === undefined) return false;
    this.#givenUp.delete(requestId);
    this.#leaveLink(call);
    return true;
  }

  #enterLink(call: OutboundCall): void {
    if (call.inFlight) return;
    call.inFlight = true;
    this.#inFlight++;
  }

  #leaveLink(call: OutboundCall): void {
    if (!call.inFlight) return;
    call.inFlight = false;
    this.#inFlight--;
  }

  // ---- a lost link

  /** Before the channels are told: those of calls that may be sent again begin again with them (resume.rebind). */
  interruptEnds(): void {
    for (const { ends, method, operationId } of this.#pending.inOrder()) if (method.idem && operationId !== undefined) ends?.interrupted();
  }

  /** The link is gone, and there may be another one. Where there are no operation ids nobody could tell a second attempt from the first (retry.off). */
  linkLost(): void {
    this.#isResuming = true;
    this.#inFlight = 0;
    for (const call of this.#givenUp.values()) call.inFlight = false;
    for (const call of this.#pending.inOrder()) {
      call.inFlight = false;
      call.actor.send(call.operationId === undefined ? LOST_WITHOUT_ID : LINK_LOST);
    }
    if (!this.host.retry) this.#givenUp.clear();
  }

  /** cancel.offline: each is an attempt until it is answered. */
  sayGivenUp(): void {
    for (const call of this.#givenUp.values()) {
      this.#enterLink(call);
      this.#tellCancel(call);
    }
  }

  /** The peer knows nothing of attempts of before. */
  startOver(): void {
    this.#givenUp.clear();
  }

  /** resume.resend, resume.unknown: what may go again goes first, in the order of the calls. */
  sendAgain(judgement: Judgement): void {
    this.#queue.clear();
    for (const call of this.#pending.inOrder()) {
      const { value } = call.actor;
      const reason = value === 'interrupted' ? call.whyNotAgain(judgement) : undefined;
      call.ticket = undefined;
      // A peer that has begun anew may no longer want operation ids, or want them now.
      if ((call.operationId !== undefined) !== this.host.retry) call.actor.send(LOST_WITHOUT_ID);
      else if (reason !== undefined) call.actor.send({ type: 'judged', reason });
      else if (value === 'interrupted' || (value === 'queued' && call.args !== undefined)) this.#lineUp(call);
    }
    this.#isResuming = false;
    this.room();
  }

  #lineUp(call: OutboundCall): void {
    call.ends?.again();
    call.ticket = this.#queue.join(call);
  }

  /** The connection is at its end, or lost for good: judges every pending call (outcome.closing, retry.off). */
  end(event: EndedEvent): void {
    this.#ended = event;
    for (const call of this.#pending.inOrder()) call.actor.send(event);
    this.#givenUp.clear();
    this.#inFlight = 0;
    this.host.outlet.stopAwaitingRoom(this);
  }

  // ---- what a call's statechart does

  /** Puts the call into the batch. */
  transmit(call: OutboundCall): void {
    const { connectionId, outlet, series } = this.host;
    const { requestId, operationId, metadata } = call;
    const ack = series.owesAck ? series.watermark : undefined;
    const head = { connectionId, requestId, methodId: call.method.id, operationId, series: undefined, ack, channels: NO_CHANNELS, metadata };
    this.#enterLink(call);
    if (call.actor.context.handed) this.host.counters.resent++;
    try {
      if (call.args === undefined) {
        call.args = this.#sendNow(call, head);
        call.input = undefined;
      } else {
        outlet.sendEncodedCall(call, { type: 'call', ...head, channels: call.ends?.ids ?? NO_CHANNELS, args: call.args });
      }
    } catch (error) {
      this.#leaveLink(call);
      if (call.actor.context.handed) call.park();
      call.actor.send({ type: 'sendFailed', error });
      return;
    }
    if (ack !== undefined) series.told(ack);
  }

  #sendNow(call: OutboundCall, head: Omit<CallMessage, 'type' | 'args'>): Uint8Array {
    const ends = this.channels.collector(call.method);
    // Known to the call before it is handed over, which may be at once.
    call.ends = ends;
    try {
      return this.host.outlet.sendCall(call, head, { value: call.input, ends });
    } catch (error) {
      call.ends = undefined;
      throw error;
    } finally {
      if (ends.isEmpty) {
        call.ends = undefined;
        this.channels.recycle(ends);
      }
    }
  }

  /** Tells the peer that the caller gave up; the attempt is in flight until it answers (cancel.caller). Without a link it hears of it on the next one. */
  sendCancel(call: OutboundCall): void {
    this.#givenUp.set(call.requestId, call);
    this.#tellCancel(call);
  }

  #tellCancel({ requestId, operationId }: OutboundCall): void {
    const { connectionId, outlet } = this.host;
    outlet.send({ type: 'cancel', connectionId, requestId, operationId });
  }

  /** The caller has its outcome. */
  finished(call: OutboundCall): void {
    this.#pending.delete(call.requestId);
    if (call.ticket !== undefined) this.#queue.leave(call.ticket);
    if (typeof call.operationId === 'number') {
      this.host.series.settle(call.operationId);
      this.host.acknowledgeSoon();
    }
    this.host.settled();
  }
}

function verdictOf(message: ResponseMessage): ResponseVerdict {
  if (message.ok) return 'value';
  switch (message.error.kind) {
    case 'cancelled':
    case 'indeterminate':
    case 'unavailable':
      return message.error.kind;
    case 'user':
    case 'unknown-method':
    case 'invalid-payload':
      return 'failure';
  }
}
