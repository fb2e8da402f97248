/**
 * A process of a simulation: what a runtime in it takes for its clock, its dice and its links. It can be killed as by `kill -9`: from then on no timer of it
 * runs, nothing reaches it, and nothing it says is heard; its links break at the other end. What it had in memory is garbage.
 */
import type { Clock } from '../../index.ts';
import type { Link, LinkHandler } from '../../index.ts';
import type { SimulatedClock } from '../clock.ts';
import type { SeededRandom } from '../seeded-random.ts';

export class SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** By how much its wall clock is wrong, in milliseconds. Timers do not mind. */
  skewMs = 0;
  readonly #links = new Set<ProcessLink>();
  readonly #timers = new Set<unknown>();
  #alive = true;

  constructor(name: string, world: SimulatedClock, random: SeededRandom) {
    this.name = name;
    this.random = random;
    this.clock = {
      now: () => world.now() + this.skewMs,
      setTimeout: (callback, delayMs) => {
        if (!this.#alive) return undefined;
        const id = world.setTimeout(() => {
          this.#timers.delete(id);
          callback();
        }, delayMs);
        this.#timers.add(id);
        return id;
      },
      clearTimeout: (id) => {
        this.#timers.delete(id);
        world.clearTimeout(id);
      },
    };
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Links that are not closed. */
  get links(): number {
    return this.#links.size;
  }

  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimeout(resolve, durationMs));
  }

  /** The process's own view of a link. */
  adopt(inner: Link): Link {
    const link = new ProcessLink(inner, this, () => this.#links.delete(link));
    this.#links.add(link);
    return link;
  }

  kill(): void {
    this.#alive = false;
    for (const id of this.#timers) this.clock.clearTimeout(id);
    for (const link of this.#links) link.breakAtPeer();
    this.#links.clear();
  }
}

/** Passes everything on as long as its process lives. */
class ProcessLink implements Link {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly #inner: Link;
  readonly #process: SimulatedProcess;
  readonly #onClose: () => void;

  constructor(inner: Link, process: SimulatedProcess, onClose: () => void) {
    this.facts = inner.facts;
    this.#inner = inner;
    this.#process = process;
    this.#onClose = onClose;
  }

  send(payload: Uint8Array): boolean {
    return this.#process.isAlive ? this.#inner.send(payload) : true;
  }

  open(handler: LinkHandler): void {
    const process = this.#process;
    this.#inner.open({
      message: (payload) => process.isAlive && handler.message(payload),
      drain: () => process.isAlive && handler.drain(),
      close: (error) => {
        this.#onClose();
        if (process.isAlive) handler.close(error);
      },
    });
  }

  close(): void {
    if (this.#process.isAlive) this.#inner.close();
  }

  abort(reason?: Error): void {
    if (this.#process.isAlive) this.#inner.abort(reason);
  }

  limitInbound(maxBytes: number): void {
    this.#inner.limitInbound?.(maxBytes);
  }

  breakAtPeer(): void {
    this.#inner.abort(new Error('the process was killed'));
  }
}
