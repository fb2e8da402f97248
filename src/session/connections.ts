/**
 * The virtual connections of one session: opening them from either side, deciding about the peer's, and which ids were ever used (conn.open, conn.limit,
 * conn.unknown). The root is the session's own.
 */
import { Connection } from '../connection.ts';
import { isPromise } from '../driver/maybe.ts';
import { RpcError, textOf } from '../errors.ts';
import { LazyMap } from '../lazy-collections.ts';
import { conceal, MetadataView } from '../metadata.ts';
import { resolveOpen, resolveTerms } from '../connection-options.ts';
import type { ConnectionRequest, ConnectionTerms, OpenOptions } from '../connection-options.ts';
import type { AcceptMessage, CloseMessage, OpenMessage, RejectMessage } from '../wire/index.ts';
import { ConnectionCore } from './connection-core.ts';
import type { ConnectionCoreOptions, SessionEnd } from './connection-core.ts';
import type { SessionCore } from './session-core.ts';
import { UnconfirmedCloses } from './unconfirmed-closes.ts';

/** A connection that the peer wants, while we think about it. */
interface Pending {
  readonly message: OpenMessage;
  accepted?: ConnectionCore;
}

/** Rejections that may have been lost with a link: more than can be under way. */
const MAX_REJECTIONS = 256;

export class Connections {
  readonly #core: SessionCore;
  /** Open ones, and those we have asked for. */
  readonly #live = new LazyMap<number, ConnectionCore>();
  readonly #pending = new LazyMap<number, Pending>();
  /** What we asked for and the peer has not decided: it is asked again on a new link. */
  readonly #asking = new LazyMap<number, OpenMessage>();
  readonly #closes: UnconfirmedCloses;
  /** Why the last few of the peer's opens were rejected: it asks again if the link was lost before it heard. */
  readonly #rejections = new LazyMap<number, string>();
  #nextId: number;
  /** The highest id the peer has opened: it allocates them in order (id.unique). */
  #highestOfPeer = 0;
  /** The same of the present link: below it, an open that comes again after a loss is legal. */
  #highestOnLink = 0;
  /** Connections the peer opened that are open. */
  #openOfPeer = 0;

  constructor(core: SessionCore) {
    this.#core = core;
    this.#nextId = core.role === 'initiator' ? 1 : 2;
    this.#closes = new UnconfirmedCloses(core.outbox);
  }

  get size(): number {
    return this.#live.size + this.#pending.size;
  }

  get all(): Iterable<ConnectionCore> {
    return this.#live.values();
  }

  find(connectionId: number): ConnectionCore | undefined {
    return this.#live.get(connectionId);
  }

