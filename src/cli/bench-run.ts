/** One run of `statewire bench`: the server's process, a client for each of its stores, and one workload after another. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../index.ts';
import type { Session } from '../index.ts';
import { tcp } from '../tcp.ts';
import { startBenchServer } from './bench-child.ts';
import type { BenchChild } from './bench-child.ts';
import { Bench, LIMITS } from './bench-contract.ts';
import { measure, warmUpMs } from './bench-measure.ts';
import type { Measured } from './bench-measure.ts';
import { workloadsOf } from './bench-workloads.ts';

/** No run hangs: an answer that does not come is given up after this long, and the run with it. */
const PATIENCE_MS = 20_000;

export interface BenchRun {
  /** Of each measurement. */
  readonly seconds: number;
  readonly onMeasured: (measured: Measured) => void;
}

/**
 * Measures one workload after another; no process, no socket and no folder is left when it settles, well or not.
 * @throws the signal's reason, or an Error that says that the server died or an answer never came.
 */
export async function runBench(run: BenchRun, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'statewire-bench-'));
  const hopeless = new AbortController();
  const limits: Limits = {
    signal: AbortSignal.any([signal, hopeless.signal]),
    giveUp: (error) => hopeless.abort(error),
  };
  try {
    const server = await startBenchServer({ folder, signal: limits.signal, onDied: limits.giveUp });
    try {
      await withServer(server, run, limits);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Limits {
  readonly signal: AbortSignal;
  readonly giveUp: (error: Error) => void;
}

async function withServer(server: BenchChild, run: BenchRun, limits: Limits): Promise<void> {
  const { signal } = limits;
  const dialled = await Promise.allSettled([connect(tcp({ port: server.memoryPort }), LIMITS), connect(tcp({ port: server.diskPort }), LIMITS)]);
  const sessions = dialled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  // Closing rejects whatever still waits for an answer, and with that every loop ends.
  const close = (): void => sessions.forEach((session) => void session.close());
  signal.addEventListener('abort', close, { once: true });
  try {
    signal.throwIfAborted();
    const [memory, disk] = dialled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
    await measureAll(memory as Session, disk as Session, { run, limits });
  } finally {
    signal.removeEventListener('abort', close);
    await Promise.all(sessions.map((session) => session.close()));
  }
}

async function measureAll(memory: Session, disk: Session, { run, limits }: { readonly run: BenchRun; readonly limits: Limits }): Promise<void> {
  const { signal, giveUp } = limits;
  const client = memory.client(Bench);
  const serverCpuMicros = (): Promise<number> => client.cpuMicros();
  const waitMs = warmUpMs(run.seconds) + run.seconds * 1_000 + PATIENCE_MS;
  for (const workload of workloadsOf({ memory: client, disk: disk.client(Bench) })) {
    const patience = setTimeout(() => giveUp(new Error(`${workload.title}: an answer did not come within ${waitMs / 1_000} s`)), waitMs);
    try {
      const measured = await measure(workload, { seconds: run.seconds, serverCpuMicros, signal });
      signal.throwIfAborted();
      run.onMeasured(measured);
    } catch (error) {
      // The loss of the connection is what an abort looks like from here.
      signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(patience);
    }
  }
}
