/** Several processes share the seeds of `statewire simulate`: each is the same command with seeds of its own, and tells its sums at its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { SimulateArguments } from './simulate.ts';
import { Sums, violationHead } from './simulate-text.ts';
import type { BrokenRun } from './simulate-text.ts';

/** Between the first seeds of two processes that run by time. */
const SEEDS_APART = 10_000_000;

interface Share {
  readonly seed: number;
  readonly seeds: number;
}

export async function runJobs(given: SimulateArguments, signal: AbortSignal): Promise<Sums> {
  const sums = new Sums();
  await Promise.all(sharesOf(given).map((share) => runJob(given, share, { signal, sums })));
  return sums.end();
}

function sharesOf({ seed, seeds, minutes, jobs }: SimulateArguments): Share[] {
  if (minutes !== undefined) return Array.from({ length: jobs }, (_, job) => ({ seed: seed + job * SEEDS_APART, seeds: 1 }));
  const used = Math.min(jobs, seeds);
  const firsts = Array.from({ length: used + 1 }, (_, job) => seed + Math.floor((job * seeds) / used));
  return firsts.slice(0, -1).map((first, job) => ({ seed: first, seeds: (firsts[job + 1] as number) - first }));
}

async function runJob(given: SimulateArguments, { seed, seeds }: Share, { signal, sums }: { signal: AbortSignal; sums: Sums }): Promise<void> {
  const length = given.minutes === undefined ? ['--seeds', String(seeds)] : ['--minutes', String(given.minutes)];
  const faults = given.faults === undefined ? [] : ['--faults', given.faults.join(',')];
  const options = ['--seed', String(seed), ...length, '--calls', String(given.calls), '--mode', given.mode, ...faults, '--json'];
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] as string, 'simulate', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
    killSignal: 'SIGINT',
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  let isComplete = false;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { all?: Sums } & Partial<BrokenRun>;
    if (said.all !== undefined) {
      sums.merge(said.all);
      isComplete = true;
    } else if (given.json) {
      process.stdout.write(`${line}\n`);
    } else if (said.violations !== undefined && said.violations.length > 0) {
      process.stdout.write(violationHead(said as BrokenRun, given.calls));
    }
  }
  const [code] = await ended;
  if (!isComplete) throw new Error(`the process of the seeds from ${seed} ended with ${code} before it was done`);
}
