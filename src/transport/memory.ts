/**
 * A network inside the process: connectors and listeners by name, and faults to order. Deliveries take a microtask, or the time that
 * `delay` says on the given clock; a given seed gives the same run again. What a link is: memory-link.ts. No Node modules.
 */
import { abortError, platformTimers, resolveMaxPayload } from './base-link.ts';
import type { LinkTimers } from './base-link.ts';
import { makeMemoryLinks } from './memory-link.ts';
import type { MemoryLink, MemoryLinkPair, PipeWeather } from './memory-link.ts';
import type { Connector, Link, LinkLimits, Listener } from './link.ts';

/** Where a memory listener listens. */
export interface MemoryAddress {
  readonly name: string;
}

/** One message on its way, as `tap` shows it: when it is sent, also when it is lost later. */
export interface NetworkTapEvent<Message> {
  readonly direction: 'initiator→acceptor' | 'acceptor→initiator';
  /** The link's id: the name that was connected to, and a number. */
  readonly link: string;
  readonly message: Message | { readonly type: 'undecodable' };
  /** The whole payload that carries the message. Not to be written to, nor kept. */
  readonly payload: Uint8Array;
}

/** Options of a memory network. */
export interface NetworkOptions {
  /** For delays and for giving up a close that hangs. Default: the platform's. */
  readonly clock?: (LinkTimers & { now(): number }) | undefined;
  /** Of the dice that `drop` throws. Default 0. */
  readonly seed?: number | undefined;
  /** Bytes sent and not yet delivered, in one direction of one link, above which `send` says false. Default 1 MiB (link.backpressure). */
  readonly highWaterBytes?: number | undefined;
}

/** A network in the process, with faults to order. */
export interface Network<Message> {
  /** Connects to the listener of that name. */
  connector(name: string): Connector;
  /** One at a time per name. */
  listener(name: string): Listener<MemoryAddress>;
  /** Closes both ends of every link with an error, and lets connecting fail until `heal`. */
  cut(): void;
  heal(): void;
  /**
   * From now until `speak` nothing arrives and nobody is told; connecting waits. A direction of a link that has lost something stays mute after
   * `speak` too, since a link has no gaps: only a missing sign of life tells. Those that lost nothing go on.
   */
  silence(): void;
  speak(): void;
  /** What is sent from now on takes so long, in milliseconds of the clock. It never overtakes what was sent before. 0: at once. */
  delay(delayMs: number): void;
  /** Keeps all deliveries (payloads, ends, aborts, connects) until `release`, which lets them go in order. */
  hold(): void;
  release(): void;
  /** With this probability (0 to 1) per payload the payload is lost and its link dies at both ends. */
  drop(options: { readonly rate: number }): void;
  /** Shows every message that is sent from now on. The returned function ends it. */
  tap(observer: (event: NetworkTapEvent<Message>) => void): () => void;
}

const DEFAULT_HIGH_WATER_BYTES = 1024 * 1024;

/** A network whose payloads `decode` turns into messages for taps. `decode` may throw: its payload is tapped as undecodable. */
export function makeNetwork<Message>(decode: (payload: Uint8Array) => readonly Message[], options: NetworkOptions = {}): Network<Message> {
  return new InProcessNetwork(decode, options);
}

interface ListeningEntry {
  readonly onLink: (link: Link) => void;
  readonly maxPayload: number;
}

class InProcessNetwork<Message> implements Network<Message>, PipeWeather {
  readonly highWaterBytes: number;
  readonly clock: LinkTimers & { now(): number };
  readonly closeTimers: LinkTimers;
  readonly defer = makeDefer();
  readonly #decode: (payload: Uint8Array) => readonly Message[];
  readonly #random: () => number;
  readonly #listening = new Map<string, ListeningEntry>();
  /** By end, until that end is closed. */
  readonly #pairs = new Map<MemoryLink, MemoryLinkPair>();
  readonly #observers = new Set<(event: NetworkTapEvent<Message>) => void>();
  /** Connects that have arrived in a hold or a silence. */
  #waitingArrivals: (() => void)[] = [];
  #cable: 'whole' | 'cut' = 'whole';
  #deliveries: 'flowing' | 'held' | 'silent' = 'flowing';
  #delayMs = 0;
  #dropRate = 0;
  #lastLinkNumber = 0;

  constructor(decode: (payload: Uint8Array) => readonly Message[], options: NetworkOptions) {
    this.#decode = decode;
    this.#random = makeRandom(options.seed ?? 0);
    this.clock = options.clock ?? platformClock;
    this.closeTimers = options.clock ?? platformTimers;
    this.highWaterBytes = options.highWaterBytes ?? DEFAULT_HIGH_WATER_BYTES;
  }

