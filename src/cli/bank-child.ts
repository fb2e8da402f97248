/** The bank's process as the demo holds it: started like the demo itself, watched, and ended. What runs in it is bank-process.ts. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BankReady } from './bank-process.ts';

/** How long the bank may take to leave before it is killed. */
const LEAVE_TIMEOUT_MS = 3_000;

/** The bank's process ended before it was told to. */
export class BankDiedError extends Error {
  override readonly name = 'BankDiedError';
}

export interface BankChild {
  readonly pid: number;
  readonly port: number;
  /** Ends the process; settles when it is gone, with an error if it died instead of leaving. */
  stop(): Promise<BankDiedError | undefined>;
}

/**
 * Starts the bank. `onDied` is told when it ends without having been stopped.
 * @throws BankDiedError when it ends before it listens; the signal's reason when that aborts.
 */
export async function startBank({ signal, onDied }: { signal: AbortSignal; onDied: (error: BankDiedError) => void }): Promise<BankChild> {
  signal.throwIfAborted();
  // The same extension as this file: .ts when run from source, .js when built.
  const entry = fileURLToPath(new URL(`./bank-process${extname(import.meta.url)}`, import.meta.url));
  // Its stdout goes to our stderr: ours is for the result alone.
  const child = fork(entry, [], { execArgv: process.execArgv, stdio: ['ignore', 2, 2, 'ipc'] });
  let stopping = false;
  const gone = new Promise<BankDiedError | undefined>((resolve) => {
    child.once('exit', (code, killedBy) => {
      const left = stopping && (code === 0 || child.killed);
      resolve(
        left ? undefined : new BankDiedError(`the bank's process ${child.pid} ended by ${killedBy ?? `exit code ${code}`} before the demo was done`),
      );
    });
    child.once('error', (error) => resolve(new BankDiedError(`the bank's process cannot be started: ${error.message}`)));
  });
  void gone.then((death) => {
    if (death !== undefined) onDied(death);
  });
  const stop = async (): Promise<BankDiedError | undefined> => {
    stopping = true;
    if (child.connected) child.disconnect();
    const kill = setTimeout(() => child.kill('SIGKILL'), LEAVE_TIMEOUT_MS);
    const death = await gone;
    clearTimeout(kill);
    return death;
  };
  try {
    return { pid: child.pid ?? 0, port: await untilListening(child, signal), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function untilListening(child: ChildProcess, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    child.once('message', (ready) => {
      signal.removeEventListener('abort', giveUp);
      resolve((ready as BankReady).port);
    });
  });
}
