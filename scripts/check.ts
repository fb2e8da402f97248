/**
 * `npm run check`: types, lint, format, dead code, layers and, once built, the package. All of it runs, side by side, and everything that
 * is wrong is shown; the first failure does not hide the next.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

const root = fileURLToPath(new URL('..', import.meta.url));

const STEPS: readonly Step[] = [
  { name: 'types', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  { name: 'lint', command: 'oxlint', args: [] },
  { name: 'format', command: 'oxfmt', args: ['--check'] },
  { name: 'dead code', command: 'knip', args: ['--no-progress', '--no-config-hints'] },
  { name: 'layers', command: 'tsx', args: ['scripts/layers.ts'] },
  ...(existsSync(join(root, 'dist')) ? [{ name: 'package', command: 'publint', args: ['--strict'] }] : []),
];

/** Settles with true when the step is fine; what it printed is shown only when it is not. */
function run(step: Step): Promise<boolean> {
  const startedMs = performance.now();
  const child = spawn(join(root, 'node_modules/.bin', step.command), step.args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${step.name} (${seconds} s)`);
      if (code !== 0) console.log(Buffer.concat(output).toString().trimEnd());
      resolve(code === 0);
    });
  });
}

const results = await Promise.all(STEPS.map(run));
if (results.includes(false)) process.exitCode = 1;
