/** Walks random ways through the commands, beside the model; a way that fails is shrunk, and comes with what walks it again. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { commands } from './commands.ts';
import { Model } from './model.ts';
import type { StoreKind } from './model.ts';
import { System } from './system.ts';

export interface Exploration {
  readonly kind: StoreKind;
  readonly runs: number;
  readonly seed: number;
  readonly maxCommands?: number;
  /** The system under test. Default: the real one. */
  readonly make?: (kind: StoreKind) => System;
  /** What a failure gave: walks that way alone. */
  readonly replay?: string | undefined;
}

export interface Failure {
  readonly steps: readonly string[];
  readonly error: string;
  /** For `replay`. */
  readonly replay: string;
}

/** Undefined: nothing failed. */
export async function explore({
  kind,
  runs,
  seed,
  maxCommands = 40,
  make = (of) => new System(of),
  replay,
}: Exploration): Promise<Failure | undefined> {
  const again = replay === undefined ? undefined : parseReplay(replay);
  if (again !== undefined && again.kind !== kind) return undefined;
  const ways = fc.commands(commands, { maxCommands, size: 'max', ...(again && { replayPath: again.replayPath }) });
  const parameters = again === undefined ? { numRuns: runs, seed } : { seed: again.seed, path: again.path, endOnFailure: true };
  const outcome = await fc.check(
    fc.asyncProperty(ways, (steps) => walk(kind, make(kind), steps)),
    parameters,
  );
  if (!outcome.failed) return undefined;
  const text = String(outcome.counterexample?.[0]);
  const [, steps = '', replayPath = ''] = /^(.*?)\s*\/\*replayPath="(.*?)"\*\/$/s.exec(text) ?? [];
  return {
    steps: steps.split(','),
    error: String(outcome.errorInstance),
    replay: [kind, outcome.seed, outcome.counterexamplePath, replayPath].join('|'),
  };
}

/** As a person reads it. */
export function describeFailure({ steps, error, replay }: Failure): string {
  const lines = steps.map((step, index) => `${String(index + 1).padStart(3)}. ${step}`);
  return [error, ...lines, `again: STATEWIRE_MODEL_REPLAY='${replay}' npx vitest run test/simulation/two-peers.test.ts`].join('\n');
}

function parseReplay(text: string): { kind: string; seed: number; path: string; replayPath: string } {
  const [kind = '', seed = '', path = '', replayPath = ''] = text.split('|');
  return { kind, seed: Number(seed), path, replayPath };
}

async function walk(kind: StoreKind, system: System, steps: Iterable<fc.AsyncCommand<Model, System>>): Promise<void> {
  await system.start();
  let left: number;
  try {
    await fc.asyncModelRun(() => ({ model: new Model(kind), real: system }), steps);
  } finally {
    left = await system.stop();
  }
  expect(left, 'timers that are left').toBe(0);
}
