/**
 * A middle that passes virtual connections on, between clients at its front and a server at its back (conn.proxy):
 *
 *   client ──near … front── middle ──back … far── server
 *
 * On a memory network or on real sockets. Every end of a connection is in the test's hand.
 */
import { onTestFinished } from 'vitest';
import { connect, joinConnections, listen } from 'statewire';
import type {
  Connection,
  ConnectionRequest,
  ConnectionTerms,
  Connector,
  ConnectOptions,
  Listener,
  ListenOptions,
  OpenOptions,
  Session,
} from 'statewire';
import { tcp } from 'statewire/tcp';
import { deferred, lab, makeWorld, PLACE } from './peers.ts';
import type { World } from './peers.ts';

export type Medium = 'memory' | 'tcp';

/** Where the middle and the server listen, on a memory network. Scripted peers know the first name only. */
export const BACK = 'back';

export interface ProxyOptions {
  readonly medium?: Medium;
  readonly world?: World;
  /** Of each session, by its end. */
  readonly near?: ConnectOptions;
  readonly front?: ListenOptions;
  readonly back?: ConnectOptions;
  readonly far?: ListenOptions;
}

/** One connection through the middle, by its four ends. */
export interface ProxiedConnection {
  readonly near: Connection;
  readonly front: Connection;
  readonly back: Connection;
  readonly far: Connection;
}

export interface ThroughOptions {
  /** What the opener says; the middle says the same to the other side, but for the services. */
  readonly open?: OpenOptions;
  /** What the other side serves, and takes. */
  readonly terms?: ConnectionTerms;
  /** Who opens: the client through the front, or the server through the back. Default the client. */
  readonly by?: 'client' | 'server';
  /** Another client's session. */
  readonly client?: Session;
}

export interface ProxyScene extends World {
  /** Each session's ends, as in the picture. */
  readonly near: Session;
  readonly front: Session;
  readonly back: Session;
  readonly far: Session;
  /** One more client of the middle. */
  dial(options?: ConnectOptions): Promise<Session>;
  /** Opens a connection through the middle. Give `by: 'server'` to open it from behind. */
  through(options?: ThroughOptions): Promise<ProxiedConnection>;
}

interface Meeting {
  readonly address: unknown;
  readonly connector: () => Connector;
}

/** Listens, on either medium; the server ends with the test. */
async function meet(medium: Medium, world: World, name: string, options: ListenOptions): Promise<Meeting> {
  const listener: Listener = medium === 'memory' ? world.network.listener(name) : tcp({ port: 0 });
  const server = await listen(listener, options);
  onTestFinished(() => server.close());
  const connector = (): Connector =>
    medium === 'memory' ? world.network.connector(name) : tcp(server.address as { readonly host: string; readonly port: number });
  return { address: server.address, connector };
}

/** What the other side of an open will do with it: tells the test of its end. */
interface Expected {
  readonly terms: ConnectionTerms;
  readonly take: (connection: Connection) => void;
}

/** See the top of the file. */
export async function proxyScene(options: ProxyOptions = {}): Promise<ProxyScene> {
  const { medium = 'memory', world = makeWorld() } = options;
  const time = medium === 'memory' ? { clock: world.clock } : {};
  /** Who takes what the middle opens, and what the middle does with what comes to it. */
  const far: Expected[] = [];
  const near: Expected[] = [];
  const passing: ((request: ConnectionRequest) => Promise<void>)[] = [];
  const takeFrom = (expected: Expected[]) => (request: ConnectionRequest) => {
    const { terms, take } = expected.shift() as Expected;
    take(request.accept(terms));
  };
  const pass = (request: ConnectionRequest): Promise<void> => (passing.shift() as (typeof passing)[number])(request);

  const arrived = { far: deferred<Session>(), front: deferred<Session>() };
  const behind = await meet(medium, world, BACK, { ...time, onConnection: takeFrom(far), onSession: arrived.far.resolve, ...options.far });
  const middle = await meet(medium, world, PLACE, { ...time, onConnection: pass, onSession: arrived.front.resolve, ...options.front });
  const dialAt = async ({ connector }: Meeting, given: ConnectOptions): Promise<Session> => {
    const session = await connect(connector(), { ...time, ...given });
    onTestFinished(() => session.close());
    return session;
  };
  const back = await dialAt(behind, { onConnection: pass, ...options.back });
  const dial = (given: ConnectOptions = {}): Promise<Session> => dialAt(middle, { onConnection: takeFrom(near), ...options.near, ...given });
  const client = await dial();
  const front = await arrived.front.promise;
  const server = await arrived.far.promise;

  const through: ProxyScene['through'] = async ({ open = {}, terms = { services: [lab()] }, by = 'client', client: opener = client } = {}) => {
    const last = deferred<Connection>();
    const joined = deferred<readonly [Connection, Connection]>();
    passing.push(async (request) => {
      const { parity, maxConcurrentRequests, metadata } = open;
      const onwards = await (by === 'client' ? back : front).open({ parity, maxConcurrentRequests, metadata });
      const taken = request.accept({ maxConcurrentRequests: terms.maxConcurrentRequests });
      joinConnections(taken, onwards);
      joined.resolve([taken, onwards]);
    });
    (by === 'client' ? far : near).push({ terms, take: last.resolve });
    const first = await (by === 'client' ? opener : server).open(open);
    const [taken, onwards] = await joined.promise;
    const end = await last.promise;
    return by === 'client' ? { near: first, front: taken, back: onwards, far: end } : { near: end, front: onwards, back: taken, far: first };
  };
  return { ...world, near: client, front, back, far: server, dial, through };
}

/** The messages of one type that went over one of the two links, in order. */
export function passed(scene: World, link: 'front' | 'back', type: string) {
  const name = link === 'front' ? PLACE : BACK;
  return scene.traffic.filter((event) => event.link.startsWith(name) && event.message.type === type);
}
