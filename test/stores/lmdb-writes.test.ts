/** What an LMDB store writes: what waits for the disk and what does not, what becomes of a commit that fails, and what goes again. */
import { setImmediate as turn } from 'node:timers/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AdmitOptions, Lookup, OperationKey, OperationSignature, OperationStore } from 'statewire';
import { lmdbStore } from 'statewire/lmdb';
import type { Database } from '../../src/store/lmdb/database.ts';
import { EXPIRY, readExpiryKey, RECORD, SERIES } from '../../src/store/lmdb/keys.ts';
import { silenceOf } from '../../src/store/lmdb/series.ts';
import { Writes } from '../../src/store/lmdb/writes.ts';
import { bundleChild, runBoundedChild } from '../support/bundled-child.ts';
import { keyOf, outcomeOf, signatureOf } from '../support/crash-store-child.ts';
import { openedBench, RETENTION_MS, watchCommits, watchRanges } from '../support/lmdb-watch.ts';
import type { Batch } from '../support/lmdb-watch.ts';
import { deferred } from '../support/peers.ts';

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
    const flushed = writes.flushed('a');
    await turn();
    expect(database.commits).toMatchObject([{ isDurable: true }]);
    expect(await isDone(flushed)).toBe(false);
    database.commits[0]?.done();
    expect(await isDone(flushed)).toBe(true);
  });

  it('gather: whatever comes while a commit is under way is the next one', async () => {
    const { database, writes } = held();
    const all = Array.from({ length: 64 }, (_, at) => (writes.set(`first ${at}`, BYTES), writes.flushed(`first ${at}`)));
    await turn();
    for (let at = 0; at < 64; at++) writes.set(`second ${at}`, BYTES);
    const later = writes.flushed('second 0');
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
    void writes.flushed('a');
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
    void writes.flushed('kept');
    await turn();
    expect([...(database.commits[0]?.batch.keys() ?? [])]).toEqual(['kept']);
    database.commits[0]?.done();
  });

  it('[op.store-failure] of a commit that fails: all who wait hear it, and reads say what the database has', async () => {
    const { database, writes } = held();
    writes.set('a', BYTES);
    const waiting = [writes.flushed('a'), writes.flushed('a')];
    await turn();
    database.commits[0]?.fail(new Error('the disk is full'));
    for (const one of waiting) await expect(one).rejects.toThrow('the disk is full');
    expect(writes.get('a')).toBeUndefined();
    writes.set('b', BYTES);
    const next = writes.flushed('b');
    await turn();
    database.commits[1]?.done();
    await next;
    expect(writes.get('b')).toBe(BYTES);
  });

  it('[op.expiry] are waited for by the sweep as far as they were there when it asked, however many come after', async () => {
    const { database, writes } = held();
    writes.set('before', BYTES);
    const idle = writes.idle();
    await turn();
    writes.set('after', BYTES);
    database.commits[0]?.done();
    await turn();
    writes.set('later', BYTES);
    expect(await isDone(idle)).toBe(true);
  });

  it('[op.store-failure] of a commit that fails with nobody waiting are counted', async () => {
    const { database, writes } = held();
    writes.set(RECORD + 'a', BYTES);
    writes.set(RECORD + 'b', BYTES);
    writes.set(SERIES + 'their mark', BYTES);
    const idle = writes.idle();
    await turn();
    database.commits[0]?.fail(new Error('the disk is full'));
    await idle;
    expect(writes.failed).toBe(2);
  });

  it('[op.store-failure] of a commit that fails are counted beside one that is waited for, and that one is not: it is heard', async () => {
    const { database, writes } = held();
    for (const name of ['behind', 'durable', 'behind too']) writes.set(RECORD + name, BYTES);
    const flushed = writes.flushed(RECORD + 'durable');
    await turn();
    database.commits[0]?.fail(new Error('the disk is full'));
    await expect(flushed).rejects.toThrow('the disk is full');
    expect(writes.failed).toBe(2);
  });

  it('[op.store-failure] that only remove are no loss when their commit fails', async () => {
    const { database, writes } = held();
    database.kept.set(RECORD + 'swept', BYTES);
    writes.remove(RECORD + 'swept');
    const idle = writes.idle();
    await turn();
    database.commits[0]?.fail(new Error('the disk is full'));
    await idle;
    expect([writes.failed, writes.get(RECORD + 'swept')]).toEqual([0, BYTES]);
  });

  it('of a large commit are told to those who wait 32 a turn, in their order, so that others have their turn too', async () => {
    const { database, writes } = held();
    const told: number[] = [];
    for (let at = 0; at < 70; at++) {
      writes.set(`key ${at}`, BYTES);
      void writes.flushed(`key ${at}`).then(() => told.push(at));
    }
    await turn();
    database.commits[0]?.done();
    const seen: number[] = [];
    for (let turns = 0; turns < 4; turns++) {
      // Whoever is told in a turn is told by its end.
      await turn();
      seen.push(told.length);
    }
    expect(seen).toEqual([32, 64, 70, 70]);
    expect(told).toEqual(Array.from({ length: 70 }, (_, at) => at));
  });
});

