/** The listening side: composes a listener, its sessions and their store (api.md, "Serving"). */
import { servedMethods } from './contract.ts';
import type { ServedMethod } from './contract.ts';
import type { Endpoint } from './driver/host.ts';
import { ActorHost } from './machines/actor-host.ts';
import { RootKind } from './machines/root.ts';
import { serverMachine } from './machines/server.ts';
import { resolveCapacity, resolveGraceMs, resolveOptions } from './options.ts';
import type { Capacity, ListenOptions } from './options.ts';
import { resolveResume } from './recovery-options.ts';
import type { ResolvedResume } from './recovery-options.ts';
import { SessionCore } from './session/session-core.ts';
import type { SessionCoreOptions } from './session/session-options.ts';
import { ResumableSessions } from './session/resumable-sessions.ts';
import { Session } from './session/session.ts';
import type { CloseOptions } from './session/session.ts';
import { leaseStore } from './session/store-lease.ts';
import type { EndLease } from './session/store-lease.ts';
import { memoryStore } from './store/memory.ts';
import type { Link, Listener } from './transport/link.ts';

const servers = new RootKind<typeof serverMachine, Sessions>(serverMachine, {});

export type ServerActor = ReturnType<(typeof servers)['make']>;

type Listening<A> = Awaited<ReturnType<Listener<A>['listen']>>;

/**
 * Listens for peers.
 * @throws TypeError for options that make no sense; else what the listener or the store failed with.
 */
export async function listen<A>(listener: Listener<A>, given: ListenOptions = {}): Promise<Server<A>> {
  if (typeof listener?.listen !== 'function') throw new TypeError('listen needs a listener, as `tcp({ port })` gives');
  const options = resolveOptions(given, 'listen');
  const resume = resolveResume(given.resume);
  if (given.onSession !== undefined && typeof given.onSession !== 'function') throw new TypeError('options.onSession must be a function');
  const capacity = resolveCapacity(given);
  const services = servedMethods(options.services);
  const store = options.store ?? memoryStore({ clock: options.clock });
  const endStore = await leaseStore(store, options);
  const sessions = new Sessions(
    { options, store, resume: resume !== false },
    { services, resume, capacity, onSession: given.onSession ?? (() => {}) },
  );
  try {
    const listening = await listener.listen((link) => sessions.accept(link), {
      maxPayload: options.maxPayload,
      maxHandshakes: capacity.maxHandshakes,
    });
    return new Server(listening, sessions, endStore);
  } catch (error) {
    await endStore(0);
    throw error;
  }
}

/** What every session of a listening side is given. */
interface SessionTerms {
  readonly services: ReadonlyMap<number, ServedMethod>;
  readonly resume: ResolvedResume | false;
  readonly capacity: Capacity;
  readonly onSession: (session: Session) => void;
}

/** Every session of a listening side, also those that have not finished their handshake. */
class Sessions {
  readonly connected = new Map<string, Session>();
  readonly actor: ServerActor;
  readonly #endpoint: Endpoint;
  readonly #terms: SessionTerms;
  readonly #resumable: ResumableSessions | undefined;
  /** What all of them are made with. */
  readonly #sessionOptions: SessionCoreOptions;
  readonly #cores = new Set<SessionCore>();
  /** Those of them whose handshake is not done. */
  readonly #handshaking = new Set<SessionCore>();
  /** Whether it has been said that links are refused. */
  #flood: 'none' | 'told' = 'none';
  refusedLinks = 0;

  constructor(endpoint: Endpoint, terms: SessionTerms) {
    this.#endpoint = endpoint;
    this.#terms = terms;
    this.#resumable = terms.resume === false ? undefined : new ResumableSessions(terms.resume.maxSessions);
    const { clock, inspect, log } = endpoint.options;
    this.actor = servers.make({ id: 'server', owner: this, input: undefined, clock });
    const host = new ActorHost(() => this.actor, {
      onError: (error) => log({ level: 'error', event: 'internal-error', message: 'an inspector threw', error }),
    });
    host.attach();
    if (inspect !== undefined) host.inspect(inspect);
    this.actor.start();
    this.#sessionOptions = this.#makeSessionOptions();
  }

