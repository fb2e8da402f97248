/**
 * A session at work: one link's life for now, from the handshake to the end. Its statechart (machines/session.ts) says what
 * may happen; here is what the actions do. What users hold is session.ts; calls are the driver's.
 */
import { BehaviorSubject } from 'rxjs';
import type { Endpoint } from '../driver/host.ts';
import { Counters } from '../driver/counters.ts';
import { Series } from '../driver/series.ts';
import { textOf } from '../errors.ts';
import { ActorHost } from '../machines/actor-host.ts';
import { stockActor } from '../machines/root.ts';
import { sessionMachine } from '../machines/session.ts';
import type { SessionEvent } from '../machines/session.ts';
import type { ServedMethod } from '../contract.ts';
import type { Link } from '../transport/link.ts';
import { decodeEach, encodeMessage, WireError } from '../wire/index.ts';
import { HANDSHAKE_MAX_PAYLOAD } from '../wire/limits.ts';
import type { Message } from '../wire/index.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { ConnectionCore } from './connection-core.ts';
import { Connections } from './connections.ts';
import { Router } from './router.ts';
import { endError, endingEntry, endOfConnections } from './ending.ts';
import type { Ending } from './ending.ts';
import { HANDSHAKE_EXPECTED, makeHello, makeWelcome, toHex } from './handshake.ts';
import type { Agreement } from './handshake.ts';
import { Handshaking } from './handshaking.ts';
import { KeepAlive } from './keep-alive.ts';
import { Outbox } from './outbox.ts';
import { Facade } from './facade.ts';
import type { Session, SessionStatus } from './session.ts';

export type SessionActor = ReturnType<typeof stockActor<typeof sessionMachine>>;

export interface SessionCoreOptions {
  readonly endpoint: Endpoint;
  readonly role: 'initiator' | 'acceptor';
  /** The initiator's secret; the acceptor learns it from the hello. */
  readonly scope?: Uint8Array;
  readonly services: ReadonlyMap<number, ServedMethod>;
  /** The server's actor, above the sessions of a listening side. */
  readonly parent?: Parameters<typeof stockActor>[1]['parent'];
  /** What users hold of this session. */
  readonly facade: (core: SessionCore) => Session;
  readonly onConnected: (core: SessionCore) => void;
  /** What must be done before the session counts as closed. Never rejects. */
  readonly onClosed: (core: SessionCore) => Promise<void> | void;
}

const NO_SCOPE = new Uint8Array(0);

