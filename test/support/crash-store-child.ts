/**
 * Operations on an LMDB store, many at a time, until it is killed or has done all: admit, then the effect (a line in a file, synced), then seal, then the reply (a
 * line on stdout). Every fourth may be taken over. At a marked step of a marked operation it kills itself. Started by test/stores/lmdb-crash.test.ts.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { lmdbStore } from '../../src/lmdb.ts';
import type { OperationKey, OperationSignature } from '../../src/store/store.ts';

export const STEPS = ['before-admit', 'after-admit', 'after-effect', 'after-seal', 'after-reply'] as const;
export type Step = (typeof STEPS)[number];

export interface CrashOptions {
  readonly folder: string;
  readonly effects: string;
  /** Operations of the life before that were not replied: they are asked again first. */
  readonly again: readonly number[];
  readonly first: number;
  readonly count: number;
  readonly inFlight: number;
  readonly kill?: { readonly step: Step; readonly operation: number } | undefined;
}

export const keyOf = (operation: number): OperationKey => ({ scope: 'a'.repeat(64), caller: 'initiator', id: `operation-${operation}` });
export const signatureOf = (operation: number): OperationSignature => ({ methodId: 7, args: Buffer.from(`arguments of ${operation}`) });
/** `by`: each process has its own, so that an outcome sealed anew is seen. */
export const outcomeOf = (operation: number, by = 0): Uint8Array => Buffer.from(`${operation}-by-${by}`);
/** It may run again where nobody knows what became of it. */
export const isIdem = (operation: number): boolean => operation % 4 === 0;

async function work({ folder, effects, again, first, count, inFlight, kill }: CrashOptions): Promise<void> {
  const store = lmdbStore({ path: folder });
  await store.open();
  const file = openSync(effects, 'a');
  const say = (line: string): void => void writeSync(1, `${line}\n`);
  const reach = (step: Step, operation: number): void => {
    if (kill?.step === step && kill.operation === operation) process.kill(process.pid, 'SIGKILL');
  };
  const carryOut = async (operation: number): Promise<void> => {
    reach('before-admit', operation);
    const admission = await store.admit(keyOf(operation), signatureOf(operation), { takeOver: isIdem(operation) });
    if (admission.state !== 'started') {
      say(`known ${operation} ${admission.state}${admission.state === 'sealed' ? ` ${Buffer.from(admission.outcome).toString()}` : ''}`);
      return;
    }
    say(`admitted ${operation}`);
    reach('after-admit', operation);
    writeSync(file, `${operation}\n`);
    fsyncSync(file);
    reach('after-effect', operation);
    const outcome = outcomeOf(operation, process.pid);
    await store.seal(keyOf(operation), signatureOf(operation), outcome);
    reach('after-seal', operation);
    say(`replied ${operation} ${Buffer.from(outcome).toString()}`);
    reach('after-reply', operation);
  };
  say(`open ${store.identity}`);
  for (const operation of again) await carryOut(operation);
  let next = first;
  const loop = async (): Promise<void> => {
    while (next < first + count) await carryOut(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  await store.close();
  closeSync(file);
}

const given = process.argv[2];
if (given?.startsWith('{') === true) await work(JSON.parse(given) as CrashOptions);
