/** A child process that answers questions. None outlives the process that measures, whatever ends it. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Question } from './protocol.ts';

const ANSWER_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 2_000;
/**
 * A heap as a service has it. In the few megabytes of a process that only answers a benchmark V8 does a full collection for every 16 MiB of buffers, or does
 * not, by how the process happened to start: large payloads then cost one time or three.
 */
export const HEAP: readonly string[] = ['--initial-heap-size=256'];

const living = new Set<ChildProcess>();

export function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}

process.on('exit', killAll);
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.on(signal, () => process.exit(status));

/** Of what Node prints of an error that nobody caught, the line that names it. */
function causeOf(said: string): string {
  const lines = said.split('\n').map((line) => line.trim());
  const cause = lines.find((line) => /^\S*Error\b/.test(line)) ?? lines.find((line) => line !== '');
  return cause === undefined ? '' : `: ${cause.slice(0, 200)}`;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class Child {
  readonly #process: ChildProcess;
  readonly #label: string;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #said = '';

  /** `script` stands beside this file; it is given `args`. */
  constructor(script: string, args: readonly string[], temporary: string) {
    this.#label = `${script} ${args[0] ?? ''}`;
    this.#process = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
      execArgv: ['--expose-gc', ...HEAP],
      // Errors of a peer belong below the table, not between its lines.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, TMPDIR: temporary, NODE_ENV: 'production' },
      serialization: 'advanced',
    });
    living.add(this.#process);
    this.#process.stderr?.on('data', (part: Buffer) => {
      this.#said = `${this.#said}${part.toString()}`.slice(-4_000);
    });
    this.#process.on('message', (answer: Answer) => this.#settle(answer));
    this.#process.on('error', (error) => this.#fail(error));
    this.#process.on('exit', () => living.delete(this.#process));
    // By then all that it had to say was read.
    this.#process.on('close', (status, signal) => {
      this.#fail(new Error(`${this.#label} ended (${signal ?? String(status)})${causeOf(this.#said)}`));
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  ask(task: string, params?: unknown, timeoutMs = ANSWER_TIMEOUT_MS): Promise<unknown> {
    const number = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(number);
        this.kill();
        reject(new Error(`'${task}' was not done after ${timeoutMs / 1_000} s`));
      }, timeoutMs);
      this.#waiting.set(number, { resolve, reject, timer });
      if (!this.#process.connected) this.#fail(new Error(`${this.#label} is gone`));
      else
        this.#process.send({ number, task, params } satisfies Question, (error) => {
          if (error !== null) this.#fail(error);
        });
    });
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** Lets it close what it has, then ends it. */
  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    await this.ask('close', undefined, CLOSE_TIMEOUT_MS).catch(() => {});
    this.kill();
    await gone;
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.number);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.number);
    clearTimeout(waiting.timer);
    if ('error' in answer) waiting.reject(new Error(answer.error));
    else waiting.resolve(answer.value);
  }

  #fail(error: Error): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}
