#!/usr/bin/env node
/** The `statewire` command: which command is meant, how errors look, the exit code. Each command is a file of its own, loaded when it is asked for. */
import { createRequire } from 'node:module';
import { ExitCode, InputError, InterruptedError, UsageError } from './exit.ts';

const HELP = `statewire <command> [options]

  demo         a bank over TCP charges 1,000 orders while links are cut and it is killed, and streams them through channels; all is checked
  simulate     clients and servers on a network that fails, in processes that die, all decided by a seed: is every rule kept?
  bench        what this machine does with statewire: calls, channels, blobs and durable calls between two processes over TCP
  store        what is in the folder of an lmdbStore: statewire store <path> ls|show|sweep

  --help       print this; after a command: its options
  --version    print the version
`;

const COMMANDS = ['demo', 'simulate', 'bench', 'store'];

/** Signals that end the command, and their numbers. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;

function version(): string {
  const { version: text } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return text;
}

async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case 'demo':
      return (await import('./demo.ts')).demo(rest, signal);
    case 'simulate':
      return (await import('./simulate.ts')).simulateSeeds(rest, signal);
    case 'bench':
      return (await import('./bench.ts')).bench(rest, signal);
    case 'store':
      return (await import('./store.ts')).store(rest, signal);
    case '--help':
    case '-h':
      process.stdout.write(HELP);
      return ExitCode.ok;
    case '--version':
    case '-v':
      process.stdout.write(`${version()}\n`);
      return ExitCode.ok;
    case undefined:
      throw new UsageError('no command given');
    default:
      throw new UsageError(`${command.startsWith('-') ? 'unknown option' : 'unknown command'} ${JSON.stringify(command)}`);
  }
}

/** What `parseArgs` throws says what is wrong in a sentence for users. */
const isArgumentError = (error: unknown): error is Error =>
  error instanceof TypeError && String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');

function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return error.exitCode;
  return error instanceof UsageError || error instanceof InputError || isArgumentError(error) ? ExitCode.usage : ExitCode.failed;
}

const interrupted = new AbortController();
for (const [name, number] of Object.entries(SIGNALS)) {
  // Once: whoever asks a second time is not made to wait.
  process.once(name, () => interrupted.abort(new InterruptedError(name, 128 + number)));
}

try {
  process.exitCode = await run(process.argv.slice(2), interrupted.signal);
} catch (error) {
  const [command = ''] = process.argv.slice(2);
  const help = COMMANDS.includes(command) ? `${command} --help` : '--help';
  const hint = error instanceof UsageError || isArgumentError(error) ? ` (statewire ${help} tells more)` : '';
  process.stderr.write(`statewire: ${error instanceof Error ? error.message : String(error)}${hint}\n`);
  process.exitCode = exitCodeOf(error);
}
