/** The store's process is killed by SIGKILL, at every step of an operation and at moments of nobody's choice; what it has said holds. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lmdbStore } from 'statewire/lmdb';
import { bundleChild, runChild } from '../support/bundled-child.ts';
import type { RunningChild } from '../support/bundled-child.ts';
import { keyOf, outcomeOf, signatureOf, STEPS } from '../support/crash-store-child.ts';
import type { CrashOptions } from '../support/crash-store-child.ts';

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
  readonly #admitted = new Set<number>();
  readonly #replied = new Set<number>();
  #identity: string | undefined = undefined;
  #next = 1;
  #again: number[] = [];

  constructor() {
    folders.push(this.#folder);
  }

  get #effects(): string {
    return join(this.#folder, 'effects');
  }

  start(change: Partial<CrashOptions>): RunningChild {
    const options: CrashOptions = {
      folder: join(this.#folder, 'store'),
      effects: this.#effects,
      again: this.#again,
      first: this.#next,
      count: 1_000_000,
      inFlight: IN_FLIGHT,
      ...change,
    };
    return runChild(script, options);
  }

  get next(): number {
    return this.#next;
  }

  /** Takes down what a life that is over has said, and checks it against the folder. */
  async check(child: RunningChild): Promise<void> {
    const began = new Set<number>();
    for (const line of child.lines) {
      const [what, operation = '', state] = line.split(' ');
      const number = Number(operation);
      if (what === 'open') expect((this.#identity ??= operation)).toBe(operation);
      if (what === 'known') expect(['abandoned', 'sealed']).toContain(state);
      // Nobody starts what was started before.
      if (what === 'admitted') expect(this.#admitted.has(number), `operation ${number} started twice`).toBe(false);
      if (what === 'admitted') this.#admitted.add(number);
      if (what === 'replied') this.#replied.add(number);
      if (what !== 'open') began.add(number);
    }
    const last = Math.max(this.#next - 1, ...began);
    this.#again = Array.from({ length: IN_FLIGHT + 1 }, (_, at) => last + 1 - at).filter(
      (operation) => operation >= this.#next && !this.#replied.has(operation),
    );
    this.#next = last + 2;
    await this.#checkFolder();
  }

  async #checkFolder(): Promise<void> {
    const store = lmdbStore({ path: join(this.#folder, 'store') });
    await store.open();
    try {
      if (this.#identity !== undefined) expect(store.identity).toBe(this.#identity);
      for (const operation of this.#admitted) {
        const found = await store.lookup(keyOf(operation), signatureOf(operation));
        expect(['abandoned', 'sealed'], `operation ${operation} was said to be admitted`).toContain(found.state);
        if (this.#replied.has(operation)) expect(found.state, `operation ${operation} was replied`).toBe('sealed');
        if (found.state === 'sealed') expect(Buffer.from(found.outcome).toString()).toBe(Buffer.from(outcomeOf(operation)).toString());
      }
    } finally {
      await store.close();
    }
    const lines = existsSync(this.#effects) ? readFileSync(this.#effects, 'utf8').split('\n').filter(Boolean) : [];
    expect(new Set(lines).size, 'an effect ran twice').toBe(lines.length);
    for (const line of lines) expect(this.#admitted.has(Number(line)), `operation ${line} took effect and was not admitted`).toBe(true);
  }
}

describe('a store whose process is killed', () => {
  for (const step of STEPS) {
    it(
      `[op.seal-durable] [op.admit] keeps what it said, killed ${step.replace('-', ' ')}, ${KILLS_PER_STEP} times`,
      { timeout: 120_000 },
      async () => {
        const lives = new Lives();
        for (let kill = 0; kill < KILLS_PER_STEP; kill++) {
          const child = lives.start({ kill: { step, operation: lives.next + 20 + kill } });
          expect(await child.ended).toBe('SIGKILL');
          await lives.check(child);
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
    const killed = lives.start({ kill: { step: 'after-effect', operation: 5 }, inFlight: 1 });
    expect(await killed.ended).toBe('SIGKILL');
    await lives.check(killed);
    const after = lives.start({ again: [4, 5], count: 0 });
    expect(await after.ended).toBe(0);
    expect(after.lines.slice(1)).toEqual(['known 4 sealed', 'known 5 abandoned']);
  });
});
