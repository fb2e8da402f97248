/** Group commit: what waits for the disk, what does not, and what becomes of a commit that fails. */
import { setImmediate as turn } from 'node:timers/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lmdbStore } from 'statewire/lmdb';
import type { Database } from '../../src/store/lmdb/database.ts';
import { Writes } from '../../src/store/lmdb/writes.ts';
import { keyOf, outcomeOf, signatureOf } from '../support/crash-store-child.ts';
import { deferred } from '../support/peers.ts';

type Batch = ReadonlyMap<string, Uint8Array | undefined>;

/** A database whose commits are in the test's hand. */
class HeldDatabase {
  readonly kept = new Map<string, Uint8Array>();
  readonly commits: { readonly batch: Batch; readonly isDurable: boolean; readonly done: () => void; readonly fail: (error: Error) => void }[] = [];

  get(key: string): Uint8Array | undefined {
    return this.kept.get(key);
  }

  commit(batch: Batch, isDurable: boolean): Promise<void> {
    const { promise, resolve, reject } = deferred();
    const done = (): void => {
      for (const [key, value] of batch) {
        if (value === undefined) this.kept.delete(key);
        else this.kept.set(key, value);
      }
      resolve();
    };
    this.commits.push({ batch, isDurable, done, fail: reject });
    return promise;
  }
}

function held(): { database: HeldDatabase; writes: Writes } {
  const database = new HeldDatabase();
  return { database, writes: new Writes(database as unknown as Database) };
}

const BYTES = Buffer.from('bytes');

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await turn();
  return done;
}

describe('writes', () => {
  it('[op.seal-durable] settle when the commit that has them is on disk, not before', async () => {
    const { database, writes } = held();
    writes.set('a', BYTES);
    const flushed = writes.flushed();
    await turn();
    expect(database.commits).toMatchObject([{ isDurable: true }]);
    expect(await isDone(flushed)).toBe(false);
    database.commits[0]?.done();
    expect(await isDone(flushed)).toBe(true);
  });

  it('gather: whatever comes while a commit is under way is the next one', async () => {
    const { database, writes } = held();
    const all = Array.from({ length: 64 }, (_, at) => (writes.set(`first ${at}`, BYTES), writes.flushed()));
    await turn();
    for (let at = 0; at < 64; at++) writes.set(`second ${at}`, BYTES);
    const later = writes.flushed();
    await turn();
    expect(database.commits.map(({ batch }) => batch.size)).toEqual([64]);
    database.commits[0]?.done();
    await Promise.all(all);
    await turn();
    expect(database.commits.map(({ batch }) => batch.size)).toEqual([64, 64]);
    database.commits[1]?.done();
    await later;
  });

  it('are read at once, from wherever they are', async () => {
    const { database, writes } = held();
    writes.set('a', BYTES);
    expect(writes.get('a')).toBe(BYTES);
    void writes.flushed();
    await turn();
    expect(writes.get('a')).toBe(BYTES);
    writes.remove('a');
    expect(writes.get('a')).toBeUndefined();
    database.commits[0]?.done();
    await turn();
    expect([writes.get('a'), database.get('a')]).toEqual([undefined, BYTES]);
  });

  it('[op.ack] never get to the database when they are removed before their commit', async () => {
    const { database, writes } = held();
    writes.set('acknowledged', BYTES);
    writes.remove('acknowledged');
    writes.set('kept', BYTES);
    void writes.flushed();
    await turn();
    expect([...(database.commits[0]?.batch.keys() ?? [])]).toEqual(['kept']);
    database.commits[0]?.done();
  });

  it('[op.store-failure] of a commit that fails: all who wait hear it, and reads say what the database has', async () => {
    const { database, writes } = held();
    writes.set('a', BYTES);
    const waiting = [writes.flushed(), writes.flushed()];
    await turn();
    database.commits[0]?.fail(new Error('the disk is full'));
    for (const one of waiting) await expect(one).rejects.toThrow('the disk is full');
    expect(writes.get('a')).toBeUndefined();
    writes.set('b', BYTES);
    const next = writes.flushed();
    await turn();
    database.commits[1]?.done();
    await next;
    expect(writes.get('b')).toBe(BYTES);
  });

  it('[op.store-failure] of a commit that fails with nobody waiting are counted', async () => {
    const { database, writes } = held();
    writes.set('a', BYTES);
    writes.set('b', BYTES);
    const idle = writes.idle();
    await turn();
    database.commits[0]?.fail(new Error('the disk is full'));
    await idle;
    expect(writes.failed).toBe(2);
  });
});

describe('a volatile operation', () => {
  it('[op.seal-durable] is admitted and sealed in the turn, also while durable ones wait for the disk', async () => {
    const path = mkdtempSync(join(tmpdir(), 'statewire-writes-'));
    onTestFinished(() => rmSync(path, { recursive: true }));
    const store = lmdbStore({ path });
    await store.open();
    const durable = store.admit(keyOf(1), signatureOf(1), { takeOver: false });
    expect(durable).toBeInstanceOf(Promise);
    expect(store.admit(keyOf(2), signatureOf(2), { takeOver: false, durable: false })).toEqual({ state: 'started' });
    expect(store.seal(keyOf(2), signatureOf(2), outcomeOf(2), { durable: false })).toBeUndefined();
    expect(store.lookup(keyOf(2), signatureOf(2))).toMatchObject({ state: 'sealed' });
    expect(await durable).toEqual({ state: 'started' });
    await store.close();
  });
});
