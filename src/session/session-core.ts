/**
 * A session at work, from its first dial to its end, over all its links. Its statechart (machines/session.ts) says what may happen; here is what the
 * actions do. What is said before it may be used is greeting.ts's; what users hold is session.ts; calls are the driver's.
 */
import { BehaviorSubject } from 'rxjs';
import type { Observable } from 'rxjs';
import type { Endpoint } from '../driver/host.ts';
import { Counters } from '../driver/counters.ts';
import { Series } from '../driver/series.ts';
import { textOf } from '../errors.ts';
import { ActorHost } from '../machines/actor-host.ts';
import { RootKind } from '../machines/root.ts';
import { sessionMachine } from '../machines/session.ts';
import type { SessionEvent } from '../machines/session.ts';
import type { ServedMethod } from '../contract.ts';
import type { LogEntry } from '../options.ts';
import type { Link } from '../transport/link.ts';
import { HANDSHAKE_MAX_PAYLOAD } from '../wire/limits.ts';
import type { Message } from '../wire/index.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { ConnectionCore } from './connection-core.ts';
import { Connections } from './connections.ts';
import { Router } from './router.ts';
import { endError, endingEntry, endOfConnections, failureEntry, lossEntry } from './ending.ts';
import type { Ending } from './ending.ts';
import { Greeting } from './greeting.ts';
import { toHex } from './handshake.ts';
import type { Agreement } from './handshake.ts';
import type { Line } from './line.ts';
import { PresentLink } from './present-link.ts';
import { Outbox } from './outbox.ts';
import { carryOn, loseConnections } from './recovery.ts';
import { Facade } from './facade.ts';
import type { Session, SessionStatus } from './session.ts';
import type { SessionCoreOptions } from './session-options.ts';

export type SessionActor = ReturnType<RootKind<typeof sessionMachine, unknown>['make']>;

const NO_SCOPE = new Uint8Array(0);

export class SessionCore {
  static readonly #kind = new RootKind<typeof sessionMachine, SessionCore>(sessionMachine, {
    dial: (core) => core.#dial(),
    awaitDial: (core) => core.#awaitDial(),
    greet: (core) => core.greeting.greet(),
    begin: (core) => core.#begin(),
    loseLink: (core, { event }) => core.#loseLink(event),
    noteFailure: (core, { event }) => core.#noteFailure(event as Ending),
    giveUpDial: (core) => core.#giveUpDial(),
    cutSlowHandshake: (core) => (core.#ending = { type: 'slowHandshake' }),
    noteGivenUp: (core) => core.#noteGivenUp(),
    noteDeadline: (core) => (core.#ending = { type: 'deadline' }),
    drain: (core, { context }) => core.#drain(context.graceMs),
    noteEnding: (core, { event }) => core.#noteEnding(event as Ending),
    end: (core) => core.#end(),
  });
  readonly endpoint: Endpoint;
  readonly role: 'initiator' | 'acceptor';
  readonly services: ReadonlyMap<number, ServedMethod>;
  readonly counters = new Counters();
  readonly actor: SessionActor;
  readonly actors: ActorHost;
  readonly series: Series;
  readonly outbox: Outbox;
  readonly acknowledgements: Acknowledgements;
  readonly root: ConnectionCore;
  readonly connections: Connections;
  #status: SessionStatus = 'connecting';
  /** Made for who asks. */
  #status$: BehaviorSubject<SessionStatus> | undefined = undefined;
  /** Settles when the session has ended, whatever ended it. */
  readonly closed: Promise<void>;
  scope: Uint8Array;
  agreement: Agreement | undefined = undefined;
  /** The links it has had: grows with each (resume.generations). */
  generation = 0;
  readonly #options: SessionCoreOptions;
  readonly link: PresentLink;
  readonly greeting: Greeting;
  readonly router: Router;
  readonly #facade: Facade;
  #ending: Ending | undefined = undefined;
  #lastFailure: Ending | undefined = undefined;
  /** The peer itself ended the session by a protocol error: it need not be told. */
  isReported = false;
  #resolveClosed: () => void = () => {};

  constructor(options: SessionCoreOptions) {
    const { endpoint, role } = options;
    this.#options = options;
    this.endpoint = endpoint;
    this.role = role;
    this.services = options.services;
    this.scope = options.scope ?? NO_SCOPE;
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.series = new Series(toHex(endpoint.options.random.bytes(8)));
    this.outbox = new Outbox({
      maxPayload: HANDSHAKE_MAX_PAYLOAD,
      onFailure: (error) => this.link.fail(error),
    });
    this.acknowledgements = new Acknowledgements(this);
    this.router = new Router(this);
    this.greeting = new Greeting(this, options);
    this.link = new PresentLink(this, options.resumable);
    this.actor = this.#makeActor();
    this.actors = new ActorHost(() => this.actor, { onError: (error, actorId) => this.reportActorError(error, actorId) });
    this.root = this.#makeRoot();
    this.connections = new Connections(this);
    this.#facade = new Facade(this, options.facade);
  }

