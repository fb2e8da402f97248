/** One process's part of the soak: it serves, makes its share of the calls, and says at the end what it has seen and what it still holds. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { LogEntry, OperationStore } from 'statewire';
import { Caller } from './caller.ts';
import type { SoakPeer } from './caller.ts';
import { forgetEnded, leftOver } from './left-over.ts';
import type { LeftOver } from './left-over.ts';
import { planIntent } from './plan.ts';
import type { Role } from './plan.ts';
import { Records } from './records.ts';
import type { RecordsData } from './records.ts';

export interface SideOptions {
  readonly role: Role;
  readonly seed: number;
  readonly intents: number;
  /** Intents carried out at a time. */
  readonly atOnce: number;
  readonly store: OperationStore;
}

/** As it goes from one process to the other. */
export interface SideReport {
  readonly records: RecordsData;
  /** Sums over its sessions. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Memory once nothing is in flight, in bytes. */
export interface Rest {
  readonly heap: number;
  /** What its store keeps beside operations with a name of their own, by its own count; undefined where it does not count. */
  readonly store: number | undefined;
  /** Records that the store kept until now, of whatever name. */
  readonly kept: number;
  readonly left: LeftOver;
}

/** Without a call that settles for so long, the rest never will. */
const PATIENCE_MS = 10_000;
const QUIET_PATIENCE_MS = 10_000;
const POLL_MS = 10;
/** A store keeps settled records for its retention: it is told that this is over. */
const RETENTION_SLACK_MS = 1_000;

// So that nobody has to start the process with a flag.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export class Side {
  readonly records: Records;
  readonly peers: SoakPeer[] = [];
  readonly #options: SideOptions;

  constructor(options: SideOptions) {
    this.#options = options;
    this.records = new Records(options.intents);
  }

  /** Only what a handler threw is expected to be told. */
  readonly log = (entry: LogEntry): void => {
    if (entry.event === 'handler-error' || (entry.level !== 'error' && entry.level !== 'warn')) return;
    const { error } = entry;
    this.records.breach(`the ${this.#options.role} logged ${entry.event}: ${entry.message}${error instanceof Error ? ` (${error.stack})` : ''}`);
  };

  /** Carries out its intents from one number up to another. False: nothing has moved for a long time, and it does not wait for the rest. */
  async run(from: number, to: number): Promise<boolean> {
    const { role, seed, atOnce } = this.#options;
    const caller = new Caller(this.records, this.peers);
    let next = from;
    const work = async (): Promise<void> => {
      while (next < to) {
        const intent = planIntent(seed, next++);
        if (intent.caller === role) await caller.carryOut(intent);
      }
    };
    const stopWatch = new AbortController();
    const all = Promise.all(Array.from({ length: atOnce }, work)).then(() => true);
    try {
      return await Promise.race([all, this.#standstill(stopWatch.signal)]);
    } finally {
      stopWatch.abort();
    }
  }

  /** Settles with false when no call has settled for a long time. */
  async #standstill(signal: AbortSignal): Promise<boolean> {
    for (let before = -1; before !== this.records.settled && !signal.aborted;) {
      before = this.records.settled;
      await sleep(PATIENCE_MS, undefined, { signal }).catch(() => {});
    }
    if (!signal.aborted) this.records.breach(`the ${this.#options.role} waited ${PATIENCE_MS / 1_000} s in which no call settled`);
    return false;
  }

  /** Waits until nothing is in flight, empties the store of what it may forget, and measures. */
  async rest(): Promise<Rest> {
    const { store } = this.#options;
    const isQuiet = (): boolean => {
      const { inFlight, channels, operations } = leftOver(store);
      return inFlight + channels + operations === 0 && this.peers.every(({ session }) => session.counters.zombies === 0);
    };
    await until(isQuiet);
    // Acknowledgements are on their way for a moment after the last call.
    await sleep(200);
    const kept = await store.sweep(Date.now() + (store.retentionMs ?? 0) + RETENTION_SLACK_MS);
    forgetEnded();
    for (let round = 0; round < 3; round++) {
      collectGarbage();
      await sleep(POLL_MS);
    }
    return { heap: process.memoryUsage().heapUsed, store: (store as { bytes?: number }).bytes, kept, left: leftOver(store) };
  }

  report(): SideReport {
    const counters: Record<string, number> = {};
    for (const { session } of this.peers)
      for (const [name, count] of Object.entries(session.counters)) counters[name] = (counters[name] ?? 0) + count;
    return { records: this.records.data, counters };
  }

  /** What is left once everything has ended; waits for it to go. */
  async leftAtEnd(): Promise<LeftOver> {
    await until(() => Object.values(leftOver(this.#options.store)).every((count) => count === 0));
    return leftOver(this.#options.store);
  }
}

/** Waits for it, but not for ever. */
async function until(holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + QUIET_PATIENCE_MS; performance.now() < endMs && !holds();) await sleep(POLL_MS);
}
