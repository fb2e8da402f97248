/** `statewire demo`: its arguments, its output and its exit code. The work is demo-run.ts's. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { wholeNumber } from './arguments.ts';
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
const DEFAULT_CUTS = 24;
const MOST_CUTS = 10_000;
const DEFAULT_KILLS = 4;
const MOST_KILLS = 100;
/** More malformed lines are counted, not shown. */
const MOST_SHOWN_LINES = 20;

const dataFile = (name: string): string => fileURLToPath(new URL(`../../examples/data/${name}`, import.meta.url));

export const DEMO_HELP = `statewire demo [options]

A bank in a process of its own charges every order of a CSV file, over TCP. Four clients send some orders twice on purpose, give
some up, call a method that does not exist and send invalid input. Meanwhile links are cut and the bank is killed with kill -9 and started again;
every order is charged once all the same, or, where its method promises less, reported by name as indeterminate. Then the file is streamed to the bank line by line through a channel,
and for each line the bank streams its receipt back; the bank streams its journal to a reader who is slow on purpose, so that memory shows
whether the sender is held back, and who leaves early. At the end every balance must be exactly what the file says.

  --orders FILE    the orders, a CSV file with the header order,account,cents (default: 1,000 orders that come with statewire)
  --accounts FILE  opening balances, a CSV file with the header account,cents; an account that it does not list opens with
                   ${UNLISTED_OPENING_CENTS} cents (default: the accounts that come with statewire)
  --clients N      clients at work at the same time, 1 to ${MOST_CLIENTS} (default ${DEFAULT_CLIENTS}); all orders of an account go through one client
  --seed N         which orders are repeated, given up and so on, and what is cut when (default ${DEFAULT_SEED})
  --cuts N         how often links are cut, 0 to ${MOST_CUTS} (default ${DEFAULT_CUTS})
  --kills N        how often the bank is killed, 0 to ${MOST_KILLS} (default ${DEFAULT_KILLS})
  --calm           no cuts and no kills
  --data DIR       the bank keeps its journal and its operations there, and they stay; the folder must be empty or not there yet (default: a
                   temporary one, which is removed)
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
  readonly cuts: number;
  readonly kills: number;
  readonly data?: string;
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
      cuts: { type: 'string' },
      kills: { type: 'string' },
      calm: { type: 'boolean', default: false },
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const clients = wholeNumber('clients', values.clients, { least: 1, most: MOST_CLIENTS });
  const seed = wholeNumber('seed', values.seed, { least: 0, most: Number.MAX_SAFE_INTEGER });
  const { calm } = values;
  if (calm && (values.cuts ?? values.kills) !== undefined) throw new UsageError('--calm is without cuts and kills: give one or the other');
  const cuts = wholeNumber('cuts', values.cuts ?? String(calm ? 0 : DEFAULT_CUTS), { least: 0, most: MOST_CUTS });
  const kills = wholeNumber('kills', values.kills ?? String(calm ? 0 : DEFAULT_KILLS), { least: 0, most: MOST_KILLS });
  return { ...values, clients, seed, cuts, kills };
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
  const { clients, seed, cuts, kills, data } = given;
  const result = await runDemo({ file, openings, clients, seed, cuts, kills, data }, watcher, signal);
  const figures = figuresOf(result, { clients, seed, skippedLines: malformed });
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