/** The file may grow to the middle of a page: lmdb 3.5.6 overruns its own memory when a write fails at the border of one, and the process dies of it. */
const FULL_BLOCKS = 2_001;
const SCOPE = 'a'.repeat(64);
const numbered = (id: number, series = 'series'): OperationKey => ({ scope: SCOPE, caller: 'initiator', series, id });
const named = (id: string): OperationKey => ({ scope: SCOPE, caller: 'initiator', id });
const CALL: OperationSignature = { methodId: 1, args: BYTES };
const ONCE: AdmitOptions = { takeOver: false };
const BEHIND = { takeOver: false, durable: false };
const isRecord = (key: string): boolean => key.startsWith(RECORD) || (key.startsWith(EXPIRY) && readExpiryKey(key).key.startsWith(RECORD));

async function settle(store: OperationStore, key: OperationKey, outcome = BYTES): Promise<void> {
  await store.admit(key, CALL, BEHIND);
  await store.seal(key, CALL, outcome, { durable: false });
}

describe('a store', () => {
  it('[op.seal-durable] admits a volatile call, and seals it, in the turn, also while durable ones wait for the disk', async () => {
    const { store } = await openedBench();
    const durable = store.admit(keyOf(1), signatureOf(1), ONCE);
    expect(durable).toBeInstanceOf(Promise);
    expect(store.admit(keyOf(2), signatureOf(2), BEHIND)).toEqual({ state: 'started' });
    expect(store.seal(keyOf(2), signatureOf(2), outcomeOf(2), { durable: false })).toBeUndefined();
    expect(store.lookup(keyOf(2), signatureOf(2))).toMatchObject({ state: 'sealed' });
    expect(await durable).toEqual({ state: 'started' });
  });

  it('[op.seal-durable] puts the durable admissions of one turn into one commit', async () => {
    const { store } = await openedBench();
    const { batches } = watchCommits();
    await Promise.all(Array.from({ length: 64 }, (_, at) => store.admit(numbered(at + 1), CALL, ONCE)));
    expect(batches.length).toBe(1);
    await Promise.all(Array.from({ length: 64 }, (_, at) => store.seal(numbered(at + 1), CALL, BYTES)));
    expect(batches.length).toBe(2);
  });

  it('[op.ack] never writes the records of volatile calls that were acknowledged soon', async () => {
    const bench = await openedBench();
    const { batches } = watchCommits();
    for (let id = 1; id <= 100; id++) await settle(bench.store, numbered(id));
    await bench.store.forget(SCOPE, 'initiator', 'series', 100);
    await bench.reopen();
    expect(batches.flatMap((batch) => [...batch.keys()]).filter(isRecord)).toEqual([]);
    expect(bench.store.lookup(numbered(100), CALL)).toEqual({ state: 'expired' });
  });

  it('[op.store-failure] says what the database has after a commit that failed, and goes on', async () => {
    const { store } = await openedBench();
    const commits = watchCommits();
    commits.failNext();
    const admissions = [1, 2].map((id) => store.admit(numbered(id), CALL, ONCE) as Promise<unknown>);
    for (const admission of admissions) await expect(admission).rejects.toThrow('the disk is full');
    expect(store.lookup(numbered(1), CALL)).toEqual({ state: 'unknown' });
    expect(await store.admit(numbered(1), CALL, ONCE)).toEqual({ state: 'started' });
    commits.failNext();
    await expect(Promise.resolve(store.seal(numbered(1), CALL, BYTES))).rejects.toThrow('the disk is full');
    expect(store.lookup(numbered(1), CALL)).toEqual({ state: 'abandoned' });
  });

  it('[op.store-failure] counts the volatile writes that were lost, also after it is closed', async () => {
    const { store } = await openedBench();
    watchCommits().failNext();
    void store.admit(keyOf(1), CALL, BEHIND);
    await store.close();
    expect(store.failedWrites).toBe(1);
    await store.open();
    expect([store.failedWrites, store.lookup(keyOf(1), CALL)]).toEqual([1, { state: 'unknown' }]);
  });

  it(
    '[op.store-failure] survives a disk that is full: who waits hears it, nothing else is disturbed, and what was sealed is',
    { timeout: 30_000 },
    async () => {
      const root = mkdtempSync(join(tmpdir(), 'statewire-full-'));
      const script = await bundleChild('lmdb-full-child');
      onTestFinished(() => [root, script].forEach((path) => rmSync(path, { recursive: true })));
      const folder = join(root, 'store');
      const child = runBoundedChild(script, folder, FULL_BLOCKS);
      expect(await child.ended).toBe(0);
      const said = new Map(child.lines.map((line) => [line.split(' ')[0], line.slice(line.indexOf(' ') + 1)]));
      expect([...said.keys()]).toEqual(['failed', 'sealed', 'last', 'lost', 'closed']);
      expect(['unknown', 'abandoned']).toContain(said.get('last'));
      expect([said.get('lost'), said.get('closed')]).toEqual(['true', 'true']);
      const sealed = Number(said.get('sealed'));
      expect(sealed).toBeGreaterThan(10);
      const store = lmdbStore({ path: folder });
      await store.open();
      for (let operation = 1; operation <= sealed; operation++)
        expect(store.lookup(keyOf(operation), signatureOf(operation))).toMatchObject({ state: 'sealed' });
      expect((await store.lookup(keyOf(sealed + 1), signatureOf(sealed + 1))).state).toBe(said.get('last'));
      await store.close();
    },
  );
});

