/**
 * A connection at work: its statechart (machines/connection.ts), its driver, who holds it (liveness.refcount), and its end. What the driver is given is
 * connection-host.ts's, which connections a session has connections.ts's.
 */
import type { AnyMethod, CallOptions } from '../contract.ts';
import { Driver } from '../driver/driver.ts';
import type { DriverMessage } from '../driver/driver.ts';
import type { OperationSpace } from '../driver/operation-table.ts';
import { RpcError } from '../errors.ts';
import { Hold } from '../hold.ts';
import { ActorHost } from '../machines/actor-host.ts';
import { connectionMachine } from '../machines/connection.ts';
import type { ConnectionEvent } from '../machines/connection.ts';
import { RootKind } from '../machines/root.ts';
import type { ResolvedTerms } from '../connection-options.ts';
import { ConnectionHost } from './connection-host.ts';
import type { Judgement } from '../driver/judgement.ts';
import type { Agreement } from './handshake.ts';
import type { Relay } from './relay.ts';
import type { SessionCore } from './session-core.ts';
import { Tether } from './tether.ts';

export type ConnectionActor = ReturnType<RootKind<typeof connectionMachine, unknown>['make']>;
export type ConnectionEnding = Exclude<ConnectionEvent, { type: 'opened' | 'joined' }>;
/** How its session ends it. */
export type SessionEnd = Omit<Extract<ConnectionEvent, { type: 'ended' }>, 'type'>;

export interface ConnectionCoreOptions {
  readonly connectionId: number;
  readonly terms: ResolvedTerms;
  /** Whose ids are odd on it: ours, if true (id.parity). */
  readonly oddIds: boolean;
  /** Whether it is released when all its handles were collected; false: the runtime itself holds it (liveness.gc). */
  readonly isTethered: boolean;
  readonly onClosed?: (connection: ConnectionCore) => void;
}

const CLOSED = 'closed';

