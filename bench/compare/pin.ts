/** Two processes on one CPU, for as long as something is measured. Needs `taskset` (util-linux). */
import { execFileSync } from 'node:child_process';
import { Skipped } from './case.ts';

const taskset = (...args: string[]): string => execFileSync('taskset', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** The CPUs that this process may use, as taskset lists them: its children begin with the same. */
function allowedCpus(): string {
  try {
    return taskset('-p', '-c', String(process.pid)).split(':').at(-1)?.trim() ?? '';
  } catch (error) {
    throw new Skipped('not measured: taskset is missing', { cause: error });
  }
}

export async function onOneCpu<T>(pids: readonly number[], work: () => Promise<T>): Promise<T> {
  const allowed = allowedCpus();
  const one = /^\d+/.exec(allowed)?.[0] ?? '0';
  for (const pid of pids) taskset('-a', '-p', '-c', one, String(pid));
  try {
    return await work();
  } finally {
    for (const pid of pids) taskset('-a', '-p', '-c', allowed, String(pid));
  }
}
