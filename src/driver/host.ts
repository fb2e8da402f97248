/**
 * What a driver is given by its session: the border between the two rooms. Nothing here has a default, so that a driver can
 * never run with a store or a clock that nobody chose.
 */
import type { AnyService, CallSession, Client, Principal, ServedMethod } from '../contract.ts';
import type { ActorHost } from '../machines/spawn.ts';
import type { ResolvedOptions } from '../options.ts';
import type { OperationStore } from '../store/store.ts';
import type { Counters } from './counters.ts';
import type { LiveSeries, OperationSpace } from './operation-table.ts';
import type { Series } from './series.ts';
import type { Outlet } from './outlet.ts';

/** What all sessions of one `listen` or `connect` share. */
export interface Endpoint {
  readonly options: ResolvedOptions;
  readonly store: OperationStore;
  /** Sessions may outlive their links, as far as this side is concerned. */
  readonly resume: boolean;
}

export interface DriverHost {
  readonly endpoint: Endpoint;
  readonly actors: ActorHost;
  readonly outlet: Outlet;
  readonly counters: Counters;
  /** By method id. */
  readonly services: ReadonlyMap<number, ServedMethod>;
  readonly connectionId: number;
  /** Whose ids are odd: ours, if true (id.parity). */
  readonly oddIds: boolean;
  /** Both peers support retry: calls carry operation ids. */
  readonly retry: boolean;
  /** Attempts the peer may have in flight with us (attempt.limit-in). */
  readonly maxConcurrentRequests: number;
  /** Attempts the peer takes at once (attempt.limit-out). */
  readonly peerMaxConcurrentRequests: number;
  /** Bytes the peer takes in one payload. */
  readonly peerMaxPayload: number;
  /** Initial credit the peer takes as a receiver, in items (credit.cap). */
  readonly peerMaxInitialCredit: number;
  /** The numbers of our own calls. */
  readonly series: Series;
  /** Which store the peer admits to (resume.unknown), and how long that keeps an outcome, in milliseconds (op.expiry). */
  readonly peerStoreIdentity: string;
  readonly peerRetentionMs: number;
  /** How long the session may be without a link, in milliseconds: no call waits longer for one (attempt.never-parked). */
  readonly recoveryMs: number;
  /** The dial number of the last hello that was accepted; undefined at the initiator, whom nobody dials (resume.unknown). */
  readonly epoch: number | undefined;
  /** The peer's live operations, and its own series among them. */
  readonly space: OperationSpace;
  readonly peerSeries: LiveSeries;
  /** What handlers see as `call.session`, `call.principal`, `call.client`. */
  readonly session: CallSession;
  readonly principal: Principal;
  /** session.drain: what the store does not know is refused. */
  readonly draining: boolean;
  client<S extends AnyService>(service: S): Client<S>;
  /** The peer broke a rule: the session ends (session.protocol-error). */
  protocolError(rule: string, message: string): void;
  /** The peer says that its numbers up to here are settled for it (op.ack). */
  acknowledged(upTo: number): void;
  /** Numbers were settled: tell the peer before long, if no call does. */
  acknowledgeSoon(): void;
  /** An attempt or operation ended: a session that drains may be done, a connection that nobody holds may close. */
  settled(): void;
  /** A receiving end is over: it holds the connection no longer (liveness.refcount). */
  holderGone(): void;
}
