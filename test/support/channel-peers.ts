/**
 * Two peers with channels between them, over the memory network or over real TCP, for tests that hold both ends of a channel in their hand: handlers give
 * what they were called with to the test and stay in the call until told. Time stands still on both.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { channel, connect, defineService, implement, listen, method, RpcError } from 'statewire';
import type {
  CallContext,
  CallOptions,
  Client,
  ConnectOptions,
  Connector,
  Link,
  Listener,
  ListenOptions,
  Rx,
  ServiceImplementation,
  Session,
  Tx,
} from 'statewire';
import { memoryNetwork } from 'statewire/memory';
import type { TapEvent } from 'statewire/memory';
import { tcp } from 'statewire/tcp';
import type { TcpAddress } from 'statewire/tcp';
import { SimulatedClock } from 'statewire/testing';
import { encodeMessage } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { patiently, tidyAfterwards } from './channel-leaks.ts';
import { Run } from './operation-peers.ts';
import { deferred, PLACE } from './peers.ts';

export type Transport = 'memory' | 'tcp';
export const TRANSPORTS: readonly Transport[] = ['memory', 'tcp'];
/** Which of the two ends of a call has the sending end of the channel. */
export type Sends = 'caller' | 'callee';

/** For `describe.each`: every behaviour of a channel holds in each of these. */
export const EVERYWHERE: readonly { readonly transport: Transport; readonly sends: Sends }[] = TRANSPORTS.flatMap((transport) => [
  { transport, sends: 'caller' },
  { transport, sends: 'callee' },
]);

/** One method of each policy, in the test's hand, and one that answers at once. */
export const Flow = defineService('Flow', {
  volatile: method<unknown, unknown, unknown>(),
  idem: method<unknown, unknown, unknown>({ idem: true }),
  persist: method<unknown, unknown, unknown>({ persist: true }),
  echo: method<unknown, unknown>({ idem: true }),
});
export type FlowMethod = 'volatile' | 'idem' | 'persist';

/** A channel between the peers. Its call is pending until its run ends. */
export interface Pipe<T> {
  readonly tx: Tx<T>;
  readonly rx: Rx<T>;
  /** The call that carried it. */
  readonly outcome: Promise<unknown>;
  readonly run: Run;
  /** The sessions at its ends. */
  readonly sender: Session;
  readonly receiver: Session;
}

export interface PipeOptions extends CallOptions {
  readonly sends: Sends;
  readonly credit?: number | undefined;
  readonly method?: FlowMethod;
  /** Who makes the call. Default the initiator. */
  readonly by?: 'initiator' | 'acceptor';
}

export interface ChannelPeersOptions {
  readonly transport: Transport;
  readonly server?: ListenOptions;
  readonly client?: ConnectOptions;
}

interface Parts {
  readonly session: Session;
  readonly accepted: Session;
  readonly clock: SimulatedClock;
  readonly traffic: TapEvent[];
  readonly link: () => Link;
  readonly runs: RunQueue;
  readonly handlerErrors: unknown[];
}

/** Handlers' runs, in the order they began, for whoever waits for the next one. */
class RunQueue {
  readonly all: Run[] = [];
  #taken = 0;
  #isOver = false;
  #wake: () => void = () => {};

