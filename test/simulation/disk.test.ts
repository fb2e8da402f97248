/** The simulated store is a store as any other, and loses in a crash what it must lose and no more. */
import { describe, expect, it } from 'vitest';
import { SeededRandom, SimulatedClock, testOperationStore } from 'statewire/testing';
import { SimulatedDisk } from '../../src/testing/simulation/disk.ts';
import type { DiskKind } from '../../src/testing/simulation/disk.ts';
import { SimulatedProcess } from '../../src/testing/simulation/process.ts';
import { SimulatedStore } from '../../src/testing/simulation/store.ts';
import type { OperationKey, OperationSignature } from '../../src/store/store.ts';

const RETENTION_MS = 60_000;
const KEY: OperationKey = { scope: 's', caller: 'initiator', id: 'job' };
const SIGNATURE: OperationSignature = { methodId: 1, args: Uint8Array.of(1) };
const OUTCOME = Uint8Array.of(9);
const ONCE = { takeOver: false };

let disks = 0;

function diskOf(kind: DiskKind, retentionMs = RETENTION_MS) {
  const clock = new SimulatedClock(1_000_000);
  const lost: Uint8Array[] = [];
  const random = new SeededRandom(++disks);
  const disk = new SimulatedDisk({ name: 'disk', kind, clock, random, retentionMs, onForgotten: (args) => lost.push(args) });
  const start = () => new SimulatedProcess('s', clock, new SeededRandom(2));
  return { clock, disk, lost, start, open: (process = start()) => ({ process, store: new SimulatedStore(disk, process) }) };
}

describe.each<DiskKind>(['memory', 'local'])('of kind %s', (kind) => {
  testOperationStore(
    ({ clock, retentionMs }) => {
      const { clock: time, disk, start } = diskOf(kind, retentionMs);
      const process = start();
      // The suite's clock is the process's; the disk flushes by one of its own, which goes by itself.
      const own = new SimulatedProcess('s', time, new SeededRandom(2));
      Object.assign(own, { clock: { ...process.clock, now: () => clock.now() } });
      const flush = setInterval(() => time.increment(5), 1);
      const store = new SimulatedStore(disk, own);
      const { close } = store;
      return Object.assign(store, { close: () => (clearInterval(flush), close.call(store)) });
    },
    { describe, it },
  );
});

describe('a crash', () => {
  it('[op.seal-durable] loses what was not flushed, and keeps what was waited for', async () => {
    const { clock, disk, lost, open } = diskOf('local');
    const { process, store } = open();
    const durable = store.admit(KEY, SIGNATURE, { ...ONCE, durable: true });
    await clock.advance(5);
    expect(await durable).toEqual({ state: 'started' });
    expect(store.admit({ ...KEY, id: 'other' }, SIGNATURE, { ...ONCE, durable: false })).toEqual({ state: 'started' });
    void store.seal(KEY, SIGNATURE, OUTCOME, { durable: false });
    process.kill();
    disk.crash();
    const { store: next } = open();
    expect(next.identity).toBe(store.identity);
    expect(next.lookup(KEY, SIGNATURE)).toEqual({ state: 'abandoned' });
    expect(next.lookup({ ...KEY, id: 'other' }, SIGNATURE)).toEqual({ state: 'unknown' });
    expect(lost).toHaveLength(1);
  });

  it('[resume.unknown] of a process with a store in memory leaves nothing, and another identity', () => {
    const { disk, open } = diskOf('memory');
    const { process, store } = open();
    void store.admit(KEY, SIGNATURE, ONCE);
    const before = store.identity;
    process.kill();
    disk.crash();
    const { store: next } = open();
    expect(next.identity).not.toBe(before);
    expect(next.lookup(KEY, SIGNATURE)).toEqual({ state: 'unknown' });
  });

  it('[op.indeterminate] wakes those who wait, in another process, for an operation whose owner died', async () => {
    const { clock, disk, open } = diskOf('shared');
    const { process, store } = open();
    const { store: other } = open();
    const admitted = store.admit(KEY, SIGNATURE, ONCE);
    await clock.advance(10);
    expect(await admitted).toEqual({ state: 'started' });
    const found = other.lookup(KEY, SIGNATURE);
    const settled = other.settled(KEY, new AbortController().signal);
    await clock.advance(10);
    expect(await found).toEqual({ state: 'live' });
    process.kill();
    disk.crash();
    expect(await settled).toEqual({ state: 'abandoned' });
  });

  it('[op.store-failure] an operation whose end could not be written is live no more once its claim has run out', async () => {
    const { clock, disk, open } = diskOf('shared');
    const { store } = open();
    const { store: other } = open();
    void store.admit(KEY, SIGNATURE, ONCE);
    await clock.advance(10);
    disk.failureRate = 1;
    const released = Promise.resolve(store.release(KEY, 'store-lost')).catch((error: unknown) => (error as Error).message);
    await clock.advance(10);
    expect(await released).toContain('failed to release');
    disk.failureRate = 0;
    const settled = other.settled(KEY, new AbortController().signal);
    await clock.advance(100);
    expect(await settled).toEqual({ state: 'abandoned' });
  });
});
