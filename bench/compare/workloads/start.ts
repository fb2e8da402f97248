/** How soon a client can begin: importing what it needs, and a fresh process's first answer from a server that runs. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Skipped } from '../case.ts';
import type { Case, Workload } from '../case.ts';
import { CLIENT_CODE } from '../client-code.ts';
import { median } from '../statistics.ts';

const TIMEOUT_MS = 20_000;
const run = promisify(execFile);
const benchFolder = fileURLToPath(new URL('../../..', import.meta.url));

/** Runs Node some times and takes the median of the milliseconds that each run prints. */
async function medianOfRuns(times: number, args: readonly string[]): Promise<number> {
  const found: number[] = [];
  for (let time = 0; time < times; time++) {
    const { stdout } = await run(process.execPath, args, { cwd: benchFolder, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' });
    found.push(Number(stdout));
  }
  return median(found);
}

const importCase: Case = {
  id: 'import',
  title: 'import',
  compared: 'ms',
  needs: [],
  once: true,
  async measure({ name }, { starts }) {
    const code = CLIENT_CODE[name];
    if (code === undefined) throw new Skipped('nobody has said what its client imports');
    const imports = code.imports.map((module) => `import(${JSON.stringify(module)})`).join(', ');
    const script = `const began = performance.now(); await Promise.all([${imports}]); console.log(performance.now() - began); process.exit();`;
    return { figures: { ms: await medianOfRuns(starts, ['--input-type=module', '-e', script]) }, wrong: 0, lost: 0 };
  },
};

const coldCase: Case = {
  id: 'cold-start',
  title: 'process start to first answer',
  compared: 'ms',
  needs: ['echo'],
  once: true,
  async measure(contestant, { starts }) {
    const script = fileURLToPath(new URL('../cold-client.js', import.meta.url));
    const ms = await medianOfRuns(starts, [script, contestant.name, String(await contestant.port())]);
    return { figures: { ms }, wrong: 0, lost: 0 };
  },
};

export const start: Workload = { name: 'start', cases: [importCase, coldCase] };
