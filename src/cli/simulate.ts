/** `statewire simulate`: its arguments, its output and its exit code. A run is src/testing/simulation's; several at a time are simulate-jobs.ts's. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { FAULTS, simulate } from '../testing.ts';
import type { Fault, SimulationResult } from '../testing.ts';
import { wholeNumber } from './arguments.ts';
import { ExitCode, InputError, leaveWithReader, UsageError } from './exit.ts';
import { runJobs } from './simulate-jobs.ts';
import { summaryText, Sums, violationText } from './simulate-text.ts';

const DEFAULT_CALLS = 2_000;
const MOST_JOBS = 64;
/** Only so many bits of a seed count. */
const LARGEST_SEED = 2 ** 32 - 1;
/** A run keeps a line for everything that happens. */
const MOST_CALLS = 10_000_000;
const MODES = ['liveness', 'safety', 'both'] as const;

export const SIMULATE_HELP = `statewire simulate [options]

Clients and servers call each other in one process, over a network that fails, on stores that fail, in processes that die. One seed decides time, order and
faults: the same seed gives the same run, byte for byte. Watched all along: no operation that is not idem runs twice, nobody is told two outcomes, a sealed outcome
stays, channels keep their order and their credit, no scope sees another's. When faults stop, everything must settle and nothing be left over.

  --seed N       the first seed (default 1)
  --seeds K      so many seeds, one after another (default 1)
  --minutes M    instead of --seeds: one seed after another until so many minutes have passed
  --calls C      calls of a run (default ${DEFAULT_CALLS})
  --mode MODE    liveness: faults stop when all calls are made (default); safety: they go on to the very end; both: in turn
  --faults LIST  only these, with commas: ${FAULTS.slice(0, 6).join(', ')},
                 ${FAULTS.slice(6).join(', ')}
  --jobs J       processes that share the seeds (default 1)
  --trace FILE   everything that happened, a line each, of the last seed
  --json         a line of JSON for each seed, and one for all
  --help         print this

A broken rule is printed with its seed and the last messages as a sequence diagram; the same seed and options show it again.
exit code: 0 every rule was kept, 1 one was broken, 2 wrong arguments, 130 interrupted
`;

export interface SimulateArguments {
  readonly seed: number;
  readonly seeds: number;
  readonly minutes: number | undefined;
  readonly calls: number;
  readonly mode: (typeof MODES)[number];
  readonly faults: readonly Fault[] | undefined;
  readonly jobs: number;
  readonly trace: string | undefined;
  readonly json: boolean;
}

function readArguments(args: readonly string[]): SimulateArguments | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      calls: { type: 'string', default: String(DEFAULT_CALLS) },
      mode: { type: 'string', default: MODES[0] },
      faults: { type: 'string' },
      jobs: { type: 'string', default: '1' },
      trace: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.seeds !== undefined && values.minutes !== undefined) throw new UsageError('--minutes and --seeds both say how long: give one');
  return {
    seed: wholeNumber('seed', values.seed, { least: 0, most: LARGEST_SEED }),
    seeds: wholeNumber('seeds', values.seeds ?? '1', { least: 1, most: LARGEST_SEED }),
    minutes: values.minutes === undefined ? undefined : minutesOf(values.minutes),
    calls: wholeNumber('calls', values.calls, { least: 1, most: MOST_CALLS }),
    mode: modeOf(values.mode),
    faults: values.faults?.split(',').map(faultOf),
    jobs: wholeNumber('jobs', values.jobs, { least: 1, most: MOST_JOBS }),
    trace: values.trace === undefined ? undefined : writable(values.trace),
    json: values.json,
  };
}

/** Looked at before the run: what was found would be lost with the file. */
function writable(path: string): string {
  try {
    closeSync(openSync(path, 'a'));
  } catch (error) {
    throw new InputError(`--trace: cannot write to it: ${(error as Error).message}`, { cause: error });
  }
  return path;
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (text.trim() === '' || !(minutes > 0) || !Number.isFinite(minutes))
    throw new UsageError(`--minutes must be a number above 0, not ${JSON.stringify(text)}`);
  return minutes;
}

function modeOf(text: string): SimulateArguments['mode'] {
  const mode = MODES.find((known) => known === text);
  if (mode === undefined) throw new UsageError(`--mode must be ${MODES.join(' or ')}, not ${JSON.stringify(text)}`);
  return mode;
}

function faultOf(text: string): Fault {
  const fault = FAULTS.find((known) => known === text);
  if (fault === undefined) throw new UsageError(`--faults: ${JSON.stringify(text)} is none of ${FAULTS.join(', ')}`);
  return fault;
}

/** Runs the command and gives its exit code. Throws UsageError, and what stopped it. */
export async function simulateSeeds(args: readonly string[], signal: AbortSignal): Promise<number> {
  const given = readArguments(args);
  if (given === 'help') {
    process.stdout.write(SIMULATE_HELP);
    return ExitCode.ok;
  }
  leaveWithReader();
  const sums = given.jobs === 1 ? await runHere(given, signal) : await runJobs(given, signal);
  process.stdout.write(given.json ? `${JSON.stringify({ all: sums })}\n` : summaryText(sums));
  return sums.broken > 0 ? ExitCode.failed : ExitCode.ok;
}

async function runHere(given: SimulateArguments, signal: AbortSignal): Promise<Sums> {
  const sums = new Sums();
  const endMs = given.minutes === undefined ? Infinity : performance.now() + given.minutes * 60_000;
  const isLast = (index: number): boolean => (given.minutes === undefined ? index >= given.seeds : index > 0 && performance.now() >= endMs);
  for (let index = 0; !isLast(index); index++) {
    signal.throwIfAborted();
    const seed = given.seed + index;
    const mode = given.mode === 'both' ? (seed % 2 === 0 ? 'liveness' : 'safety') : given.mode;
    const result = await simulate({ seed, calls: given.calls, mode, faults: given.faults });
    sums.add(result);
    tell(given, result, mode);
    if (given.trace !== undefined) writeFileSync(given.trace, `${result.trace}\n`);
  }
  return sums.end();
}

function tell(given: SimulateArguments, result: SimulationResult, mode: string): void {
  const { seed, calls, steps, violations, durationMs, faults } = result;
  if (given.json) process.stdout.write(`${JSON.stringify({ seed, mode, calls, steps, durationMs, faults, violations })}\n`);
  else if (violations.length > 0) process.stdout.write(violationText(result, given.calls, mode));
}
