/**
 * Two connected peers over a memory network with a simulated clock, and what tests of the rules need around them: a service whose
 * handlers are given one by one, what was logged and what went over the wire. The peers end with the test.
 */
import { expect, onTestFinished } from 'vitest';
import { connect, defineService, implement, listen, method, RpcError } from 'statewire';
import type { CallContext, ConnectOptions, ListenOptions, LogEntry, Server, ServiceImplementation, Session } from 'statewire';
import { memoryNetwork, SimulatedClock } from 'statewire/testing';
import type { MemoryAddress, MemoryNetwork, TapEvent } from 'statewire/memory';
import type { Message } from 'statewire/wire';

/** One method of each policy, and values of every kind. */
export const Lab = defineService('Lab', {
  run: method<unknown, unknown, unknown>(),
  idem: method<unknown, unknown, unknown>({ idem: true }),
  persist: method<unknown, unknown, unknown>({ persist: true }),
});

export type LabHandler = (input: unknown, call: CallContext<unknown>) => unknown;

const echo: LabHandler = (input) => input;

/** `Lab`, answered by one handler, or by one each; those not given echo. */
export function lab(handlers: LabHandler | { run?: LabHandler; idem?: LabHandler; persist?: LabHandler } = {}): ServiceImplementation {
  const {
    run = echo,
    idem = echo,
    persist = echo,
  } = typeof handlers === 'function' ? { run: handlers, idem: handlers, persist: handlers } : handlers;
  return implement(Lab, { run, idem, persist });
}

/** A promise and what settles it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/** A handler that stays in its calls until told: `calls` has one gate for each, in the order they came. */
export function gated(): { handler: LabHandler; calls: (Deferred<unknown> & { input: unknown; call: CallContext<unknown> })[] } {
  const calls: (Deferred<unknown> & { input: unknown; call: CallContext<unknown> })[] = [];
  const handler: LabHandler = (input, call) => {
    const gate = { ...deferred<unknown>(), input, call };
    calls.push(gate);
    return gate.promise;
  };
  return { handler, calls };
}

/** What a promise rejects with, which must be an RpcError. */
export async function failureOf(promise: Promise<unknown>): Promise<RpcError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  expect(outcome).toHaveProperty('error');
  const { error } = outcome as { error: unknown };
  expect(error).toBeInstanceOf(RpcError);
  return error as RpcError;
}

/** Whether a promise has settled, as far as it can without more time. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => (settled = true);
  promise.then(settle, settle);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

export interface World {
  readonly clock: SimulatedClock;
  readonly network: MemoryNetwork;
  /** Every message sent, from the first on. */
  readonly traffic: TapEvent[];
  /** Lets everything that is under way arrive and settle; no time passes. */
  settle(): Promise<void>;
}

/** A network and a clock, with nobody there yet. */
export function makeWorld(): World {
  const clock = new SimulatedClock();
  const network = memoryNetwork({ clock });
  const traffic: TapEvent[] = [];
  network.tap((event) => traffic.push(event));
  return { clock, network, traffic, settle: () => clock.advance(0) };
}

/** The name everybody listens on. */
export const PLACE = 'place';

export interface Peers extends World {
  readonly server: Server<MemoryAddress>;
  /** The initiator's session. */
  readonly session: Session;
  /** The acceptor's session. */
  readonly accepted: Session;
  /** What the acceptor logged, what its handlers did by accident. */
  readonly serverLog: LogEntry[];
  readonly handlerErrors: unknown[];
  readonly clientLog: LogEntry[];
  /** The messages of one type from one side. */
  sent<T extends Message['type']>(from: 'initiator' | 'acceptor', type: T): Extract<Message, { type: T }>[];
}

/** For a client whose sessions end with their link: what a test says of an end is then said of a lost link, too (session.outlives-link). */
export const ENDS_WITH_LINK = { resume: false } as const satisfies ConnectOptions;

export interface PeersOptions {
  readonly server?: ListenOptions;
  readonly client?: ConnectOptions;
  readonly world?: World;
}

/** Both peers, connected. */
export async function connectPeers({ server: serverOptions = {}, client = {}, world = makeWorld() }: PeersOptions = {}): Promise<Peers> {
  const { clock, network, traffic } = world;
  const serverLog: LogEntry[] = [];
  const clientLog: LogEntry[] = [];
  const handlerErrors: unknown[] = [];
  const arrived = deferred<Session>();
  const server = await listen(network.listener(PLACE), {
    clock,
    log: (entry) => serverLog.push(entry),
    onHandlerError: (error) => handlerErrors.push(error),
    onSession: arrived.resolve,
    ...serverOptions,
  });
  onTestFinished(() => server.close());
  const session = await connect(network.connector(PLACE), { clock, log: (entry) => clientLog.push(entry), ...client });
  onTestFinished(() => session.close());
  const accepted = serverOptions.onSession === undefined ? await arrived.promise : ([...server.sessions.values()][0] as Session);
  const sent: Peers['sent'] = (from, type) =>
    traffic.filter(({ direction, message }) => direction.startsWith(from) && message.type === type).map(({ message }) => message as never);
  return { ...world, server, session, accepted, serverLog, clientLog, handlerErrors, sent };
}
