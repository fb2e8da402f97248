/**
 * A live operation: its id, its waiters in the order they joined, its handler's run and its outcome. What may happen to it is
 * said by its statechart (machines/operation.ts), whose actions are here; how it gets admitted is in admission.ts.
 */
import type { AnyMethod, ServedMethod } from '../contract.ts';
import { operationMachine } from '../machines/operation.ts';
import type { Ending, OperationEvent } from '../machines/operation.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import { MetadataBuilder, NO_METADATA } from '../metadata.ts';
import type { OperationKey, OperationSignature, ReleaseReason, SealOptions } from '../store/store.ts';
import { decodeValue } from '../wire/index.ts';
import type { Metadata } from '../wire/index.ts';
import type { InboundAttempt } from './attempt.ts';
import { BoundEnds } from './bound-ends.ts';
import { HandlerCall } from './handler-call.ts';
import type { DriverHost } from './host.ts';
import { inquire, settle } from './maybe.ts';
import type { Inquiry } from './maybe.ts';
import type { LiveSeries, OperationSpace } from './operation-table.ts';
import { endingFailure, failure, toStored } from './outcome.ts';
import type { Outcome } from './outcome.ts';
import { Waiters } from './waiters.ts';

const ADMIT = { type: 'admit' } as const;
const STARTED = { type: 'started' } as const;
const ATTACHED = { type: 'attached' } as const;
const SEALING = { type: 'sealing' } as const;
const STORED = { type: 'stored' } as const;
const DURABLE: SealOptions = Object.freeze({ durable: true, owned: true });
const VOLATILE: SealOptions = Object.freeze({ durable: false, owned: true });
const STORE_FAILED = { type: 'storeFailed' } as const;

type EventOf<T extends OperationEvent['type']> = Extract<OperationEvent, { type: T }>;

const operations = defineActor<LiveOperation>()({
  machine: operationMachine,
  name: 'operation',
  actions: {
    startHandler: (operation) => operation.startHandler(),
    abortHandler: (operation) => operation.handlerCall?.abort(),
    answerOutcome: (operation, { event }) => operation.answer((event as EventOf<'returned' | 'replayed' | 'refused'>).outcome as Outcome),
    announceSealing: (operation, { event }) => operation.announceSealing((event as EventOf<'returned'>).outcome as Outcome),
    answerSealed: (operation) => operation.answerSealed(),
    answerEnding: (operation, _, { ending }) => operation.answerEnding(ending),
    answerStoreLost: (operation) => operation.answer(failure('indeterminate', 'store-lost', 'the outcome could not be stored')),
    seal: (operation) => operation.seal(),
    release: (operation, _, { ending }) => operation.release(ending === 'handler-failed' ? 'handler-failed' : 'released'),
    detachWaiter: (operation, { event }) => operation.detachWaiter((event as EventOf<'cancelled'>).attempt as InboundAttempt),
    passOn: (operation) => operation.passOn(),
    forget: (operation) => operation.forget(),
  },
});

/** An operation's name among the live ones and in the store. Absent where the peers do not support retry. */
export interface OperationIdentity {
  readonly space: OperationSpace;
  readonly series: LiveSeries;
  readonly id: string | number;
  readonly key: OperationKey;
}

export class LiveOperation {
  readonly served: ServedMethod;
  readonly identity: OperationIdentity | undefined;
  readonly signature: OperationSignature;
  readonly actor: LiveActor<typeof operationMachine>;
  /** Those who will be told, in the order they joined (op.waiters). */
  readonly waiters: Waiters;
  /** The attempt that brought it: what its handler sees of the call. */
  readonly first: InboundAttempt;
  /** The attempt whose cancel or loss decides over the handler; none when a `persist` operation outlived its session. */
  owner: InboundAttempt | undefined;
  /** The decoded, validated input, once there is one. */
  input: unknown = undefined;
  handlerCall: HandlerCall | undefined = undefined;
  /** The channel ends in its argument, once that is decoded. */
  ends: BoundEnds | undefined = undefined;
  /** The handler's answer, from when there is one until the operation is gone. */
  outcome: Outcome | undefined = undefined;
  /** What the server lets its callers know of an accident (`exposeErrors`). */
  #endingDetail: string | undefined = undefined;
  #responseMetadata: MetadataBuilder | undefined = undefined;
  /** Whether the store has been asked to admit it and has not answered. */
  admission: 'none' | 'under way' = 'none';
  /** Lets those go on who ask for the same id once what is on its way to the store has arrived. */
  #letOthersGoOn: (() => void) | undefined = undefined;
  /** Where it was called: its store, options and counters. They outlive the session. */
  readonly host: DriverHost;

