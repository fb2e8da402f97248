/** The server of one measurement, in a process of its own, and what is asked of it. Ends with its parent. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect } from 'statewire';
import type { Client, Session } from 'statewire';
import { tcp } from 'statewire/tcp';
import { HEAP } from '../compare/child.ts';
import { Growing, LIMITS } from './contract.ts';
import type { Question } from './contract.ts';

export type GrowingClient = Client<typeof Growing>;

interface Reply {
  readonly answered?: unknown;
  readonly failed?: string;
}

export class Served {
  readonly #child: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(...args: readonly string[]): Promise<Served> {
    const child = fork(fileURLToPath(new URL('server-process.js', import.meta.url)), args, { execArgv: [...HEAP, '--expose-gc'] });
    return new Served(child, (await replyOf(child)) as number);
  }

  async ask(question: Question): Promise<number> {
    const reply = replyOf(this.#child);
    this.#child.send(question);
    return (await reply) as number;
  }

  /** Microseconds of CPU of both processes. */
  async cpu(): Promise<number> {
    const { user, system } = process.cpuUsage();
    return user + system + (await this.ask({ ask: 'cpu' }));
  }

  connect(): Promise<Session> {
    return connect(tcp({ port: this.port }), LIMITS);
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

function replyOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the server of the growth bench ended'));
    child.once('exit', ended);
    child.once('message', ({ answered, failed }: Reply) => {
      child.off('exit', ended);
      if (failed === undefined) resolve(answered);
      else reject(new Error(failed));
    });
  });
}
