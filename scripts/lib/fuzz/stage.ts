/**
 * Where the hostile sessions play: a server of this runtime with a well-behaved client, a second server behind it for connections that are passed on, and
 * a place where clients of this runtime dial the fuzzer. One stage serves many sessions, and must hold nothing when it is torn down.
 */
import { connect, defineService, implement, joinConnections, listen, memoryStore, method, RpcError, Rx, Tx } from 'statewire';
import type { Client, ConnectionRequest, Link, LogEntry, Server, Session } from 'statewire';
import { memoryNetwork, SeededRandom, SimulatedClock } from 'statewire/testing';
import type { MemoryNetwork } from 'statewire/memory';
import { Breach } from './breach.ts';
import { forgetEnded, leftOver } from '../soak/left-over.ts';

export const Fuzzed = defineService('Fuzzed', {
  echo: method<unknown, unknown>(),
  idem: method<unknown, unknown>({ idem: true }),
  persist: method<unknown, unknown>({ persist: true }),
  wait: method(),
  fails: method<unknown, unknown, unknown>(),
  sink: method<{ end: Rx<unknown> }>(),
  source: method<{ end: Tx<unknown> }>(),
});

const echo = (input: unknown): unknown => input;

export const fuzzed = implement(Fuzzed, {
  echo,
  idem: echo,
  persist: echo,
  wait: (_, call) => new Promise((resolve) => call.signal.addEventListener('abort', () => resolve(), { once: true })),
  fails: (input, call) => call.fail(input),
  sink: (input) =>
    careless(async () => {
      const end = endOf(input);
      if (end instanceof Rx) for await (const _item of end);
    }),
  source: (input) =>
    careless(async () => {
      const end = endOf(input);
      if (!(end instanceof Tx)) return;
      for (let item = 0; item < 40; item++) await end.send(item);
      end.close();
    }),
});

/** Without a schema, an input is whatever its caller has sent. */
function endOf(input: unknown): unknown {
  return typeof input === 'object' && input !== null && 'end' in input ? input.end : undefined;
}

/** A stream that its peer has broken off is no fault of the handler's. */
async function careless(stream: () => Promise<void>): Promise<void> {
  try {
    await stream();
  } catch (error) {
    if (!isOrderlyFailure(error)) throw error;
  }
}

const FRONT = 'front';
const BACK = 'back';
export const TRAP = 'trap';
/** Longer than anything of a session waits: for a lost link, for an answer. */
const LONG_MS = 400_000;

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Waits a bounded number of turns: what takes more hangs. */
export async function within<T>(turns: number, what: string, promise: Promise<T>): Promise<T> {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  promise.then(
    (value) => (outcome = { value }),
    (error: unknown) => (outcome = { error }),
  );
  for (let left = turns; left > 0; left--) {
    await nextTurn();
    if (outcome === undefined) continue;
    if ('value' in outcome) return outcome.value;
    throw outcome.error;
  }
  throw new Breach(`${what} hangs`);
}

export class Stage {
  readonly clock = new SimulatedClock();
  readonly network: MemoryNetwork = memoryNetwork({ clock: this.clock });
  readonly store = memoryStore({ clock: this.clock });
  /** Takes the links of clients that have dialled the fuzzer. */
  onTrapped: (link: Link) => void = (link) => link.abort();
  readonly #faults: string[] = [];
  readonly #dice: SeededRandom;
  #ends: (() => Promise<unknown>)[] = [];
  #witness!: Client<typeof Fuzzed>;
  #server!: Server;
  #asked = 0;

  constructor(seed: number) {
    this.#dice = new SeededRandom(seed);
  }

  /** Options of every peer of this runtime. */
  get shared() {
    const log = ({ level, event, message, error }: LogEntry): void => {
      if (level === 'error') this.#faults.push(`${event}: ${message} ${String(error)}`);
    };
    return { clock: this.clock, random: this.#dice, log, keepAlive: false, services: [fuzzed], handshakeTimeoutMs: 1_000 } as const;
  }

  async set(): Promise<void> {
    const limits = { maxConcurrentRequests: 16, maxConnections: 4, maxInitialCredit: 64 };
    const back = await listen(this.network.listener(BACK), {
      ...this.shared,
      ...limits,
      maxConnections: 64,
      onConnection: (request) => void request.accept({ services: [fuzzed] }),
    });
    const behind = await connect(this.network.connector(BACK), { ...this.shared, ...limits, reconnect: false });
    this.#server = await listen(this.network.listener(FRONT), {
      ...{ ...this.shared, ...limits, store: this.store, resume: { ttlMs: 60_000, maxSessions: 4 } },
      onConnection: (request) => this.#decide(request, behind),
    });
    const session = await connect(this.network.connector(FRONT), { ...this.shared, resume: false });
    this.#witness = session.client(Fuzzed);
    const trap = await this.network.listener(TRAP).listen((link) => this.onTrapped(link));
    this.#ends = [() => session.close(), () => this.#server.close(), () => behind.close(), () => back.close(), () => trap.close()];
  }

  /** Half of them are passed on to the server behind, as soon as that has taken it. */
  async #decide(request: ConnectionRequest, behind: Session): Promise<void> {
    const kind = this.#asked++ % 6;
    if (kind < 2) {
      request.accept({ services: [fuzzed] });
    } else if (kind < 5) {
      const onward = await behind.open({ maxConcurrentRequests: 16 });
      try {
        joinConnections(request.accept(), onward);
      } catch {
        // Whoever opened it has given it up meanwhile, or chose the parity that cannot be joined.
        void onward.close();
      }
    } else {
      request.reject('not this one');
    }
  }

  dial(): Promise<Link> {
    return within(50, 'dialling', this.network.connector(FRONT).connect(new AbortController().signal));
  }

  get sessions(): number {
    return this.#server.sessions.size;
  }

  /** Somebody else is served, and nothing of ours has failed. */
  async inspect(): Promise<void> {
    const question = ++this.#asked;
    const answer = await within(200, 'the call of a well-behaved client', this.#witness.echo(question));
    if (answer !== question) throw new Breach(`a well-behaved client was answered ${String(answer)} instead of ${question}`);
    if (this.#faults.length > 0) throw new Breach(`a fault of ours was logged: ${this.#faults.join('; ')}`);
  }

  /** Ends everything, and looks for what is left. */
  async strike(): Promise<void> {
    for (const end of this.#ends.splice(0)) {
      const ended = end();
      await this.clock.advance(LONG_MS);
      await within(200, 'closing', ended);
    }
    await this.clock.advance(LONG_MS);
    const { inFlight, channels, operations, actors, running } = leftOver(this.store);
    forgetEnded();
    const left = { inFlight, channels, operations, actors, running, timers: this.clock.pending };
    const problems = Object.entries(left).filter(([, count]) => count > 0);
    if (problems.length > 0) throw new Breach(`left over: ${problems.map(([name, count]) => `${count} ${name}`).join(', ')}`);
  }
}

export function isOrderlyFailure(error: unknown): boolean {
  return error instanceof RpcError;
}