  /** No call is in flight on any of them. */
  get idle(): boolean {
    for (const connection of this.#live.values()) if (!connection.idle) return false;
    return true;
  }

  #isOurs(id: number): boolean {
    return (id % 2 === 1) === (this.#core.role === 'initiator');
  }

  /** Whether there once was such a connection: what still comes for it crossed its close (conn.unknown). */
  wasUsed(id: number): boolean {
    return this.#isOurs(id) ? id < this.#nextId : id <= this.#highestOfPeer;
  }

  // ---- ours

  open(options: OpenOptions): Promise<Connection> {
    const core = this.#core;
    const { terms, metadata, parity } = resolveOpen(options, core.endpoint.options);
    if (core.agreement === undefined || core.isClosing) {
      return Promise.reject(new RpcError({ kind: 'connection-closed', reason: 'closed', message: 'the session is not open', retryable: true }));
    }
    const connectionId = this.#nextId;
    this.#nextId += 2;
    const connection = this.#ask({ connectionId, terms, oddIds: parity === 'odd' });
    const opened = new Promise<Connection>((resolve, reject) => {
      connection.whenDecided((rejection) => (rejection === undefined ? resolve(new Connection(connection.tether())) : reject(rejection)));
    });
    const limits = { maxConcurrentRequests: terms.maxConcurrentRequests };
    const message: OpenMessage = { type: 'open', connectionId, parity, limits, metadata };
    this.#asking.set(connectionId, message);
    core.outbox.send(message);
    return opened;
  }

  #ask(options: Pick<ConnectionCoreOptions, 'connectionId' | 'terms' | 'oddIds'>): ConnectionCore {
    const { connectionId } = options;
    const connection = new ConnectionCore(this.#core, { ...options, isTethered: true, onClosed: () => this.#remove(connectionId) });
    this.#live.set(connectionId, connection);
    connection.start();
    return connection;
  }

  accepted({ connectionId, limits }: AcceptMessage): void {
    if (this.#isAcceptedAgain(connectionId)) return;
    const connection = this.#asked(connectionId, 'accepted');
    if (limits.maxConcurrentRequests < 1) this.#core.protocolError('conn.open', 'an accepted connection must take at least one request');
    else connection?.open(limits.maxConcurrentRequests);
  }

  rejected({ connectionId, reason }: RejectMessage): void {
    this.#asked(connectionId, 'rejected')?.reject(reason);
  }

  /** It was accepted on an earlier link: the peer cannot know that we have heard so, or have closed it since. */
  #isAcceptedAgain(connectionId: number): boolean {
    if (this.#core.generation < 2 || !this.#isOurs(connectionId) || !this.wasUsed(connectionId)) return false;
    const connection = this.#live.get(connectionId);
    if (connection === undefined) this.#core.counters.lateMessages++;
    return connection?.host !== undefined || connection === undefined;
  }

  #asked(connectionId: number, what: string): ConnectionCore | undefined {
    const connection = this.#isOurs(connectionId) ? this.#live.get(connectionId) : undefined;
    if (connection === undefined || connection.host !== undefined) {
      this.#core.protocolError('conn.unknown', `connection ${connectionId} was ${what}, and nobody asked for it`);
      return undefined;
    }
    this.#asking.delete(connectionId);
    return connection;
  }

  // ---- the peer's

  asked(message: OpenMessage): void {
    const core = this.#core;
    const { connectionId } = message;
    if (this.#isOurs(connectionId)) {
      core.protocolError('id.violation', `connection id ${connectionId} has our parity, not yours`);
      return;
    }
    if (connectionId <= this.#highestOnLink) {
      core.protocolError('id.violation', `connection id ${connectionId} was used before`);
      return;
    }
    this.#highestOnLink = connectionId;
    if (connectionId <= this.#highestOfPeer) {
      this.#askedAgain(connectionId);
      return;
    }
    if (message.limits.maxConcurrentRequests < 1) {
      core.protocolError('conn.open', 'a connection must take at least one request');
      return;
    }
    this.#highestOfPeer = connectionId;
    const refusal = this.#refusal();
    if (refusal === undefined) this.#consider({ message: { ...message, metadata: conceal(message.metadata) } });
    else this.#sayReject(connectionId, refusal);
  }

  /** The link was lost before our answer was heard: one that is open was accepted again already, one that we think about is decided later. */
  #askedAgain(connectionId: number): void {
    if (this.#live.has(connectionId) || this.#pending.has(connectionId)) return;
    // Not remembered: it would push out a reason that still is.
    this.#core.answer({ type: 'reject', connectionId, reason: this.#rejections.get(connectionId) ?? 'closed' });
  }

  #refusal(): string | undefined {
    const { maxConnections, onConnection } = this.#core.endpoint.options;
    if (onConnection === undefined) return 'no acceptor is configured';
    if (this.#core.isClosing) return 'draining';
    if (this.#openOfPeer + this.#pending.size >= maxConnections)
      return `too many connections: at most ${maxConnections} may be open (maxConnections)`;
    return undefined;
  }

  #consider(pending: Pending): void {
    const core = this.#core;
    this.#pending.set(pending.message.connectionId, pending);
    const request: ConnectionRequest = {
      metadata: MetadataView.of(pending.message.metadata),
      session: core.facade,
      principal: core.facade.principal,
      accept: (terms = {}) => this.#accept(pending, terms),
      reject: (reason) => this.#reject(pending, reason),
    };
    const undecided = (): void => this.#reject(pending, 'onConnection neither accepted nor rejected it', 'quietly');
    const failed = (error: unknown): void => {
      core.endpoint.options.log({
        level: 'error',
        event: 'user-error',
        message: `onConnection threw: ${textOf(error)}`,
        session: core.facade.id,
        error,
      });
      this.#reject(pending, 'not accepted', 'quietly');
      // Accepted before it threw: nobody may be there to look after it.
      pending.accepted?.close('not accepted');
    };
    try {
      const answer: unknown = core.endpoint.options.onConnection?.(request);
      if (isPromise(answer)) answer.then(undecided, failed);
      else undecided();
    } catch (error) {
      failed(error);
    }
  }

  #accept(pending: Pending, given: ConnectionTerms): Connection {
    const core = this.#core;
    const terms = resolveTerms(given, core.endpoint.options);
    this.#decide(pending);
    const { connectionId, parity, limits } = pending.message;
    const connection = new ConnectionCore(core, {
      connectionId,
      terms,
      oddIds: parity === 'even',
      isTethered: false,
      onClosed: () => {
        this.#openOfPeer--;
        this.#remove(connectionId);
      },
    });
    pending.accepted = connection;
    this.#live.set(connectionId, connection);
    this.#openOfPeer++;
    connection.start();
    this.#sayAccept(connection);
    connection.open(limits.maxConcurrentRequests);
    return new Connection(connection.tether());
  }

