/** One process of the bank as the demo holds it: started like the demo itself, watched, and ended or killed. What runs in it is bank-process.ts. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BankCounts } from './bank-contract.ts';
import type { BankMessage } from './bank-process.ts';

/** How long the bank may take to leave before it is killed. */
const LEAVE_TIMEOUT_MS = 3_000;

const NOTHING_YET: BankCounts = { started: 0, attached: 0, replayed: 0, found: 0, quotesThinking: 0, quotesAborted: 0 };

/** The bank's process ended before it was told to. */
export class BankDiedError extends Error {
  override readonly name = 'BankDiedError';
}

export interface BankChildOptions {
  /** To listen on; 0: a free one. */
  readonly port: number;
  /** Of its journal and its operations. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Told when it ends without having been stopped or killed. */
  readonly onDied: (error: BankDiedError) => void;
}

export interface BankChild {
  readonly pid: number;
  readonly port: number;
  /** Lines of the journal that it found, and what it dropped of a torn one. */
  readonly replayed: number;
  readonly tornBytes: number;
  /** What it counted when it last said so. */
  counts(): BankCounts;
  /** Kills it as `kill -9` does; settles when it is gone. */
  kill(): Promise<void>;
  /** Ends the process; settles when it is gone, with an error if it died instead of leaving. */
  stop(): Promise<BankDiedError | undefined>;
}

/** @throws the signal's reason when that aborts before the bank listens, as it does when `onDied` sees to that. */
export async function startBank({ port, folder, signal, onDied }: BankChildOptions): Promise<BankChild> {
  signal.throwIfAborted();
  // The same extension as this file: .ts when run from source, .js when built.
  const entry = fileURLToPath(new URL(`./bank-process${extname(import.meta.url)}`, import.meta.url));
  // Its stdout goes to our stderr: ours is for the result alone. Detached: a terminal's SIGINT is for the demo, which then ends the bank.
  const child = fork(entry, [String(port), folder], { execArgv: process.execArgv, stdio: ['ignore', 2, 2, 'ipc'], detached: true });
  let counts = NOTHING_YET;
  let expected: 'nothing' | 'leaving' | 'death' = 'nothing';
  const gone = new Promise<BankDiedError | undefined>((resolve) => {
    child.once('exit', (code, killedBy) => {
      const meant = expected === 'death' || (expected === 'leaving' && (code === 0 || child.killed));
      resolve(
        meant ? undefined : new BankDiedError(`the bank's process ${child.pid} ended by ${killedBy ?? `exit code ${code}`} before the demo was done`),
      );
    });
    child.once('error', (error) => resolve(new BankDiedError(`the bank's process cannot be started: ${error.message}`)));
  });
  void gone.then((death) => {
    if (death !== undefined) onDied(death);
  });
  child.on('message', (message: BankMessage) => {
    if (message.type === 'counts') counts = message.counts;
  });
  const stop = async (): Promise<BankDiedError | undefined> => {
    if (expected === 'nothing') expected = 'leaving';
    if (child.connected) child.disconnect();
    const kill = setTimeout(() => child.kill('SIGKILL'), LEAVE_TIMEOUT_MS);
    const death = await gone;
    clearTimeout(kill);
    return death;
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) expected = 'death';
    child.kill('SIGKILL');
    await gone;
  };
  try {
    const listening = await untilListening(child, signal);
    return { ...listening, pid: child.pid ?? 0, counts: () => counts, kill, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Listening = Extract<BankMessage, { type: 'listening' }>;

function untilListening(child: ChildProcess, signal: AbortSignal): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    child.once('message', (message: BankMessage) => {
      signal.removeEventListener('abort', giveUp);
      resolve(message as Listening);
    });
  });
}
