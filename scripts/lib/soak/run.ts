/** A whole soak: the listening process, the cutting proxy, the sessions through it, all intents, then rest, the verdict, and the end of everything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'statewire';
import type { Session } from 'statewire';
import { tcp } from 'statewire/tcp';
import type { SoakPeer } from './caller.ts';
import { Judge, namedFor, wrongRest } from './checks.ts';
import type { Judged } from './checks.ts';
import { startAcceptor } from './child.ts';
import type { AcceptorProcess } from './child.ts';
import { Trial } from '../../../src/testing/trial/contract.ts';
import { cuttingProxy } from './cutting-proxy.ts';
import type { Cuts, CuttingProxy } from './cutting-proxy.ts';
import { watchRuntime } from './left-over.ts';
import type { LeftOver } from './left-over.ts';
import { intentsFor } from './plan.ts';
import type { Role } from './plan.ts';
import { soakService } from './service.ts';
import { LIMITS, RECONNECT } from './settings.ts';
import { Side } from './side.ts';
import type { Rest, SideReport } from './side.ts';
import { makeStore } from './stores.ts';
import type { OpenedStore, StoreKind } from './stores.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly calls: number;
  readonly storeKind: StoreKind;
}

export interface SoakResult extends Judged {
  readonly seconds: number;
  readonly cuts: Cuts;
  readonly counters: Readonly<Record<Role, SideReport['counters']>>;
  readonly streamRestarts: number;
  /** Bytes by which the heap has grown between the two rests. */
  readonly heapGrowth: Readonly<Record<Role, number>>;
}

const SESSIONS = 4;
/** The first two share one, so that duplicates may come by another session. */
const SHARED_SCOPE_SESSIONS = 2;
const AT_ONCE: Readonly<Record<Role, number>> = { initiator: 256, acceptor: 128 };
/** Of the intents, before heaps are measured for the first time. */
const WARM_UP = 0.15;
const MOST_WARM_UP = 10_000;
const CONNECT_PATIENCE_MS = 30_000;
const END_PATIENCE_MS = 40_000;

class Run {
  readonly #options: SoakOptions;
  readonly #intents: number;
  readonly #side: Side;
  readonly #store: OpenedStore;
  readonly #acceptor: AcceptorProcess;
  readonly #proxy: CuttingProxy;
  readonly #breaches: string[] = [];

  private constructor(options: SoakOptions, parts: { intents: number; store: OpenedStore; acceptor: AcceptorProcess; proxy: CuttingProxy }) {
    const { intents, store, acceptor, proxy } = parts;
    this.#options = options;
    this.#intents = intents;
    this.#store = store;
    this.#acceptor = acceptor;
    this.#proxy = proxy;
    this.#side = new Side({ role: 'initiator', seed: options.seed, intents, atOnce: AT_ONCE.initiator, store: store.store });
  }

  static async start(options: SoakOptions): Promise<Run> {
    const { seed, calls, storeKind } = options;
    watchRuntime();
    const intents = intentsFor(seed, calls);
    const acceptor = await startAcceptor({ seed, intents, atOnce: AT_ONCE.acceptor, storeKind });
    const proxy = await cuttingProxy(acceptor.port, seed);
    return new Run(options, { intents, store: await makeStore(storeKind), acceptor, proxy });
  }

