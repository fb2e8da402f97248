/**
 * The calls we serve on one connection: from the call message to an attempt and the operation that answers it (op.order).
 * Attempts are found by request id; operations by theirs, in the table that all sessions of a store share.
 */
import type { ServedMethod } from '../contract.ts';
import { IdTable } from '../id-table.ts';
import { LazyMap } from '../lazy-collections.ts';
import type { LiveActor } from '../machines/spawn.ts';
import type { driverMachine } from '../machines/driver.ts';
import type { CallMessage, CancelMessage } from '../wire/index.ts';
import { admit, conflict } from './admission.ts';
import { InboundAttempt } from './attempt.ts';
import type { Channels } from './channels.ts';
import type { DriverHost } from './host.ts';
import { LiveOperation } from './operation.ts';
import type { OperationIdentity } from './operation.ts';
import { failure } from './outcome.ts';

const LINK_LOST = { type: 'linkLost' } as const;

interface BrokenRule {
  readonly rule: string;
  readonly message: string;
}

/** Operations that may wait for a lost peer, by the requests that it may have in flight: those of its last link, and those it has not come to yet. */
const MOST_ADRIFT = 2;

export class Inbound {
  readonly host: DriverHost;
  readonly channels: Channels;
  readonly parent: LiveActor<typeof driverMachine>;
  readonly #attempts = new IdTable<InboundAttempt>();
  /** Operations whose owner was lost with its link and that nobody else waits for, by the owner's request id: they run on (resume.live). */
  readonly #adrift = new LazyMap<number, LiveOperation>();
  /** There was a loss, and the peer has not called since: a cancel now is of an attempt of before (cancel.offline). */
  #mayHearOfBefore = false;

  constructor(host: DriverHost, channels: Channels, parent: LiveActor<typeof driverMachine>) {
    this.host = host;
    this.channels = channels;
    this.parent = parent;
  }

  /** Attempts not yet answered. */
  get inFlight(): number {
    return this.#attempts.size;
  }

  serve(message: CallMessage): void {
    const { requestId, operationId } = message;
    const broken = this.#brokenRule(message) ?? this.#announceChannels(message.channels);
    if (broken !== undefined) {
      this.host.protocolError(broken.rule, broken.message);
      return;
    }
    this.#mayHearOfBefore = false;
    if (this.#adrift.size > 0) this.#comesAgain(message);
    if (message.ack !== undefined && this.host.retry) this.host.acknowledged(message.ack);
    const attempt = new InboundAttempt(this, message);
    this.#attempts.set(requestId, attempt);
    const served = this.host.services.get(message.methodId);
    if (served === undefined) {
      const outcome = failure('unknown-method', undefined, `no service on connection ${message.connectionId} has a method ${message.methodId}`);
      attempt.actor.send({ type: 'settled', outcome });
    } else if (served.method.persist && message.channels.length > 0) {
      const { service, name } = served.method;
      const problem = `${service}.${name} is a persist method, whose arguments carry no channels (retry.persist-no-channels)`;
      attempt.actor.send({ type: 'settled', outcome: failure('invalid-payload', 'persist-no-channels', problem) });
    } else if (operationId === undefined) {
      this.#start(attempt, served, undefined);
    } else {
      this.#identify(attempt, served, operationId);
    }
  }

  /** An attempt of before has its request id, and should be of the same operation. If it is not, nobody will come for that one any more. */
  #comesAgain({ requestId, operationId }: CallMessage): void {
    const operation = this.#adrift.get(requestId);
    this.#adrift.delete(requestId);
    if (operation !== undefined && operation.identity?.id !== operationId) this.#letGo(operation);
  }

