/** The listening process, as the other one holds it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { AcceptorArguments, Question } from './settings.ts';

export interface AcceptorProcess {
  readonly port: number;
  /** One question at a time. Rejects when the process ends instead of answering. */
  ask<T>(question: Question): Promise<T>;
  stop(): Promise<void>;
}

export async function startAcceptor(given: AcceptorArguments): Promise<AcceptorProcess> {
  const child = fork(fileURLToPath(new URL('acceptor.ts', import.meta.url)), [JSON.stringify(given)], {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const exited = once(child, 'exit');
  const answered = <T>(): Promise<T> => {
    const told = once(child, 'message').then(([message]) => (message as { answered: T }).answered);
    const died = exited.then(([code, signal]) => {
      throw new Error(`the listening process ended by ${String(signal ?? `exit code ${code}`)}`);
    });
    return Promise.race([told, died]);
  };
  return {
    port: await answered<number>(),
    ask<T>(question: Question): Promise<T> {
      const answer = answered<T>();
      child.send(question);
      return answer;
    },
    async stop() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