describe('keys and signatures', () => {
  it('[op.id] takes string ids of any characters for what they are', async () => {
    const bench = await openedBench();
    const ids = ['', '\0', 'a', 'a\0', 'a\0b', 'ab', '\x01', '1', '\u00e9', 'e\u0301', 'ÿ', '\u{1F4A5}', '\u{1F4A5}'.repeat(256), 'x'.repeat(1_024)];
    for (const [at, id] of ids.entries()) await settle(bench.store, named(id), Buffer.from([at]));
    await settle(bench.store, numbered(1), Buffer.from([255]));
    await bench.reopen();
    for (const [at, id] of ids.entries()) expect(bench.store.lookup(named(id), CALL)).toMatchObject({ outcome: Uint8Array.of(at) });
    expect(bench.store.lookup(numbered(1), CALL)).toMatchObject({ outcome: Uint8Array.of(255) });
  });

  it('[op.id] [op.ack] takes numbers up to the largest safe one, in their order', async () => {
    const bench = await openedBench();
    const last = Number.MAX_SAFE_INTEGER;
    const numbers = [1, 255, 256, 2 ** 32 - 1, 2 ** 32, last - 1, last];
    for (const [at, id] of numbers.entries()) await settle(bench.store, numbered(id), Buffer.from([at]));
    await bench.reopen();
    for (const [at, id] of numbers.entries()) expect(bench.store.lookup(numbered(id), CALL)).toMatchObject({ outcome: Uint8Array.of(at) });
    await bench.store.forget(SCOPE, 'initiator', 'series', last - 1);
    await bench.reopen();
    expect(numbers.map((id) => (bench.store.lookup(numbered(id), CALL) as Lookup).state)).toEqual([...Array<string>(6).fill('expired'), 'sealed']);
  });

  it('[op.conflict] keeps a digest of long arguments, and compares them to the last byte', async () => {
    const bench = await openedBench();
    const { batches } = watchCommits();
    const args = Buffer.alloc(1_000_000, 7);
    await bench.store.admit(named('long'), { methodId: 1, args }, ONCE);
    const bytes = batches.flatMap((batch) => [...batch.values()]).reduce((sum, value) => sum + (value?.byteLength ?? 0), 0);
    expect(bytes).toBeLessThan(1_000);
    await bench.reopen();
    expect(bench.store.lookup(named('long'), { methodId: 1, args })).toEqual({ state: 'abandoned' });
    args[args.length - 1] = 8;
    expect(bench.store.lookup(named('long'), { methodId: 1, args })).toEqual({ state: 'conflict' });
  });
});

