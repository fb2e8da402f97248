/**
 * A connection at work: what its driver is given (driver/host.ts), its statechart, and its end. The root connection is the
 * only one so far; it opens and ends with its session.
 */
import type { AnyMethod, AnyService, CallOptions, CallSession, Client, Principal, ServedMethod } from '../contract.ts';
import { makeClient } from '../client.ts';
import { RpcError } from '../errors.ts';
import type { Counters } from '../driver/counters.ts';
import { Driver } from '../driver/driver.ts';
import type { DriverHost, Endpoint } from '../driver/host.ts';
import { tableOf } from '../driver/operation-table.ts';
import type { LiveSeries, OperationSpace } from '../driver/operation-table.ts';
import type { Sender } from '../driver/sender.ts';
import type { Series } from '../driver/series.ts';
import { ActorHost } from '../machines/actor-host.ts';
import { connectionMachine } from '../machines/connection.ts';
import { stockActor } from '../machines/root.ts';
import type { Agreement } from './handshake.ts';
import type { SessionCore } from './session-core.ts';

export type ConnectionActor = ReturnType<typeof stockActor<typeof connectionMachine>>;
type EndKind = Parameters<Driver['stop']>[0];

export class ConnectionCore {
  readonly connectionId: number;
  readonly actor: ConnectionActor;
  readonly actors: ActorHost;
  readonly closed: Promise<void>;
  driver: Driver | undefined = undefined;
  readonly #core: SessionCore;
  #host: ConnectionHost | undefined = undefined;
  #resolveClosed: () => void = () => {};

  constructor(core: SessionCore, connectionId: number) {
    this.#core = core;
    this.connectionId = connectionId;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.actor = stockActor(connectionMachine, { id: `connection:${connectionId}`, input: { connectionId }, parent: core.actor });
    this.actors = new ActorHost(() => this.actor, { onError: (error, actorId) => core.reportActorError(error, actorId) });
  }

  /** The peer's operations; none before the handshake is done. */
  get space(): OperationSpace | undefined {
    return this.#host?.space;
  }

  get isOpen(): boolean {
    return this.actor.getSnapshot().value === 'open';
  }

  /** Nothing is in flight either way. */
  get idle(): boolean {
    return this.driver === undefined || this.driver.idle;
  }

  client<S extends AnyService>(service: S): Client<S> {
    return makeClient(service, this);
  }

  call(method: AnyMethod, input: unknown, options: CallOptions): Promise<unknown> {
    if (this.driver !== undefined && !this.#core.isClosing) return this.driver.outbound.call(method, input, options);
    const message = this.#core.isClosing ? 'the connection is closed' : 'the connection is not open yet';
    return Promise.reject(new RpcError({ kind: 'connection-closed', reason: 'closed', message, retryable: true }));
  }

  begin(agreement: Agreement): void {
    this.#host = new ConnectionHost(this.#core, this, agreement);
    this.driver = new Driver(this.#host);
    this.actor.start();
    this.actor.send({ type: 'opened' });
  }

  end(kind: EndKind, reason: string): void {
    this.driver?.stop(kind, reason);
    this.#host?.space.leave(this.#host.peerSeries);
    this.actor.send({ type: 'ended' });
    this.#resolveClosed();
  }
}

/** The session as one connection's driver sees it. */
class ConnectionHost implements DriverHost {
  readonly endpoint: Endpoint;
  readonly actors: ActorHost;
  readonly sender: Sender;
  readonly counters: Counters;
  readonly services: ReadonlyMap<number, ServedMethod>;
  readonly connectionId: number;
  readonly oddIds: boolean;
  readonly retry: boolean;
  readonly peerMaxConcurrentRequests: number;
  readonly peerMaxPayload: number;
  readonly series: Series;
  readonly space: OperationSpace;
  readonly peerSeries: LiveSeries;
  readonly session: CallSession;
  readonly principal: Principal;
  readonly #core: SessionCore;
  readonly #connection: ConnectionCore;

  constructor(core: SessionCore, connection: ConnectionCore, agreement: Agreement) {
    this.#core = core;
    this.#connection = connection;
    this.endpoint = core.endpoint;
    this.actors = connection.actors;
    this.sender = core.outbox;
    this.counters = core.counters;
    this.services = core.services;
    this.connectionId = connection.connectionId;
    this.oddIds = core.role === 'initiator';
    this.retry = agreement.retry;
    this.peerMaxConcurrentRequests = agreement.peerLimits.maxConcurrentRequests;
    this.peerMaxPayload = agreement.peerLimits.maxPayload;
    this.series = core.series;
    this.space = tableOf(core.endpoint.store).space(agreement.scopeDigest, core.role === 'initiator' ? 'acceptor' : 'initiator');
    this.peerSeries = this.space.enter(agreement.peerSeries);
    this.session = core.facade;
    this.principal = agreement.principal;
  }

  get draining(): boolean {
    return this.#core.isDraining;
  }

  client<S extends AnyService>(service: S): Client<S> {
    return this.#connection.client(service);
  }

  protocolError(rule: string, message: string): void {
    this.#core.protocolError(rule, message);
  }

  acknowledged(upTo: number): void {
    this.#core.acknowledgements.receive(this.space, this.peerSeries.id, upTo);
  }

  acknowledgeSoon(): void {
    this.#core.acknowledgements.soon();
  }

  settled(): void {
    this.#core.settled();
  }
}