  connector(name: string): Connector {
    return { connect: (signal, limits) => this.#connect(name, signal, limits) };
  }

  listener(name: string): Listener<MemoryAddress> {
    return {
      listen: async (onLink, limits) => {
        if (this.#listening.has(name)) throw new Error(`somebody already listens on '${name}' of this memory network`);
        const entry = { onLink, maxPayload: resolveMaxPayload(undefined, limits) };
        this.#listening.set(name, entry);
        const close = async (): Promise<void> => {
          if (this.#listening.get(name) === entry) this.#listening.delete(name);
        };
        return { address: { name }, close };
      },
    };
  }

  cut(): void {
    this.#cable = 'cut';
    for (const pair of new Set(this.#pairs.values())) this.#kill(pair, 'the network was cut');
  }

  heal(): void {
    this.#cable = 'whole';
  }

  silence(): void {
    this.#deliveries = 'silent';
  }

  speak(): void {
    this.#flow();
  }

  hold(): void {
    this.#deliveries = 'held';
  }

  release(): void {
    this.#flow();
  }

  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  drop(options: { readonly rate: number }): void {
    this.#dropRate = options.rate;
  }

  tap(observer: (event: NetworkTapEvent<Message>) => void): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  delayMs(): number {
    return this.#delayMs;
  }

  deliveries(): 'flowing' | 'held' | 'silent' {
    return this.#deliveries;
  }

  admit(link: MemoryLink, payload: Uint8Array): boolean {
    if (this.#observers.size > 0) this.#show(link, payload);
    if (this.#dropRate === 0 || this.#random() >= this.#dropRate) return true;
    const pair = this.#pairs.get(link);
    if (pair !== undefined) this.defer(() => this.#kill(pair, 'the network dropped a payload'));
    return false;
  }

  forget(link: MemoryLink): void {
    this.#pairs.delete(link);
  }

  #flow(): void {
    this.#deliveries = 'flowing';
    for (const link of this.#pairs.keys()) link.resumeInbound();
    const arrivals = this.#waitingArrivals;
    this.#waitingArrivals = [];
    for (const arrive of arrivals) arrive();
  }

  #kill(pair: MemoryLinkPair, why: string): void {
    // Each end gets an error of its own: what one does to it is not seen by the other.
    pair.initiator.abort(new Error(`the link was lost: ${why}`));
    pair.acceptor.abort(new Error(`the link was lost: ${why}`));
  }

  async #connect(name: string, signal: AbortSignal, limits: LinkLimits | undefined): Promise<Link> {
    const initiatorMaxPayload = resolveMaxPayload(undefined, limits);
    await this.#arrival(signal);
    if (this.#cable === 'cut') throw new Error(`cannot connect to '${name}': the memory network is cut`);
    const entry = this.#listening.get(name);
    if (entry === undefined) throw new Error(`cannot connect to '${name}': nobody listens on that name of this memory network`);
    const id = `${name}#${++this.#lastLinkNumber}`;
    const pair = makeMemoryLinks(this, { id, name, initiatorMaxPayload, acceptorMaxPayload: entry.maxPayload });
    this.#pairs.set(pair.initiator, pair);
    this.#pairs.set(pair.acceptor, pair);
    entry.onLink(pair.acceptor);
    return pair.initiator;
  }

  /** Settles when a request made now reaches the other side. */
  #arrival(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortError(signal));
        return;
      }
      const onAbort = (): void => reject(abortError(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      const arrive = (): void => {
        if (this.#deliveries !== 'flowing' && !signal.aborted) {
          this.#waitingArrivals.push(arrive);
          return;
        }
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      if (this.#delayMs > 0) this.clock.setTimeout(arrive, this.#delayMs);
      else this.defer(arrive);
    });
  }

  #show(link: MemoryLink, payload: Uint8Array): void {
    let messages: readonly (Message | { readonly type: 'undecodable' })[];
    try {
      messages = this.#decode(payload);
    } catch {
      // Taps show what passes, whatever it is; what to do about it is the receiver's matter.
      messages = [{ type: 'undecodable' }];
    }
    const direction = link.role === 'initiator' ? 'initiator→acceptor' : 'acceptor→initiator';
    for (const message of messages) {
      for (const observer of this.#observers) guard(() => observer({ direction, link: link.id, message, payload }));
    }
  }
}

/** What throws here breaks neither the send it looks at nor the other jobs of its round, and is not silenced either. */
function guard(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

const platformClock: LinkTimers & { now(): number } = {
  now: () => performance.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/** Taken when the module loads: a test that fakes timers does not stop the network. */
const afterIo: (job: () => void) => void = typeof setImmediate === 'function' ? setImmediate : (job) => setTimeout(job, 0);

/** Deliveries run as microtasks; after so many rounds of them one waits for timers and I/O, so that two chatting ends starve nobody. */
const ROUNDS_PER_TURN = 256;

function makeDefer(): (job: () => void) => void {
  let jobs: (() => void)[] = [];
  let rounds = 0;
  const run = (): void => {
    const batch = jobs;
    jobs = [];
    for (const job of batch) guard(job);
  };
  return (job) => {
    jobs.push(job);
    if (jobs.length > 1) return;
    rounds++;
    if (rounds % ROUNDS_PER_TURN === 0) afterIo(run);
    else queueMicrotask(run);
  };
}

/** Mulberry32: small, seeded, good enough for dice. */
function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
