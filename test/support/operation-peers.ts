/**
 * Servers, and sessions that call them, on one memory network and one clock that stands still: for what happens to an operation that several attempts,
 * sessions or processes ask for. Handlers do nothing by themselves: each run is in a test's hand. Not for what a peer of bad will says first; but a
 * session's own link may be made to carry any message.
 */
import { connect, defineService, implement, listen, method, RpcError } from 'statewire';
import type {
  CallContext,
  CallOptions,
  Client,
  ConnectOptions,
  Connector,
  Handlers,
  Link,
  ListenOptions,
  LogEntry,
  Server,
  ServiceImplementation,
  Session,
  StandardSchemaV1,
} from 'statewire';
import { memoryNetwork } from 'statewire/memory';
import type { MemoryNetwork, TapEvent } from 'statewire/memory';
import { SimulatedClock } from 'statewire/testing';
import { encodeMessage, encodeValue } from 'statewire/wire';
import type { Message, ResponseMessage } from 'statewire/wire';
import { ScriptedStore } from './scripted-store.ts';
import type { ScriptedStoreOptions } from './scripted-store.ts';

/** Schemas of every method, at the server alone. */
export interface WorkSchemas {
  readonly input?: StandardSchemaV1;
  readonly output?: StandardSchemaV1;
}

function makeWork(schemas: WorkSchemas) {
  return defineService('Work', {
    volatile: method<unknown, unknown, unknown>(schemas),
    idem: method<unknown, unknown, unknown>({ ...schemas, idem: true }),
    persist: method<unknown, unknown, unknown>({ ...schemas, persist: true }),
    persistIdem: method<unknown, unknown, unknown>({ ...schemas, persist: true, idem: true }),
    other: method<unknown, unknown, unknown>(schemas),
  });
}

/** One method of each policy, and one more to mistake for them. */
export const Work = makeWork({});

/** A policy, by the method that has it. */
export type Policy = 'volatile' | 'idem' | 'persist' | 'persistIdem';
export const POLICIES: readonly Policy[] = ['volatile', 'idem', 'persist', 'persistIdem'];

/** One run of a handler, which ends when and how the test says. */
export class Run {
  readonly method: string;
  readonly input: unknown;
  readonly call: CallContext<unknown>;
  readonly result: Promise<unknown>;
  #resolve: (value: unknown) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(input: unknown, call: CallContext<unknown>) {
    this.method = call.method;
    this.input = input;
    this.call = call;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  returns(value: unknown): void {
    this.#resolve(value);
  }

  throws(error: unknown): void {
    this.#reject(error);
  }

  /** Ends it with the method's declared failure. */
  fails(data: unknown): void {
    try {
      this.call.fail(data);
    } catch (error) {
      this.#reject(error);
    }
  }

  get aborted(): boolean {
    return this.call.signal.aborted;
  }
}

/** How one call ended, for comparing: its value, or what its error says. */
export type Ended =
  | { readonly value: unknown }
  | { readonly kind: RpcError['kind']; readonly reason?: string | undefined; readonly data?: unknown; readonly retryable?: boolean };

/** A call that somebody watches, so that it never rejects unseen. */
export class Asked {
  readonly ended: Promise<Ended>;
  /** How it ended; undefined while it is pending. */
  now: Ended | undefined = undefined;
  error: RpcError | undefined = undefined;
  readonly #controller: AbortController;

  constructor(controller: AbortController, promise: Promise<unknown>) {
    this.#controller = controller;
    this.ended = promise.then(
      (value): Ended => ({ value }),
      (error: unknown): Ended => {
        if (!(error instanceof RpcError)) throw error;
        this.error = error;
        const { kind, reason, data, retryable } = error;
        return { kind, reason, data, retryable };
      },
    );
    void this.ended.then((ended) => (this.now = ended));
  }

  /** Aborts the signal that was given with the call. */
  cancel(reason?: unknown): void {
    this.#controller.abort(reason);
  }
}

/** A session of a client, its link, and what the server has of it. */
export class Peer {
  readonly session: Session;
  readonly client: Client<typeof Work>;
  readonly link: Link;
  /** The session at the server. */
  readonly served: Session;

  constructor(session: Session, link: Link, served: Session) {
    this.session = session;
    this.client = session.client(Work);
    this.link = link;
    this.served = served;
  }

  get scope(): Uint8Array {
    return this.session.scope;
  }

  /** Calls a method, normally under a string id, and watches what becomes of it. */
  ask(name: keyof typeof Work.methods, operationId?: string, input: unknown = { n: 1 }, options: CallOptions = {}): Asked {
    const controller = new AbortController();
    return new Asked(controller, this.client[name](input, { operationId, signal: controller.signal, ...options }));
  }

  /** What the server counted for this session. */
  get counters(): Session['counters'] {
    return this.served.counters;
  }

  /** The link is lost, at both ends and without a word. */
  cut(): void {
    this.link.abort(new Error('cut'));
  }

  /** Sends any message to the server, past the session, which knows nothing of it. */
  say(message: Message): void {
    this.link.send(encodeMessage(message));
  }
}

