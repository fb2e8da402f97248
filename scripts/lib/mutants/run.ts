/**
 * Breaks a copy of the checkout, one mutant after the other, and sees whether the tests that cite the broken rule notice. First it runs the
 * same tests unbroken: what fails there says nothing of a mutant.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchResult, FailedTest } from './lane.ts';
import { Lane } from './lane.ts';
import { applyMutant, selectionsOf } from './mutant.ts';
import type { Mutant } from './mutant.ts';

/** `broken`: the mutant is none, say because no test ran or its code is no code. */
export interface MutantResult {
  readonly mutant: Mutant;
  readonly state: 'caught' | 'survived' | 'broken';
  /** The test that caught it, and how; or what is wrong with the mutant. */
  readonly by: string;
  readonly file: string;
  readonly how: string;
  readonly seconds: number;
}

/** What a test file may take, in milliseconds: unbroken with all that is chosen of it, for one mutant, and the simulation for one. */
const BASELINE_LIMIT_MS = 180_000;
const MUTANT_LIMIT_MS = 30_000;
const SIMULATION_LIMIT_MS = 180_000;

/** Which tests of which file passed, unbroken. */
type Baseline = ReadonlyMap<string, BenchResult>;

export interface RunOptions {
  readonly root: string;
  readonly mutants: readonly Mutant[];
  /** Processes that run tests side by side. */
  readonly lanes: number;
  readonly onResult: (result: MutantResult) => void;
}

/** Hands `items` to the lanes, each lane one at a time. */
async function share<T>(lanes: readonly Lane[], items: readonly T[], work: (lane: Lane, item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(lane, item);
    }),
  );
}

async function runBaseline(lanes: readonly Lane[], mutants: readonly Mutant[]): Promise<Baseline> {
  const patterns = new Map<string, Set<string>>();
  for (const { file, pattern } of mutants.flatMap(selectionsOf)) patterns.set(file, (patterns.get(file) ?? new Set()).add(pattern));
  const baseline = new Map<string, BenchResult>();
  await share(lanes, [...patterns], async (lane, [file, chosen]) => {
    const job = { files: [join(lane.folder, file)], pattern: [...chosen].join('|'), changed: [], bail: false };
    baseline.set(file, (await lane.run(job, BASELINE_LIMIT_MS)) ?? { failed: [], passed: [], broken: ['it did not end in time'] });
  });
  return baseline;
}

/** Why nothing can be told of a mutant by these tests. */
function baselineProblem(mutant: Mutant, baseline: Baseline): string | undefined {
  for (const { file, pattern } of selectionsOf(mutant)) {
    const isChosen = new RegExp(pattern);
    const { failed, passed, broken } = baseline.get(file) as BenchResult;
    if (broken.length > 0) return `${file} fails unbroken: ${broken[0]}`;
    const failure = failed.find(({ title }) => isChosen.test(title));
    if (failure !== undefined) return `${file} fails unbroken: ${failure.title}: ${failure.message}`;
    if (!passed.some((title) => isChosen.test(title))) return `${file} has no test that cites ${mutant.rule}`;
  }
  return undefined;
}

type Judged = Pick<MutantResult, 'state' | 'by' | 'file' | 'how'>;

const broken = (file: string, by: string): Judged => ({ state: 'broken', by, file, how: '' });

/** Undefined: nobody has noticed. */
function judge(file: string, result: BenchResult | undefined): Judged | undefined {
  if (result === undefined) return { state: 'caught', by: 'the file as a whole', file, how: 'it never ended' };
  if (result.broken.length > 0) return broken(file, result.broken[0] as string);
  const caught: FailedTest | undefined = result.failed.find(({ gross }) => !gross);
  if (caught !== undefined) return { state: 'caught', by: caught.title, file, how: `${caught.by}: ${caught.message}` };
  const [gross] = result.failed;
  if (gross !== undefined) return broken(file, `${gross.title}: ${gross.by}: ${gross.message}`);
  return result.passed.length === 0 ? broken(file, 'no test ran') : undefined;
}

async function runMutant(lane: Lane, mutant: Mutant, source: string): Promise<Judged> {
  const changed = join(lane.folder, mutant.file);
  const limitMs = mutant.tests === 'simulation' ? SIMULATION_LIMIT_MS : MUTANT_LIMIT_MS;
  await writeFile(changed, applyMutant(mutant, source));
  try {
    for (const { file, pattern } of selectionsOf(mutant)) {
      const job = { files: [join(lane.folder, file)], pattern, changed: lane.noteChange(changed), bail: true };
      const judged = judge(file, await lane.run(job, limitMs));
      if (judged !== undefined) return judged;
    }
    return { state: 'survived', by: '', file: '', how: '' };
  } finally {
    await writeFile(changed, source);
  }
}

/** Tries every mutant. Rejects when one of them cannot be applied. */
export async function runMutants({ root, mutants, lanes: count, onResult }: RunOptions): Promise<MutantResult[]> {
  const sources = new Map<string, string>();
  for (const mutant of mutants) {
    const source = sources.get(mutant.file) ?? (await readFile(join(root, mutant.file), 'utf8'));
    sources.set(mutant.file, source);
    applyMutant(mutant, source);
  }
  const lanes: Lane[] = [];
  const results = new Map<Mutant, MutantResult>();
  try {
    while (lanes.length < count) lanes.push(await Lane.open(root));
    const baseline = await runBaseline(lanes, mutants);
    await share(lanes, mutants, async (lane, mutant) => {
      const startedMs = performance.now();
      const problem = baselineProblem(mutant, baseline);
      const judged = problem === undefined ? await runMutant(lane, mutant, sources.get(mutant.file) as string) : broken('', problem);
      const result = { mutant, ...judged, seconds: (performance.now() - startedMs) / 1_000 };
      results.set(mutant, result);
      onResult(result);
    });
  } finally {
    await Promise.all(lanes.map((lane) => lane[Symbol.asyncDispose]()));
  }
  return mutants.map((mutant) => results.get(mutant) as MutantResult);
}
