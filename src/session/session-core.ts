/**
 * A session at work: one link's life for now, from the handshake to the end. Its statechart (machines/session.ts) says what
 * may happen; here is what the actions do. What users hold is session.ts; calls are the driver's.
 */
import { BehaviorSubject } from 'rxjs';
import type { Endpoint } from '../driver/host.ts';
import { Counters } from '../driver/counters.ts';
import { Series } from '../driver/series.ts';
import { RpcError } from '../errors.ts';
import { ActorHost } from '../machines/actor-host.ts';
import { stockActor } from '../machines/root.ts';
import { sessionMachine } from '../machines/session.ts';
import type { SessionEvent } from '../machines/session.ts';
import type { ServedMethod } from '../contract.ts';
import type { Link } from '../transport/link.ts';
import { decodeEach, decodeMessages, encodeMessage, WireError } from '../wire/index.ts';
import type { Message } from '../wire/index.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { ConnectionCore } from './connection-core.ts';
import { Control } from './control.ts';
import { endError, endingEntry } from './ending.ts';
import type { Ending } from './ending.ts';
import {
  agreeToHello,
  agreeToWelcome,
  HANDSHAKE_EXPECTED,
  HANDSHAKE_MAX_PAYLOAD,
  makeHello,
  makeWelcome,
  toHex,
  unexpectedMessage,
} from './handshake.ts';
import type { Agreement } from './handshake.ts';
import { Outbox } from './outbox.ts';
import type { Session } from './session.ts';

/** session.status */
export type SessionStatus = 'connecting' | 'connected' | 'disconnected' | 'reconnecting' | 'closing' | 'closed';

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
  readonly onClosed: (core: SessionCore) => void;
}

