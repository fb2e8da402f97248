/** The server's process as `statewire bench` holds it: started like the command itself, watched, and ended. What runs in it is bench-process.ts. */
import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchPorts } from './bench-process.ts';

/** How long the server may take to leave before it is killed. */
const LEAVE_TIMEOUT_MS = 3_000;

export interface BenchChildOptions {
  /** Of the store on disk. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Told when it ends without having been stopped. */
  readonly onDied: (error: Error) => void;
}

export interface BenchChild extends BenchPorts {
  /** Ends the process; settles when it is gone. */
  stop(): Promise<void>;
}

/** @throws the signal's reason when that aborts before the server listens, as it does when `onDied` sees to that. */
export async function startBenchServer({ folder, signal, onDied }: BenchChildOptions): Promise<BenchChild> {
  signal.throwIfAborted();
  // The same extension as this file: .ts when run from source, .js when built.
  const entry = fileURLToPath(new URL(`./bench-process${extname(import.meta.url)}`, import.meta.url));
  // Its stdout goes to our stderr: ours is for the result alone. Detached: a terminal's SIGINT is for the command, which then ends the server.
  const child = fork(entry, [folder], { execArgv: process.execArgv, stdio: ['ignore', 2, 2, 'ipc'], detached: true });
  const stopping = new AbortController();
  const died = (how: string): void => {
    if (!stopping.signal.aborted) onDied(new Error(`the server's process ${how}`));
  };
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code, killedBy) => {
      died(`ended by ${killedBy ?? `exit code ${code}`} before all was measured`);
      resolve();
    });
    child.once('error', (error) => {
      died(`cannot be started: ${error.message}`);
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    stopping.abort();
    if (child.connected) child.disconnect();
    const kill = setTimeout(() => child.kill('SIGKILL'), LEAVE_TIMEOUT_MS);
    await gone;
    clearTimeout(kill);
  };
  try {
    const ports = await new Promise<BenchPorts>((resolve, reject) => {
      const giveUp = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', giveUp, { once: true });
      child.once('message', (message: BenchPorts) => {
        signal.removeEventListener('abort', giveUp);
        resolve(message);
      });
    });
    return { ...ports, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
