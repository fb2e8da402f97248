/**
 * A fuzzing run: so many inputs over the targets, each with its share, the first breach of each reported with what repeats it, and the heap looked at
 * between the parts. An input is one payload given to a decoder, or one message of a hostile session.
 */
import { watchRuntime } from '../soak/left-over.ts';
import { toHex } from './breach.ts';
import type { Finding } from './breach.ts';
import { DECODER_TARGETS, InputMaker, problemOf, REAL_DECODERS, shorten } from './decoders.ts';
import type { DecoderName, Decoders } from './decoders.ts';
import type { Sabotage } from './peer.ts';
import { runSessions } from './sessions.ts';

export const TARGETS = ['frames', 'envelopes', 'values', 'session'] as const;
export type TargetName = (typeof TARGETS)[number];

/** Parts of a hundred. A message of a session costs as much as thirty payloads of a decoder. */
const SHARES: Readonly<Record<TargetName, number>> = { frames: 25, envelopes: 40, values: 25, session: 10 };
/** By how much the heap may have grown at the end: what is compiled and cached. */
const MOST_GROWTH_BYTES = 48 * 1024 * 1024;
const PARTS = 8;

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  readonly target?: TargetName | undefined;
  /** Ends earlier. */
  readonly deadlineMs?: number | undefined;
  /** Only this input, or session, of the target. */
  readonly only?: number | undefined;
  /** For tests of the fuzzer. */
  readonly decoders?: Decoders | undefined;
  readonly sabotage?: Sabotage | undefined;
  /** Told where it is: before every session and every few thousand inputs. */
  readonly onProgress?: ((target: TargetName, index: number) => void) | undefined;
}

export interface TargetResult {
  readonly target: TargetName;
  readonly inputs: number;
  /** Hostile sessions; of decoders none. */
  readonly sessions: number;
  readonly elapsedMs: number;
}

export interface FuzzResult {
  readonly results: readonly TargetResult[];
  readonly findings: readonly Finding[];
  /** After garbage collection, at the first look (when all is warm) and at the last; undefined where it cannot be collected. */
  readonly heapBytes: { readonly first: number; readonly last: number } | undefined;
}

function heapUsed(): number | undefined {
  if (globalThis.gc === undefined) return undefined;
  globalThis.gc();
  const { heapUsed: used, external } = process.memoryUsage();
  return used + external;
}

interface Progress {
  inputs: number;
  sessions: number;
  /** The next input or session. */
  index: number;
  elapsedMs: number;
  finding?: Finding | undefined;
}

/** Inputs between two looks at the clock. */
const LOOK_EVERY = 4_096;

function runDecoder(name: DecoderName, count: number, at: { progress: Progress; options: FuzzOptions }): void {
  const { progress, options } = at;
  const target = DECODER_TARGETS[name](options.decoders ?? REAL_DECODERS);
  const maker = new InputMaker(target, name, options.seed);
  const { stackTraceLimit } = Error;
  // Refusals are errors, and most of what an error costs is its stack.
  Error.stackTraceLimit = 0;
  try {
    for (let left = count; left > 0; left--, progress.index++, progress.inputs++) {
      if (left % LOOK_EVERY === 0) {
        options.onProgress?.(name, progress.index);
        if (isOver(options)) return;
      }
      const input = maker.make(progress.index);
      const problem = problemOf(target, input);
      if (problem === undefined) continue;
      progress.finding = { target: name, seed: options.seed, index: progress.index, problem, input: [toHex(shorten(target, input))] };
      return;
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const isOver = ({ deadlineMs }: FuzzOptions): boolean => deadlineMs !== undefined && performance.now() > deadlineMs;

async function runPart(target: TargetName, count: number, at: { progress: Progress; options: FuzzOptions }): Promise<void> {
  const { progress, options } = at;
  const startMs = performance.now();
  if (target !== 'session') {
    runDecoder(target, count, at);
  } else {
    const goOn = (_inputs: number, index: number): boolean => {
      options.onProgress?.('session', index);
      return !isOver(options);
    };
    const sabotage: Sabotage = options.sabotage ?? ((payload) => payload);
    const { inputs, sessions, finding } = await runSessions({ seed: options.seed, from: progress.index, inputs: count, sabotage, goOn });
    progress.inputs += inputs;
    progress.sessions += sessions;
    progress.index += sessions;
    progress.finding = finding;
  }
  progress.elapsedMs += performance.now() - startMs;
}

/** Runs; what it finds is in the result. Its first part warms up, and the heap is compared from there. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  watchRuntime();
  const targets = TARGETS.filter((name) => options.target === undefined || options.target === name);
  const sum = targets.reduce((total, name) => total + SHARES[name], 0);
  const all = new Map(targets.map((name): [TargetName, Progress] => [name, { inputs: 0, sessions: 0, index: options.only ?? 0, elapsedMs: 0 }]));
  let first: number | undefined;
  for (let part = 1; part <= PARTS; part++) {
    for (const [name, progress] of all) {
      const due = options.only === undefined ? Math.ceil((options.inputs * SHARES[name] * part) / (sum * PARTS)) : 1;
      const count = due - progress.inputs;
      if (progress.finding === undefined && count > 0 && !isOver(options)) await runPart(name, count, { progress, options });
    }
    if (part === 1) first = heapUsed();
  }
  const last = heapUsed();
  const findings = [...all.values()].flatMap(({ finding }) => finding ?? []);
  if (first !== undefined && last !== undefined && last - first > MOST_GROWTH_BYTES && findings.length === 0)
    findings.push({ target: 'heap', seed: options.seed, index: 0, problem: `the heap grew by ${last - first} bytes`, input: [] });
  return {
    results: Array.from(all, ([target, { inputs, sessions, elapsedMs }]) => ({ target, inputs, sessions, elapsedMs })),
    findings,
    heapBytes: first === undefined || last === undefined ? undefined : { first, last },
  };
}

/** What repeats a finding, as short as can be. */
export function reproduction({ target, seed, index }: Finding): string {
  return target === 'heap' ? `npm run fuzz -- --seed ${seed}` : `npm run fuzz -- --target ${target} --seed ${seed} --only ${index}`;
}
