/** What a store of LMDB does to its database: what it commits, how many entries it walks; and commits that fail. Until the test ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { lmdbStore } from 'statewire/lmdb';
import type { LmdbStore } from 'statewire/lmdb';
import { Database } from '../../src/store/lmdb/database.ts';

export type Batch = ReadonlyMap<string, Uint8Array | undefined>;

/** Milliseconds since the epoch, for stores whose time is the test's. */
export const BEGINNING = Date.UTC(2026, 0, 1);
export const RETENTION_MS = 60_000;

/** A store of its own, whose time is the test's and which can be closed and opened again. */
export class Bench {
  readonly clock = { nowMs: BEGINNING, now: (): number => this.clock.nowMs };
  readonly path = mkdtempSync(join(tmpdir(), 'statewire-lmdb-'));
  #store = this.#make();

  constructor() {
    onTestFinished(async () => {
      await this.#store.close();
      rmSync(this.path, { recursive: true });
    });
  }

  get store(): LmdbStore {
    return this.#store;
  }

  async reopen(): Promise<void> {
    await this.#store.close();
    this.#store = this.#make();
    await this.#store.open();
  }

  /** Lets time pass, then sweeps; gives how many records went. */
  async sweepAfter(durationMs: number): Promise<number> {
    this.clock.nowMs += durationMs;
    return this.#store.sweep(this.clock.nowMs);
  }

  #make(): LmdbStore {
    return lmdbStore({ path: this.path, clock: this.clock, retentionMs: RETENTION_MS });
  }
}

export async function openedBench(): Promise<Bench> {
  const bench = new Bench();
  await bench.store.open();
  return bench;
}

export interface CommitWatch {
  readonly batches: readonly Batch[];
  /** The next commit fails, and writes nothing. */
  failNext(): void;
}

export function watchCommits(): CommitWatch {
  const { commit } = Database.prototype;
  const batches: Batch[] = [];
  let isFailing = false;
  const spy = vi.spyOn(Database.prototype, 'commit').mockImplementation(function (this: Database, batch, isDurable) {
    batches.push(batch);
    if (!isFailing) return commit.call(this, batch, isDurable);
    isFailing = false;
    return Promise.reject(new Error('the disk is full'));
  });
  onTestFinished(() => spy.mockRestore());
  return { batches, failNext: () => void (isFailing = true) };
}

/** Counts the entries that are walked in ranges. */
export function watchRanges(): { entries: number } {
  const { range } = Database.prototype;
  const seen = { entries: 0 };
  const spy = vi.spyOn(Database.prototype, 'range').mockImplementation(function* (this: Database, options) {
    for (const entry of range.call(this, options)) {
      seen.entries++;
      yield entry;
    }
  });
  onTestFinished(() => spy.mockRestore());
  return seen;
}
