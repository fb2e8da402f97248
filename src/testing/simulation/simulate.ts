/**
 * The whole runtime in one process under one pair of dice: clients and servers that call each other over a network that fails, on stores that fail, in processes
 * that die. A seed decides everything: time, order, faults. The same seed gives the same trace, byte for byte.
 *
 *   chaos (calls are made, faults happen) ─▶ calm (faults stop) ─▶ everything has settled ─▶ all ends ─▶ nothing is left
 *
 * The books (ledger.ts) say all along what must never be: safety. After the faults: liveness.
 */
import { SeededRandom } from '../seeded-random.ts';
import { ask } from './asking.ts';
import { FAULTS } from './circumstances.ts';
import type { Fault } from './circumstances.ts';
import { SimulatedDisk } from './disk.ts';
import { Faults } from './faults.ts';
import { drawAsking, drawIntent, mayBeAskedAgain } from './intents.ts';
import type { Intent } from './intents.ts';
import type { Violation } from './ledger.ts';
import { Path } from './network.ts';
import { ClientPeer, ServerPeer } from './peers.ts';
import type { Calling } from './peers.ts';
import { sequenceDiagram } from './trace.ts';
import { settle, World } from './world.ts';
import type { Settings } from './world.ts';

export interface SimulateOptions {
  /** Decides everything. A whole number; only its lower 32 bits count. */
  readonly seed: number;
  /** Calls to make. Default 2,000. */
  readonly calls?: number | undefined;
  /** Steps of the world after which no further calls are made. Default: none. */
  readonly steps?: number | undefined;
  /**
   * `liveness` (the default): faults stop when all calls are made; then everything must settle and nothing be left. `safety`: faults go on to the very end.
   * What must never be is watched in both.
   */
  readonly mode?: 'safety' | 'liveness' | undefined;
  /** Faults that may happen; each run picks some of them. Default: all. */
  readonly faults?: readonly Fault[] | undefined;
}

export interface SimulationResult {
  readonly seed: number;
  /** Moments at which something happened. */
  readonly steps: number;
  readonly calls: number;
  /** Rules that were seen broken. Empty when all is well. */
  readonly violations: readonly Violation[];
  /** Everything that happened, a line each. Of a very long run the end. */
  readonly trace: string;
  /** How often callers were told what: `value`, or the kind of an error and its reason. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** The faults of this run. */
  readonly faults: readonly Fault[];
  /** Simulated milliseconds. */
  readonly durationMs: number;
  /** The last messages, up to the first broken rule where there is one, as a sequence diagram in text. */
  diagram(lastEvents?: number): string;
}

const DEFAULT_CALLS = 2_000;
/** Longer than anything may take without faults: recovery, handshakes and the longest handler. */
const CALM_MS = 20_000;
/** Longer than a link's close may hang. */
const ENDING_MS = 40_000;
/** Of a run in which nobody can call any more. */
const MOST_CHAOS_MS = 1_000_000;
const ASKED_AGAIN = 0.12;
const RECENT = 60;
const FROM_ACCEPTOR = 0.25;
const DIAGRAM_EVENTS = 40;
/** Of each kind of fault that is allowed, for a run. */
const FAULT_IN_RUN = 0.45;
const RETENTION_MS = 30_000;

/** Runs one simulation. Rejects with a TypeError for options that make no sense; what goes wrong in the run is in its `violations`. */
export async function simulate(options: SimulateOptions): Promise<SimulationResult> {
  const { seed, calls, steps, mode, faults } = check(options);
  const random = new SeededRandom(seed);
  const world = new World(random.fork(), drawSettings(random, faults));
  const run = new Run(world, random.fork());
  await run.chaos(calls, steps);
  if (mode === 'liveness') await run.calm();
  await run.end(mode === 'liveness');
  return {
    seed,
    steps: world.steps,
    calls: world.ledger.calls,
    violations: world.ledger.violations,
    trace: world.trace.text,
    outcomes: Object.fromEntries([...world.ledger.outcomes].toSorted(([one], [other]) => (one < other ? -1 : 1))),
    faults: world.settings.faults,
    durationMs: world.nowMs,
    diagram: (lastEvents = DIAGRAM_EVENTS) => sequenceDiagram(world.trace.last(lastEvents, world.ledger.violations[0]?.atMs ?? Infinity)),
  };
}

