/** Corners of the LMDB store: what is read of a store by those who look into it, keys that make no sense, and what the sweep finds that has changed since. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLock, unlock } from 'fs-native-extensions';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { OperationKey, OperationSignature } from 'statewire';
import { lmdbStore, LmdbStoreError } from 'statewire/lmdb';
import { StoreBrowser } from '../../src/store/lmdb/browse.ts';
import type { BrowsedRecord } from '../../src/store/lmdb/browse.ts';
import { Database } from '../../src/store/lmdb/database.ts';
import { storeErrorOf } from '../../src/store/lmdb/errors.ts';
import { recordKey, seriesPrefix } from '../../src/store/lmdb/keys.ts';
import { silenceOf } from '../../src/store/lmdb/series.ts';
import { Writes } from '../../src/store/lmdb/writes.ts';
import { openedBench, RETENTION_MS } from '../support/lmdb-watch.ts';

const SCOPE = 'a'.repeat(64);
const CALL: OperationSignature = { methodId: 1, args: Buffer.from('args') };
const OUTCOME = Buffer.from('outcome');
const BEHIND = { takeOver: false, durable: false };
const numbered = (id: number, series = 'series', caller: OperationKey['caller'] = 'initiator'): OperationKey => ({
  scope: SCOPE,
  caller,
  series,
  id,
});

function newFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'statewire-edges-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return join(path, 'store');
}

/** A store in which all of these were sealed, closed again. */
async function storeWith(keys: readonly OperationKey[]): Promise<string> {
  const path = newFolder();
  const store = lmdbStore({ path });
  await store.open();
  for (const key of keys) {
    await store.admit(key, CALL, BEHIND);
    await store.seal(key, CALL, OUTCOME, { durable: false });
  }
  await store.close();
  return path;
}

async function recordsOf(path: string): Promise<BrowsedRecord[]> {
  const browser = new StoreBrowser(path);
  onTestFinished(() => browser.close());
  const records: BrowsedRecord[] = [];
  for await (const record of browser.records()) records.push(record);
  return records;
}

describe('looking into a store', () => {
  it.each([0, 999, 1_000, 1_001, 2_500])('gives all of %i records, each once and in order', async (count) => {
    const records = await recordsOf(await storeWith(Array.from({ length: count }, (_, at) => numbered(at + 1))));
    expect(records.map(({ key }) => key.id)).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  });

  it('tells the callers apart, of records and of series', async () => {
    const path = await storeWith([numbered(1, 'one', 'acceptor'), numbered(2, 'two', 'initiator')]);
    expect((await recordsOf(path)).map(({ key }) => key)).toEqual([numbered(1, 'one', 'acceptor'), numbered(2, 'two', 'initiator')]);
    const browser = new StoreBrowser(path);
    onTestFinished(() => browser.close());
    const series = [];
    for await (const { caller, series: name } of browser.series()) series.push([caller, name]);
    expect(series).toEqual([
      ['acceptor', 'one'],
      ['initiator', 'two'],
    ]);
  });

  it.each([
    ['empty', []],
    ['of a later layout', [9, 0, ...Array<number>(20).fill(0)]],
    ['of an unknown state', [1, 7, ...Array<number>(20).fill(0)]],
    ['cut off', [1, 0, 0]],
  ])('shows a record that is %s by its key and its size, and the others whole', async (_, bytes) => {
    const path = await storeWith([numbered(1), numbered(3)]);
    const database = new Database(path);
    await database.commit(new Map([[recordKey(numbered(2)), Uint8Array.from(bytes)]]), true);
    await database.close();
    const records = await recordsOf(path);
    expect(records.map(({ key, record }) => [key.id, record?.state])).toEqual([
      [1, 'sealed'],
      [2, undefined],
      [3, 'sealed'],
    ]);
    expect(records[1]?.bytes).toBe(bytes.length);
  });

  it('says that there is no store, and makes none', () => {
    const path = newFolder();
    expect(() => new StoreBrowser(path)).toThrow(/there is no such folder/);
    mkdirSync(path);
    expect(() => new StoreBrowser(path)).toThrow(/no file identity, so it is no store of statewire/);
    expect(() => new StoreBrowser(path)).toThrow(LmdbStoreError);
  });
});

