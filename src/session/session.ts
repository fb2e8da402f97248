/** What users hold of a session (api.md, "Calling"). The work is done by session-core.ts. */
import { defer, of } from 'rxjs';
import type { Observable } from 'rxjs';
import { Connection } from '../connection.ts';
import type { AnyService, CallSession, Client, Principal } from '../contract.ts';
import { HOLD } from '../hold.ts';
import type { Hold } from '../hold.ts';
import { resolveGraceMs } from '../options.ts';
import type { OpenOptions } from '../connection-options.ts';
import type { SessionActor, SessionCore } from './session-core.ts';
import type { Counters } from '../driver/counters.ts';

/** session.status */
export type SessionStatus = 'connecting' | 'connected' | 'disconnected' | 'reconnecting' | 'closing' | 'closed';

export interface CloseOptions {
  /** How long running calls, both ways, may go on before they are cut off, in milliseconds. Default 0: at once. */
  readonly graceMs?: number | undefined;
}

/** The relation between two peers. Both may call and serve. */
export class Session implements CallSession {
  readonly #core: SessionCore;
  /** Made for who asks. */
  #status$: Observable<SessionStatus> | undefined = undefined;
  /** Connection 0, which lives as long as the session. */
  readonly root: Connection;

  /** @internal Made by `connect` and `listen`. */
  constructor(core: SessionCore) {
    this.#core = core;
    this.root = new Connection(core.root.tether());
  }

  /** Given by the acceptor; the same on both sides. A peer that does not know the session any more gives it a new one (resume.unknown). */
  get id(): string {
    return this.#core.agreement?.sessionId ?? '';
  }

  /** Who made the link. */
  get role(): 'initiator' | 'acceptor' {
    return this.#core.role;
  }

  /** The secret under which operations are known (op.scope): keep it, and a restarted client finds its outcomes. A copy. */
  get scope(): Uint8Array {
    return this.#core.scope.slice();
  }

  /** Who the peer is, as our `authenticate` said; the empty string without one (session.auth). */
  get principal(): Principal {
    return this.#core.agreement?.principal ?? '';
  }

  /** session.status */
  get status(): SessionStatus {
    return this.#core.status;
  }

  /** Replays the present status, and completes after `closed` (session.status). */
  get status$(): Observable<SessionStatus> {
    const core = this.#core;
    // A subject that has completed replays nothing.
    return (this.#status$ ??= defer(() => (core.status === 'closed' ? of<SessionStatus>('closed') : core.status$)));
  }

  /** How many links it has had: grows with each (resume.generations). */
  get generation(): number {
    return this.#core.generation;
  }

  /** Makes the next try to get a lost link back now, instead of when its time has come (session.reconnect). */
  retryNow(): void {
    this.#core.retryNow();
  }

  /** What was dropped, violated or came too late, by rule. Live numbers. */
  get counters(): Readonly<Counters> {
    return this.#core.counters;
  }

  /** The session's actor, an ordinary XState actor ref; everything below it can be inspected through its system. */
  get actor(): SessionActor {
    return this.#core.actor;
  }

  /** Settles when the session has ended, whatever ended it. Never rejects. */
  get closed(): Promise<void> {
    return this.#core.closed;
  }

  /** A typed handle that calls `service` at the peer, on the root connection. */
  client<S extends AnyService>(service: S): Client<S> {
    return this.root.client(service);
  }

  /**
   * Opens a virtual connection: a namespace of calls and channels of its own, with its own services and limits (conn.open).
   * Rejects with RpcError `rejected` (`reason`: the peer's), or `connection-closed` when the session is over; with a TypeError for options that make no sense.
   */
  async open(options: OpenOptions = {}): Promise<Connection> {
    return this.#core.connections.open(options);
  }

  /** @internal `release(session)` gives back the hold on its root. */
  get [HOLD](): Hold {
    return this.#core.root.ownHold;
  }

  /** Ends the session: nothing new is taken, what runs may finish within the grace, then pending calls are judged (session.drain, outcome.closing). */
  async close(options: CloseOptions = {}): Promise<void> {
    await this.#core.close(resolveGraceMs(options.graceMs));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
