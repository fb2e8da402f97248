/**
 * A server with an LMDB store that kills itself between two steps of a call: admit → run → seal → reply. Its handlers leave their effect in a file, synced. Started by
 * test/e2e/crash.test.ts.
 */
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from 'node:fs';
import { implement, listen } from '../../src/index.ts';
import type { CallContext, OperationStore } from '../../src/index.ts';
import { lmdbStore } from '../../src/lmdb.ts';
import { unix } from '../../src/tcp.ts';
import { Work } from './crash-contract.ts';
import type { CrashPoint } from './crash-contract.ts';

export interface ServerOptions {
  readonly socket: string;
  readonly folder: string;
  readonly effects: string;
  /** Where it dies, at the first call that gets there. */
  readonly kill?: CrashPoint | undefined;
}

const { socket, folder, effects, kill } = JSON.parse(process.argv[2] ?? '{}') as ServerOptions;

function reach(point: CrashPoint): void {
  if (kill === point) process.kill(process.pid, 'SIGKILL');
}

/** The store, dying before or behind an admission or a seal. */
function dying(store: OperationStore): OperationStore {
  const around =
    <A extends unknown[], R>(before: CrashPoint, after: CrashPoint, carryOut: (...given: A) => R) =>
    async (...given: A): Promise<Awaited<R>> => {
      reach(before);
      const result = await carryOut(...given);
      reach(after);
      return result;
    };
  return {
    open: () => store.open(),
    get identity() {
      return store.identity;
    },
    durable: store.durable,
    ...(store.retentionMs !== undefined && { retentionMs: store.retentionMs }),
    lookup: (key, signature) => store.lookup(key, signature),
    admit: around('before-admit', 'after-admit', (...given: Parameters<OperationStore['admit']>) => store.admit(...given)),
    seal: around('before-seal', 'after-seal', (...given: Parameters<OperationStore['seal']>) => store.seal(...given)),
    release: (key, reason) => store.release(key, reason),
    fence: (scope, series, dial) => store.fence(scope, series, dial),
    forget: (scope, caller, series, upTo) => store.forget(scope, caller, series, upTo),
    settled: (key, signal) => store.settled(key, signal),
    schemas: store.schemas,
    sweep: (now) => store.sweep(now),
    close: () => store.close(),
  };
}

function takeEffect(line: string): void {
  appendFileSync(effects, `${line}\n`);
  const file = openSync(effects, 'r');
  fsyncSync(file);
  closeSync(file);
}

function run(name: string, call: CallContext<unknown>): string {
  reach('before-effect');
  takeEffect(`${call.method} ${name}`);
  reach('after-effect');
  // The answer leaves at the end of the turn.
  if (kill === 'after-reply') setTimeout(() => reach('after-reply'), 50);
  return `done ${name}`;
}

/** Knows its own operations: the effect and its name are one line. */
function runOnce(name: string, call: CallContext<unknown>): string {
  const known = existsSync(effects) && readFileSync(effects, 'utf8').split('\n').includes(`${call.method} ${name}`);
  return known ? `done ${name}` : run(name, call);
}

await listen(unix({ path: socket }), {
  services: [implement(Work, { persist: run, keep: runOnce, run, idem: run })],
  store: dying(lmdbStore({ path: folder })),
});
console.log('listening');
