/** `statewire bench`: its arguments, its output and its exit code. A run is bench-run.ts's, what is measured bench-workloads.ts's. */
import { parseArgs } from 'node:util';
import type { Measurement } from './bench-measure.ts';
import { runBench } from './bench-run.ts';
import { headText, rowText, TAIL_TEXT, thisMachine } from './bench-text.ts';
import { ExitCode, leaveWithReader, UsageError } from './exit.ts';

const DEFAULT_SECONDS = 2;
/** Less is chance. */
const LEAST_SECONDS = 0.1;
const MOST_SECONDS = 600;

export const BENCH_HELP = `statewire bench [options]

What this machine does with statewire: a client and a server, in two processes, over TCP on 127.0.0.1. Measured one after another, each after a warm-up of
half its time (at least half a second): calls with a small object, 1, 64 and 1,000 in flight, with operation ids and the store in memory; items through a channel, either way, with
a credit of 1,024; blobs of 64 KiB to the server; \`persist\` calls on an LMDB store in a temporary folder, which is removed. Every answer is checked.

  --seconds N  for each measurement, ${LEAST_SECONDS} to ${MOST_SECONDS} (default ${DEFAULT_SECONDS})
  --json       print the figures as JSON and nothing else on stdout
  --help       print this

How other libraries do beside statewire is measured by \`npm run bench\` in statewire's repository: figures of different machines or hours do not compare.
exit code: 0 every answer was right, 1 one was wrong or lost, 2 wrong arguments, 130 interrupted
`;

interface BenchArguments {
  readonly seconds: number;
  readonly json: boolean;
}

function readArguments(args: readonly string[]): BenchArguments | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: String(DEFAULT_SECONDS) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return values.help ? 'help' : { seconds: secondsOf(values.seconds), json: values.json };
}

function secondsOf(text: string): number {
  const seconds = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS))
    throw new UsageError(`--seconds must be a number from ${LEAST_SECONDS} to ${MOST_SECONDS}, not ${JSON.stringify(text)}`);
  return seconds;
}

/** What `--json` prints. */
export interface BenchFigures {
  readonly machine: ReturnType<typeof thisMachine>;
  /** Of each measurement. */
  readonly seconds: number;
  readonly measurements: readonly Measurement[];
  /** What was wrong or lost. */
  readonly faults: readonly string[];
}

/** Runs the command and gives its exit code. Throws UsageError, and what stopped the run. */
export async function bench(args: readonly string[], signal: AbortSignal): Promise<number> {
  const given = readArguments(args);
  if (given === 'help') {
    process.stdout.write(BENCH_HELP);
    return ExitCode.ok;
  }
  leaveWithReader();
  const { seconds, json } = given;
  const machine = thisMachine();
  const measurements: Measurement[] = [];
  const faults: string[] = [];
  if (!json) process.stdout.write(headText(machine, seconds));
  const run = {
    seconds,
    onMeasured(measured: { readonly measurement: Measurement; readonly faults: readonly string[] }) {
      measurements.push(measured.measurement);
      faults.push(...measured.faults);
      if (!json) process.stdout.write(rowText(measured.measurement));
    },
  };
  await runBench(run, signal);
  const figures: BenchFigures = { machine, seconds, measurements, faults };
  process.stdout.write(json ? `${JSON.stringify(figures, undefined, 2)}\n` : TAIL_TEXT);
  for (const fault of faults) process.stderr.write(`statewire bench: ${fault}\n`);
  return faults.length > 0 ? ExitCode.failed : ExitCode.ok;
}
