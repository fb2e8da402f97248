/**
 * What everything in a simulation shares: time, dice, the network, the books, the trace, and the settings that the seed chose. One step of the world goes to the next
 * deadline and lets everything that follows from it happen.
 */
import { decodeMessages } from '../../wire/index.ts';
import { SimulatedClock } from '../clock.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { Fault } from './circumstances.ts';
import { CreditWatch } from './credit-watch.ts';
import type { DiskKind } from './disk.ts';
import type { Intent } from './intents.ts';
import { Ledger } from './ledger.ts';
import { textOf } from './message-text.ts';
import { SimulatedNetwork } from './network.ts';
import type { Carried } from './network.ts';
import type { SimulatedProcess } from './process.ts';
import { Trace } from './trace.ts';

/** Taken when the module loads: a test may fake the global one. */
const afterIo: (job: () => void) => void = setImmediate;

/** The run's own circumstances, drawn from the seed: each run has its own few faults, so that some runs show what others would hide. */
export interface Settings {
  readonly clients: number;
  readonly servers: number;
  /** Where servers keep operations: `shared`: all on one disk. */
  readonly serverDisks: DiskKind;
  readonly clientDisks: 'memory' | 'local';
  /** Clients that share a scope, so that they meet each other's operations. */
  readonly clientsPerScope: number;
  readonly faults: readonly Fault[];
  /** Calls that are made in a millisecond, on average. */
  readonly callsPerMs: number;
  readonly retentionMs: number;
}

export class World {
  readonly clock = new SimulatedClock(1_000_000);
  readonly random: SeededRandom;
  readonly ledger = new Ledger({ now: () => this.nowMs, isKept: (intent) => this.#isKept(intent) });
  readonly trace = new Trace();
  readonly network: SimulatedNetwork;
  readonly settings: Settings;
  readonly startMs = this.clock.now();
  steps = 0;
  readonly #credit = new CreditWatch((rule, message) => this.ledger.breach(rule, message));
  /** Handles that must not be collected: when that happens is not the seed's to say (liveness.gc, channel.drop). */
  readonly held: unknown[] = [];
  readonly #closed: SimulatedProcess[] = [];

  constructor(random: SeededRandom, settings: Settings) {
    this.random = random;
    this.settings = settings;
    this.network = new SimulatedNetwork({ clock: this.clock, random: random.fork(), onPayload: (carried) => this.#see(carried) });
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.clock.now() - this.startMs;
  }

  /** Something that happened at one place. */
  note(where: string, text: string): void {
    this.trace.add({ atMs: this.nowMs, from: where, text });
  }

  #isKept({ caller }: Intent): boolean {
    const { serverDisks, servers, clientDisks, clientsPerScope } = this.settings;
    // Clients of one scope have disks of their own, and the acceptor calls either.
    return caller === 'acceptor'
      ? clientDisks === 'local' && clientsPerScope === 1
      : serverDisks === 'shared' || (serverDisks === 'local' && servers === 1);
  }

  /** Lets that much time pass at one go, and then everything happen that follows. */
  async step(durationMs: number): Promise<void> {
    this.steps++;
    this.clock.increment(durationMs);
    await settle();
  }

  /** Goes to the next deadline. False: there is none up to `endMs`. */
  async stepToNext(endMs: number): Promise<boolean> {
    const dueMs = this.clock.nextDeadlineMs;
    if (dueMs === undefined || dueMs > endMs) return false;
    await this.step(dueMs - this.clock.now());
    return true;
  }

  /** The runtime of a process has been closed: when all has come to its end, nothing of it may be left. */
  hasClosed(process: SimulatedProcess): void {
    this.#closed.push(process);
  }

  checkClosed(): void {
    for (const process of this.#closed) this.#checkClosed(process);
  }

  #checkClosed({ name, timers, links }: SimulatedProcess): void {
    if (timers > 0) this.ledger.breach('conn.closed', `${name} has ended, and ${timers} of its timers are still set`);
    if (links > 0) this.ledger.breach('link.close', `${name} has ended, and ${links} of its links are not closed`);
  }

  #see({ path, linkId, from, server, payload }: Carried): void {
    const atMs = this.nowMs;
    const ends = from === 'initiator' ? { from: path.name, to: server } : { from: server, to: path.name };
    for (const message of decodeMessages(payload)) {
      this.trace.add({ atMs, ...ends, text: textOf(message) });
      this.#credit.see(linkId, from, message);
      if (message.type === 'protocol-error')
        this.ledger.breach('session.protocol-error', `${ends.from} says to ${ends.to}: ${message.rule}: ${message.message}`);
    }
  }
}

/** Everything that follows by itself happens before the event loop's next round. */
export function settle(): Promise<void> {
  return new Promise((resolve) => afterIo(resolve));
}