export class ConnectionCore {
  static readonly #kind = new RootKind<typeof connectionMachine, ConnectionCore>(connectionMachine, {
    noteEnding: (connection, { event }) => (connection.#ending = event as ConnectionEnding),
    sayClose: (connection, { event }) => connection.#sayClose(event),
    tearDown: (connection) => connection.#tearDown(),
  });
  readonly core: SessionCore;
  readonly connectionId: number;
  readonly terms: ResolvedTerms;
  readonly oddIds: boolean;
  readonly actor: ConnectionActor;
  readonly actors: ActorHost;
  readonly closed: Promise<void>;
  /** The hold of whoever was given the `Connection`, or for the root the `Session`. */
  readonly ownHold = new Hold(() => this.holderLeft());
  driver: Driver | undefined = undefined;
  host: ConnectionHost | undefined = undefined;
  readonly #options: ConnectionCoreOptions;
  /** Let go of once it was told: what settles a promise holds on to its value, and the `Connection` is its user's alone (liveness.gc). */
  #onDecided: ((rejection: RpcError | undefined) => void) | undefined = undefined;
  /** Its own hold, and its clients. */
  #holders = 1;
  /** Messages of the peer, on the present link; and whether there were none on an earlier one. */
  #received = 0;
  #isFresh = true;
  #tether: WeakRef<Tether> | undefined = undefined;
  #relay: Relay | undefined = undefined;
  #ending: ConnectionEnding | undefined = undefined;
  #resolveClosed: () => void = () => {};

  constructor(core: SessionCore, options: ConnectionCoreOptions) {
    this.core = core;
    this.#options = options;
    this.connectionId = options.connectionId;
    this.terms = options.terms;
    this.oddIds = options.oddIds;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.actor = this.#makeActor();
    this.actors = new ActorHost(() => this.actor, { onError: (error, actorId) => core.reportActorError(error, actorId) });
  }

  #makeActor(): ConnectionActor {
    const { connectionId } = this;
    return ConnectionCore.#kind.make({ id: `connection:${connectionId}`, owner: this, input: { connectionId }, parent: this.core.actor });
  }

  get isOpen(): boolean {
    const { value } = this.actor.getSnapshot();
    return value === 'open' || value === 'joined' || value === 'closing';
  }

  /** The peer's operations; none before it is open. */
  get space(): OperationSpace | undefined {
    return this.host?.space;
  }

  /** No call is in flight either way. */
  get idle(): boolean {
    return (this.driver === undefined || this.driver.idle) && (this.#relay === undefined || this.#relay.idle);
  }

  /** Nothing has gone over it in either direction (conn.proxy). */
  get isUnused(): boolean {
    return this.#isFresh && this.#received === 0 && this.driver?.outbound.isUnused === true;
  }

  /** Its messages go to another connection. */
  get relay(): Relay | undefined {
    return this.#relay;
  }

  // ---- its life

  /** Starts its actor, so that it can be seen while it is being opened. */
  start(): void {
    this.actor.start();
  }

  // ---- a lost link

  /** There may be another link: everything waits for it. Messages that only pass through cannot be told twice, so a joined connection ends. */
  linkLost(): void {
    if (this.#relay !== undefined) this.#endJoined();
    else this.driver?.linkLost();
  }

  #endJoined(): void {
    if (this.connectionId === 0) void this.core.close(0);
    else this.close('link-lost');
  }

  /** There is a new link: says what was given up (cancel.offline). */
  linkUp(agreement: Agreement): void {
    this.#isFresh &&= this.#received === 0;
    this.#received = 0;
    this.host?.adopt(agreement, this.host.peerMaxConcurrentRequests);
    this.driver?.linkUp(false);
  }

  /** There is a new link, to a peer that knows nothing of before (resume.unknown). */
  restart(agreement: Agreement): void {
    this.host?.adopt(agreement, agreement.peerLimits.maxConcurrentRequests);
    this.driver?.linkUp(true);
  }

  resend(judgement: Judgement): void {
    this.driver?.resend(judgement);
  }

  /** The peer has not been heard on it since the present link is there. */
  get isUnheard(): boolean {
    return this.#received === 0;
  }

  /** Tells once whether it was opened, or why not. */
  whenDecided(tell: (rejection: RpcError | undefined) => void): void {
    this.#onDecided = tell;
  }

  /** Calls may go both ways: `peerMaxConcurrentRequests` is what the peer takes on it. */
  open(peerMaxConcurrentRequests: number): void {
    const { agreement } = this.core;
    if (agreement === undefined || this.actor.getSnapshot().value !== 'opening') return;
    this.host = new ConnectionHost(this, agreement, peerMaxConcurrentRequests);
    this.driver = new Driver(this.host);
    this.#event({ type: 'opened' });
    this.#decided(undefined);
  }

  #decided(rejection: RpcError | undefined): void {
    const tell = this.#onDecided;
    this.#onDecided = undefined;
    tell?.(rejection);
  }

  reject(reason: string): void {
    this.#event({ type: 'rejected', reason });
  }

  close(reason: string): void {
    this.#event({ type: 'close', reason });
  }

  peerClosed(reason: string): void {
    this.#event({ type: 'peerClosed', reason });
  }

  end(end: SessionEnd): void {
    this.#event({ type: 'ended', ...end });
  }

  join(relay: Relay): void {
    this.#relay = relay;
    this.#event({ type: 'joined' });
  }

  receive(message: DriverMessage): void {
    this.#received++;
    if (this.#relay !== undefined) this.#relay.forward(message);
    else this.driver?.receive(message);
  }

  /** Throws where no call can be made: a client turns that into a rejection. */
  call(method: AnyMethod, input: unknown, options: CallOptions): Promise<unknown> {
    const problem = this.#whyNoCall();
    if (problem === undefined && this.driver !== undefined) return this.driver.outbound.call(method, input, options);
    throw new RpcError({ kind: 'connection-closed', reason: CLOSED, message: problem ?? 'the connection is closed', retryable: true });
  }

  #whyNoCall(): string | undefined {
    if (this.core.isClosing || this.#ending !== undefined) return 'the connection is closed';
    if (this.#relay !== undefined) return 'the connection is joined to another one, and carries only what that one brings';
    return this.driver === undefined ? 'the connection is not open yet' : undefined;
  }

  #event(event: ConnectionEvent): void {
    if (this.actor.getSnapshot().status === 'active') this.actor.send(event);
  }

  #sayClose(event: ConnectionEvent): void {
    if (this.connectionId === 0) return;
    const reason = event.type === 'close' ? event.reason : CLOSED;
    this.core.connections.sayClose(this.connectionId, reason);
  }

  #tearDown(): void {
    const ending = this.#ending;
    const end: SessionEnd = ending?.type === 'ended' ? ending : { kind: 'connection-closed', reason: CLOSED, loss: CLOSED };
    this.driver?.stop({ kind: end.kind, reason: end.reason, loss: end.loss });
    if (this.host !== undefined) this.host.space.leave(this.host.peerSeries);
    else this.#decided(this.#rejection(ending));
    this.#options.onClosed?.(this);
    this.#resolveClosed();
    this.#relay?.ended(ending?.type === 'peerClosed' || ending?.type === 'close' ? ending.reason : CLOSED);
  }

  #rejection(ending: ConnectionEnding | undefined): RpcError {
    if (ending?.type === 'rejected')
      return new RpcError({ kind: 'rejected', reason: ending.reason, message: `the peer rejected the connection: ${ending.reason}` });
    const message = 'the session ended before the connection was open';
    if (ending?.type === 'ended' && ending.kind === 'protocol-error') return new RpcError({ kind: ending.kind, reason: ending.reason, message });
    return new RpcError({ kind: 'connection-closed', reason: CLOSED, message, retryable: true });
  }

  // ---- who holds it

  /** What handles hold on to; the same one as long as any of them is there. */
  tether(): Tether {
    let tether = this.#tether?.deref();
    if (tether === undefined) {
      tether = new Tether(this);
      this.#tether = new WeakRef(tether);
    }
    return tether;
  }

  holderCame(): void {
    this.#holders++;
  }

  holderLeft(): void {
    this.#holders--;
    this.holderGone();
  }

  /** Every handle was collected, and none was made since. Where the runtime itself holds the connection that means nothing. */
  handlesCollected(): void {
    if (!this.#options.isTethered || this.#tether?.deref() !== undefined) return;
    this.#holders = 0;
    this.holderGone();
  }

  /** A holder may have been the last one: a handle, a pending call, a bound receiver (liveness.last-drop). */
  holderGone(): void {
    if (this.#holders > 0 || this.driver === undefined) return;
    if (this.driver.outbound.pending > 0 || this.driver.channels.receivers > 0) return;
    this.#event({ type: 'released' });
    this.core.connectionGone();
  }
}