function check(options: SimulateOptions): Chosen {
  if (typeof options !== 'object' || options === null) throw new TypeError(`simulate needs options with a seed, not ${String(options)}`);
  return checkEach(options);
}

type Chosen = Required<{ [K in keyof SimulateOptions]: NonNullable<SimulateOptions[K]> }>;

function checkEach({ seed, calls = DEFAULT_CALLS, steps = Infinity, mode = 'liveness', faults = FAULTS, ...others }: SimulateOptions): Chosen {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new TypeError(`simulate: options.${unknown} is not an option`);
  if (!Number.isSafeInteger(seed)) throw new TypeError(`simulate: options.seed must be a whole number, not ${String(seed)}`);
  if (!Number.isSafeInteger(calls) || calls < 0) throw new TypeError(`simulate: options.calls must be a whole number, not ${String(calls)}`);
  if (!(steps >= 0)) throw new TypeError(`simulate: options.steps must be a number of steps, not ${String(steps)}`);
  if (mode !== 'safety' && mode !== 'liveness') throw new TypeError(`simulate: options.mode must be 'safety' or 'liveness', not ${String(mode)}`);
  const stranger = faults.find((fault) => !FAULTS.includes(fault));
  if (stranger !== undefined) throw new TypeError(`simulate: options.faults has ${String(stranger)}, which is none of ${FAULTS.join(', ')}`);
  return { seed, calls, steps, mode, faults };
}

function drawSettings(random: SeededRandom, faults: readonly Fault[]): Settings {
  const servers = random.pick([1, 1, 2, 3]);
  return {
    clients: random.between(1, 6),
    servers,
    serverDisks: random.pick(['memory', 'local', 'shared']),
    clientDisks: random.pick(['memory', 'local']),
    clientsPerScope: random.pick([1, 1, 2]),
    faults: faults.filter((fault) => random.chance(FAULT_IN_RUN) && (fault !== 'failover' || servers > 1)),
    callsPerMs: random.pick([4, 8, 16]),
    retentionMs: RETENTION_MS,
  };
}

