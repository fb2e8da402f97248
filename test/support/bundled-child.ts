/**
 * Processes that tests start and kill by the hundred: their source is bundled once, so that each is at work within a tenth of a second.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Beside the packages that it needs. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/statewire-tests/', import.meta.url));

/** Bundles a file of test/support; gives the path of what to run. */
export async function bundleChild(name: string): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const outfile = `${CACHE}${name}-${process.pid}.mjs`;
  const entry = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  });
  return outfile;
}

export interface RunningChild {
  readonly process: ChildProcess;
  /** Every line that it has written, in order. */
  readonly lines: readonly string[];
  /** How it ended: by which signal, or its exit code. */
  readonly ended: Promise<NodeJS.Signals | number | null>;
  /** Settles with the first line that begins so; rejects when it ends before. */
  line(prefix: string): Promise<string>;
}

export function runChild(script: string, options: object | string): RunningChild {
  return follow(spawn(process.execPath, [script, given(options)], { stdio: ['ignore', 'pipe', 'inherit'] }));
}

/** The same, and none of its files may grow beyond so many blocks (of 512 or 1,024 bytes: shells differ), as on a disk that is full. What it complains of is not shown. */
export function runBoundedChild(script: string, options: object | string, maxBlocks: number): RunningChild {
  const command = `ulimit -f ${maxBlocks}; exec "$0" "$@"`;
  return follow(spawn('sh', ['-c', command, process.execPath, script, given(options)], { stdio: ['ignore', 'pipe', 'ignore'] }));
}

const given = (options: object | string): string => (typeof options === 'string' ? options : JSON.stringify(options));

function follow(child: ChildProcessByStdio<null, Readable, null>): RunningChild {
  const lines: string[] = [];
  const waiting: { prefix: string; resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    for (const waiter of waiting) if (line.startsWith(waiter.prefix)) waiter.resolve(line);
  });
  const read = new Promise<void>((resolve) => reader.once('close', resolve));
  const exited = new Promise<NodeJS.Signals | number | null>((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const ended = Promise.all([exited, read]).then(([how]) => how);
  void ended.then((how) => {
    for (const { prefix, reject } of waiting) reject(new Error(`the child ended (${how}) before it wrote "${prefix}"`));
  });
  const line = (prefix: string): Promise<string> => {
    const known = lines.find((one) => one.startsWith(prefix));
    return known === undefined ? new Promise((resolve, reject) => waiting.push({ prefix, resolve, reject })) : Promise.resolve(known);
  };
  return { process: child, lines, ended, line };
}
