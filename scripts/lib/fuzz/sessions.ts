/** Hostile sessions, one after another, each stage for some of them; and a failure made shorter: steps are left out as long as it remains. */
import { SeededRandom } from 'statewire/testing';
import { Breach, seedOf, toHex } from './breach.ts';
import type { Finding } from './breach.ts';
import { runEpisode } from './episode.ts';
import type { Sabotage } from './peer.ts';
import { makeScript } from './script.ts';
import type { Script } from './script.ts';
import { Stage } from './stage.ts';

const SESSIONS_OF_A_STAGE = 200;
const MOST_ATTEMPTS = 200;

/** What was thrown where nobody listens: taken from the process while sessions run. */
class Unhandled {
  readonly #errors: unknown[] = [];
  readonly #take = (error: unknown): void => void this.#errors.push(error);

  constructor() {
    process.on('unhandledRejection', this.#take);
    process.on('uncaughtException', this.#take);
  }

  check(): void {
    const [error] = this.#errors.splice(0);
    if (error !== undefined) throw new Breach(`thrown where nobody listens: ${error instanceof Error ? error.stack : String(error)}`);
  }

  end(): void {
    process.off('unhandledRejection', this.#take);
    process.off('uncaughtException', this.#take);
  }
}

export interface SessionRun {
  readonly seed: number;
  /** The first session's number, and how many inputs there are to be. */
  readonly from: number;
  readonly inputs: number;
  readonly sabotage: Sabotage;
  /** Called before each session; false: that was enough. */
  readonly goOn: (inputs: number, index: number) => boolean;
}

export const scriptOf = (seed: number, index: number): Script => makeScript(new SeededRandom(seedOf(seed, 'session', index)));

/** Why a script alone, on a stage of its own, is a breach. What other stages hold would count as left over. */
async function problemOf(
  script: Script,
  seed: number,
  run: { unhandled: Unhandled; sabotage: Sabotage; strikes: boolean },
): Promise<string | undefined> {
  try {
    const stage = new Stage(seed);
    await stage.set();
    await runEpisode(stage, script, run.sabotage);
    run.unhandled.check();
    if (run.strikes) await stage.strike();
    run.unhandled.check();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function shorten(script: Script, isBreach: (shorter: Script) => Promise<boolean>): Promise<Script> {
  let shortest = script;
  let attempts = 0;
  if (!(await isBreach(script))) return script;
  for (let at = shortest.steps.length - 1; at >= 0 && attempts < MOST_ATTEMPTS; at--) {
    const shorter = { ...shortest, isTame: false, steps: shortest.steps.toSpliced(at, 1) };
    attempts++;
    if (await isBreach(shorter)) shortest = shorter;
  }
  return shortest;
}

/** Runs until so many inputs were said; gives how many, and the first breach. */
export async function runSessions(run: SessionRun): Promise<{ inputs: number; sessions: number; finding?: Finding }> {
  const unhandled = new Unhandled();
  let inputs = 0;
  let index = run.from;
  let stage: Stage | undefined;
  const fail = async (error: unknown): Promise<{ inputs: number; sessions: number; finding: Finding }> => {
    const problem = error instanceof Error ? (error instanceof Breach ? error.message : String(error.stack)) : String(error);
    const script = scriptOf(run.seed, index);
    const alone = { unhandled, sabotage: run.sabotage, strikes: problem.startsWith('left over') };
    await stage?.strike().catch(() => {});
    const shortest = await shorten(script, async (shorter) => (await problemOf(shorter, run.seed, alone)) !== undefined);
    const finding = { target: 'session', seed: run.seed, index, problem, input: shortest.steps.map(({ payload }) => toHex(payload)) };
    return { inputs, sessions: index - run.from + 1, finding };
  };
  try {
    for (; inputs < run.inputs && run.goOn(inputs, index); index++) {
      try {
        if ((index - run.from) % SESSIONS_OF_A_STAGE === 0) {
          await stage?.strike();
          stage = new Stage(seedOf(run.seed, 'stage', index));
          await stage.set();
        }
        const script = scriptOf(run.seed, index);
        for (const step of script.steps) inputs += step.inputs;
        if (stage !== undefined) await runEpisode(stage, script, run.sabotage);
        unhandled.check();
      } catch (error) {
        return await fail(error);
      }
    }
    try {
      await stage?.strike();
      unhandled.check();
    } catch (error) {
      index--;
      return await fail(error);
    }
    return { inputs, sessions: index - run.from };
  } finally {
    unhandled.end();
  }
}