class Run {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #clients: readonly ClientPeer[];
  readonly #servers: readonly ServerPeer[];
  readonly #disks: readonly SimulatedDisk[];
  readonly #faults: Faults;
  /** By scope and caller: how many operations have been named, and the last ones. */
  readonly #named = new Map<string, number>();
  readonly #recent: Intent[] = [];

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
    const { servers, serverDisks, clients } = world.settings;
    const common = this.#disk('disk', serverDisks);
    this.#servers = Array.from({ length: servers }, (_, index) => {
      const disk = serverDisks === 'shared' || index === 0 ? common : this.#disk(`disk-${index + 1}`, serverDisks);
      return new ServerPeer(world, `s${index + 1}`, disk);
    });
    this.#clients = Array.from({ length: clients }, (_, index) => this.#client(index));
    this.#disks = [...new Set([...this.#servers, ...this.#clients].map(({ disk }) => disk))];
    this.#faults = new Faults(world, { clients: this.#clients, servers: this.#servers, disks: this.#disks });
  }

  async chaos(calls: number, steps: number): Promise<void> {
    const { ledger } = this.#world;
    for (const peer of [...this.#servers, ...this.#clients]) peer.start();
    await settle();
    for (let ms = 0; ledger.calls < calls && this.#world.steps < steps && !ledger.isBroken; ms++) {
      if (ms > MOST_CHAOS_MS) throw new Error('the simulation makes no calls any more');
      this.#faults.perhaps();
      this.#askSome(calls);
      await this.#world.step(1);
    }
  }

  /** Faults stop; everything that can still settle does. */
  async calm(): Promise<void> {
    const { ledger, clock } = this.#world;
    this.#faults.stop();
    this.#world.note('all', 'faults stop');
    const endMs = clock.now() + CALM_MS;
    while (ledger.isWaiting && !ledger.isBroken && (await this.#world.stepToNext(endMs)));
  }

  /** Everybody leaves. */
  async end(everySettled: boolean): Promise<void> {
    const { ledger, clock } = this.#world;
    ledger.close(everySettled);
    this.#faults.stop();
    if (!everySettled) return;
    this.#checkCounters();
    let left = 'not yet';
    const ended = Promise.all([...this.#clients, ...this.#servers].map((peer) => peer.close(0))).then(() => (left = 'left'));
    const endMs = clock.now() + ENDING_MS;
    while (await this.#world.stepToNext(endMs));
    await Promise.race([ended, settle()]);
    this.#world.checkClosed();
    if (left !== 'left') ledger.breach('conn.closed', 'closing never ended');
    else this.#checkNothingLeft();
  }

  #client(index: number): ClientPeer {
    const { clientsPerScope, clientDisks } = this.#world.settings;
    const scope = `${Math.floor(index / clientsPerScope)}`;
    const name = `c${index + 1}`;
    const secret = new SeededRandom(Number(scope) + 1).bytes(32);
    const path = new Path(name, this.#random.pick(this.#servers).name, this.#world.network);
    return new ClientPeer(this.#world, { name, disk: this.#disk(`disk-${name}`, clientDisks), path, scope, secret });
  }

  #disk(name: string, kind: Settings['serverDisks']): SimulatedDisk {
    const { clock, ledger, settings } = this.#world;
    const onForgotten = (args: Uint8Array): void => ledger.forgotten(args);
    return new SimulatedDisk({ name, kind, clock, random: this.#random.fork(), retentionMs: settings.retentionMs, onForgotten });
  }

  #askSome(calls: number): void {
    const { ledger, settings } = this.#world;
    const many = this.#random.between(0, 2 * settings.callsPerMs);
    for (let made = 0; made < many && ledger.calls < calls; made++) {
      const calling = this.#someone();
      if (calling !== undefined) this.#askOnce(calling);
    }
  }

  #someone(): Calling | undefined {
    const random = this.#random;
    if (!random.chance(FROM_ACCEPTOR)) {
      const { calling, process } = random.pick(this.#clients);
      return process.isAlive ? calling : undefined;
    }
    const { calling } = random.pick(this.#servers);
    return calling.length === 0 ? undefined : random.pick(calling);
  }

  #askOnce(calling: Calling): void {
    const intent = this.#random.chance(ASKED_AGAIN) ? (this.#again(calling) ?? this.#newIntent(calling)) : this.#newIntent(calling);
    const asking = drawAsking(this.#random, intent, calling.process);
    void ask(this.#world, calling, { intent, asking });
  }

  #again({ scope, role }: Calling): Intent | undefined {
    const fitting = this.#recent.filter((intent) => intent.scope === scope && intent.caller === role);
    return fitting.length === 0 ? undefined : this.#random.pick(fitting);
  }

  #newIntent({ scope, role }: Calling): Intent {
    const { intents } = this.#world.ledger;
    const place = `${scope} ${role}`;
    const named = this.#named.get(place) ?? 0;
    const intent = drawIntent(this.#random, { n: intents.length, scope, caller: role, named });
    intents.push(intent);
    if (intent.operationId !== undefined) this.#named.set(place, named + 1);
    if (mayBeAskedAgain(intent)) {
      this.#recent.push(intent);
      if (this.#recent.length > RECENT) this.#recent.shift();
    }
    return intent;
  }

  #checkCounters(): void {
    const callings = [...this.#clients.map(({ calling }) => calling), ...this.#servers.flatMap(({ calling }) => calling)];
    for (const calling of callings) {
      if (calling === undefined) continue;
      const { creditViolations, protocolErrors, secondAnswers } = calling.session.counters;
      for (const [name, count] of Object.entries({ creditViolations, protocolErrors, secondAnswers }))
        if (count > 0) this.#world.ledger.breach('session.protocol-error', `${calling.process.name} counts ${count} ${name}`);
    }
  }

  #checkNothingLeft(): void {
    for (const { path } of this.#clients) if (path.links > 0) this.#world.ledger.breach('link.close', `${path.name} still has ${path.links} links`);
    for (const disk of this.#disks)
      if (disk.live > 0) this.#world.ledger.breach('op.waiters', `${disk.terms.name} still has ${disk.live} operations that count as live`);
  }
}