  #reject(pending: Pending, reason: string, whenOver: 'throws' | 'quietly' = 'throws'): void {
    if (whenOver === 'quietly' && !this.#isPending(pending)) return;
    if (typeof reason !== 'string') throw new TypeError(`reject: the reason must be a string, not ${typeof reason}`);
    this.#decide(pending);
    this.#sayReject(pending.message.connectionId, reason);
    this.#core.connectionGone();
  }

  #decide(pending: Pending): void {
    if (!this.#isPending(pending)) throw new Error('this connection was accepted or rejected before, or its peer has given it up');
    this.#giveUp(pending);
  }

  /** Neither decided nor given up by the peer. */
  #isPending({ message }: Pending): boolean {
    return this.#pending.has(message.connectionId);
  }

  #giveUp(pending: Pending): void {
    this.#pending.delete(pending.message.connectionId);
  }

  #sayAccept({ connectionId, terms: { maxConcurrentRequests } }: ConnectionCore): void {
    this.#core.outbox.send({ type: 'accept', connectionId, limits: { maxConcurrentRequests } });
  }

  #sayReject(connectionId: number, reason: string): void {
    this.#rejections.set(connectionId, reason);
    const [oldest] = this.#rejections.keys();
    if (this.#rejections.size > MAX_REJECTIONS && oldest !== undefined) this.#rejections.delete(oldest);
    this.#core.answer({ type: 'reject', connectionId, reason });
  }

  // ---- a new link

  /** Says again what may not have come through: what we closed, what we asked for, and what we accepted and the peer has not used. */
  linkUp(): void {
    this.#highestOnLink = 0;
    this.#closes.sayAgain();
    for (const message of this.#asking.values()) this.#core.outbox.send(message);
    for (const connection of this.#live.values()) if (!this.#isOurs(connection.connectionId) && connection.isUnheard) this.#sayAccept(connection);
  }

  /** The peer knows nothing of before: no virtual connection goes on, and its ids begin again (resume.unknown). */
  restart(end: SessionEnd): void {
    this.end(end);
    this.#closes.forget();
    this.#rejections.clear();
    this.#highestOfPeer = this.#highestOnLink = 0;
  }

  // ---- the end of one, and of all

  sayClose(connectionId: number, reason: string): void {
    this.#closes.say(connectionId, reason);
  }

  pong(nonce: number): void {
    this.#closes.pong(nonce);
  }

  closedByPeer({ connectionId, reason }: CloseMessage): void {
    const pending = this.#pending.get(connectionId);
    const connection = this.#live.get(connectionId);
    if (pending !== undefined) {
      this.#giveUp(pending);
      this.#core.connectionGone();
    } else if (connection !== undefined) {
      connection.peerClosed(reason ?? 'closed');
    } else {
      this.unknown(connectionId);
    }
  }

  /** A message for a connection that is not there (conn.unknown). */
  unknown(connectionId: number): void {
    if (this.#pending.has(connectionId) || this.#live.has(connectionId))
      this.#core.protocolError('conn.open', `connection ${connectionId} was used before it was accepted`);
    else if (this.wasUsed(connectionId)) this.#core.counters.lateMessages++;
    else this.#core.protocolError('conn.unknown', `connection ${connectionId} never was`);
  }

  end(end: SessionEnd): void {
    this.#asking.clear();
    for (const pending of [...this.#pending.values()]) this.#giveUp(pending);
    for (const connection of [...this.#live.values()]) connection.end(end);
  }

  #remove(connectionId: number): void {
    this.#live.delete(connectionId);
    // Once the connection's actor has said that it is over: its session's may end by this.
    queueMicrotask(() => this.#core.connectionGone());
  }
}