  constructor(first: InboundAttempt, served: ServedMethod, identity: OperationIdentity | undefined) {
    this.served = served;
    this.identity = identity;
    this.signature = first.message;
    this.first = first;
    this.waiters = new Waiters(first);
    this.owner = first;
    this.host = first.inbound.host;
    const { method } = served;
    this.actor = operations.spawn(this.host.actors, {
      key: identity === undefined ? `attempt-${first.message.requestId}` : identity.id,
      owner: this,
      input: { persist: method.persist, idem: method.idem, channels: first.message.channels.length > 0, identified: identity !== undefined },
      parent: first.inbound.parent,
    });
    if (identity !== undefined) first.actor.send(ADMIT);
  }

  /** What the handler adds for its callers. */
  get responseMetadata(): MetadataBuilder {
    return (this.#responseMetadata ??= new MetadataBuilder());
  }

  get metadata(): Metadata {
    return this.#responseMetadata?.entries ?? NO_METADATA;
  }

  get method(): AnyMethod {
    return this.served.method;
  }

  /** Decodes the argument, and binds the channel ends in it (op.order). Throws WireError. */
  decodeInput(): unknown {
    const { args, channels } = this.first.message;
    if (channels.length === 0) return decodeValue(args);
    this.ends = new BoundEnds(this.first.inbound.channels, channels);
    return this.ends.decode(args);
  }

  /** No handler will run: the channels that are bound have nobody (channel.no-handler). */
  refuseChannels(outcome: Outcome): void {
    if (!outcome.ok) this.ends?.reset(outcome.error.reason ?? outcome.error.kind);
  }

  /** op.idem-not-admitted: nothing to protect, so the store is told only of outcomes. */
  get isAdmittedToStore(): boolean {
    return this.identity !== undefined && (this.method.persist || !this.method.idem);
  }

  /** A duplicate joins (op.attach). */
  join(attempt: InboundAttempt): void {
    this.host.counters.attached++;
    attempt.actor.send(ADMIT);
    if (this.outcome !== undefined && !this.method.persist) {
      // Answered already, and not yet stored: the outcome is known and final.
      attempt.actor.send(ATTACHED);
      attempt.actor.send({ type: 'settled', outcome: this.outcome });
      return;
    }
    this.waiters.add(attempt);
    if (this.owner === undefined) this.#own(attempt);
    else attempt.actor.send(ATTACHED);
    if (this.actor.value === 'sealing') attempt.actor.send(SEALING);
  }

  /** An attempt's link or connection is gone: nobody is left to answer there. */
  drop(attempt: InboundAttempt): void {
    this.waiters.delete(attempt);
    if (this.owner === attempt) this.owner = undefined;
  }

  /** Says that the attempts of a connection that is gone were dropped, if its owner was among them. */
  ownerGone(): void {
    this.actor.send({ type: 'ownerGone', heir: this.waiters.size > 0 });
  }

  cancel(attempt: InboundAttempt): void {
    this.actor.send({ type: 'cancelled', owns: this.owner === attempt, attempt });
  }

  /** Its owner, whose link is lost, has given it up (cancel.offline). */
  cancelOwnerless(): void {
    this.actor.send({ type: 'cancelled', owns: true, attempt: undefined });
  }

  /** The handler threw, or its answer cannot be sent: `detail` may be told to the caller. */
  threw(detail: string | undefined): void {
    this.#endingDetail = detail;
    this.actor.send({ type: 'threw' });
  }

  // ---- actions of the statechart

  startHandler(): void {
    this.owner?.actor.send(STARTED);
    this.host.counters.started++;
    this.handlerCall = new HandlerCall(this);
    this.handlerCall.run();
  }

  answer(outcome: Outcome): void {
    this.outcome = outcome;
    this.waiters.dismiss({ type: 'settled', outcome });
  }

  announceSealing(outcome: Outcome): void {
    this.outcome = outcome;
    this.waiters.tell(SEALING);
  }

  answerSealed(): void {
    if (this.outcome !== undefined) this.answer(this.outcome);
  }

  /** Its channel ends are reset at that moment too (channel.handler-end). */
  answerEnding(ending: Ending): void {
    this.ends?.reset(ending === 'handler-failed' ? 'handler-failed' : 'aborted');
    const outcome = endingFailure(this.actor.context, ending, this.#endingDetail);
    const type = ending === 'handler-failed' ? 'settled' : 'aborted';
    this.waiters.dismiss({ type, outcome });
  }

  detachWaiter(attempt: InboundAttempt): void {
    this.drop(attempt);
    attempt.actor.send({ type: 'aborted', outcome: failure('cancelled', 'aborted', 'this attempt was cancelled; the operation runs on for others') });
  }

  /** Answers the owner alone; the next waiter owns. */
  disown(outcome: Outcome): void {
    const { owner } = this;
    if (owner === undefined) return;
    this.drop(owner);
    owner.actor.send({ type: 'settled', outcome });
    this.passOn();
  }

  passOn(): void {
    const { first } = this.waiters;
    if (first !== undefined) this.#own(first);
  }

  #own(attempt: InboundAttempt): void {
    this.owner = attempt;
    if (this.actor.value === 'live') attempt.actor.send(STARTED);
  }

  seal(): void {
    const { identity, outcome } = this;
    if (identity === undefined || outcome === undefined) {
      this.actor.send(STORED);
      return;
    }
    inquire(LiveOperation.#sealing, this);
  }

  static readonly #sealing: Inquiry<LiveOperation, void> = {
    ask: ({ host, identity, signature, outcome, method }) =>
      host.endpoint.store.seal(identity!.key, signature, toStored(outcome!), method.persist ? DURABLE : VOLATILE),
    onAnswer: ({ actor }) => actor.send(STORED),
    onFailure: (operation, error) => {
      operation.#storeFailed('seal', error);
      operation.release('store-lost');
      operation.actor.send(STORE_FAILED);
    },
  };

  /** Marks the admission as ended without an outcome, as well as the store can: what it cannot note it will call abandoned. */
  release(reason: ReleaseReason): void {
    const { identity } = this;
    if (identity === undefined || !this.isAdmittedToStore) return;
    const released = this.#letOthersGoOn ?? identity.space.beginRelease(identity.id, identity.series);
    settle(
      () => this.host.endpoint.store.release(identity.key, reason),
      released,
      (error) => {
        this.#storeFailed('release', error);
        released();
      },
    );
  }

  /** The store has answered about an operation that had ended by then, and has nothing to be released. */
  admissionCameLate(): void {
    this.#letOthersGoOn?.();
  }

  forget(): void {
    const { identity } = this;
    // The store will admit it all the same: until that is undone, whoever looks it up would take it for abandoned.
    if (identity !== undefined && this.admission === 'under way') this.#letOthersGoOn = identity.space.beginRelease(identity.id, identity.series);
    if (identity !== undefined) identity.space.remove(identity.id, identity.series);
    this.host.settled();
  }

  #storeFailed(what: string, error: unknown): void {
    this.host.counters.storeFailures++;
    this.host.endpoint.options.log({
      level: 'error',
      event: 'store-failure',
      message: `the store failed to ${what} an operation of ${this.method.service}.${this.method.name}`,
      error,
    });
  }
}