describe('what cannot be opened', () => {
  it('is said with the words of LMDB where they are all that there is', () => {
    const cause = new Error('MDB_INVALID: File is not an LMDB file');
    expect(storeErrorOf('/here', cause)).toMatchObject({
      path: '/here',
      cause,
      message: expect.stringMatching(/\/here cannot be opened: LMDB says: MDB_INVALID/),
    });
    const coded = Object.assign(new Error('too many readers'), { code: 'MDB_READERS_FULL' });
    expect(storeErrorOf('/here', coded).message).toContain('LMDB says: too many readers');
  });

  it('is named by the store where the file system names no file', () => {
    const cause = Object.assign(new Error('EISDIR: illegal operation on a directory, read'), { code: 'EISDIR', syscall: 'read' });
    expect(storeErrorOf('/here', cause).message).toContain('one of its files is a folder');
  });

  it('is in use by another process, also when that one has not said which it is', async () => {
    const path = await storeWith([]);
    const lock = openSync(join(path, 'lock'), 'a+');
    expect(tryLock(lock)).toBe(true);
    await expect(Promise.resolve(lmdbStore({ path }).open())).rejects.toThrow(/another process has it in use/);
    unlock(lock);
    closeSync(lock);
    const store = lmdbStore({ path });
    await store.open();
    await store.close();
  });
});

describe('an open store', () => {
  it('[op.id] refuses a number without its series: it would be nobody’s', async () => {
    const { store } = await openedBench();
    expect(() => store.lookup({ scope: SCOPE, caller: 'initiator', id: 7 }, CALL)).toThrow('operation 7: a key with a number needs its series');
  });

  it('[op.ack] says of what was waited for in vain that it has expired, once it is forgotten or was never there', async () => {
    const { store } = await openedBench();
    await store.admit(numbered(1), CALL, BEHIND);
    const { signal } = new AbortController();
    expect(await store.settled(numbered(1), signal)).toEqual({ state: 'abandoned' });
    await store.forget(SCOPE, 'initiator', 'series', 1);
    expect(await store.settled(numbered(1), signal)).toEqual({ state: 'expired' });
    expect(await store.settled(numbered(2), signal)).toEqual({ state: 'expired' });
  });

  it('[op.ack] remembers of 5,000 series, more than it keeps decoded, what each has forgotten', async () => {
    const { store } = await openedBench();
    for (let at = 0; at < 5_000; at++) await store.forget(SCOPE, 'initiator', `series ${at}`, (at % 7) + 1);
    for (let at = 0; at < 5_000; at++) {
      const last = (at % 7) + 1;
      expect([store.lookup(numbered(last, `series ${at}`), CALL), store.lookup(numbered(last + 1, `series ${at}`), CALL)]).toEqual([
        { state: 'expired' },
        { state: 'unknown' },
      ]);
    }
  });
});