export interface OperationPeersOptions extends ScriptedStoreOptions {
  /** Of the first server, beside its services, store, clock and log. */
  readonly server?: ListenOptions | undefined;
  /** Of every session, where the test says nothing else for it. */
  readonly client?: ConnectOptions | undefined;
  /** Of the servers' methods: their clients know nothing of them. */
  readonly schemas?: WorkSchemas | undefined;
  /** What a handler does instead of waiting for the test. */
  readonly handlers?: Partial<Handlers<typeof Work>> | undefined;
}

/** A call that no session of this process would make. */
export interface NumberedCall {
  /** Odd, and above what the session itself uses. */
  readonly requestId: number;
  readonly name?: keyof typeof Work.methods;
  readonly series?: string | undefined;
  readonly args?: Uint8Array;
}

/** See the top of the file. */
export class OperationPeers {
  readonly clock = new SimulatedClock(1_000_000);
  readonly network: MemoryNetwork = memoryNetwork({ clock: this.clock });
  readonly store: ScriptedStore;
  /** Every run of a handler, of all servers, in the order they started. */
  readonly runs: Run[] = [];
  /** What handlers did by accident, as the servers were told. */
  readonly accidents: unknown[] = [];
  readonly log: LogEntry[] = [];
  /** Every message that was sent, in order. */
  readonly sent: TapEvent[] = [];
  readonly #handlers: Partial<Handlers<typeof Work>>;
  readonly #service: typeof Work;
  readonly #client: ConnectOptions;
  readonly #servers = new Map<string, Server>();

  constructor(options: OperationPeersOptions) {
    this.store = new ScriptedStore({ clock: this.clock, ...options });
    this.#handlers = options.handlers ?? {};
    this.#service = makeWork(options.schemas ?? {});
    this.#client = options.client ?? {};
    this.network.tap((event) => void this.sent.push(event));
  }

  get server(): Server {
    return this.#servers.get('bank')!;
  }

  /** One more server; by default it shares the store. */
  async listen(name: string, options: ListenOptions = {}): Promise<Server> {
    const server = await listen(this.network.listener(name), {
      services: [this.implementation()],
      store: this.store,
      clock: this.clock,
      log: (entry) => void this.log.push(entry),
      onHandlerError: (error) => void this.accidents.push(error),
      ...options,
    });
    this.#servers.set(name, server);
    return server;
  }

  /** One more session, by default with the first server. */
  async connect(options: ConnectOptions = {}, name = 'bank'): Promise<Peer> {
    let link: Link | undefined;
    const inner = this.network.connector(name);
    const connector: Connector = { connect: async (signal, limits) => (link = await inner.connect(signal, limits)) };
    const session = await connect(connector, { clock: this.clock, ...this.#client, ...options });
    return new Peer(session, link!, this.#servers.get(name)!.sessions.get(session.id)!);
  }

  /** Two sessions of one scope. */
  async connectTwo(options: ConnectOptions = {}): Promise<[Peer, Peer]> {
    const one = await this.connect(options);
    return [one, await this.connect({ ...options, scope: one.scope })];
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await this.clock.advance(0);
  }

  /** The messages of one type that were sent, in order. */
  messages<T extends Message['type']>(type: T): Extract<Message, { type: T }>[] {
    return this.sent.map(({ message }) => message).filter((message) => message.type === type) as Extract<Message, { type: T }>[];
  }

  /** Asks for a number of an operation, past the session, which so never acknowledges it. Gives the server's answer, if there is one. */
  async askForNumber(peer: Peer, number: number, given: NumberedCall): Promise<ResponseMessage | undefined> {
    const { requestId, name = 'volatile', series, args = encodeValue({ n: 1 }) } = given;
    const methodId = Work.methods[name].id;
    peer.say({ type: 'call', connectionId: 0, requestId, methodId, operationId: number, series, channels: [], metadata: [], args });
    await this.settle();
    return this.answerTo(requestId);
  }

  /** The servers' answers, in order, as `requestId: what`. */
  get answers(): string[] {
    return this.messages('response').map((message) => `${message.requestId}: ${message.ok ? 'value' : message.error.kind}`);
  }

  /** The series of the sessions' initiators, in the order they connected. */
  get series(): string[] {
    return this.messages('hello').map(({ series }) => series);
  }

  /** The server's answer to one request id. */
  answerTo(requestId: number): ResponseMessage | undefined {
    return this.messages('response').find((message) => message.requestId === requestId);
  }

  /** The only run there is. */
  get run(): Run {
    const [run, second] = this.runs;
    if (run === undefined || second !== undefined) throw new Error(`${this.runs.length} runs of handlers, where one is expected`);
    return run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers.values()) await server.close();
  }

  /** `Work` with these handlers; the others wait for the test. */
  implementation(handlers: Partial<Handlers<typeof Work>> = this.#handlers): ServiceImplementation {
    const wait = (input: unknown, call: CallContext<unknown>) => {
      const run = new Run(input, call);
      this.runs.push(run);
      return run.result;
    };
    return implement(this.#service, { volatile: wait, idem: wait, persist: wait, persistIdem: wait, other: wait, ...handlers });
  }
}

/** A server with a scripted store, to which sessions may connect. */
export async function operationPeers(options: OperationPeersOptions = {}): Promise<OperationPeers> {
  const peers = new OperationPeers(options);
  await peers.listen('bank', options.server);
  return peers;
}
