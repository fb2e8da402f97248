/** Programs of this repository, run from source in a process of their own, as a shell would see them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly pid: number;
  /** Settles with the match as soon as stdout has it; rejects when the program ends without. */
  readonly prints: (pattern: RegExp) => Promise<RegExpExecArray>;
  readonly finished: Promise<Finished>;
  readonly signal: (name: NodeJS.Signals) => void;
}

/** Starts a TypeScript program by its path below the repository. */
export function start(program: string, ...args: string[]): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  const prints = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(stdout);
        if (found !== null) resolve(found);
      };
      child.stdout.on('data', look);
      look();
      void finished.then(() => reject(new Error(`ended without printing ${pattern}: ${stdout}${stderr}`)));
    });
  return { pid: child.pid ?? 0, prints, finished, signal: (name) => child.kill(name) };
}

/** Runs a program to its end. */
export function run(program: string, ...args: string[]): Promise<Finished> {
  return start(program, ...args).finished;
}
