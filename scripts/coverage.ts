/**
 * `npm run coverage`: how many branches of the wire, the store and the session code their tests take. Prints it for each of these rooms, names the files that
 * are below the bound, and exits 1 when a room is, or when a test fails. The tests are those of one process: what children of test/e2e cover is not counted.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOMS = ['wire', 'store', 'session'];
const TESTS = ['rules', 'wire', 'stores', 'transports', 'machines'];
const LEAST_PERCENT = 95;

interface Branches {
  readonly total: number;
  readonly covered: number;
}

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs the tests; what they say of themselves goes to the terminal. Gives whether all passed, and the branches of each file by its path. */
async function measure(folder: string): Promise<{ passed: boolean; files: ReadonlyMap<string, Branches> }> {
  const coverage = ['enabled', 'provider=v8', 'reportOnFailure', 'reporter=json-summary', `reportsDirectory=${folder}`];
  const options = [...coverage, ...ROOMS.map((room) => `include=src/${room}/**`)].map((option) => `--coverage.${option}`);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const tests = TESTS.map((name) => `test/${name}/`);
  const child = spawn(process.execPath, [vitest, 'run', '--reporter=dot', ...options, ...tests], { cwd: root, stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  const summary = JSON.parse(await readFile(join(folder, 'coverage-summary.json'), 'utf8')) as Record<string, { branches: Branches }>;
  const { total: _all, ...files } = summary;
  return {
    passed: code === 0,
    files: new Map(Object.entries(files).map(([path, { branches }]) => [relative(root, path).split(sep).join('/'), branches])),
  };
}

const percentOf = ({ covered, total }: Branches): number => (total === 0 ? 100 : (100 * covered) / total);
const show = (branches: Branches): string => `${percentOf(branches).toFixed(2).padStart(6)} % (${branches.covered} of ${branches.total} branches)`;

/** Prints a room and gives whether it is good enough. A room of which nothing was measured is not. */
function report(room: string, files: ReadonlyMap<string, Branches>): boolean {
  const inRoom = [...files].filter(([path]) => path.startsWith(`src/${room}/`));
  const all = { total: 0, covered: 0 };
  for (const [, { total, covered }] of inRoom) {
    all.total += total;
    all.covered += covered;
  }
  const isGood = all.total > 0 && percentOf(all) >= LEAST_PERCENT;
  console.log(`${isGood ? 'ok  ' : 'LOW '} src/${room.padEnd(8)} ${show(all)}`);
  for (const [path, branches] of inRoom) if (percentOf(branches) < LEAST_PERCENT) console.log(`       ${path}: ${show(branches)}`);
  return isGood;
}

const folder = await mkdtemp(join(tmpdir(), 'statewire-coverage-'));
try {
  const { passed, files } = await measure(folder);
  const good = ROOMS.map((room) => report(room, files));
  if (!passed) console.log('Some tests failed: see above.');
  if (!passed || good.includes(false)) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
