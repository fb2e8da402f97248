/**
 * Two peers against a model that is small enough to be right: random steps, and after each of them every caller has been told what the model says, and every handler
 * has run as often. A failure is shrunk to a few steps, which are printed with the STATEWIRE_MODEL_REPLAY that walks them again.
 */
import { describe, expect, it } from 'vitest';
import { describeFailure, explore } from './two-peers/explore.ts';
import type { Failure } from './two-peers/explore.ts';
import type { StoreKind } from './two-peers/model.ts';
import { System } from './two-peers/system.ts';

const { STATEWIRE_ALL, STATEWIRE_MODEL_SEED, STATEWIRE_MODEL_REPLAY } = process.env;

/** The same ways every time, unless others are asked for. */
const SEED = 20_261_128;

describe.each<StoreKind>(['memory', 'local'])('a server whose store is of kind %s', (kind) => {
  it('[op.attach] [op.conflict] [op.replay] [op.released] [op.indeterminate] [op.expiry] [retry.disposition] [cancel.callee] [cancel.offline] [resume.resend] [resume.rebind] [resume.unknown] [outcome.closing] tells every caller what the model of two peers says, whatever happens', async () => {
    const runs = STATEWIRE_ALL === undefined ? 60 : 300;
    const failure = await explore({ kind, runs, seed: Number(STATEWIRE_MODEL_SEED ?? SEED), replay: STATEWIRE_MODEL_REPLAY });
    expect(failure === undefined ? 'as the model says' : describeFailure(failure)).toBe('as the model says');
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
    '%s, shrinks the way to a few steps, and walks them again when it is told to',
    async (_, sabotage) => {
      class Broken extends System {
        override async start(): Promise<void> {
          await super.start();
          sabotage(this);
        }
      }
      const exploration = { kind: 'memory', runs: 200, seed: 1, maxCommands: 20, make: (kind: StoreKind) => new Broken(kind) } as const;
      const { steps, error, replay } = (await explore(exploration)) as Failure;
      expect(steps.length).toBeGreaterThan(0);
      expect(steps.length).toBeLessThanOrEqual(3);
      expect(await explore({ ...exploration, replay })).toEqual({ steps, error, replay: expect.any(String) });
      expect(await explore({ ...exploration, kind: 'local', replay })).toBeUndefined();
    },
    120_000,
  );
});
