/**
 * The network of a simulation: one path for each client, over which it reaches whichever server the path leads to. Every payload takes its own time, so what is
 * sent on different links overtakes; each link stays in order. What can go wrong with a path: it is cut, it is slow, a direction of a link falls
 * silent with nobody being told (half-open), a reader is slow, and a hello arrives a second time, late (a duplicate connect).
 */
import type { Connector, Link, LinkLimits, Listener } from '../../index.ts';
import { makeMemoryLinks } from '../../transport/memory-link.ts';
import type { MemoryLink, MemoryLinkPair, PipeWeather } from '../../transport/memory-link.ts';
import type { SimulatedClock } from '../clock.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { SimulatedProcess } from './process.ts';

/** Small, so that senders meet it (link.backpressure). */
const HIGH_WATER_BYTES = 8 * 1024;
const MAX_PAYLOAD = 1024 * 1024;

/** One payload on its way. */
export interface Carried {
  readonly path: Path;
  /** Of the link it is on. */
  readonly linkId: string;
  readonly from: 'initiator' | 'acceptor';
  readonly server: string;
  readonly payload: Uint8Array;
}

interface Listening {
  readonly process: SimulatedProcess;
  readonly onLink: (link: Link) => void;
}

export interface NetworkTerms {
  readonly clock: SimulatedClock;
  readonly random: SeededRandom;
  readonly onPayload: (carried: Carried) => void;
}

/** Who listens where. */
export class SimulatedNetwork {
  readonly terms: NetworkTerms;
  readonly #listening = new Map<string, Listening>();

  constructor(terms: NetworkTerms) {
    this.terms = terms;
  }

  /** Where a process of that server listens. A dead process listens no more. */
  listener(name: string, process: SimulatedProcess): Listener<string> {
    return {
      listen: async (onLink) => {
        const own: Listening = { process, onLink };
        this.#listening.set(name, own);
        const close = async (): Promise<void> => {
          if (this.#listening.get(name) === own) this.#listening.delete(name);
        };
        return { address: name, close };
      },
    };
  }

  at(name: string): Listening | undefined {
    const found = this.#listening.get(name);
    return found?.process.isAlive === true ? found : undefined;
  }
}

interface LiveLink extends MemoryLinkPair {
  readonly id: string;
  readonly server: string;
  /** Ends at which nothing arrives any more, and at which nothing arrives for now. */
  readonly silent: Set<MemoryLink>;
  readonly held: Set<MemoryLink>;
  hello?: Uint8Array;
}

/** How long a payload may take, in milliseconds. */
export interface Lag {
  readonly leastMs: number;
  readonly mostMs: number;
}

export const USUAL_LAG: Lag = { leastMs: 1, mostMs: 5 };

export class Path implements PipeWeather {
  readonly name: string;
  readonly highWaterBytes = HIGH_WATER_BYTES;
  readonly clock: SimulatedClock;
  readonly closeTimers: SimulatedClock;
  lag: Lag = USUAL_LAG;
  /** Which server the next dial reaches. */
  server: string;
  #cable: 'whole' | 'cut' = 'whole';
  readonly #network: SimulatedNetwork;
  readonly #links = new Map<MemoryLink, LiveLink>();
  #lastHello: Uint8Array | undefined;
  #lastLinkNumber = 0;

  constructor(name: string, server: string, network: SimulatedNetwork) {
    this.name = name;
    this.server = server;
    this.#network = network;
    this.clock = this.closeTimers = network.terms.clock;
  }

  /** Links of which an end is open. */
  get links(): number {
    return new Set(this.#links.values()).size;
  }

  connector(process: SimulatedProcess): Connector {
    return { connect: (signal, limits) => this.#connect(process, signal, limits) };
  }

  cut(): void {
    this.#cable = 'cut';
    this.breakLinks('the network was cut');
  }

  breakLinks(why: string): void {
    for (const link of new Set(this.#links.values())) {
      link.initiator.abort(new Error(`the link was lost: ${why}`));
      link.acceptor.abort(new Error(`the link was lost: ${why}`));
    }
  }

  heal(): void {
    this.#cable = 'whole';
    this.lag = USUAL_LAG;
    this.readOn();
  }

  /** Nothing more arrives at one end of the present link, and nobody is told: only the missing sign of life tells. */
  silence(end: 'initiator' | 'acceptor'): void {
    const link = this.#present;
    link?.silent.add(link[end]);
  }

  /** One end of the present link reads nothing, until `readOn`. */
  stopReading(end: 'initiator' | 'acceptor'): void {
    const link = this.#present;
    link?.held.add(link[end]);
  }

  readOn(): void {
    for (const [end, link] of this.#links) if (link.held.delete(end)) end.resumeInbound();
  }

  /** The last hello arrives once more, on a link behind which there is nobody. False: there was none. */
  repeatHello(lifeMs: number): boolean {
    const listening = this.#network.at(this.server);
    if (this.#lastHello === undefined || listening === undefined) return false;
    const { initiator } = this.#makeLink(listening);
    initiator.open({ message: () => {}, drain: () => {}, close: () => {} });
    initiator.send(this.#lastHello.slice());
    this.clock.setTimeout(() => initiator.abort(new Error('there was nobody behind this link')), lifeMs);
    return true;
  }

  delayMs(): number {
    return this.#network.terms.random.between(this.lag.leastMs, this.lag.mostMs);
  }

  deliveries(target: MemoryLink): 'flowing' | 'held' | 'silent' {
    const link = this.#links.get(target);
    if (link === undefined) return 'flowing';
    if (link.silent.has(target)) return 'silent';
    return link.held.has(target) ? 'held' : 'flowing';
  }

  defer(job: () => void): void {
    queueMicrotask(job);
  }

  admit(end: MemoryLink, payload: Uint8Array): boolean {
    const link = this.#links.get(end);
    if (link === undefined) return true;
    // The hello is the first thing that is said, and has been heard once it is answered.
    if (end === link.initiator) link.hello ??= payload.slice();
    else this.#lastHello = link.hello;
    this.#network.terms.onPayload({ path: this, linkId: link.id, from: end.role, server: link.server, payload });
    return true;
  }

  forget(end: MemoryLink): void {
    this.#links.delete(end);
  }

  get #present(): LiveLink | undefined {
    return [...this.#links.values()].at(-1);
  }

  async #connect(process: SimulatedProcess, signal: AbortSignal, limits: LinkLimits | undefined): Promise<Link> {
    await new Promise<void>((resolve) => this.clock.setTimeout(resolve, this.delayMs()));
    if (signal.aborted) throw signal.reason;
    const listening = this.#network.at(this.server);
    if (this.#cable === 'cut' || listening === undefined || !process.isAlive) throw new Error(`${this.name} cannot reach ${this.server}`);
    const link = this.#makeLink(listening, limits);
    return process.adopt(link.initiator);
  }

  #makeLink(listening: Listening, limits?: LinkLimits): LiveLink {
    const id = `${this.name}#${++this.#lastLinkNumber}`;
    const maxPayload = limits?.maxPayload ?? MAX_PAYLOAD;
    const pair = makeMemoryLinks(this, { id, name: this.name, initiatorMaxPayload: maxPayload, acceptorMaxPayload: maxPayload });
    const link: LiveLink = { ...pair, id, server: this.server, silent: new Set<MemoryLink>(), held: new Set<MemoryLink>() };
    this.#links.set(pair.initiator, link);
    this.#links.set(pair.acceptor, link);
    listening.onLink(listening.process.adopt(pair.acceptor));
    return link;
  }
}
