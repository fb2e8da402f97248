/** Starts the bench's other process and asks it things. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Question } from './server.ts';

export interface Child {
  readonly port: number;
  ask<T>(question: Question['ask']): Promise<T>;
  stop(): Promise<void>;
}

export async function startServer(...args: readonly string[]): Promise<Child> {
  const child: ChildProcess = fork(fileURLToPath(new URL('server.ts', import.meta.url)), args, { execArgv: ['--expose-gc', '--import', 'tsx'] });
  const [port] = (await once(child, 'message')) as [number];
  return {
    port,
    async ask<T>(ask: Question['ask']): Promise<T> {
      const answered = once(child, 'message');
      child.send({ ask });
      const [answer] = (await answered) as [T];
      return answer;
    },
    async stop() {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}
