/** The peers of a simulation: servers and clients, each a process with a disk, that are started, killed and started again. Both serve the trial service. */
import { connect, listen } from '../../index.ts';
import type { PeerOptions, Server, ServiceImplementation, Session } from '../../index.ts';
import { Trial } from '../trial/contract.ts';
import { trialService } from '../trial/handlers.ts';
import type { TrialClient } from '../trial/calling.ts';
import type { SimulatedDisk } from './disk.ts';
import type { Role } from './intents.ts';
import type { Path } from './network.ts';
import { SimulatedProcess } from './process.ts';
import { SimulatedStore } from './store.ts';
import type { World } from './world.ts';

/** Short, so that a run sees all of them run out. */
export const RECOVERY_MS = 600;
const SESSION_TTL_MS = 800;
const HANDSHAKE_MS = 120;
const KEEP_ALIVE = { intervalMs: 150, timeoutMs: 100 };
const RECONNECT = { baseMs: 5, maxMs: 40, deadlineMs: RECOVERY_MS };
const WAIT_FOR_PEER_MS = 400;
const LONGEST_PAUSE_MS = 40;
/** Few, so that calls wait for each other (attempt.limit-out). */
const MOST_REQUESTS = 24;

/** Somebody who can call. */
export interface Calling {
  readonly role: Role;
  readonly scope: string;
  readonly process: SimulatedProcess;
  readonly session: Session;
  readonly client: TrialClient;
}

function serviceOf({ ledger }: World, process: SimulatedProcess, disk: SimulatedDisk): ServiceImplementation {
  return trialService({
    begin: (n) => ledger.begin(n, disk.terms.name),
    sleep: (durationMs) => process.sleep(durationMs),
    aborted: (n) => ledger.aborted(n),
    breach: (rule, sentence) => ledger.breach(rule, sentence),
  });
}

/** What a process is started with, for all its sessions: one store, above all. */
function optionsOf(world: World, process: SimulatedProcess, disk: SimulatedDisk) {
  const services = [serviceOf(world, process, disk)];
  return {
    services,
    store: new SimulatedStore(disk, process),
    clock: process.clock,
    random: process.random,
    keepAlive: KEEP_ALIVE,
    handshakeTimeoutMs: HANDSHAKE_MS,
    maxConcurrentRequests: MOST_REQUESTS,
    onConnection: (request) => request.accept({ services }),
  } satisfies PeerOptions;
}

/** A peer's process, and its next one. */
abstract class Peer {
  readonly name: string;
  readonly disk: SimulatedDisk;
  process: SimulatedProcess;
  protected readonly world: World;

  constructor(world: World, name: string, disk: SimulatedDisk) {
    this.world = world;
    this.name = name;
    this.disk = disk;
    this.process = this.newProcess();
  }

  abstract start(): void;

  /** As by `kill -9`. */
  kill(): void {
    this.world.note(this.name, 'is killed');
    this.process.kill();
    this.disk.crash();
  }

  /** The process has nothing more to do, and ends of its own accord: what it wrote is on disk. */
  exit(): void {
    this.world.note(this.name, 'exits');
    this.process.kill();
    this.disk.left();
  }

  protected newProcess(): SimulatedProcess {
    const { clock, random } = this.world;
    return (this.process = new SimulatedProcess(this.name, clock, random.fork()));
  }
}

export class ServerPeer extends Peer {
  readonly #calling = new Set<Calling>();
  #server: Promise<Server<string>> | undefined = undefined;

  /** Whom it can call. */
  get calling(): readonly Calling[] {
    return this.process.isAlive ? [...this.#calling] : [];
  }

  start(): void {
    const process = this.newProcess();
    this.#calling.clear();
    this.world.note(this.name, 'starts');
    this.#server = listen(this.world.network.listener(this.name, process), {
      ...optionsOf(this.world, process, this.disk),
      authenticate: (credentials) => credentials as string,
      resume: { ttlMs: SESSION_TTL_MS },
      onSession: (session) => this.#met(session, process),
    });
  }

  /** Settles when it has ended. */
  async close(graceMs: number): Promise<void> {
    const { process } = this;
    const server = await this.#server;
    await server?.close({ graceMs });
    this.world.hasClosed(process);
  }

  #met(session: Session, process: SimulatedProcess): void {
    const calling: Calling = { role: 'acceptor', scope: session.principal as string, process, session, client: session.client(Trial) };
    this.world.held.push(calling);
    this.#calling.add(calling);
    void session.closed.then(() => this.#calling.delete(calling));
  }
}

export class ClientPeer extends Peer {
  readonly path: Path;
  readonly scope: string;
  readonly #secret: Uint8Array;
  calling: Calling | undefined = undefined;
  #running: Promise<void> | undefined = undefined;
  #life: 'goes on' | 'ends' = 'goes on';

  constructor(world: World, terms: { name: string; disk: SimulatedDisk; path: Path; scope: string; secret: Uint8Array }) {
    super(world, terms.name, terms.disk);
    this.path = terms.path;
    this.scope = terms.scope;
    this.#secret = terms.secret;
  }

  start(): void {
    if (this.#life === 'ends') return;
    this.world.note(this.name, 'starts');
    this.calling = undefined;
    this.#running = this.#run(this.newProcess());
  }

  /** Settles when it has ended. */
  async close(): Promise<void> {
    this.#life = 'ends';
    if (!this.process.isAlive) return;
    await this.calling?.session.close();
    await this.#running;
    this.world.hasClosed(this.process);
  }

  /** Connects, and does so again whenever its session ends. */
  async #run(process: SimulatedProcess): Promise<void> {
    const options = optionsOf(this.world, process, this.disk);
    while (this.#life === 'goes on') {
      const session = await this.#connect(process, options);
      if (session !== undefined) {
        this.calling = { role: 'initiator', scope: this.scope, process, session, client: session.client(Trial) };
        this.world.held.push(this.calling);
        await session.closed;
        this.calling = undefined;
      }
      if (this.#life === 'goes on') await process.sleep(process.random.between(1, LONGEST_PAUSE_MS));
    }
  }

  async #connect(process: SimulatedProcess, options: PeerOptions): Promise<Session | undefined> {
    try {
      return await connect(this.path.connector(process), {
        ...options,
        scope: this.#secret,
        credentials: this.scope,
        reconnect: RECONNECT,
        waitForPeerMs: WAIT_FOR_PEER_MS,
      });
    } catch (error) {
      this.world.note(this.name, `cannot connect: ${(error as Error).message}`);
      return undefined;
    }
  }
}
