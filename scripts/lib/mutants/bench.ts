/**
 * A bench: one process that runs chosen tests of a copy of the checkout, again and again, through vitest's own API, so that starting up and
 * transforming is paid for once. Started by lane.ts with the copy's folder; takes a job a message and answers each with a result.
 */
import { createVitest } from 'vitest/node';
import type { TestCase, TestModule, Vitest } from 'vitest/node';
import type { BenchJob, BenchResult, FailedTest } from './lane.ts';

/** What a broken edit looks like, as opposed to a broken promise. */
const GROSS = new Set(['ReferenceError', 'SyntaxError']);

async function open(root: string): Promise<Vitest> {
  const vitest = await createVitest('test', {
    root,
    config: `${root}/vitest.config.ts`,
    watch: true,
    reporters: [{}],
    silent: true,
    bail: 1,
    testTimeout: 5_000,
    hookTimeout: 5_000,
    maxWorkers: 1,
    fileParallelism: false,
  });
  // Files change by our hand only, and nothing shall be run by itself.
  await vitest.vite.watcher.close();
  return vitest;
}

function failedTest(test: TestCase): FailedTest {
  const [error] = test.result().errors ?? [];
  const kind = error?.name ?? 'Error';
  const by = error?.message.startsWith('Test timed out') === true ? 'time limit' : kind;
  return { title: test.fullName, by, message: (error?.message ?? '').split('\n')[0] ?? '', gross: GROSS.has(kind) };
}

function readModules(modules: readonly TestModule[]): BenchResult {
  const failed: FailedTest[] = [];
  const passed: string[] = [];
  const broken: string[] = [];
  for (const module of modules) {
    broken.push(...module.errors().map((error) => error.message));
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'failed') failed.push(failedTest(test));
      else if (state === 'passed') passed.push(test.fullName);
    }
  }
  return { failed, passed, broken };
}

async function run(vitest: Vitest, { files, pattern, changed, bail }: BenchJob): Promise<BenchResult> {
  for (const file of changed) vitest.invalidateFile(file);
  vitest.config.bail = bail ? 1 : 0;
  for (const project of vitest.projects) project.config.bail = vitest.config.bail;
  vitest.setGlobalTestNamePattern(new RegExp(pattern));
  const project = vitest.getRootProject();
  const result = await vitest.runTestSpecifications(files.map((file) => project.createSpecification(file)));
  // It gives the modules of the runs before as well.
  return readModules(result.testModules.filter(({ moduleId }) => files.includes(moduleId)));
}

const [, , root] = process.argv;
if (root === undefined || process.send === undefined) throw new Error('bench.ts is started by lane.ts');
const vitest = await open(root);
process.on('message', (job: BenchJob) => {
  run(vitest, job).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ failed: [], passed: [], broken: [String(error)] } satisfies BenchResult),
  );
});
process.on('disconnect', () => process.exit());
process.send('ready');
