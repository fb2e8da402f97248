/** Makes things go wrong, at moments and places that the dice choose, and lets them be right again a little later, or when faults are to stop. */
import type { Weighted } from '../seeded-random.ts';
import type { Fault } from './circumstances.ts';
import type { SimulatedDisk } from './disk.ts';
import type { Role } from './intents.ts';
import { RECOVERY_MS } from './peers.ts';
import type { ClientPeer, ServerPeer } from './peers.ts';
import type { World } from './world.ts';

export interface Stage {
  readonly clients: readonly ClientPeer[];
  readonly servers: readonly ServerPeer[];
  readonly disks: readonly SimulatedDisk[];
}

const WEIGHTS: Readonly<Record<Fault, number>> = {
  cut: 12,
  blackout: 1,
  'half-open': 4,
  lag: 6,
  'slow-reader': 5,
  'duplicate-connect': 5,
  'server-crash': 3,
  'client-crash': 3,
  drain: 1,
  failover: 4,
  'store-errors': 4,
  'clock-jump': 1,
};
const ROLES: readonly Role[] = ['initiator', 'acceptor'];
/** How likely something goes wrong in a millisecond. */
const RATE = 0.06;
const SHORT_MS = 60;
const LONG_LAG_MS = 60;
const STORE_FAILURES = 0.3;
const JUMPS_MS = [3_600_000, -3_600_000, 45_000, -1_000];
const LONGEST_GRACE_MS = 30;

export class Faults {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #choices: Weighted<Fault>;
  readonly #down = new Set<ServerPeer>();
  #life: 'at work' | 'over' = 'at work';

  constructor(world: World, stage: Stage) {
    this.#world = world;
    this.#stage = stage;
    this.#choices = world.settings.faults.map((fault) => [fault, WEIGHTS[fault]] as const);
  }

  /** A millisecond passes. */
  perhaps(): void {
    const { random } = this.#world;
    if (this.#choices.length > 0 && random.chance(RATE)) this.#make(random.weighted(this.#choices));
  }

  /** No more, and what is wrong is mended. */
  stop(): void {
    this.#life = 'over';
    for (const { path } of this.#stage.clients) path.heal();
    for (const disk of this.#stage.disks) disk.failureRate = 0;
    for (const server of this.#down) this.#restart(server);
  }

  #make(fault: Fault): void {
    const { random, ledger } = this.#world;
    const client = random.pick(this.#stage.clients);
    const server = random.pick(this.#stage.servers);
    const forMs = random.between(1, SHORT_MS);
    ledger.circumstances.note(fault);
    MAKERS[fault]({ faults: this, client, server, forMs });
  }

  cut(client: ClientPeer, forMs: number): void {
    this.#note(client.name, `is cut off for ${forMs} ms`);
    client.path.cut();
    this.#later(forMs, () => client.path.heal());
  }

  silence(client: ClientPeer): void {
    const end = this.#world.random.pick(ROLES);
    this.#note(client.name, `the ${end} of its link hears nothing any more`);
    client.path.silence(end);
  }

  lag(client: ClientPeer, forMs: number): void {
    const mostMs = this.#world.random.between(10, LONG_LAG_MS);
    this.#note(client.name, `its network takes up to ${mostMs} ms`);
    client.path.lag = { leastMs: 1, mostMs };
    this.#later(forMs, () => client.path.heal());
  }

  stopReading(client: ClientPeer, forMs: number): void {
    const end = this.#world.random.pick(ROLES);
    this.#note(client.name, `the ${end} of its link reads nothing for ${forMs} ms`);
    client.path.stopReading(end);
    this.#later(forMs, () => client.path.readOn());
  }

  repeatHello(client: ClientPeer, forMs: number): void {
    if (client.path.repeatHello(forMs)) this.#note(client.name, 'its last hello arrives again');
  }

  killServer(server: ServerPeer, forMs: number): void {
    if (this.#down.has(server)) return;
    this.#down.add(server);
    server.kill();
    this.#later(forMs, () => this.#restart(server));
  }

  killClient(client: ClientPeer, forMs: number): void {
    if (!client.process.isAlive) return;
    client.kill();
    // A client is started again also when faults have stopped meanwhile.
    this.#world.clock.setTimeout(() => client.start(), forMs);
  }

  drain(server: ServerPeer): void {
    if (this.#down.has(server)) return;
    this.#down.add(server);
    const graceMs = this.#world.random.between(0, LONGEST_GRACE_MS);
    this.#note(server.name, `closes, with ${graceMs} ms of grace`);
    void server.close(graceMs).then(() => {
      server.exit();
      this.#restart(server);
    });
  }

  failOver(client: ClientPeer): void {
    client.path.server = this.#world.random.pick(this.#stage.servers).name;
    this.#note(client.name, `is led to ${client.path.server}`);
    client.path.breakLinks('the path leads elsewhere');
  }

  failStores(forMs: number): void {
    const disk = this.#world.random.pick(this.#stage.disks);
    this.#note(disk.terms.name, `fails now and then, for ${forMs} ms`);
    disk.failureRate = STORE_FAILURES;
    this.#later(forMs, () => (disk.failureRate = 0));
  }

  jump(client: ClientPeer, server: ServerPeer): void {
    const { random } = this.#world;
    const { process, name } = random.chance(0.5) ? client : server;
    const byMs = random.pick(JUMPS_MS);
    this.#note(name, `its clock jumps by ${byMs} ms`);
    process.skewMs += byMs;
  }

  #restart(server: ServerPeer): void {
    if (this.#down.delete(server)) server.start();
  }

  #note(where: string, text: string): void {
    this.#world.note(where, text);
  }

  /** Unless faults have stopped by then: then it has been done. */
  #later(delayMs: number, run: () => void): void {
    this.#world.clock.setTimeout(() => {
      if (this.#life === 'at work') run();
    }, delayMs);
  }
}

interface Target {
  readonly faults: Faults;
  readonly client: ClientPeer;
  readonly server: ServerPeer;
  readonly forMs: number;
}

const MAKERS: Readonly<Record<Fault, (target: Target) => void>> = {
  cut: ({ faults, client, forMs }) => faults.cut(client, forMs),
  blackout: ({ faults, client, forMs }) => faults.cut(client, RECOVERY_MS + 2 * forMs),
  'half-open': ({ faults, client }) => faults.silence(client),
  lag: ({ faults, client, forMs }) => faults.lag(client, forMs),
  'slow-reader': ({ faults, client, forMs }) => faults.stopReading(client, forMs),
  'duplicate-connect': ({ faults, client, forMs }) => faults.repeatHello(client, forMs),
  'server-crash': ({ faults, server, forMs }) => faults.killServer(server, forMs),
  'client-crash': ({ faults, client, forMs }) => faults.killClient(client, forMs),
  drain: ({ faults, server }) => faults.drain(server),
  failover: ({ faults, client }) => faults.failOver(client),
  'store-errors': ({ faults, forMs }) => faults.failStores(forMs),
  'clock-jump': ({ faults, client, server }) => faults.jump(client, server),
};