  begin(input: unknown, call: CallContext<unknown>): Promise<unknown> {
    const run = new Run(input, call);
    this.all.push(run);
    if (this.#isOver) run.returns(undefined);
    this.#wake();
    return run.result;
  }

  /** Every run returns, also those that are still to begin. */
  end(): void {
    this.#isOver = true;
    for (const run of this.all) run.returns(undefined);
  }

  async next(): Promise<Run> {
    while (this.#taken === this.all.length) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.all[this.#taken++] as Run;
  }
}

/** See the top of the file. */
export class ChannelPeers {
  /** The initiator's session and the acceptor's. */
  readonly session: Session;
  readonly accepted: Session;
  readonly client: Client<typeof Flow>;
  readonly clock: SimulatedClock;
  readonly handlerErrors: readonly unknown[];
  readonly #parts: Parts;
  readonly #acceptedClient: Client<typeof Flow>;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.session = parts.session;
    this.accepted = parts.accepted;
    this.client = parts.session.client(Flow);
    this.#acceptedClient = parts.accepted.client(Flow);
    this.clock = parts.clock;
    this.handlerErrors = parts.handlerErrors;
  }

  get runs(): readonly Run[] {
    return this.#parts.runs.all;
  }

  /** The next run that nobody has taken yet. */
  nextRun(): Promise<Run> {
    return this.#parts.runs.next();
  }

  clientOf(side: 'initiator' | 'acceptor'): Client<typeof Flow> {
    return side === 'initiator' ? this.client : this.#acceptedClient;
  }

  /** A channel between the two, with both its ends in the test's hand. Ended when the test is over. */
  async pipe<T = number>({ sends, credit, method: name = 'volatile', by = 'initiator', ...options }: PipeOptions): Promise<Pipe<T>> {
    const [tx, rx] = channel<T>({ credit });
    const outcome = this.clientOf(by)[name]({ end: sends === 'caller' ? rx : tx }, options);
    outcome.catch(() => {});
    const run = await this.nextRun();
    const { end } = run.input as { end: Tx<T> & Rx<T> };
    const [caller, callee] = by === 'initiator' ? [this.session, this.accepted] : [this.accepted, this.session];
    const pipe: Pipe<T> =
      sends === 'caller'
        ? { tx, rx: end, outcome, run, sender: caller, receiver: callee }
        : { tx: end, rx, outcome, run, sender: callee, receiver: caller };
    tidyAfterwards(() => {
      pipe.tx.close();
      pipe.rx.reset();
    });
    return pipe;
  }

  /**
   * Lets everything that was sent arrive and be reacted to: a link keeps the order, so an answer proves what was sent before its question.
   * `asking`: who asks, where the other one's store would not let it be answered.
   */
  async settle(asking: 'both' | 'acceptor' = 'both'): Promise<void> {
    // Once one of them ends or has lost its link, nothing more arrives.
    const parted = new AbortController();
    const watching = [this.session, this.accepted].map(({ status$ }) => status$.subscribe((status) => status !== 'connected' && parted.abort()));
    for (let round = 0; round < 3 && !parted.signal.aborted; round++) {
      const question = { signal: parted.signal };
      await Promise.allSettled([asking === 'both' && this.client.echo(round, question), this.#acceptedClient.echo(round, question)]);
    }
    for (const watch of watching) watch.unsubscribe();
    for (let turn = 0; turn < 3; turn++) await nextTurn();
  }

  /** The link is lost, without a word. */
  cut(): void {
    this.#parts.link().abort(new Error('cut'));
  }

  /** Until both know that they have no link any more: it was lost, or their session has ended. */
  async parted(): Promise<void> {
    const isParted = (): boolean => this.session.status !== 'connected' && this.accepted.status !== 'connected';
    await patiently(isParted);
    if (!isParted()) throw new Error(`still ${this.session.status} and ${this.accepted.status}`);
  }

  /** Sends any message from the initiator, past its session, which knows nothing of it. */
  say(message: Message): void {
    this.#parts.link().send(encodeMessage(message));
  }

  /** What was sent on the memory network about channels from one side, in order. Undefined side: from both. */
  sent<T extends Message['type']>(type: T, from: 'initiator' | 'acceptor' | '' = ''): Extract<Message, { type: T }>[] {
    return this.#parts.traffic
      .filter(({ direction, message }) => direction.startsWith(from) && message.type === type)
      .map(({ message }) => message as Extract<Message, { type: T }>);
  }
}

function flow(runs: RunQueue): ServiceImplementation {
  const begin = (input: unknown, call: CallContext<unknown>) => runs.begin(input, call);
  return implement(Flow, { volatile: begin, idem: begin, persist: begin, echo: (input) => input });
}

/** Both peers, connected; both serve `Flow`. */
export async function channelPeers({ transport, server: serverOptions = {}, client = {} }: ChannelPeersOptions): Promise<ChannelPeers> {
  const clock = new SimulatedClock();
  const network = memoryNetwork({ clock });
  const traffic: TapEvent[] = [];
  network.tap((event) => traffic.push(event));
  const runs = new RunQueue();
  const handlerErrors: unknown[] = [];
  const arrived = deferred<Session>();
  const common = { clock, services: [flow(runs)], onHandlerError: (error: unknown) => void handlerErrors.push(error) };
  const listener: Listener = transport === 'tcp' ? tcp({ port: 0 }) : network.listener(PLACE);
  const server = await listen(listener, { ...common, onSession: arrived.resolve, ...serverOptions });
  onTestFinished(() => server.close());
  const inner: Connector = transport === 'tcp' ? tcp(server.address as TcpAddress) : network.connector(PLACE);
  const links: Link[] = [];
  const connector: Connector = {
    connect: async (signal, limits) => {
      const link = await inner.connect(signal, limits);
      links.push(link);
      return link;
    },
  };
  const session = await connect(connector, { ...common, ...client });
  onTestFinished(() => session.close());
  tidyAfterwards(async () => {
    runs.end();
    // A session that has lost its link goes on, so that what waits for the next one comes to its end.
    session.retryNow();
    await patiently(() => session.status === 'connected' || session.status === 'closed');
  });
  return new ChannelPeers({
    session,
    accepted: await arrived.promise,
    clock,
    traffic,
    link: () => links[0] as Link,
    runs,
    handlerErrors,
  });
}

/** How a stream ended: with the sender's close, or with an error. */
export interface Stream<T> {
  readonly items: T[];
  readonly error?: RpcError;
}

/** Reads to the end, whatever that is. */
export async function readAll<T>(rx: Rx<T>): Promise<Stream<T>> {
  const items: T[] = [];
  try {
    for (let received = await rx.recv(); received.done !== true; received = await rx.recv()) items.push(received.value);
    return { items };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { items, error };
  }
}

/** Sends one by one, each when the one before was taken. */
export async function sendEach<T>(tx: Tx<T>, items: Iterable<T>): Promise<void> {
  for (const item of items) await tx.send(item);
}

/** The numbers from 0. */
export function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

/** A promise whose rejection somebody looks at later. */
export function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