export class SessionCore {
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
  readonly status$ = new BehaviorSubject<SessionStatus>('connecting');
  /** Settles when the session has ended, whatever ended it. */
  readonly closed: Promise<void>;
  scope: Uint8Array;
  agreement: Agreement | undefined = undefined;
  readonly #options: SessionCoreOptions;
  readonly #router: Router;
  readonly #handshaking: Handshaking;
  readonly #facade: Facade;
  #keepAlive: KeepAlive | undefined = undefined;
  #link: Link | undefined = undefined;
  #ending: Ending | undefined = undefined;
  #linger: unknown = undefined;
  /** The peer itself ended the session by a protocol error: it need not be told. */
  #reported = false;
  #maxInbound = HANDSHAKE_MAX_PAYLOAD;
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
      onFailure: (error) => this.#lost(error),
    });
    this.acknowledgements = new Acknowledgements(this);
    this.#router = new Router(this);
    this.#handshaking = this.#makeHandshaking();
    this.actor = this.#makeActor();
    this.actors = new ActorHost(() => this.actor, { onError: (error, actorId) => this.reportActorError(error, actorId) });
    this.root = this.#makeRoot();
    this.connections = new Connections(this);
    this.#facade = new Facade(() => options.facade(this));
  }

  #makeRoot(): ConnectionCore {
    const { services, endpoint } = this;
    const { maxConcurrentRequests } = endpoint.options;
    return new ConnectionCore(this, {
      connectionId: 0,
      terms: { services, maxConcurrentRequests },
      oddIds: this.role === 'initiator',
      isTethered: this.#isTethered,
    });
  }

  /** Whether nobody but those who hold the session needs it: a listening side holds its own, and one that serves may be called (liveness.gc). */
  get #isTethered(): boolean {
    return this.role === 'initiator' && this.services.size === 0 && this.endpoint.options.onConnection === undefined;
  }

  get facade(): Session {
    return this.#facade.session;
  }

  /** The session ends when nothing holds its root and no virtual connection is left (liveness.last-drop). */
  connectionGone(): void {
    if (this.connections.size === 0 && this.root.actor.getSnapshot().value === 'closing') void this.close(0);
  }

  get status(): SessionStatus {
    return this.status$.value;
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

  get linkFacts(): Readonly<Record<string, unknown>> {
    return this.#link?.facts ?? {};
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

  /** A link is there: the handshake begins on it. */
  linkUp(link: Link): void {
    if (this.status === 'closed') {
      link.abort(new Error('the session ended before its link was there'));
      return;
    }
    this.#link = link;
    this.#limitInbound(HANDSHAKE_MAX_PAYLOAD);
    link.open({
      message: (payload) => this.#receive(payload),
      drain: () => this.outbox.drained(),
      close: (error) => this.#linkClosed(error),
    });
    this.#event({ type: 'linkUp' });
  }

  dialFailed(error: unknown): void {
    this.#event({ type: 'dialFailed', error });
  }

  close(graceMs: number): Promise<void> {
    this.#event({ type: 'close', graceMs });
    return this.closed;
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
    this.#reported = true;
    this.protocolError(rule, `the peer says: ${message}`);
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
    this.#router.control.answer(message);
  }

  /** A session that has ended hears nothing more: its link, for one, closes after it. */
  #event(event: SessionEvent): void {
    if (this.actor.getSnapshot().status === 'active') this.actor.send(event);
  }

  /** A link without a limit of its own leaves the check to us. */
  #limitInbound(maxBytes: number): void {
    this.#maxInbound = maxBytes;
    this.#link?.limitInbound?.(maxBytes);
  }

  // ---- payloads

  #receive(payload: Uint8Array): void {
    const { status } = this;
    if (status === 'closed') return;
    this.#keepAlive?.heard();
    try {
      if (payload.byteLength > this.#maxInbound) {
        const rule = status === 'connecting' ? 'session.handshake-limits' : 'link.limit';
        throw new WireError(rule, `a payload of ${payload.byteLength} bytes, above ${this.#maxInbound}`, 0);
      }
      if (status === 'connecting') this.#handshaking.receive(payload);
      else decodeEach(payload, this.#router.route);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (status === 'connecting' && error.rule === 'session.handshake') this.#refuse(`${HANDSHAKE_EXPECTED}: ${error.message}`);
      else this.protocolError(error.rule, error.message);
    }
  }

  #makeHandshaking(): Handshaking {
    const { endpoint } = this;
    return new Handshaking({
      role: this.role,
      meeting: () => ({ endpoint, scope: this.scope, linkFacts: this.linkFacts }),
      onScope: (scope) => (this.scope = scope),
      onWelcome: () => {
        // Who authenticates nobody has nothing to wait for.
        if (endpoint.options.authenticate === undefined) this.#limitInbound(endpoint.options.maxPayload);
      },
      onAgreed: (agreement) => {
        this.agreement = agreement;
        this.#event({ type: 'welcomed' });
        for (const payload of this.#handshaking.takeEarly()) this.#receive(payload);
      },
      onDisagreed: (reason) => this.#refuse(reason),
      onRefused: (reason) => this.peerRefused(reason),
      onReported: (rule, message) => this.peerReported(rule, message),
    });
  }

  /** We say no, and why. */
  #refuse(reason: string): void {
    this.#say({ type: 'refuse', reason });
    this.#event({ type: 'refused', reason });
  }

  // ---- actions of the statechart

  #makeActor(): SessionActor {
    const { endpoint, role, parent } = this.#options;
    const provided = sessionMachine.provide({
      actions: {
        greet: () => this.#greet(),
        begin: () => this.#begin(),
        drain: ({ context }) => this.#drain(context.graceMs),
        cutSlowHandshake: () => (this.#ending = { type: 'slowHandshake' }),
        noteEnding: ({ event }) => this.#noteEnding(event as Ending),
        end: () => this.#end(),
      },
    });
    const { clock, handshakeTimeoutMs } = endpoint.options;
    const id = `session:${toHex(endpoint.options.random.bytes(8))}`;
    return stockActor(provided, { id, input: { role, handshakeTimeoutMs }, parent, clock: parent === undefined ? clock : undefined });
  }

  /** The first reason stands, unless the peer breaks a rule while the session closes: it is told. */
  #noteEnding(event: Ending): void {
    if (this.#ending === undefined || event.type === 'protocolError') this.#ending = event;
  }

  #greet(): void {
    if (this.role === 'initiator') this.#say(makeHello(this.endpoint, { scope: this.scope, series: this.series.id }));
  }

  #begin(): void {
    const { agreement, endpoint } = this;
    const link = this.#link;
    if (agreement === undefined || link === undefined) return;
    this.#limitInbound(endpoint.options.maxPayload);
    if (this.role === 'acceptor') {
      this.#say(makeWelcome(endpoint, { sessionId: agreement.sessionId, series: this.series.id }));
    }
    this.outbox.maxPayload = agreement.peerLimits.maxPayload;
    this.outbox.attach(link);
    this.root.open(agreement.peerLimits.maxConcurrentRequests);
    this.#keepAlive = KeepAlive.over(this, link, (error) => this.#lost(error));
    this.status$.next('connected');
    this.#options.onConnected(this);
    if (this.#isTethered) this.#facade.letGo();
  }

  #drain(graceMs: number): void {
    this.status$.next('closing');
    if (graceMs > 0 && !this.#isIdle) this.outbox.send({ type: 'go-away', graceMs });
    else this.#event({ type: 'drained' });
  }

  #end(): void {
    const ending = this.#ending;
    const isProtocolError = ending?.type === 'protocolError';
    // The last word takes along what waits: a call among it may run, so it goes before the calls are judged (outcome.retryable).
    if (ending?.type === 'close') this.outbox.flushAll();
    this.#keepAlive?.stop();
    const end = endOfConnections(ending);
    this.connections.end(end);
    this.root.end(end);
    if (ending?.type === 'close') this.acknowledgements.now();
    else this.acknowledgements.end();
    if (isProtocolError && !this.#reported) this.counters.protocolErrors++;
    this.#endLink(ending);
    this.outbox.detach();
    this.status$.next('closed');
    this.status$.complete();
    Promise.resolve(this.#options.onClosed(this)).then(this.#resolveClosed, this.#resolveClosed);
    const entry = endingEntry(ending, this.facade.id);
    if (entry !== undefined) this.endpoint.options.log(entry);
  }

  /** The peer is told why, where it can be; what was sent before is delivered, if the peer takes it within the handshake's time. */
  #endLink(ending: Ending | undefined): void {
    const link = this.#link;
    if (link === undefined || ending?.type === 'linkLost') return;
    if (ending?.type === 'protocolError' && !this.#reported)
      this.outbox.sendLast({ type: 'protocol-error', rule: ending.rule, message: ending.message }, link);
    else if (ending?.type === 'close' && this.agreement !== undefined)
      this.outbox.sendLast({ type: 'close', connectionId: 0, reason: 'closed' }, link);
    const { clock, handshakeTimeoutMs } = this.endpoint.options;
    if (ending?.type === 'slowHandshake') {
      link.abort(new Error('the peer did not finish the handshake in time'));
      return;
    }
    this.#linger = clock.setTimeout(() => link.abort(), handshakeTimeoutMs);
    link.close();
  }

  // ---- the link

  /** Says something outside the batch: the handshake's messages go alone. */
  #say(message: Message): void {
    try {
      this.#link?.send(encodeMessage(message));
    } catch (error) {
      this.#lost(error);
    }
  }

  #lost(error: unknown): void {
    this.#link?.abort(error instanceof Error ? error : undefined);
    this.#event({ type: 'linkLost', error });
  }

  #linkClosed(error: Error | undefined): void {
    if (this.#linger !== undefined) this.endpoint.options.clock.clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#event({ type: 'linkLost', error });
  }
}