  #makeRoot(): ConnectionCore {
    const { services, endpoint } = this;
    return new ConnectionCore(this, {
      connectionId: 0,
      terms: { services, maxConcurrentRequests: endpoint.options.maxConcurrentRequests },
      oddIds: this.role === 'initiator',
      isTethered: this.#isTethered,
    });
  }

  /** Whether nobody but those who hold the session needs it: a listening side holds its own, and one that serves may be called (liveness.gc). */
  get #isTethered(): boolean {
    return this.role === 'initiator' && this.services.size === 0 && this.endpoint.options.onConnection === undefined;
  }

  get recoveryMs(): number {
    return this.#options.recoveryMs;
  }

  get facade(): Session {
    return this.#facade.session;
  }

  /** The session ends when nothing holds its root and no virtual connection is left (liveness.last-drop). */
  connectionGone(): void {
    if (this.connections.size === 0 && this.root.actor.getSnapshot().value === 'closing') void this.close(0);
  }

  get status(): SessionStatus {
    return this.#status;
  }

  /** Replays the present one, and completes after `closed`: nobody asks for it later. */
  get status$(): Observable<SessionStatus> {
    return (this.#status$ ??= new BehaviorSubject(this.#status));
  }

  get isClosing(): boolean {
    return this.status === 'closing' || this.status === 'closed';
  }

  /** We end it (session.drain). A session that was lost drains nothing: what it left to be run is. */
  get isDraining(): boolean {
    return this.#ending?.type === 'close';
  }

  /** How long what runs may go on when the session closes, in milliseconds. */
  get graceMs(): number {
    return this.actor.getSnapshot().context.graceMs;
  }

  /** Why the session ended, as an error for whoever waits for its connecting. */
  get endError(): unknown {
    return endError(this.#ending);
  }

  start(): void {
    this.actors.attach();
    const { inspect } = this.endpoint.options;
    if (inspect !== undefined && this.#options.parent === undefined) this.actors.inspect(inspect);
    this.actor.start();
    this.root.start();
  }

  close(graceMs: number): Promise<void> {
    this.#event({ type: 'close', graceMs });
    return this.closed;
  }

  /** Dials now, if it waits for the next try (session.reconnect). */
  retryNow(): void {
    this.#options.dialer?.now();
  }

  /** Too many sessions wait for their peers, and this one has waited the longest. */
  evict(): void {
    this.#event({ type: 'evicted' });
  }

  /** The peer broke a rule (session.protocol-error). */
  protocolError(rule: string, message: string): void {
    this.#event({ type: 'protocolError', rule, message });
  }

  peerClosed(reason: string): void {
    this.#event({ type: 'peerClosed', reason });
  }

  /** An initiator that does not like its welcome says so when we count it as connected. */
  peerRefused(reason: string): void {
    this.#event({ type: 'refused', reason });
  }

  /** The peer says that we broke a rule. */
  peerReported(rule: string, message: string): void {
    this.isReported = true;
    this.protocolError(rule, `the peer says: ${message}`);
  }

  storeFailed(what: string, error: unknown): void {
    this.counters.storeFailures++;
    this.endpoint.options.log({ level: 'error', event: 'store-failure', message: `the store failed to ${what}`, error });
  }

  /** An action or an inspector threw: a fault of ours or of the inspector's, which must not go unseen. */
  reportActorError(error: unknown, actorId: string | undefined): void {
    const message = `actor ${actorId ?? this.actor.id} failed: ${textOf(error)}`;
    this.endpoint.options.log({ level: 'error', event: 'internal-error', message, error });
  }

  /** An attempt ended: a session that drains may be done. */
  settled(): void {
    if (this.status === 'closing' && this.#isIdle) this.#event({ type: 'drained' });
  }

  get #isIdle(): boolean {
    return this.root.idle && this.connections.idle;
  }

  /** Says something that the peer has asked for. */
  answer(message: Message): void {
    this.router.control.answer(message);
  }

  /** A session that has ended hears nothing more: its link, for one, closes after it. */
  #event(event: SessionEvent): void {
    if (this.actor.getSnapshot().status === 'active') this.actor.send(event);
  }

  // ---- its link, and what the handshake on it comes to

  /** A link is there: the handshake begins on it. */
  linkUp(link: Link): void {
    if (this.status === 'closed') {
      link.abort(new Error('the session ended before its link was there'));
      return;
    }
    this.link.take(link);
    this.#event({ type: 'linkUp' });
  }

  /** The link is gone, or of no more use. */
  lost(error: unknown): void {
    this.#event({ type: 'linkLost', error });
  }

  agreed(agreement: Agreement, resumable: boolean): void {
    this.agreement = agreement;
    this.#event({ type: 'welcomed', resumable });
  }

  /** We say no, and have said so. */
  refused(reason: string): void {
    this.#event({ type: 'refused', reason });
  }

  /** Our link resumes another session: it goes there, and we are nobody. */
  merge(elder: SessionCore, agreement: Agreement): void {
    const line = this.link.giveAway();
    this.#event({ type: 'merged' });
    if (line !== undefined) elder.#adopt(line, agreement);
  }

  /** The peer has come back on another link; the old one may still look alive (resume.supersedes). */
  #adopt(line: Line, agreement: Agreement): void {
    const { sessionId } = this.agreement ?? agreement;
    this.agreement = { ...agreement, sessionId, resumed: true };
    this.link.adopt(line);
    this.#event({ type: 'adopted' });
    this.link.refuseAdopted();
  }

  // ---- actions of the statechart

  #makeActor(): SessionActor {
    const { endpoint, role, parent, recoveryMs, waitForPeerMs = 0 } = this.#options;
    const { clock, handshakeTimeoutMs } = endpoint.options;
    const id = `session:${toHex(endpoint.options.random.bytes(8))}`;
    const input = { role, handshakeTimeoutMs, recoveryMs, waitForPeerMs };
    return SessionCore.#kind.make({ id, owner: this, input, parent, clock: parent === undefined ? clock : undefined });
  }

  /** The first reason stands, unless the peer breaks a rule while the session closes: it is told. */
  #noteEnding(event: Ending): void {
    if (this.#ending === undefined || event.type === 'protocolError') this.#ending = event;
  }

  /** A dial came to nothing, and there will be another one. */
  #noteFailure(failure: Ending): void {
    this.#lastFailure = failure;
    this.#log(failureEntry(failure, this.facade.id));
    this.link.drop(undefined);
  }

  /** What the last dial failed with is why; a link that is half-way through its handshake is of no more use. */
  #noteGivenUp(): void {
    this.link.drop(new Error('the peer did not finish the handshake in time'));
    this.#ending = this.#lastFailure ?? { type: 'slowHandshake' };
  }

  #giveUpDial(): void {
    this.#options.dialer?.giveUp();
    this.#noteFailure({ type: 'slowHandshake' });
  }

  #dial(): void {
    this.#show(this.generation === 0 ? 'connecting' : 'reconnecting');
    this.#options.dialer?.dial({
      linked: (link) => this.linkUp(link),
      failed: (error, final) => this.#event({ type: 'dialFailed', error, final }),
    });
  }

  #awaitDial(): void {
    this.#options.dialer?.await(() => this.#event({ type: 'dial' }));
    // Behind that: whoever hears of it may want the next try now (retryNow).
    this.#show(this.generation === 0 ? 'connecting' : 'disconnected');
  }

  #show(status: SessionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    this.#status$?.next(status);
  }

  #begin(): void {
    const { agreement, endpoint } = this;
    const line = this.link.begin();
    if (agreement === undefined || line === undefined) return;
    this.generation++;
    line.limitInbound(endpoint.options.maxPayload);
    this.greeting.welcome(agreement);
    this.outbox.maxPayload = agreement.peerLimits.maxPayload;
    this.link.open(line);
    this.#options.dialer?.succeeded();
    if (this.generation === 1) this.#beginFirst(agreement);
    else carryOn(this, agreement, () => this.#show('connected'));
  }

  #beginFirst({ peerLimits }: Agreement): void {
    this.root.open(peerLimits.maxConcurrentRequests);
    this.#show('connected');
    this.#options.onConnected(this);
    if (this.#isTethered) this.#facade.letGo();
  }

  #loseLink(event: SessionEvent): void {
    this.counters.linksLost++;
    this.#log(lossEntry(event, this.facade.id));
    this.link.close();
    this.link.drop(new Error('the link was lost, or replaced'));
    this.acknowledgements.linkLost();
    loseConnections(this);
    if (this.link.isAdopting) this.#show('disconnected');
    else this.#options.resumable?.waits(this);
  }

  #drain(graceMs: number): void {
    this.#show('closing');
    this.#options.resumable?.drop(this);
    if (graceMs > 0 && !this.#isIdle) this.outbox.send({ type: 'go-away', graceMs });
    else this.#event({ type: 'drained' });
  }

  #end(): void {
    const ending = this.#ending;
    this.#options.dialer?.giveUp();
    this.#options.resumable?.drop(this);
    // The last word takes along what waits: a call among it may run, so it goes before the calls are judged (outcome.retryable).
    if (ending?.type === 'close') this.outbox.flushAll();
    const end = endOfConnections(ending);
    this.connections.end(end);
    this.root.end(end);
    if (ending?.type === 'close') this.acknowledgements.now();
    else this.acknowledgements.end();
    if (ending?.type === 'protocolError' && !this.isReported) this.counters.protocolErrors++;
    this.link.end(ending);
    this.link.close();
    this.#show('closed');
    this.#status$?.complete();
    Promise.resolve(this.#options.onClosed(this)).then(this.#resolveClosed, this.#resolveClosed);
    this.#log(endingEntry(ending, this.facade.id));
  }

  #log(entry: LogEntry | undefined): void {
    if (entry !== undefined) this.endpoint.options.log(entry);
  }
}
