/** `statewire demo`: its arguments, its output and its exit code. The work is demo-run.ts's. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runDemo } from './demo-run.ts';
import { ExitCode, InputError, UsageError } from './exit.ts';
import { UNLISTED_OPENING_CENTS } from './expected.ts';
import { figuresOf, tableOf } from './figures.ts';
import { readOpenings, readOrders } from './orders.ts';
import type { MalformedLine } from './record-lines.ts';
import { silentWatcher, watchWith } from './progress.ts';

const DEFAULT_CLIENTS = 4;
const MOST_CLIENTS = 64;
const DEFAULT_SEED = 1;
/** More malformed lines are counted, not shown. */
const MOST_SHOWN_LINES = 20;

const dataFile = (name: string): string => fileURLToPath(new URL(`../../examples/data/${name}`, import.meta.url));

export const DEMO_HELP = `statewire demo [options]

A bank in a process of its own charges every order of a CSV file, over TCP. Four clients send some orders twice on purpose, give
some up, call a method that does not exist and send invalid input. Then the file is streamed to the bank line by line through a channel,
and for each line the bank streams its receipt back; the bank streams its journal to a reader who is slow on purpose, so that memory shows
whether the sender is held back, and who leaves early. At the end every balance must be exactly what the file says.

  --orders FILE    the orders, a CSV file with the header order,account,cents (default: 1,000 orders that come with statewire)
  --accounts FILE  opening balances, a CSV file with the header account,cents; an account that it does not list opens with
                   ${UNLISTED_OPENING_CENTS} cents (default: the accounts that come with statewire)
  --clients N      clients at work at the same time, 1 to ${MOST_CLIENTS} (default ${DEFAULT_CLIENTS}); all orders of an account go through one client
  --seed N         which orders are repeated, given up and so on (default ${DEFAULT_SEED})
  --json           print the figures as JSON and nothing else on stdout
  --help           print this

exit code: 0 all is as it must be, 1 it is not or the demo could not go on, 2 wrong arguments or a file of no use,
           3 all is as it must be but malformed lines of the file were skipped, 130 interrupted
`;

interface DemoArguments {
  readonly orders: string;
  readonly accounts: string;
  readonly clients: number;
  readonly seed: number;
  readonly json: boolean;
  readonly help: boolean;
}

function readArguments(args: readonly string[]): DemoArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      orders: { type: 'string', default: dataFile('orders.csv') },
      accounts: { type: 'string', default: dataFile('accounts.csv') },
      clients: { type: 'string', default: String(DEFAULT_CLIENTS) },
      seed: { type: 'string', default: String(DEFAULT_SEED) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const clients = wholeNumber('clients', values.clients, { least: 1, most: MOST_CLIENTS });
  const seed = wholeNumber('seed', values.seed, { least: 0, most: Number.MAX_SAFE_INTEGER });
  return { ...values, clients, seed };
}

function wholeNumber(name: string, text: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  return value;
}

/** Runs the command and gives its exit code. Throws UsageError and InputError, and what stopped the run. */
export async function demo(args: readonly string[], signal: AbortSignal): Promise<number> {
  const given = readArguments(args);
  if (given.help) {
    process.stdout.write(DEMO_HELP);
    return ExitCode.ok;
  }
  const [file, openings] = await Promise.all([readOrders(given.orders), readOpenings(given.accounts)]);
  const { records: orders, malformed } = file;
  tellMalformed(given.orders, malformed);
  if (orders.length === 0) throw new InputError(`${given.orders} has no line that is an order`);
  const watcher = given.json ? silentWatcher : watchWith(process.stdout, orders.length);
  const result = await runDemo({ file, openings, clients: given.clients, seed: given.seed }, watcher, signal);
  const figures = figuresOf(result, { clients: given.clients, seed: given.seed, skippedLines: malformed });
  process.stdout.write(given.json ? `${JSON.stringify(figures, undefined, 2)}\n` : `\n${tableOf(figures)}\n`);
  for (const fault of figures.faults) process.stderr.write(`statewire demo: ${fault}\n`);
  if (figures.faults.length > 0) return ExitCode.failed;
  return malformed.length > 0 ? ExitCode.skippedLines : ExitCode.ok;
}

function tellMalformed(path: string, malformed: readonly MalformedLine[]): void {
  for (const { line, reason } of malformed.slice(0, MOST_SHOWN_LINES)) process.stderr.write(`${path}:${line}: ${reason}; skipped\n`);
  const more = malformed.length - MOST_SHOWN_LINES;
  if (more > 0) process.stderr.write(`${path}: ${more} more malformed lines skipped\n`);
}
