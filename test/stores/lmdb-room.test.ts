/** What an LMDB store writes when the disk has little room left: nothing that lets it grow, but what was kept long enough still goes. The free space is the test's. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AdmitOptions, OperationKey, OperationSignature, OperationStore } from 'statewire';
import { Database } from '../../src/store/lmdb/database.ts';
import { RECORD, SERIES } from '../../src/store/lmdb/keys.ts';
import { roomFor } from '../../src/store/lmdb/room.ts';
import { openedBench, RETENTION_MS } from '../support/lmdb-watch.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SCOPE = 'a'.repeat(64);
const CALL: OperationSignature = { methodId: 1, args: Buffer.from('args') };
const DURABLE: AdmitOptions = { takeOver: false };
const numbered = (id: number): OperationKey => ({ scope: SCOPE, caller: 'initiator', series: 'series', id });

/** What the disk has left, until the test ends. */
function disk(): { freeBytes: number } {
  const left = { freeBytes: Infinity };
  const spy = vi.spyOn(Database.prototype, 'freeBytes').mockImplementation(() => left.freeBytes);
  onTestFinished(() => spy.mockRestore());
  return left;
}

async function sealed(store: OperationStore, id: number): Promise<void> {
  await store.admit(numbered(id), CALL, DURABLE);
  await store.seal(numbered(id), CALL, Buffer.from('outcome'));
}

describe('the room that a commit must find', () => {
  const record = (bytes: number): [string, Uint8Array] => [RECORD, Buffer.alloc(bytes)];
  it.each([
    ['nothing', [], 4 * MIB],
    ['a record, by its size', [record(1000)], 4 * MIB + 4 * 1001],
    ['a mark, where nothing is removed with it', [[SERIES, Buffer.alloc(10)]], 4 * MIB + 4 * 11],
    ['a removed record, with its page', [[RECORD, undefined]], MIB + 4 + 4 * KIB],
    [
      'a removed record and the mark that it leaves',
      [
        [RECORD, undefined],
        [SERIES, Buffer.alloc(10)],
      ],
      MIB + 4 + 4 * KIB + 4 * 11,
    ],
    ['a removal beside a record that is kept', [[SERIES, undefined], record(0)], 4 * MIB + 8],
  ] as [string, [string, Uint8Array | undefined][], number][])('of %s', (_, batch, bytes) => {
    expect(roomFor(new Map(batch))).toBe(bytes);
  });

  it('is for many removals never more than for as many records', () => {
    const batch = new Map(Array.from({ length: 5_000 }, (_, at) => [`${RECORD}${at}`, undefined]));
    const bytes = [...batch.keys()].reduce((sum, key) => sum + key.length, 0);
    expect(roomFor(batch)).toBe(4 * MIB + 4 * bytes);
  });
});

describe('a store on a disk that is nearly full', () => {
  it('[op.store-failure] refuses to admit and to seal, says what is left where, and goes on when there is room again', async () => {
    const { store } = await openedBench();
    const left = disk();
    await store.admit(numbered(1), CALL, DURABLE);
    left.freeBytes = 4 * MIB;
    const message = new RegExp(`no space left on device: .*statewire-lmdb-.* has ${4 * MIB} bytes left, and \\d+ are kept free`);
    await expect(store.admit(numbered(2), CALL, DURABLE)).rejects.toThrow(message);
    await expect(store.seal(numbered(1), CALL, Buffer.from('outcome'))).rejects.toThrow(message);
    expect([1, 2].map((id) => store.lookup(numbered(id), CALL))).toEqual([{ state: 'abandoned' }, { state: 'unknown' }]);
    left.freeBytes = 4 * MIB + 64 * KIB;
    await sealed(store, 2);
    expect(store.lookup(numbered(2), CALL)).toMatchObject({ state: 'sealed' });
  });

  it('[op.store-failure] is not asked to write by a commit that is refused: the next one has nothing of it', async () => {
    const bench = await openedBench();
    const left = disk();
    left.freeBytes = 0;
    await expect(bench.store.admit(numbered(1), CALL, DURABLE)).rejects.toThrow('no space left');
    left.freeBytes = Infinity;
    await sealed(bench.store, 2);
    await bench.reopen();
    expect(bench.store.lookup(numbered(1), CALL)).toEqual({ state: 'unknown' });
  });

  it('[op.expiry] still sweeps what was kept long enough, however much there is', async () => {
    const bench = await openedBench();
    const left = disk();
    await Promise.all(Array.from({ length: 1_000 }, (_, at) => sealed(bench.store, at + 1)));
    left.freeBytes = 3 * MIB;
    await expect(bench.store.admit(numbered(1_001), CALL, DURABLE)).rejects.toThrow('no space left');
    expect(await bench.sweepAfter(RETENTION_MS)).toBe(1_000);
    await bench.reopen();
    expect(bench.store.lookup(numbered(1), CALL)).toEqual({ state: 'expired' });
    expect(await bench.sweepAfter(0)).toBe(0);
  });

  it('[op.ack] still forgets what is acknowledged', async () => {
    const bench = await openedBench();
    const left = disk();
    for (const id of [1, 2, 3]) await sealed(bench.store, id);
    left.freeBytes = 2 * MIB;
    await bench.store.forget(SCOPE, 'initiator', 'series', 2);
    await bench.reopen();
    left.freeBytes = Infinity;
    expect([1, 2].map((id) => bench.store.lookup(numbered(id), CALL))).toEqual([{ state: 'expired' }, { state: 'expired' }]);
    expect(bench.store.lookup(numbered(3), CALL)).toMatchObject({ state: 'sealed' });
  });

  it('[op.expiry] removes nothing when even the last of the reserve is gone: it goes with a later sweep', async () => {
    const bench = await openedBench();
    const left = disk();
    await sealed(bench.store, 1);
    left.freeBytes = MIB;
    await bench.sweepAfter(RETENTION_MS);
    expect(bench.store.failedWrites).toBe(0);
    left.freeBytes = 3 * MIB;
    await bench.reopen();
    expect(await bench.sweepAfter(0)).toBe(1);
  });
});