describe('what goes', () => {
  it('[op.expiry] is found in the order in which it expires, also after a restart: nothing else is walked', async () => {
    const bench = await openedBench();
    for (let at = 0; at < 5; at++) await settle(bench.store, named(`old ${at}`));
    bench.clock.nowMs += RETENTION_MS / 2;
    for (let at = 0; at < 2_000; at++) await settle(bench.store, named(`young ${at}`));
    await bench.reopen();
    const walked = watchRanges();
    expect(await bench.sweepAfter(RETENTION_MS / 2)).toBe(5);
    expect(walked.entries).toBe(5);
    expect(bench.store.lookup(named('old 0'), CALL)).toEqual({ state: 'unknown' });
    expect(await bench.sweepAfter(RETENTION_MS / 2)).toBe(2_000);
    expect(await bench.sweepAfter(RETENTION_MS)).toBe(0);
  });

  it('[op.ack] costs no more than there are records, when a peer acknowledges every number there is', async () => {
    const bench = await openedBench();
    for (let id = 1; id <= 20; id++) await settle(bench.store, numbered(id * 1_000_000));
    for (let id = 1; id <= 500; id++) await settle(bench.store, numbered(id, 'other'));
    await bench.reopen();
    await settle(bench.store, numbered(2 ** 40));
    const walked = watchRanges();
    await bench.store.forget(SCOPE, 'initiator', 'series', Number.MAX_SAFE_INTEGER);
    expect(walked.entries).toBeLessThanOrEqual(21);
    expect(bench.store.lookup(numbered(1_000_000), CALL)).toEqual({ state: 'expired' });
    expect(await bench.sweepAfter(RETENTION_MS)).toBe(500);
  });

  it('[op.expiry] leaves a bounded mark of a series with a gap at every number, and none of its numbers runs as new', async () => {
    const bench = await openedBench();
    for (let at = 1; at <= 3_000; at++) await settle(bench.store, numbered(at * 2));
    await bench.reopen();
    const { batches } = watchCommits();
    expect(await bench.sweepAfter(RETENTION_MS)).toBe(3_000);
    await bench.reopen();
    const marks = batches.flatMap((batch) => [...batch]).filter(([key]) => key.startsWith(SERIES));
    expect(Math.max(...marks.map(([, value]) => value?.byteLength ?? 0))).toBeLessThan(17_000);
    for (let at = 1; at <= 3_000; at++) expect(bench.store.lookup(numbered(at * 2), CALL)).toEqual({ state: 'expired' });
  });

  it('[op.expiry] drops a series and a fence that were silent for long, and none that was not', async () => {
    const bench = await openedBench();
    for (const series of ['silent', 'used', 'kept']) await bench.store.forget(SCOPE, 'initiator', series, 5);
    await bench.store.fence(SCOPE, 'silent', 3);
    await bench.store.admit(numbered(9, 'kept'), CALL, ONCE);
    const stateOf = (series: string): string => (bench.store.lookup(numbered(5, series), CALL) as Lookup).state;
    await bench.sweepAfter(silenceOf(RETENTION_MS) - 1);
    await bench.reopen();
    expect(stateOf('used')).toBe('expired');
    expect(bench.store.admit(named('late'), CALL, { ...BEHIND, series: 'silent', epoch: 2 })).toMatchObject({ state: 'refused' });
    await bench.store.forget(SCOPE, 'initiator', 'used', 6);
    await bench.sweepAfter(1);
    await bench.reopen();
    expect(['silent', 'used', 'kept'].map(stateOf)).toEqual(['unknown', 'expired', 'expired']);
    expect(bench.store.admit(named('late'), CALL, { ...BEHIND, series: 'silent', epoch: 2 })).toEqual({ state: 'started' });
  });
});
