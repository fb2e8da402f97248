/**
 * Two peers whose links are lost and made again, and servers that take each other's place under their client. What peers.ts is for one link, this is for
 * several. Time stands still: a lost link is found again within `REDIAL_MS` of it.
 */
import { onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { ConnectOptions, Connector, Link, ListenOptions, LogEntry, Random, Server, Session } from 'statewire';
import type { MemoryNetwork } from 'statewire/memory';
import type { HelloMessage, Message, RefuseMessage, WelcomeMessage } from 'statewire/wire';
import { hello, ScriptedPeer } from './hostile-peer.ts';
import { deferred, gated, lab, makeWorld, PLACE } from './peers.ts';
import type { World } from './peers.ts';

/** Within this the first dial after a loss has been made, at the default base delay. */
export const REDIAL_MS = 600;

/** Dice that always show the same; bytes are random all the same. */
export function dice(number: number): Random {
  return { number: () => number, bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) };
}

export const SIDES = ['initiator', 'acceptor'] as const;
export type Side = (typeof SIDES)[number];

export interface ResumePeersOptions {
  readonly client?: ConnectOptions;
  readonly server?: ListenOptions;
}

/** Runs that a test leaves behind end after it: those of persist operations outlive their sessions. */
export function tidied(runs: ReturnType<typeof gated>): ReturnType<typeof gated> {
  onTestFinished(() => runs.calls.forEach((run) => run.resolve(undefined)));
  return runs;
}

/** See the top of the file. */
export class ResumePeers {
  readonly world: World;
  readonly server: Server;
  readonly session: Session;
  readonly accepted: Session;
  /** The runs at each side, in order. */
  readonly runsAt: Readonly<Record<Side, ReturnType<typeof gated>['calls']>>;
  readonly log: readonly LogEntry[];
  readonly #route: { place: string };
  readonly #links: readonly Link[];

  constructor(
    parts: Pick<ResumePeers, 'world' | 'server' | 'session' | 'accepted' | 'runsAt' | 'log'> & { route: { place: string }; links: readonly Link[] },
  ) {
    this.world = parts.world;
    this.server = parts.server;
    this.session = parts.session;
    this.accepted = parts.accepted;
    this.runsAt = parts.runsAt;
    this.log = parts.log;
    this.#route = parts.route;
    this.#links = parts.links;
  }

  get network(): MemoryNetwork {
    return this.world.network;
  }

  /** The acceptor's runs, in order. */
  get runs(): ReturnType<typeof gated>['calls'] {
    return this.runsAt.acceptor;
  }

  /** The link of the last dial, as the initiator has it. */
  get link(): Link {
    return this.#links.at(-1) as Link;
  }

  sessionOf(side: Side): Session {
    return side === 'initiator' ? this.session : this.accepted;
  }

  settle(): Promise<void> {
    return this.world.settle();
  }

  advance(durationMs: number): Promise<void> {
    return this.world.clock.advance(durationMs);
  }

  /** Both lose the link, and there is none to be had. */
  async cut(): Promise<void> {
    this.network.cut();
    await this.settle();
  }

  /** There is one again, and it has been found. */
  async comeBack(): Promise<void> {
    this.network.heal();
    await this.advance(REDIAL_MS);
  }

  async blink(times = 1): Promise<void> {
    for (let time = 0; time < times; time++) {
      await this.cut();
      await this.comeBack();
    }
  }

  /** From now on dials go to whoever listens on this name. */
  dialsGoTo(place: string): void {
    this.#route.place = place;
  }

  /** Another process in the server's place, which knows nothing of its sessions. The present link is lost; nobody is told anything else. */
  async replaceServer(options: ListenOptions = {}, place = 'elsewhere'): Promise<{ server: Server; runs: ResumePeers['runs']; sessions: Session[] }> {
    const { handler, calls } = tidied(gated());
    const sessions: Session[] = [];
    const server = await listen(this.network.listener(place), {
      clock: this.world.clock,
      services: [lab(handler)],
      onSession: (session) => sessions.push(session),
      ...options,
    });
    onTestFinished(() => server.close());
    this.dialsGoTo(place);
    await this.blink();
    return { server, runs: calls, sessions };
  }

  /** The messages of one type from one side, from the first link on. */
  sent<T extends Message['type']>(from: Side, type: T): Extract<Message, { type: T }>[] {
    return this.world.traffic
      .filter(({ direction, message }) => direction.startsWith(from) && message.type === type)
      .map(({ message }) => message as Extract<Message, { type: T }>);
  }

  /** What one side said on the last link, by type, in order, the handshake among it. */
  saidOnLastLink(from: Side): string[] {
    const link = this.world.traffic.at(-1)?.link;
    return this.world.traffic.filter((event) => event.link === link && event.direction.startsWith(from)).map(({ message }) => message.type);
  }
}

/** Both peers, connected; both serve `Lab`, whose handlers stay until told. */
export async function resumePeers({ client = {}, server: serverOptions = {} }: ResumePeersOptions = {}): Promise<ResumePeers> {
  const world = makeWorld();
  const { clock, network } = world;
  const log: LogEntry[] = [];
  const [atAcceptor, atInitiator] = [tidied(gated()), tidied(gated())];
  const arrived = deferred<Session>();
  const common = { clock, log: (entry: LogEntry) => void log.push(entry), random: dice(0.5) };
  const server = await listen(network.listener(PLACE), {
    ...common,
    services: [lab(atAcceptor.handler)],
    onSession: arrived.resolve,
    ...serverOptions,
  });
  onTestFinished(() => server.close());
  const route = { place: PLACE };
  const links: Link[] = [];
  const connector: Connector = {
    connect: async (signal, limits) => {
      const link = await network.connector(route.place).connect(signal, limits);
      links.push(link);
      return link;
    },
  };
  const session = await connect(connector, { ...common, services: [lab(atInitiator.handler)], ...client });
  onTestFinished(() => session.close());
  const runsAt = { initiator: atInitiator.calls, acceptor: atAcceptor.calls };
  return new ResumePeers({ world, server, session, accepted: await arrived.promise, runsAt, log, route, links });
}

/** A hello that wants its session to outlive the link. */
export function resumableHello(change: Partial<HelloMessage> = {}): HelloMessage {
  return hello({ features: { retry: true, resume: true }, ...change });
}

/** A scripted peer that has said hello, and what it was answered. */
export interface Visit {
  readonly peer: ScriptedPeer;
  readonly answer: WelcomeMessage | RefuseMessage | undefined;
}

export async function visit({ network, settle }: World, change: Partial<HelloMessage> = {}): Promise<Visit> {
  const peer = await ScriptedPeer.dial(network);
  peer.send(resumableHello(change));
  await settle();
  const [answer] = peer.received;
  return { peer, answer: answer as Visit['answer'] };
}

/** The same, of a peer that must be let in. */
export async function visitWelcome(world: World, change: Partial<HelloMessage> = {}): Promise<{ peer: ScriptedPeer; answer: WelcomeMessage }> {
  const { peer, answer } = await visit(world, change);
  if (answer?.type !== 'welcome') throw new Error(`no welcome but ${JSON.stringify(answer)}`);
  return { peer, answer };
}