  #letGo(operation: LiveOperation): void {
    if (operation.owner === undefined) operation.ownerGone();
  }

  cancel(message: CancelMessage): void {
    const attempt = message.requestId === undefined ? undefined : this.#attempts.get(message.requestId);
    if (attempt !== undefined) attempt.operation?.cancel(attempt);
    else if (this.#isOfBefore(message)) this.#cancelOfBefore(message.requestId);
    else this.host.counters.unmatched++;
  }

  /** Whether it names an attempt that died with its link (cancel.offline). */
  #isOfBefore(message: CancelMessage): message is CancelMessage & { readonly requestId: number } {
    const { requestId, operationId } = message;
    if (requestId === undefined || operationId === undefined) return false;
    return this.#mayHearOfBefore || this.#adrift.get(requestId)?.identity?.id === operationId;
  }

  /** As that attempt's cancel: what it owned and nobody else waits for is aborted. */
  #cancelOfBefore(requestId: number): void {
    const operation = this.#adrift.get(requestId);
    this.#adrift.delete(requestId);
    if (operation?.owner === undefined) operation?.cancelOwnerless();
    const { outlet, connectionId, maxConcurrentRequests } = this.host;
    // Until it is answered it is an attempt, and a peer that does not read its answers has too many.
    if (this.#attempts.size + outlet.heldResponses(connectionId) >= maxConcurrentRequests) {
      this.host.protocolError('attempt.limit-in', `more than ${maxConcurrentRequests} requests in flight`);
      return;
    }
    const cancelled = failure('cancelled', 'aborted', 'the attempt was cancelled while there was no link');
    if (!cancelled.ok) outlet.send({ type: 'response', connectionId, requestId, ok: false, error: cancelled.error, metadata: [] });
  }

  /** The attempt was answered, or cannot be any more. */
  remove(attempt: InboundAttempt): void {
    this.#attempts.delete(attempt.message.requestId);
    this.host.settled();
  }

  /**
   * The link is gone, and there may be another one: no attempt can be answered. Handlers without channels run on, for the attempts that will come again
   * (resume.live); those with channels are aborted (resume.order), and all where there are no operation ids to come again by (retry.off).
   */
  linkLost(): void {
    this.#mayHearOfBefore = true;
    for (const [requestId, operation] of this.#adrift) if (operation.actor.done) this.#adrift.delete(requestId);
    for (const [requestId, operation] of this.#detachAll()) {
      const runsOn = operation.identity !== undefined && !operation.actor.context.channels && operation.waiters.size === 0;
      if (runsOn) this.#adrift.set(requestId, operation);
      else operation.ownerGone();
    }
    this.#boundAdrift();
  }

  /** An honest peer comes again for all of them, or names them: what one leaves adrift that does not is not to pile up from link to link. */
  #boundAdrift(): void {
    for (const [requestId, operation] of this.#adrift) {
      if (this.#adrift.size <= MOST_ADRIFT * this.host.maxConcurrentRequests) return;
      this.#adrift.delete(requestId);
      this.#letGo(operation);
    }
  }

  /** The connection is gone: no attempt can be answered, and what nobody else waits for is aborted (retry.disposition). */
  end(): void {
    const ownerless = new Set(this.#detachAll().values());
    for (const operation of this.#adrift.values()) if (operation.owner === undefined) ownerless.add(operation);
    this.#adrift.clear();
    for (const operation of ownerless) operation.ownerGone();
  }

  /** Takes every attempt off its operation. Gives those that have lost their owner by it, by the owner's request id. */
  #detachAll(): Map<number, LiveOperation> {
    const ownerless = new Map<number, LiveOperation>();
    for (const attempt of this.#attempts.inOrder()) {
      const { operation } = attempt;
      if (operation?.owner === attempt) ownerless.set(attempt.message.requestId, operation);
      operation?.drop(attempt);
      attempt.actor.send(LINK_LOST);
    }
    return ownerless;
  }

  /** What a call breaks before it is anybody's (id.parity, id.violation, attempt.limit-in, op.id). */
  #brokenRule({ connectionId, requestId, operationId }: CallMessage): BrokenRule | undefined {
    if ((requestId % 2 === 1) === this.host.oddIds) return { rule: 'id.violation', message: `request id ${requestId} has our parity, not yours` };
    if (this.#attempts.has(requestId)) return { rule: 'id.violation', message: `request id ${requestId} is in flight already` };
    // What waits for a link that is full the peer has not read: for it, these attempts are in flight.
    const inFlight = this.#attempts.size + this.host.outlet.heldResponses(connectionId);
    const { maxConcurrentRequests } = this.host;
    if (inFlight >= maxConcurrentRequests) return { rule: 'attempt.limit-in', message: `more than ${maxConcurrentRequests} requests in flight` };
    if ((operationId !== undefined) !== this.host.retry) {
      return { rule: 'op.id', message: this.host.retry ? 'a call without an operation id' : 'a call with an operation id, though retry is off' };
    }
    return undefined;
  }

  /** From here on what comes for the call's channels is kept (channel.early). */
  #announceChannels(ids: readonly number[]): BrokenRule | undefined {
    const problem = ids.length === 0 ? undefined : this.channels.announce(ids);
    return problem === undefined ? undefined : { rule: 'id.violation', message: problem };
  }

  #identify(attempt: InboundAttempt, served: ServedMethod, id: string | number): void {
    const { space, peerSeries } = this.host;
    const { message } = attempt;
    // Only a number needs one, and only its operation keeps it.
    const series = message.series === undefined || typeof id === 'string' ? peerSeries : space.series(message.series);
    const live = space.find(id, series);
    if (live === undefined) {
      const { scope, caller } = space;
      const key = { scope, caller, series: typeof id === 'number' ? series.id : undefined, id };
      this.#start(attempt, served, { space, series, id, key });
    } else if (live.signature.methodId === message.methodId && sameBytes(live.signature.args, message.args)) {
      attempt.operation = live;
      this.channels.refuse(message.channels, 'attached');
      live.join(attempt);
    } else {
      attempt.actor.send({ type: 'settled', outcome: conflict() });
    }
  }

  #start(attempt: InboundAttempt, served: ServedMethod, identity: OperationIdentity | undefined): void {
    const operation = new LiveOperation(attempt, served, identity);
    attempt.operation = operation;
    if (identity !== undefined) identity.space.add(operation, identity.id, identity.series);
    admit(operation);
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.byteLength !== other.byteLength) return false;
  for (let at = 0; at < one.byteLength; at++) if (one[at] !== other[at]) return false;
  return true;
}
