/** The session as one connection's driver sees it (driver/host.ts). */
import type { AnyService, CallSession, Client, Principal, ServedMethod } from '../contract.ts';
import type { Counters } from '../driver/counters.ts';
import type { DriverHost, Endpoint } from '../driver/host.ts';
import { tableOf } from '../driver/operation-table.ts';
import type { LiveSeries, OperationSpace } from '../driver/operation-table.ts';
import type { Outlet } from '../driver/outlet.ts';
import type { Series } from '../driver/series.ts';
import type { ActorHost } from '../machines/actor-host.ts';
import type { ConnectionCore } from './connection-core.ts';
import type { Agreement } from './handshake.ts';
import type { SessionCore } from './session-core.ts';

export class ConnectionHost implements DriverHost {
  readonly endpoint: Endpoint;
  readonly actors: ActorHost;
  readonly outlet: Outlet;
  readonly counters: Counters;
  readonly services: ReadonlyMap<number, ServedMethod>;
  readonly connectionId: number;
  readonly oddIds: boolean;
  readonly maxConcurrentRequests: number;
  peerMaxConcurrentRequests: number;
  readonly series: Series;
  space: OperationSpace;
  peerSeries: LiveSeries;
  #agreement: Agreement;
  readonly #core: SessionCore;
  readonly #connection: ConnectionCore;

  /** `peerMaxConcurrentRequests`: what the peer takes on this connection. */
  constructor(connection: ConnectionCore, agreement: Agreement, peerMaxConcurrentRequests: number) {
    const { core, terms } = connection;
    this.#core = core;
    this.#connection = connection;
    this.endpoint = core.endpoint;
    this.actors = connection.actors;
    this.outlet = core.outbox;
    this.counters = core.counters;
    this.services = terms.services;
    this.connectionId = connection.connectionId;
    this.oddIds = connection.oddIds;
    this.maxConcurrentRequests = terms.maxConcurrentRequests;
    this.peerMaxConcurrentRequests = peerMaxConcurrentRequests;
    this.series = core.series;
    this.#agreement = agreement;
    this.space = this.#spaceOf(agreement);
    this.peerSeries = this.space.enter(agreement.peerSeries);
  }

  #spaceOf({ scopeDigest }: Agreement): OperationSpace {
    return tableOf(this.endpoint.store).space(scopeDigest, this.#core.role === 'initiator' ? 'acceptor' : 'initiator');
  }

  /** There is a new link, by another agreement; where the peer has begun anew, its operations are another series' (resume.unknown). */
  adopt(agreement: Agreement, peerMaxConcurrentRequests: number): void {
    const left = this.space;
    const leftSeries = this.peerSeries;
    this.#agreement = agreement;
    this.peerMaxConcurrentRequests = peerMaxConcurrentRequests;
    this.space = this.#spaceOf(agreement);
    this.peerSeries = this.space.enter(agreement.peerSeries);
    left.leave(leftSeries);
  }

  get retry(): boolean {
    return this.#agreement.retry;
  }

  get peerMaxPayload(): number {
    return this.#agreement.peerLimits.maxPayload;
  }

  get peerMaxInitialCredit(): number {
    return this.#agreement.peerLimits.maxInitialCredit;
  }

  get principal(): Principal {
    return this.#agreement.principal;
  }

  get peerStoreIdentity(): string {
    return this.#agreement.peerStoreIdentity;
  }

  get peerRetentionMs(): number {
    return this.#agreement.peerRetentionMs;
  }

  get recoveryMs(): number {
    return this.#core.recoveryMs;
  }

  get epoch(): number | undefined {
    return this.#core.role === 'acceptor' ? this.#agreement.dial : undefined;
  }

  get session(): CallSession {
    return this.#core.facade;
  }

  get draining(): boolean {
    return this.#core.isDraining;
  }

  client<S extends AnyService>(service: S): Client<S> {
    return this.#connection.tether().clientOfHandler(service);
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
    this.#connection.holderGone();
    this.#core.settled();
  }

  holderGone(): void {
    this.#connection.holderGone();
  }
}