const NO_SCOPE = new Uint8Array(0);
/** What a payload that is kept takes besides its bytes: empty ones must not be free. */
const EARLY_PAYLOAD_BYTES = 256;

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
  readonly facade: Session;
  readonly status$ = new BehaviorSubject<SessionStatus>('connecting');
  /** Settles when the session has ended, whatever ended it. */
  readonly closed: Promise<void>;
  scope: Uint8Array;
  agreement: Agreement | undefined = undefined;
  readonly #options: SessionCoreOptions;
  readonly #control: Control;
  #link: Link | undefined = undefined;
  #ending: Ending | undefined = undefined;
  #linger: unknown = undefined;
  /** The peer itself ended the session by a protocol error: it need not be told. */
  #reported = false;
  /** Payloads that came behind a welcome while `authenticate` thinks about it. */
  #early: Uint8Array[] | undefined = undefined;
  #earlyBytes = 0;
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
      onRoom: () => this.root.driver?.outbound.dispatch(),
      onFailure: (error) => this.#lost(error),
    });
    this.acknowledgements = new Acknowledgements(this);
    this.#control = new Control(this);
    this.actor = this.#makeActor();
    this.actors = new ActorHost(() => this.actor, { onError: (error, actorId) => this.reportActorError(error, actorId) });
    this.root = new ConnectionCore(this, 0);
    this.facade = options.facade(this);
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
  }

  /** A link is there: the handshake begins on it. */
  linkUp(link: Link): void {
    this.#link = link;
    link.limitInbound?.(HANDSHAKE_MAX_PAYLOAD);
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

  /** The peer says that we broke a rule. */
  peerReported(rule: string, message: string): void {
    this.#reported = true;
    this.protocolError(rule, `the peer says: ${message}`);
  }

  /** An action or an inspector threw: a fault of ours or of the inspector's, which must not go unseen. */
  reportActorError(error: unknown, actorId: string | undefined): void {
    const message = `actor ${actorId ?? this.actor.id} failed: ${error instanceof Error ? error.message : String(error)}`;
    this.endpoint.options.log({ level: 'error', event: 'internal-error', message, error });
  }

  /** An attempt ended: a session that drains may be done. */
  settled(): void {
    if (this.status === 'closing' && this.root.idle) this.#event({ type: 'drained' });
  }

  /** A session that has ended hears nothing more: its link, for one, closes after it. */
  #event(event: SessionEvent): void {
    if (this.actor.getSnapshot().status === 'active') this.actor.send(event);
  }

  // ---- payloads

  readonly #route = (message: Message): void => {
    if (this.status === 'closed') return;
    switch (message.type) {
      case 'call':
      case 'response':
      case 'cancel':
        if (message.connectionId === 0) this.root.driver?.receive(message);
        else this.protocolError('conn.unknown', `connection ${message.connectionId} never was`);
        return;
      default:
        this.#control.receive(message);
    }
  };

  #receive(payload: Uint8Array): void {
    // Not the actor's state: that is the old one until `begin`, which hands on what came early, is through.
    const { status } = this;
    if (status === 'closed') return;
    try {
      if (status === 'connecting') this.#receiveHandshake(payload);
      else decodeEach(payload, this.#route);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (status === 'connecting' && error.rule === 'session.handshake') this.#refuse(`${HANDSHAKE_EXPECTED}: ${error.message}`);
      else this.protocolError(error.rule, error.message);
    }
  }

  #receiveHandshake(payload: Uint8Array): void {
    if (this.#early !== undefined) {
      this.#keepEarly(payload);
      return;
    }
    const [first, ...rest] = decodeMessages(payload);
    const expected = this.role === 'acceptor' ? 'hello' : 'welcome';
    if (first?.type === 'refuse') {
      this.#event({ type: 'refused', reason: first.reason });
    } else if (first?.type === 'protocol-error') {
      this.peerReported(first.rule, first.message);
    } else if (first?.type !== expected || rest.length > 0) {
      this.#refuse(unexpectedMessage(rest[0] ?? first, `${expected} alone`));
    } else {
      this.#early = [];
      this.#agree(first).catch((error: unknown) => this.#disagree(error));
    }
  }

  /** Nothing of an unauthenticated initiator is read; an acceptor that has welcomed us may speak at once, but not without bound. */
  #keepEarly(payload: Uint8Array): void {
    const { maxPayload } = this.endpoint.options;
    if (this.role === 'acceptor') throw new WireError('session.handshake', 'a payload before the welcome', 0);
    this.#early?.push(payload);
    this.#earlyBytes += payload.byteLength + EARLY_PAYLOAD_BYTES;
    if (this.#earlyBytes > maxPayload)
      throw new WireError('session.handshake-limits', `more than ${maxPayload} bytes before the handshake was done`, 0);
  }

  async #agree(message: Message): Promise<void> {
    const { endpoint, linkFacts } = this;
    if (message.type === 'hello') {
      this.scope = message.scope.slice();
      const sessionId = toHex(endpoint.options.random.bytes(16));
      this.agreement = await agreeToHello(message, { endpoint, scope: this.scope, linkFacts }, sessionId);
    } else if (message.type === 'welcome') {
      this.#link?.limitInbound?.(endpoint.options.maxPayload);
      this.agreement = await agreeToWelcome(message, { endpoint, scope: this.scope, linkFacts });
    }
    this.#event({ type: 'welcomed' });
  }

  #disagree(error: unknown): void {
    if (error instanceof RpcError && error.kind === 'refused') {
      this.#refuse(error.reason ?? 'refused');
      return;
    }
    this.endpoint.options.log({ level: 'error', event: 'internal-error', message: 'the handshake failed', error });
    this.#refuse('internal error');
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
    if (this.role === 'acceptor') {
      link.limitInbound?.(endpoint.options.maxPayload);
      this.#say(makeWelcome(endpoint, { sessionId: agreement.sessionId, series: this.series.id }));
    }
    this.outbox.maxPayload = agreement.peerLimits.maxPayload;
    this.outbox.attach(link);
    this.root.begin(agreement);
    this.status$.next('connected');
    this.#options.onConnected(this);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const payload of early) this.#receive(payload);
  }

  #drain(graceMs: number): void {
    this.status$.next('closing');
    if (graceMs > 0 && !this.root.idle) this.outbox.send({ type: 'go-away', graceMs });
    else this.#event({ type: 'drained' });
  }

  #end(): void {
    const ending = this.#ending;
    const isProtocolError = ending?.type === 'protocolError';
    // The last word takes along what waits: a call among it may run, so it goes before the calls are judged (outcome.retryable).
    if (ending?.type === 'close') this.outbox.flushAll();
    this.root.end(isProtocolError ? 'protocol-error' : 'connection-closed', isProtocolError ? ending.rule : 'closed');
    if (ending?.type === 'close') this.acknowledgements.now();
    else this.acknowledgements.end();
    if (isProtocolError && !this.#reported) this.counters.protocolErrors++;
    this.#endLink(ending);
    this.outbox.detach();
    this.status$.next('closed');
    this.status$.complete();
    this.#options.onClosed(this);
    this.#resolveClosed();
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