  async soak(): Promise<SoakResult> {
    const startedMs = performance.now();
    await this.#connectAll();
    const { planned, heapGrowth } = await this.#carryOutAll();
    const seconds = (performance.now() - startedMs) / 1_000;
    const reports = { initiator: this.#side.report(), acceptor: await this.#acceptor.ask<SideReport>({ ask: 'report' }) };
    const judged = new Judge(this.#options.seed, reports).judge(planned);
    const ended = await Promise.race([this.#end().then(() => true), sleep(END_PATIENCE_MS, false, { ref: false })]);
    if (!ended) this.#breaches.push(`the sessions and the listening process did not end within ${END_PATIENCE_MS / 1_000} s`);
    return {
      ...judged,
      breaches: [...judged.breaches, ...this.#breaches],
      seconds,
      cuts: this.#proxy.cuts,
      counters: { initiator: reports.initiator.counters, acceptor: reports.acceptor.counters },
      streamRestarts: reports.initiator.records.streamRestarts + reports.acceptor.records.streamRestarts,
      heapGrowth,
    };
  }

  /** In two parts, each followed by a rest: what is held then may not have grown with the calls. Of calls that stand still no more are made. */
  async #carryOutAll(): Promise<{ planned: number; heapGrowth: SoakResult['heapGrowth'] }> {
    const { seed } = this.#options;
    const warm = Math.min(MOST_WARM_UP, Math.ceil(this.#intents * WARM_UP));
    const nothing = { initiator: 0, acceptor: 0 };
    if (!(await this.#carryOut(0, warm))) return { planned: warm, heapGrowth: nothing };
    const before = await this.#rest();
    if (!(await this.#carryOut(warm, this.#intents))) return { planned: this.#intents, heapGrowth: nothing };
    const after = await this.#rest();
    for (const role of ['initiator', 'acceptor'] as const)
      this.#breaches.push(...wrongRest({ role, before: before[role], after: after[role], named: namedFor(role, seed, [warm, this.#intents]) }));
    const growth = (role: Role): number => after[role].heap - before[role].heap;
    return { planned: this.#intents, heapGrowth: { initiator: growth('initiator'), acceptor: growth('acceptor') } };
  }

  async #connectAll(): Promise<void> {
    const scope = crypto.getRandomValues(new Uint8Array(32));
    for (let index = 0; index < SESSIONS; index++) this.#side.peers.push(await this.#connectOne(index < SHARED_SCOPE_SESSIONS ? scope : undefined));
    const met = await this.#acceptor.ask<number>({ ask: 'peers' });
    if (met !== SESSIONS) throw new Error(`the listening process knows ${met} sessions with their connections, not ${SESSIONS}`);
  }

  async #connectOne(scope: Uint8Array | undefined): Promise<SoakPeer> {
    const { log, records } = this.#side;
    const service = soakService(records, this.#options.seed);
    const terms = { services: [service], maxConcurrentRequests: LIMITS.maxConcurrentRequests };
    const session = await connect(tcp({ port: this.#proxy.port }), {
      ...LIMITS,
      scope,
      services: [service],
      store: this.#store.store,
      reconnect: RECONNECT,
      waitForPeerMs: CONNECT_PATIENCE_MS,
      log,
      onConnection: (request) => void request.accept(terms),
    });
    const first = await session.open({ ...terms, metadata: { place: 'first' } });
    const second = await session.open({ ...terms, metadata: { place: 'second' }, parity: 'even' });
    return { session, clients: { root: session.client(Trial), first: first.client(Trial), second: second.client(Trial) } };
  }

  async #carryOut(from: number, to: number): Promise<boolean> {
    const moving = await Promise.all([this.#side.run(from, to), this.#acceptor.ask<boolean>({ ask: 'run', from, to })]);
    return !moving.includes(false);
  }

  async #rest(): Promise<Record<Role, Rest>> {
    // One after the other: what is in flight at one side is so at the other.
    const initiator = await this.#side.rest();
    return { initiator, acceptor: await this.#acceptor.ask<Rest>({ ask: 'rest' }) };
  }

  async #end(): Promise<void> {
    this.#proxy.calm();
    const sessions = this.#side.peers.map(({ session }) => session);
    this.#expect('sessions of the listening process', await this.#acceptor.ask<number>({ ask: 'sessions' }), SESSIONS);
    await Promise.all(sessions.map((session) => this.#close(session)));
    this.#expectNothing('acceptor', await this.#acceptor.ask<LeftOver>({ ask: 'close' }));
    await this.#proxy.close();
    await this.#store.dispose();
    await this.#acceptor.stop();
    this.#expectNothing('initiator', await this.#side.leftAtEnd());
  }

  async #close(session: Session): Promise<void> {
    if (session.status === 'closed') this.#breaches.push('a session has ended by itself');
    await session.close();
  }

  #expect(what: string, count: number, expected: number): void {
    if (count !== expected) this.#breaches.push(`${count} ${what} at the end, not ${expected}`);
  }

  #expectNothing(role: Role, left: LeftOver): void {
    for (const [what, count] of Object.entries(left))
      if (count !== 0) this.#breaches.push(`the ${role} holds ${count} ${what} when everything has ended`);
  }
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const run = await Run.start(options);
  return run.soak();
}