  #makeSessionOptions(): SessionCoreOptions {
    const { services, resume, capacity } = this.#terms;
    return {
      endpoint: this.#endpoint,
      role: 'acceptor',
      services,
      recoveryMs: resume === false ? 0 : resume.ttlMs,
      ...(this.#resumable && { resumable: this.#resumable }),
      hasRoom: () => this.connected.size < capacity.maxSessions,
      parent: this.actor,
      facade: (made) => new Session(made),
      onConnected: (made) => this.#connected(made),
      onClosed: (made) => this.#closed(made),
    };
  }

  accept(link: Link): void {
    if (this.actor.getSnapshot().value !== 'listening') {
      link.abort(new Error('the server is closing'));
      return;
    }
    if (this.#handshaking.size >= this.#terms.capacity.maxHandshakes) {
      this.#refuse(link);
      return;
    }
    const core = new SessionCore(this.#sessionOptions);
    this.#cores.add(core);
    this.#handshaking.add(core);
    core.start();
    core.linkUp(link);
  }

  /** session.capacity: it costs nothing but its socket. */
  #refuse(link: Link): void {
    const { maxHandshakes } = this.#terms.capacity;
    link.abort(new Error(`${maxHandshakes} peers are in their handshake already (maxHandshakes)`));
    this.refusedLinks++;
    // Once, until there was room again: a flood of links is not to become one of lines.
    if (this.#flood === 'told') return;
    this.#flood = 'told';
    const message = `links are cut: ${maxHandshakes} peers are in their handshake already (maxHandshakes)`;
    this.#endpoint.options.log({ level: 'warn', event: 'links-refused', message, refused: this.refusedLinks });
  }

  #handshakeOver(core: SessionCore): void {
    this.#handshaking.delete(core);
    this.#flood = 'none';
  }

  async close(graceMs: number): Promise<void> {
    this.actor.send({ type: 'close' });
    await Promise.all(Array.from(this.#cores, (core) => core.close(graceMs)));
    this.actor.send({ type: 'ended' });
  }

  #connected(core: SessionCore): void {
    const { facade } = core;
    this.#handshakeOver(core);
    this.connected.set(facade.id, facade);
    try {
      this.#terms.onSession(facade);
    } catch (error) {
      this.#endpoint.options.log({ level: 'error', event: 'internal-error', message: 'onSession threw', session: facade.id, error });
    }
  }

  #closed(core: SessionCore): void {
    this.#handshakeOver(core);
    this.#cores.delete(core);
    this.connected.delete(core.facade.id);
  }
}

/** A listening side. */
export class Server<A = unknown> {
  /** Where it listens: of tcp `{ host, port }`, of unix `{ path }`, of websocket `{ host, port, path }`, of memory `{ name }`. */
  readonly address: A;
  readonly #listening: Listening<A>;
  readonly #sessions: Sessions;
  readonly #endStore: EndLease;
  #closed: Promise<void> | undefined = undefined;

  /** @internal Made by `listen`. */
  constructor(listening: Listening<A>, sessions: Sessions, endStore: EndLease) {
    this.address = listening.address;
    this.#listening = listening;
    this.#sessions = sessions;
    this.#endStore = endStore;
  }

  /** Connected sessions by id; an entry leaves when its session ends. */
  get sessions(): ReadonlyMap<string, Session> {
    return this.#sessions.connected;
  }

  /** Links that were cut at once because too many peers were in their handshake (session.capacity). */
  get refusedLinks(): number {
    return this.#sessions.refusedLinks;
  }

  /** The root of the server's actor system, an ordinary XState actor ref. */
  get actor(): ServerActor {
    return this.#sessions.actor;
  }

  /** Stops accepting, ends every session as `Session.close` does, then the store. */
  async close(options: CloseOptions = {}): Promise<void> {
    const graceMs = resolveGraceMs(options.graceMs);
    await (this.#closed ??= this.#close(graceMs));
  }

  async #close(graceMs: number): Promise<void> {
    const stopped = this.#listening.close();
    const ended = this.#sessions.close(graceMs);
    // Whatever becomes of one, the others end.
    const outcomes = await Promise.allSettled([stopped, ended]);
    await this.#endStore(graceMs);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
