/**
 * Two peers against a model that is small enough to be right: random steps, and after each of them every caller has been told what the model says, and every handler
 * has run as often. A failure shrinks to a few steps; `STATEWIRE_MODEL_SEED` and `STATEWIRE_MODEL_PATH`, which it prints, show it again.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commands } from './two-peers/commands.ts';
import { Model } from './two-peers/model.ts';
import type { StoreKind } from './two-peers/model.ts';
import { System } from './two-peers/system.ts';

const { STATEWIRE_ALL, STATEWIRE_MODEL_SEED, STATEWIRE_MODEL_PATH } = process.env;

async function check(kind: StoreKind, steps: Iterable<fc.AsyncCommand<Model, System>>, System_: typeof System = System): Promise<void> {
  const system = new System_(kind);
  await system.start();
  let left: number;
  try {
    await fc.asyncModelRun(() => ({ model: new Model(kind), real: system }), steps);
  } finally {
    left = await system.stop();
  }
  expect(left, 'timers that are left').toBe(0);
}

/** The same ways every time, unless others are asked for. */
const SEED = 20_261_128;

const replay = {
  seed: Number(STATEWIRE_MODEL_SEED ?? SEED),
  ...(STATEWIRE_MODEL_PATH !== undefined && { path: STATEWIRE_MODEL_PATH }),
};

describe.each<StoreKind>(['memory', 'local'])('a server whose store is of kind %s', (kind) => {
  it('[op.attach] [op.conflict] [op.replay] [op.released] [op.indeterminate] [op.expiry] [retry.disposition] [cancel.callee] [cancel.offline] [resume.resend] [resume.rebind] [resume.unknown] [outcome.closing] tells every caller what the model of two peers says, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), (steps) => check(kind, steps)),
      { numRuns: STATEWIRE_ALL === undefined ? 60 : 300, ...replay },
    );
  }, 240_000);
});

describe('the model notices', () => {
  /** What a broken runtime would do, as seen from outside. */
  const sabotages: readonly (readonly [what: string, sabotage: (system: System) => void])[] = [
    [
      'a wrong outcome',
      (system) =>
        void (system.outcomes.set = function (n, value) {
          return Map.prototype.set.call(this, n, value === 'cancelled:aborted' ? 'indeterminate:released' : value) as never;
        }),
    ],
    [
      'a run too many',
      (system) =>
        void (system.runs.set = function (name, count) {
          return Map.prototype.set.call(this, name, name.includes('a') ? count + 1 : count) as never;
        }),
    ],
  ];

  it.each(sabotages)(
    '%s, and shrinks it to a few steps that say how to see it again',
    async (_, sabotage) => {
      class Broken extends System {
        override async start(): Promise<void> {
          await super.start();
          sabotage(this);
        }
      }
      const outcome = fc.assert(
        fc.asyncProperty(fc.commands(commands, { maxCommands: 20, size: 'max' }), (steps) => check('memory', steps, Broken)),
        { numRuns: 200, seed: 1 },
      );
      const failure = (await outcome.then(
        () => undefined,
        (error: unknown) => error,
      )) as Error;
      expect(failure.message).toMatch(/seed: 1, path: "[\d:]+"/);
      const steps = /Counterexample: \[(.*?)\s*\/\*/.exec(failure.message)?.[1]?.split(',') ?? [];
      expect(steps.length).toBeGreaterThan(0);
      expect(steps.length).toBeLessThanOrEqual(3);
    },
    120_000,
  );
});