describe('the sweep', () => {
  it('[resume.unknown] [op.expiry] keeps a fence that was raised again since, as long as a new one', async () => {
    const bench = await openedBench();
    const isFenced = (): boolean => {
      const admission = bench.store.admit({ scope: SCOPE, caller: 'initiator', id: `at ${bench.clock.nowMs}` }, CALL, {
        ...BEHIND,
        series: 'fenced',
        epoch: 4,
      });
      return (admission as { state: string }).state === 'refused';
    };
    await bench.store.fence(SCOPE, 'fenced', 5);
    bench.clock.nowMs += silenceOf(RETENTION_MS) / 2;
    await bench.store.fence(SCOPE, 'fenced', 3);
    await bench.sweepAfter(silenceOf(RETENTION_MS) / 2);
    expect(isFenced()).toBe(true);
    await bench.sweepAfter(silenceOf(RETENTION_MS) / 2 - 1);
    expect(isFenced()).toBe(true);
    await bench.sweepAfter(1);
    expect(isFenced()).toBe(false);
  });

  it('[op.expiry] keeps a series that has a record which was written this moment', async () => {
    const bench = await openedBench();
    await bench.store.forget(SCOPE, 'initiator', 'series', 5);
    bench.clock.nowMs += silenceOf(RETENTION_MS);
    await bench.reopen();
    const sweeping = bench.store.sweep(bench.clock.nowMs);
    await bench.store.admit(numbered(6), CALL, BEHIND);
    await sweeping;
    expect(bench.store.lookup(numbered(5), CALL)).toEqual({ state: 'expired' });
  });

  it('[op.expiry] passes over the places in its order whose records, series and fences are gone', async () => {
    const bench = await openedBench();
    const key = { scope: SCOPE, caller: 'initiator', id: 'text' } as const;
    await bench.store.admit(key, CALL, BEHIND);
    await bench.store.seal(key, CALL, OUTCOME, { durable: false });
    await bench.store.fence(SCOPE, 'series', 1);
    await bench.store.forget(SCOPE, 'initiator', 'series', 5);
    await bench.store.close();
    const database = new Database(bench.path);
    const kept = [...database.range({ from: 'F', to: 'T' })].map(({ key: found }) => found).filter((found) => 'FRS'.includes(found[0] ?? ''));
    expect(kept.length).toBe(3);
    await database.commit(new Map(kept.map((found) => [found, undefined])), true);
    await database.close();
    await bench.store.open();
    expect(await bench.sweepAfter(2 * silenceOf(RETENTION_MS))).toBe(0);
    await bench.store.close();
    const after = new Database(bench.path);
    expect([...after.range({ from: 'E', to: 'T' })].map(({ key: found }) => found[0]).filter((kind) => kind !== 'M')).toEqual([]);
    await after.close();
    await bench.store.open();
  });
});

describe('what was written lately', () => {
  it('is found by the beginning of its key, each once, while it gathers and while it is being committed', async () => {
    const commits: (() => void)[] = [];
    const database = { get: () => undefined, commit: () => new Promise<void>((resolve) => commits.push(resolve)) };
    const writes = new Writes(database as unknown as Database);
    const prefix = seriesPrefix(SCOPE, 'initiator', 'series');
    for (const name of ['1', '2']) writes.set(prefix + name, OUTCOME);
    writes.set('another', OUTCOME);
    const flushed = writes.flushed(`${prefix}1`);
    while (commits.length === 0) await new Promise((resolve) => void setImmediate(resolve));
    for (const name of ['2', '3']) writes.set(prefix + name, OUTCOME);
    expect([...writes.recent(prefix)]).toEqual(['2', '3', '1'].map((name) => prefix + name));
    commits[0]?.();
    await flushed;
    expect([...writes.recent(prefix)]).toEqual(['2', '3'].map((name) => prefix + name));
  });

  it('[op.expiry] is waited for also when nothing gathers any more and its commit is under way', async () => {
    const commits: (() => void)[] = [];
    const database = { get: () => undefined, commit: () => new Promise<void>((resolve) => commits.push(resolve)) };
    const writes = new Writes(database as unknown as Database);
    writes.set('one', OUTCOME);
    void writes.flushed('one');
    while (commits.length === 0) await new Promise((resolve) => void setImmediate(resolve));
    let isIdle = false;
    const idle = writes.idle().then(() => (isIdle = true));
    await new Promise((resolve) => void setImmediate(resolve));
    expect(isIdle).toBe(false);
    commits[0]?.();
    await idle;
    expect(isIdle).toBe(true);
  });
});
