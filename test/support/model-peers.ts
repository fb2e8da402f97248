/**
 * Peers for the model-based tests: a session of this runtime whose actors an inspector watches, against a scripted peer that takes its links one after
 * another and answers each as the test says; and a server of this runtime, watched, with scripted peers that dial it.
 */
import { onTestFinished } from 'vitest';
import { connect, defineService, implement, listen, method } from 'statewire';
import type { ConnectOptions, Connector, ListenOptions, Server, Session, StandardSchemaV1 } from 'statewire';
import { methodId } from 'statewire/wire';
import type { CallMessage, HelloMessage, Message, WelcomeMessage } from 'statewire/wire';
import { call, ScriptedPeer, welcome } from './hostile-peer.ts';
import { Witness } from './model-runs.ts';
import { gated, makeWorld, PLACE } from './peers.ts';
import type { World } from './peers.ts';
import { REDIAL_MS, tidied } from './resume-peers.ts';
import { ScriptedStore } from './scripted-store.ts';

/** What is malformed in any state. */
export const GARBAGE = new Uint8Array([0xc1, 0xc1, 0xc1]);

export const FEATURES = { retry: true, resume: true } as const;

/** See the top of the file. */
export class WatchedClient {
  readonly world: World = makeWorld();
  readonly witness = new Witness();
  /** One for each link, in order. */
  readonly peers: ScriptedPeer[] = [];
  #session: Session | undefined = undefined;

  get session(): Session {
    if (this.#session === undefined) throw new Error('the client is not connected');
    return this.#session;
  }

  /** The peer at the present link, or the last one. */
  get peer(): ScriptedPeer {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error('nobody has dialled');
    return peer;
  }

  async listen(): Promise<void> {
    const listening = await this.world.network.listener(PLACE).listen((link) => void this.peers.push(new ScriptedPeer(link)));
    onTestFinished(() => listening.close());
  }

  /** Dials; the handshake is the test's. */
  dial(options: ConnectOptions = {}, connector: Connector = this.world.network.connector(PLACE)): Promise<Session> {
    const { clock } = this.world;
    const connecting = connect(connector, { clock, inspect: this.witness.inspect, keepAlive: false, ...options });
    connecting.then(
      (session) => (this.#session = session),
      () => {},
    );
    onTestFinished(() => {
      // A session that closes in its own time ends with its link.
      void this.#session?.close();
      this.world.network.cut();
    });
    return connecting;
  }

  /** Dials and gets through the handshake. */
  static async connect(options: ConnectOptions = {}, change: Partial<WelcomeMessage> = {}): Promise<WatchedClient> {
    const client = new WatchedClient();
    await client.listen();
    const connecting = client.dial(options);
    await client.world.settle();
    client.welcome(change);
    await connecting;
    await client.world.settle();
    return client;
  }

  /** Answers the hello of the present link. */
  welcome(change: Partial<WelcomeMessage> = {}): void {
    const resumeKey = new Uint8Array(32).fill(this.peers.length);
    this.peer.send(welcome({ features: FEATURES, resumeKey, ...change }));
  }

  /** The link is lost, and a new one is there, whose hello waits for an answer. */
  async redial(): Promise<void> {
    const { network, clock } = this.world;
    network.cut();
    network.heal();
    await clock.advance(REDIAL_MS);
  }

  /** The messages of one type that this client has sent, on whatever link. */
  sent<T extends Message['type']>(type: T): Extract<Message, { type: T }>[] {
    return this.world.traffic
      .filter(({ direction, message }) => direction.startsWith('initiator') && message.type === type)
      .map(({ message }) => message as Extract<Message, { type: T }>);
  }
}

/** A method of each policy. */
const Policies = defineService('Policies', {
  volatile: method<unknown, unknown>(),
  idem: method<unknown, unknown>({ idem: true }),
  persist: method<unknown, unknown>({ persist: true }),
  persistIdem: method<unknown, unknown>({ persist: true, idem: true }),
});

export interface Policy {
  readonly persist: boolean;
  readonly idem: boolean;
}

/** One call of a scripted peer. */
export interface ScriptedAttempt {
  readonly peer: ScriptedPeer;
  readonly requestId: number;
}

export interface WatchedServerOptions extends ListenOptions {
  /** What a call's input waits for before it is valid. Default: nothing. */
  readonly validation?: Promise<unknown> | undefined;
}

/** See the top of the file. Handlers stay until told, and so does the store where the test holds it. */
export class WatchedServer {
  readonly world: World = makeWorld();
  readonly witness = new Witness();
  readonly store = new ScriptedStore({ clock: this.world.clock });
  readonly runs = gated();
  readonly attempts: ScriptedAttempt[] = [];
  #server: Server | undefined = undefined;
  #dialled = 0;

  get server(): Server {
    if (this.#server === undefined) throw new Error('the server does not listen');
    return this.#server;
  }

  async listen({ validation, ...options }: WatchedServerOptions = {}): Promise<void> {
    const { clock, network } = this.world;
    const { handler } = tidied(this.runs);
    const input: StandardSchemaV1 = {
      '~standard': { version: 1, vendor: 'test', validate: (value) => (validation === undefined ? { value } : (validation as never)) },
    };
    const methods = Object.fromEntries(Object.entries(Policies.methods).map(([name, { persist, idem }]) => [name, method({ persist, idem, input })]));
    const service = implement(defineService('Policies', methods), Object.fromEntries(Object.keys(methods).map((name) => [name, handler])) as never);
    this.#server = await listen(network.listener(PLACE), {
      clock,
      inspect: this.witness.inspect,
      keepAlive: false,
      store: this.store,
      services: [service],
      ...options,
    });
    onTestFinished(() => this.server.close());
  }

  /** One more peer of the same scope, through its handshake. */
  async dial(change: Partial<HelloMessage> = {}): Promise<ScriptedPeer> {
    const series = String(++this.#dialled).padStart(16, '0');
    return ScriptedPeer.connect(this.world.network, { series, ...change });
  }

  /** The peer calls the method of that policy. */
  call(peer: ScriptedPeer, { persist, idem }: Policy, change: Partial<CallMessage> = {}): ScriptedAttempt {
    const requestId = 1 + 2 * this.attempts.filter((attempt) => attempt.peer === peer).length;
    const name = persist ? (idem ? 'persistIdem' : 'persist') : idem ? 'idem' : 'volatile';
    const attempt = { peer, requestId };
    this.attempts.push(attempt);
    peer.send(call(requestId, { methodId: methodId('Policies', name), ...change }));
    return attempt;
  }

  /** How often the peer was answered. */
  answersTo({ peer, requestId }: ScriptedAttempt): number {
    return peer.all('response').filter((response) => response.requestId === requestId).length;
  }

  /** The attempt's caller gives it up. */
  cancel({ peer, requestId }: ScriptedAttempt, operationId?: string): void {
    peer.send({ type: 'cancel', connectionId: 0, requestId, operationId });
  }
}
