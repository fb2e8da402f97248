/** What the store does with the promises that LMDB gives for a commit that fails: LMDB is the test's, so that every one of them rejects. */
import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Database } from '../../src/store/lmdb/database.ts';

const lmdb = vi.hoisted(() => ({
  written: [] as Promise<never>[],
  failure: new Error('Commit failed') as Error & { commitError?: Promise<unknown> },
}));

vi.mock('lmdb', () => ({
  open: () => {
    const fail = (): Promise<never> => {
      const failed = Promise.reject(lmdb.failure);
      lmdb.written.push(failed);
      return failed;
    };
    return {
      put: fail,
      remove: fail,
      batch: (work: () => void) => {
        work();
        return fail();
      },
      flushed: Promise.resolve(),
      close: () => new Promise<void>(() => {}),
    };
  },
}));

const BATCH = new Map([
  ['put', Buffer.from('bytes')],
  ['another', Buffer.from('bytes')],
  ['removed', undefined],
]);

beforeEach(() => {
  lmdb.written.length = 0;
  delete lmdb.failure.commitError;
});

describe('a commit that LMDB fails', () => {
  it('[op.store-failure] rejects once: the promise of each single write is heard too, so that none ends the process', async () => {
    const unheard: unknown[] = [];
    const listen = (reason: unknown): void => void unheard.push(reason);
    process.on('unhandledRejection', listen);
    onTestFinished(() => void process.off('unhandledRejection', listen));
    await expect(new Database('.').commit(BATCH, true)).rejects.toBe(lmdb.failure);
    expect(lmdb.written.length).toBe(BATCH.size + 1);
    await turn();
    expect(unheard).toEqual([]);
  });

  it('[op.store-failure] is told with the reason that LMDB has apart', async () => {
    const reason = new Error('Input/output error');
    lmdb.failure.commitError = Promise.reject(reason);
    await expect(new Database('.').commit(BATCH, false)).rejects.toBe(reason);
  });

  it('[op.store-failure] is told as it is where LMDB names no reason after all', async () => {
    lmdb.failure.commitError = Promise.resolve();
    await expect(new Database('.').commit(BATCH, false)).rejects.toBe(lmdb.failure);
  });

  it('[op.store-failure] does not keep the store from closing, though LMDB waits for a flush that never comes', async () => {
    const database = new Database('.');
    await expect(database.commit(BATCH, true)).rejects.toBe(lmdb.failure);
    await database.close();
  });
});
