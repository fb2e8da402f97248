/** The store's process is killed by SIGKILL, at every step of an operation and at moments of nobody's choice; what it has said holds. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lookup } from 'statewire';
import { lmdbStore } from 'statewire/lmdb';
import type { LmdbStore } from 'statewire/lmdb';
import { bundleChild, runChild } from '../support/bundled-child.ts';
import type { RunningChild } from '../support/bundled-child.ts';
import { isIdem, keyOf, outcomeOf, signatureOf, STEPS } from '../support/crash-store-child.ts';
import type { CrashOptions, Step } from '../support/crash-store-child.ts';

const ALL = process.env.STATEWIRE_ALL === '1';
/** Each with a store of its own. */
const SEEDS = ALL ? [1, 2, 3, 4, 5, 6] : [1];
const RANDOM_KILLS = ALL ? 40 : 16;
const KILLS_PER_STEP = ALL ? 12 : 2;
const IN_FLIGHT = 16;

let script = '';
const folders: string[] = [];
beforeAll(async () => {
  script = await bundleChild('crash-store-child');
});
afterAll(() => {
  rmSync(script, { force: true });
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A seeded sequence in [0, 1). */
function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One store over many lives, and all that its processes have said. */
class Lives {
  readonly #folder = mkdtempSync(join(tmpdir(), 'statewire-crash-'));
  /** How often each was said to be started. */
  readonly #admitted = new Map<number, number>();
  /** The outcome of each that was seen to be sealed, from then on. */
  readonly #sealed = new Map<number, string>();
  #identity: string | undefined = undefined;
  #next = 1;
  #again: number[] = [];

  constructor() {
    folders.push(this.#folder);
  }

  start(change: Partial<CrashOptions>): RunningChild {
    const options: CrashOptions = {
      folder: join(this.#folder, 'store'),
      effects: join(this.#folder, 'effects'),
      again: this.#again,
      first: this.#next,
      count: 1_000_000,
      inFlight: IN_FLIGHT,
      ...change,
    };
    return runChild(script, options);
  }

  /** The first operation that nobody has tried. */
  get next(): number {
    return this.#next;
  }

  /** Takes down what a life that is over has said, and checks it against the folder. */
  async check(child: RunningChild): Promise<void> {
    let last = this.#next - 1;
    const replied = new Set<number>();
    for (const line of child.lines) {
      const [what = '', name = '', ...rest] = line.split(' ');
      if (what === 'open') expect((this.#identity ??= name)).toBe(name);
      else last = Math.max(last, Number(name));
      if (what === 'admitted') this.#heardAdmitted(Number(name));
      if (what === 'known') this.#heardKnown(Number(name), rest);
      if (what === 'replied') replied.add(Number(name));
      if (what === 'replied') this.#heardSealed(Number(name), rest[0]);
    }
    // Of those that were under way nobody has heard more than a part.
    const began = Array.from({ length: last + IN_FLIGHT - this.#next + 1 }, (_, at) => this.#next + at);
    this.#again = began.filter((operation) => !replied.has(operation));
    this.#next = last + IN_FLIGHT + 1;
    this.#checkEffects();
    await this.look((store) => this.#checkStore(store));
  }

  /** Opens the store, as its next process does. */
  async look<T>(see: (store: LmdbStore) => T | Promise<T>): Promise<T> {
    const store = lmdbStore({ path: join(this.#folder, 'store') });
    await store.open();
    try {
      return await see(store);
    } finally {
      await store.close();
    }
  }

  #heardAdmitted(operation: number): void {
    const times = (this.#admitted.get(operation) ?? 0) + 1;
    expect(times === 1 || isIdem(operation), `operation ${operation} started twice`).toBe(true);
    expect(this.#sealed.has(operation), `operation ${operation} was sealed and started again`).toBe(false);
    this.#admitted.set(operation, times);
  }

  #heardKnown(operation: number, [state, outcome]: readonly string[]): void {
    expect(isIdem(operation) ? ['sealed'] : ['abandoned', 'sealed']).toContain(state);
    if (state === 'sealed') this.#heardSealed(operation, outcome);
  }

  #heardSealed(operation: number, outcome = ''): void {
    const before = this.#sealed.get(operation) ?? outcome;
    expect(outcome, `the outcome of operation ${operation} changed`).toBe(before);
    this.#sealed.set(operation, outcome);
  }

  async #checkStore(store: LmdbStore): Promise<void> {
    if (this.#identity !== undefined) expect(store.identity).toBe(this.#identity);
    for (const operation of this.#admitted.keys()) {
      const found = await store.lookup(keyOf(operation), signatureOf(operation));
      expect(['abandoned', 'sealed'], `operation ${operation} was said to be admitted`).toContain(found.state);
      if (this.#sealed.has(operation)) expect(found.state, `operation ${operation} was sealed`).toBe('sealed');
      if (found.state === 'sealed') this.#heardSealed(operation, Buffer.from(found.outcome).toString());
    }
  }

  /** No more of them than starts that were told before. */
  #checkEffects(): void {
    const file = join(this.#folder, 'effects');
    const times = new Map<number, number>();
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    for (const line of lines) times.set(Number(line), (times.get(Number(line)) ?? 0) + 1);
    for (const [operation, count] of times)
      expect(count, `operation ${operation} ran more often than it was started`).toBeLessThanOrEqual(this.#admitted.get(operation) ?? 0);
  }
}

/** What is found of an operation, by the step at which its process died. */
const FOUND: Readonly<Record<Step, Lookup['state']>> = {
  'before-admit': 'unknown',
  'after-admit': 'abandoned',
  'after-effect': 'abandoned',
  'after-seal': 'sealed',
  'after-reply': 'sealed',
};

describe('a store whose process is killed', () => {
  for (const step of STEPS) {
    it(
      `[op.seal-durable] [op.admit] keeps what it said, killed ${step.replace('-', ' ')}, ${KILLS_PER_STEP} times`,
      { timeout: 120_000 },
      async () => {
        const lives = new Lives();
        for (let kill = 0; kill < KILLS_PER_STEP; kill++) {
          const operation = lives.next + 20 + kill;
          const child = lives.start({ kill: { step, operation } });
          expect(await child.ended).toBe('SIGKILL');
          await lives.check(child);
          const found = await lives.look((store) => store.lookup(keyOf(operation), signatureOf(operation)));
          expect(found.state).toBe(FOUND[step]);
        }
      },
    );
  }

  it.each(SEEDS)(
    `[op.seal-durable] [op.admit] keeps what it said, killed ${RANDOM_KILLS} times at any moment (seed %i)`,
    { timeout: 240_000 },
    async (seed) => {
      const lives = new Lives();
      const random = dice(seed);
      for (let kill = 0; kill < RANDOM_KILLS; kill++) {
        const child = lives.start({});
        // Some die while they open the folder, or make it.
        if (random() < 0.9) await child.line('open');
        await delay(random() * 40);
        child.process.kill('SIGKILL');
        expect(await child.ended).toBe('SIGKILL');
        await lives.check(child);
      }
    },
  );

  it('[op.indeterminate] [op.replay] answers a process that comes after it as a store that was closed does', { timeout: 30_000 }, async () => {
    const lives = new Lives();
    const killed = lives.start({ kill: { step: 'after-effect', operation: 8 }, first: 7, inFlight: 1 });
    expect(await killed.ended).toBe('SIGKILL');
    await lives.check(killed);
    const outcome = Buffer.from(outcomeOf(7, killed.process.pid)).toString();
    const second = lives.start({ again: [7, 8], first: 9, inFlight: 1, kill: { step: 'after-effect', operation: 9 } });
    expect(await second.ended).toBe('SIGKILL');
    await lives.check(second);
    // 8 may be taken over, 9 may not.
    expect(second.lines.slice(1, 3)).toEqual([`known 7 sealed ${outcome}`, 'admitted 8']);
    const third = lives.start({ again: [7, 8, 9], count: 0 });
    expect(await third.ended).toBe(0);
    await lives.check(third);
    const taken = Buffer.from(outcomeOf(8, second.process.pid)).toString();
    expect(third.lines.slice(1)).toEqual([`known 7 sealed ${outcome}`, `known 8 sealed ${taken}`, 'known 9 abandoned']);
  });
});
