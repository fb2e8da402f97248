/**
 * A lane: a copy of the checkout in a temporary folder and the bench that runs tests in it. What a bench does not answer within its time
 * limit is ended with all its processes, and the next job gets a new one.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface BenchJob {
  /** Absolute paths of the test files. */
  readonly files: readonly string[];
  /** Which tests run, by their full names. */
  readonly pattern: string;
  /** The source files that were changed since the last job, back or forth. */
  readonly changed: readonly string[];
  /** Whether to stop at the first test that fails. */
  readonly bail: boolean;
}

export interface FailedTest {
  readonly title: string;
  /** The name of the error, or `time limit`. */
  readonly by: string;
  readonly message: string;
  /** No promise was broken, but the code. */
  readonly gross: boolean;
}

export interface BenchResult {
  readonly failed: readonly FailedTest[];
  /** Full names. */
  readonly passed: readonly string[];
  /** Why a test file did not run at all. */
  readonly broken: readonly string[];
}

const COPIED = ['src', 'test', 'scripts', 'bench', 'examples', 'docs', 'package.json', 'vitest.config.ts', 'tsconfig.json', 'tsconfig.build.json'];

const DEAD: BenchResult = { failed: [], passed: [], broken: ['the process that runs the tests has ended'] };

const BENCH = fileURLToPath(new URL('bench.ts', import.meta.url));

export class Lane implements AsyncDisposable {
  readonly folder: string;
  /** Where this process ends before the lane does. */
  readonly #leaveNothing = (): void => {
    if (this.#child?.pid !== undefined) killGroup(this.#child.pid);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  };
  #child: ChildProcess | undefined;
  #lastChanged: string | undefined;

  private constructor(folder: string) {
    this.folder = folder;
    process.once('exit', this.#leaveNothing);
  }

  static async open(root: string): Promise<Lane> {
    const lane = new Lane(await mkdtemp(join(tmpdir(), 'statewire-mutants-')));
    for (const name of COPIED) await cp(join(root, name), join(lane.folder, name), { recursive: true });
    await symlink(join(root, 'node_modules'), join(lane.folder, 'node_modules'));
    return lane;
  }

  /** What the bench must read again when `path` is changed: that, and what was changed before and is as it was. */
  noteChange(path: string): readonly string[] {
    const changed = this.#lastChanged === undefined ? [path] : [path, this.#lastChanged];
    this.#lastChanged = path;
    return changed;
  }

  /** Undefined: there was no answer within `limitMs`. */
  async run(job: BenchJob, limitMs: number): Promise<BenchResult | undefined> {
    const child = (this.#child ??= await this.#start());
    const over = new AbortController();
    const { signal } = over;
    const answer = once(child, 'message', { signal }).then(([result]) => result as BenchResult);
    const death = once(child, 'exit', { signal }).then(() => DEAD);
    child.send(job);
    const first = await Promise.race([answer, death, delay(limitMs, undefined, { signal })]);
    over.abort();
    // Aborted, the two that have lost reject.
    await Promise.allSettled([answer, death]);
    if (first === undefined || first === DEAD) await this.#end();
    return first;
  }

  async #start(): Promise<ChildProcess> {
    // In a group of its own, so that the workers end with it.
    const child = fork(BENCH, [this.folder], {
      execArgv: ['--import', 'tsx'],
      cwd: this.folder,
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    return child;
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    killGroup(child.pid);
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    process.removeListener('exit', this.#leaveNothing);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Ends a process and all that it has started. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
