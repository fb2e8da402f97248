/** Notices a loop that never ends, which nobody on its own thread can: a worker that kills the process when the fuzzer has not moved for too long. */
import { Worker } from 'node:worker_threads';

const CODE = `
const { workerData } = require('node:worker_threads');
const { cells, limitMs, names, seed } = workerData;
let last = -1, sinceMs = Date.now();
setInterval(() => {
  const moves = Atomics.load(cells, 0);
  if (moves !== last) { last = moves; sinceMs = Date.now(); return; }
  if (Date.now() - sinceMs < limitMs) return;
  const target = names[Atomics.load(cells, 1)], index = Atomics.load(cells, 2);
  require('node:fs').writeSync(2, 'HANG: ' + target + ' has not moved for ' + limitMs + ' ms at or behind index ' + index
    + '\\nnpm run fuzz -- --target ' + target + ' --seed ' + seed + ' --only ' + index + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, 500);
`;

export interface Watchdog {
  moved(target: number, index: number): void;
  end(): Promise<unknown>;
}

/** `names` are the targets, `seed` what is printed with them. */
export function startWatchdog(given: { readonly limitMs: number; readonly names: readonly string[]; readonly seed: number }): Watchdog {
  const cells = new Int32Array(new SharedArrayBuffer(12));
  const worker = new Worker(CODE, { eval: true, workerData: { cells, ...given }, execArgv: [] });
  worker.unref();
  return {
    moved: (target, index) => {
      Atomics.store(cells, 1, target);
      Atomics.store(cells, 2, index);
      Atomics.add(cells, 0, 1);
    },
    end: () => worker.terminate(),
  };
}
