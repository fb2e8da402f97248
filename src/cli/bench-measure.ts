/** Times one workload of `statewire bench`: for so long, so many steps at a time, and what both processes used meanwhile. */
import { cpuMicros } from './bench-contract.ts';
import type { Workload } from './bench-workloads.ts';

export interface Measurement {
  readonly id: string;
  readonly title: string;
  readonly inFlight: number;
  readonly unit: Workload['unit'];
  readonly perSecond: number;
  readonly cpuPer: Workload['cpuPer']['name'];
  readonly clientCpuMicros: number;
  readonly serverCpuMicros: number;
  /** Of a step, from asking to having the answer. */
  readonly p50Micros?: number;
  readonly p99Micros?: number;
}

export interface Measured {
  readonly measurement: Measurement;
  /** What went wrong in it. */
  readonly faults: readonly string[];
}

export interface MeasureOptions {
  readonly seconds: number;
  /** What the server's process has used so far. */
  readonly serverCpuMicros: () => Promise<number>;
  readonly signal: AbortSignal;
}

/** Half of what is measured, but never so short that code is still being compiled when the figures are taken. */
export const warmUpMs = (seconds: number): number => Math.max(LEAST_WARM_UP_MS, seconds * 500);

const LEAST_WARM_UP_MS = 500;

export async function measure(workload: Workload, { seconds, serverCpuMicros, signal }: MeasureOptions): Promise<Measured> {
  // Not counted, but looked at like the rest.
  const warming = await drive({ ...workload, inFlight: workload.warmUpInFlight }, warmUpMs(seconds), signal);
  const serverBefore = await serverCpuMicros();
  const clientBefore = cpuMicros();
  const { steps, elapsedMs, latenciesMs, ...ending } = await drive(workload, seconds * 1_000, signal);
  const clientMicros = cpuMicros() - clientBefore;
  const serverMicros = (await serverCpuMicros()) - serverBefore;
  const { id, title, inFlight, unit, amount, cpuPer, isLatency } = workload;
  const each = Math.max(1, steps) * cpuPer.inStep;
  const measurement: Measurement = {
    id,
    title,
    inFlight,
    unit,
    perSecond: (steps * amount * 1_000) / elapsedMs,
    cpuPer: cpuPer.name,
    clientCpuMicros: clientMicros / each,
    serverCpuMicros: serverMicros / each,
    ...(isLatency ? percentiles(latenciesMs) : {}),
  };
  return { measurement, faults: faultsOf(title, warming.wrong + ending.wrong, [...warming.losses, ...ending.losses]) };
}

interface Driven {
  readonly steps: number;
  readonly elapsedMs: number;
  /** Only where they are told. */
  readonly latenciesMs: readonly number[];
  readonly wrong: number;
  readonly losses: readonly unknown[];
}

/** They go on from workload to workload: a late answer of an earlier one is noticed too. */
let turns = 0;

async function drive({ inFlight, isLatency, step }: Workload, forMs: number, signal: AbortSignal): Promise<Driven> {
  const latenciesMs: number[] = [];
  const losses: unknown[] = [];
  let steps = 0;
  let wrong = 0;
  const startedMs = performance.now();
  const endMs = startedMs + forMs;
  const repeat = async (): Promise<void> => {
    let lastMs = performance.now();
    do {
      try {
        if (!(await step(turns++))) wrong++;
      } catch (error) {
        // What failed once would fail at once from now on.
        losses.push(error);
        return;
      }
      steps++;
      const nowMs = performance.now();
      if (isLatency) latenciesMs.push(nowMs - lastMs);
      lastMs = nowMs;
    } while (lastMs < endMs && !signal.aborted);
  };
  await Promise.all(Array.from({ length: inFlight }, repeat));
  return { steps, elapsedMs: performance.now() - startedMs, latenciesMs, wrong, losses };
}

function percentiles(latenciesMs: readonly number[]): { readonly p50Micros: number; readonly p99Micros: number } {
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (share: number): number => (sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 1_000;
  return { p50Micros: at(0.5), p99Micros: at(0.99) };
}

function faultsOf(title: string, wrong: number, losses: readonly unknown[]): readonly string[] {
  const [first] = losses;
  return [
    ...(wrong > 0 ? [`${title}: wrong answers: ${wrong}`] : []),
    ...(losses.length > 0 ? [`${title}: lost: ${losses.length}, the first by ${first instanceof Error ? first.message : String(first)}`] : []),
  ];
}
