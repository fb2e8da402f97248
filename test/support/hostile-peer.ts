/**
 * A peer that is not this runtime: a script that speaks bytes over a link by `statewire/wire` and says whatever a test wants it to
 * say, as initiator or as acceptor. It answers nothing by itself.
 */
import { onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { ConnectOptions, Link, ListenOptions, LogEntry, Session } from 'statewire';
import type { MemoryNetwork } from 'statewire/memory';
import { decodeMessages, encodeMessages, encodeValue, MAGIC, methodId, PROTOCOL_VERSION } from 'statewire/wire';
import type { CallMessage, HelloMessage, Message, ResponseMessage, WelcomeMessage } from 'statewire/wire';
import { deferred, lab, makeWorld, PLACE } from './peers.ts';
import type { LabHandler } from './peers.ts';

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

const LIMITS = { maxConcurrentRequests: 256, maxPayload: 16 * 1024 * 1024, maxConnections: 16, maxInitialCredit: 1_024 };

/** A hello that is in order, but for what is given. */
export function hello(change: Partial<HelloMessage> = {}): HelloMessage {
  return {
    type: 'hello',
    version: PROTOCOL_VERSION,
    role: 'initiator',
    parity: 'odd',
    limits: LIMITS,
    features: { retry: true, resume: false },
    scope: new Uint8Array(32).fill(7),
    series: '00112233445566ff',
    dial: 1,
    storeIdentity: 'scripted',
    ...change,
  };
}

/** A welcome that is in order, but for what is given. */
export function welcome(change: Partial<WelcomeMessage> = {}): WelcomeMessage {
  return {
    type: 'welcome',
    version: PROTOCOL_VERSION,
    role: 'acceptor',
    parity: 'even',
    limits: LIMITS,
    features: { retry: true, resume: false },
    sessionId: 'scripted-session',
    series: 'ff66554433221100',
    storeIdentity: 'scripted',
    retentionMs: 900_000,
    resumed: false,
    ...change,
  };
}

/** A call of `Lab.run` with operation id = request id, but for what is given. */
export function call(requestId: number, change: Partial<CallMessage> = {}): CallMessage {
  return {
    type: 'call',
    connectionId: 0,
    requestId,
    methodId: methodId('Lab', 'run'),
    operationId: requestId,
    channels: [],
    metadata: [],
    args: encodeValue(undefined),
    ...change,
  };
}

export function result(requestId: number, value?: unknown): ResponseMessage {
  return { type: 'response', connectionId: 0, requestId, ok: true, result: encodeValue(value), metadata: [] };
}

/** See the top of the file. */
export class ScriptedPeer {
  readonly link: Link;
  readonly received: Message[] = [];
  /** Settles when the link has ended; with the error if it was lost. */
  readonly closed: Promise<Error | undefined>;
  #read = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(link: Link) {
    const end = deferred<Error | undefined>();
    this.link = link;
    this.closed = end.promise;
    link.open({
      message: (payload) => {
        this.received.push(...decodeMessages(payload));
        this.#wake();
      },
      drain: () => {},
      close: (error) => {
        this.#isOver = true;
        end.resolve(error);
        this.#wake();
      },
    });
    onTestFinished(() => link.abort());
  }

  /** Dials whoever listens. */
  static async dial(network: MemoryNetwork): Promise<ScriptedPeer> {
    return new ScriptedPeer(await network.connector(PLACE).connect(new AbortController().signal));
  }

  /** Dials and gets through the handshake. */
  static async connect(network: MemoryNetwork, change: Partial<HelloMessage> = {}): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.dial(network);
    peer.send(hello(change));
    await peer.next('welcome');
    return peer;
  }

  /** Listens, and gives the peer of the first link that comes. */
  static async listen(network: MemoryNetwork): Promise<{ arrival: Promise<ScriptedPeer> }> {
    const arrived = deferred<ScriptedPeer>();
    const listening = await network.listener(PLACE).listen((link) => arrived.resolve(new ScriptedPeer(link)));
    onTestFinished(() => listening.close());
    return { arrival: arrived.promise };
  }

  /** One payload with these messages. */
  send(...messages: Message[]): void {
    this.link.send(encodeMessages(messages));
  }

  sendBytes(payload: Uint8Array): void {
    this.link.send(payload);
  }

  /** The next message of that type, those before it passed over. Rejects when the link ends without one. */
  async next<T extends Message['type']>(type: T): Promise<MessageOf<T>> {
    for (;;) {
      while (this.#read < this.received.length) {
        const message = this.received[this.#read++];
        if (message?.type === type) return message as MessageOf<T>;
      }
      if (this.#isOver) throw new Error(`the link ended without a ${type}; received: ${this.received.map((message) => message.type).join(', ')}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  all<T extends Message['type']>(type: T): MessageOf<T>[] {
    return this.received.filter((message): message is MessageOf<T> => message.type === type);
  }
}

/** A server of this runtime, and a scripted peer that has dialled it and said nothing yet. */
export async function dialServer(options: ListenOptions = {}) {
  const world = makeWorld();
  const serverLog: LogEntry[] = [];
  const handlerErrors: unknown[] = [];
  const sessions: Session[] = [];
  /** The inputs that the default service was called with. */
  const started: unknown[] = [];
  const keep: LabHandler = (input) => {
    started.push(input);
    return input;
  };
  const server = await listen(world.network.listener(PLACE), {
    clock: world.clock,
    log: (entry) => serverLog.push(entry),
    onHandlerError: (error) => handlerErrors.push(error),
    onSession: (session) => sessions.push(session),
    services: [lab(keep)],
    ...options,
  });
  onTestFinished(() => server.close());
  return { ...world, server, peer: await ScriptedPeer.dial(world.network), serverLog, handlerErrors, sessions, started };
}

/** The same, with the peer welcomed: `accepted` is the server's session with it. */
export async function attackServer(options: ListenOptions = {}, change: Partial<HelloMessage> = {}) {
  const dialled = await dialServer(options);
  dialled.peer.send(hello(change));
  await dialled.peer.next('welcome');
  const [accepted] = dialled.server.sessions.values();
  return { ...dialled, accepted: accepted as Session };
}

/** A client of this runtime that has dialled a scripted peer, whose answer it waits for. */
export async function acceptClient(options: ConnectOptions = {}) {
  const world = makeWorld();
  const clientLog: LogEntry[] = [];
  const { arrival } = await ScriptedPeer.listen(world.network);
  const connecting = connect(world.network.connector(PLACE), { clock: world.clock, log: (entry) => clientLog.push(entry), ...options });
  onTestFinished(() =>
    connecting.then(
      (session) => session.close(),
      () => {},
    ),
  );
  return { ...world, connecting, peer: await arrival, clientLog };
}

/** The same, with the client welcomed by the peer. */
export async function attackClient(options: ConnectOptions = {}, change: Partial<WelcomeMessage> = {}) {
  const accepted = await acceptClient(options);
  await accepted.peer.next('hello');
  accepted.peer.send(welcome(change));
  return { ...accepted, session: await accepted.connecting };
}

/** The bytes of a hello whose version is another one: magic and version stand first in each. */
export function withVersion(payload: Uint8Array, version: number): Uint8Array {
  const changed = payload.slice();
  const at = new TextDecoder('latin1').decode(changed).indexOf(MAGIC) + MAGIC.length;
  changed[at] = version;
  return changed;
}
