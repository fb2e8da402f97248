/** memoryStore: what every store must do, and what is its own: the cap, its speed against hostile peers, and that it stays small. */
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import type { OperationKey, OperationSignature } from '../../src/store/store.ts';
import { testOperationStore } from '../../src/testing/operation-store.ts';

testOperationStore((setup) => memoryStore(setup), { describe, it });

const SCOPE = 'a'.repeat(64);
const ONCE = { takeOver: false };
const RETENTION_MS = 60_000;
const CALL: OperationSignature = { methodId: 1, args: new Uint8Array(1_000) };

function numbered(id: number, series = 's1', scope = SCOPE): OperationKey {
  return { scope, caller: 'initiator', series, id };
}

function named(id: string): OperationKey {
  return { scope: SCOPE, caller: 'initiator', id };
}

function storeWith({ maxBytes }: { maxBytes: number }) {
  let now = 1_000_000;
  const store = memoryStore({ maxBytes, retentionMs: RETENTION_MS, clock: { now: () => now } });
  const run = (key: OperationKey) => {
    const { state } = store.admit(key, CALL, ONCE) as { state: string };
    if (state === 'started') void store.seal(key, CALL, new Uint8Array(100));
    return state;
  };
  const stateOf = (key: OperationKey) => (store.lookup(key, CALL) as { state: string }).state;
  return { store, run, stateOf, now: () => now, advance: (ms: number) => void (now += ms) };
}

describe('the cap of a memoryStore', () => {
  it('[op.expiry] pushes out the oldest settled numbers, counts them, and never runs them as new', () => {
    const { store, run, stateOf } = storeWith({ maxBytes: 20_000 });
    for (let id = 1; id <= 100; id++) expect(run(numbered(id))).toBe('started');
    expect(store.bytes).toBeLessThanOrEqual(20_000);
    expect(store.evicted).toBeGreaterThan(80);
    expect(stateOf(numbered(1))).toBe('expired');
    expect(run(numbered(store.evicted))).toBe('expired');
    expect(stateOf(numbered(store.evicted + 1))).toBe('sealed');
    expect(stateOf(numbered(100))).toBe('sealed');
  });

  it('[op.expiry] refuses an admission rather than evict a string id younger than the retention', () => {
    const { store, run, stateOf, advance } = storeWith({ maxBytes: 20_000 });
    const kept: string[] = [];
    for (let n = 1; run(named(`order-${n}`)) === 'started'; n++) kept.push(`order-${n}`);
    expect(kept.length).toBeGreaterThan(10);
    expect(store.admit(named('late'), CALL, ONCE)).toMatchObject({ state: 'refused', reason: expect.stringContaining('full') as string });
    expect(store.admit(numbered(1), CALL, ONCE)).toMatchObject({ state: 'refused' });
    expect(stateOf(named('late'))).toBe('unknown');
    for (const id of kept) expect(stateOf(named(id))).toBe('sealed');
    expect(store.refused).toBe(3);
    advance(RETENTION_MS);
    expect(run(named('late'))).toBe('started');
    expect(stateOf(named('order-1'))).toBe('unknown');
    expect(store.evicted).toBe(0);
  });

  it('[op.expiry] never evicts what is live, and refuses when nothing else is left', () => {
    const { store, stateOf } = storeWith({ maxBytes: 20_000 });
    let live = 0;
    while ((store.admit(numbered(live + 1), CALL, ONCE) as { state: string }).state === 'started') live++;
    expect(live).toBeGreaterThan(10);
    for (let id = 1; id <= live; id++) expect(stateOf(numbered(id))).toBe('abandoned');
    void store.seal(numbered(1), CALL, new Uint8Array(10));
    expect(store.admit(numbered(live + 2), CALL, ONCE)).toEqual({ state: 'started' });
    expect(stateOf(numbered(1))).toBe('expired');
  });

  it('[op.expiry] takes numbers before string ids that are older, where these are too young to go', () => {
    const { run, stateOf } = storeWith({ maxBytes: 20_000 });
    expect(run(named('order'))).toBe('started');
    for (let id = 1; id <= 100; id++) expect(run(numbered(id))).toBe('started');
    expect(stateOf(named('order'))).toBe('sealed');
  });

  it('[op.idem-not-admitted] drops an outcome that was not admitted where there is no room', () => {
    const { store, run, stateOf } = storeWith({ maxBytes: 20_000 });
    for (let n = 1; run(named(`order-${n}`)) === 'started';) n++;
    void store.seal(named('idem'), CALL, new Uint8Array(5));
    expect(stateOf(named('idem'))).toBe('unknown');
    expect(store.bytes).toBeLessThanOrEqual(20_000);
  });

  it('[op.expiry] drops silent series before records, but not the one that is in use', () => {
    const { store, run, stateOf, now, advance } = storeWith({ maxBytes: 20_000 });
    for (const series of ['mine', 'other', 'another', 'one more']) run(numbered(1, series));
    advance(RETENTION_MS);
    void store.sweep(now());
    advance(RETENTION_MS);
    for (let n = 0; store.bytes + 1_640 <= 20_000; n++) run(named(`order-${n}`));
    expect(run(numbered(2, 'mine'))).toBe('started');
    expect([stateOf(numbered(1, 'mine')), stateOf(numbered(1, 'other'))]).toEqual(['expired', 'unknown']);
    expect(store.evicted).toBe(0);
  });
});

describe('the size of a memoryStore', () => {
  it('[op.ack] is the same after a million acknowledged calls as after one', () => {
    const { store, run } = storeWith({ maxBytes: 1e9 });
    run(numbered(1));
    void store.forget(SCOPE, 'initiator', 's1', 1);
    const after = store.bytes;
    for (let id = 2; id <= 200_000; id++) {
      run(numbered(id));
      if (id % 16 === 0) void store.forget(SCOPE, 'initiator', 's1', id);
    }
    expect(store.bytes).toBe(after);
  });

  it('[op.expiry] comes back to nothing after all has been silent', () => {
    const { store, run, now, advance } = storeWith({ maxBytes: 1e9 });
    for (let n = 0; n < 100; n++) {
      run(numbered(1, `series-${n}`, `scope-${n}`));
      run(named(`order-${n}`));
      void store.fence(`scope-${n}`, `series-${n}`, 2);
    }
    advance(RETENTION_MS);
    expect(store.sweep(now())).toBe(200);
    advance(2 * 60 * 60_000);
    void store.sweep(now());
    expect(store.bytes).toBe(0);
  });

  it('[op.ack] is the same after a call that was acknowledged before it ended', () => {
    const { store, run } = storeWith({ maxBytes: 1e9 });
    run(numbered(1));
    void store.forget(SCOPE, 'initiator', 's1', 1);
    const after = store.bytes;
    void store.admit(numbered(2), CALL, ONCE);
    void store.forget(SCOPE, 'initiator', 's1', 2);
    void store.seal(numbered(2), CALL, new Uint8Array(10));
    expect(store.bytes).toBe(after);
  });

  it('[op.expiry] forgets scopes that are silent, too', () => {
    const { gc } = globalThis;
    if (gc === undefined) throw new Error('the tests run with --expose-gc');
    const { store, now, advance } = storeWith({ maxBytes: 1e9 });
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 40_000; n++) {
      void store.forget(`scope-${n}`, 'initiator', 's1', 1);
      void store.seal({ scope: `other-${n}`, caller: 'acceptor', id: 'order' }, { methodId: 1, args: new Uint8Array(1) }, new Uint8Array(1));
    }
    advance(2 * 60 * 60_000);
    void store.sweep(now());
    gc();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * 1024 * 1024);
    expect(store.bytes).toBe(0);
  });

  it('[op.expiry] drops no series that has a live operation, however long it runs', () => {
    const { store, run, stateOf, now, advance } = storeWith({ maxBytes: 1e9 });
    run(numbered(1));
    void store.forget(SCOPE, 'initiator', 's1', 1);
    void store.admit(numbered(2), CALL, ONCE);
    advance(24 * 60 * 60_000);
    void store.sweep(now());
    expect([stateOf(numbered(1)), stateOf(numbered(2))]).toEqual(['expired', 'abandoned']);
  });

  it('[op.expiry] keeps a series that comes back after it was dropped', () => {
    const { store, run, stateOf, now, advance } = storeWith({ maxBytes: 1e9 });
    run(numbered(1));
    void store.forget(SCOPE, 'initiator', 's1', 1);
    advance(2 * 60 * 60_000);
    void store.sweep(now());
    run(numbered(2));
    run(numbered(1, 's2'));
    expect(stateOf(numbered(2))).toBe('sealed');
  });

  it('[op.ack] is not held up by numbers and marks that are no safe integers', () => {
    const { store, run } = storeWith({ maxBytes: 1e9 });
    for (let step = 1; step <= 20; step++) run(numbered(2 ** 53 + 2 * step));
    for (const upTo of [Number.MAX_SAFE_INTEGER, 2 ** 53 + 4, Number.NaN, -1]) void store.forget(SCOPE, 'initiator', 's1', upTo);
    expect(run(numbered(5))).toBe('expired');
  });

  it('[op.expiry] stays small under a peer that leaves a gap at every number', () => {
    const { store, run, stateOf, now, advance } = storeWith({ maxBytes: 1e9 });
    for (let id = 1; id < 40_000; id += 2) run(numbered(id));
    const live = numbered(20_000);
    expect(store.admit(live, CALL, ONCE)).toEqual({ state: 'started' });
    advance(RETENTION_MS);
    void store.sweep(now());
    for (let id = 1; id < 40_000; id += 2) if (stateOf(numbered(id)) !== 'expired') expect.fail(`${id} is ${stateOf(numbered(id))}`);
    expect(stateOf(numbered(2))).toBe('expired');
    expect(stateOf(numbered(39_998))).toBe('unknown');
    void store.seal(live, CALL, new Uint8Array(1));
    expect(stateOf(live)).toBe('expired');
  });

  it('[link.ownership] does not hold on to the chunk that arguments and outcome came in', async () => {
    const { gc } = globalThis;
    if (gc === undefined) throw new Error('the tests run with --expose-gc');
    const store = memoryStore();
    const chunks = Array.from({ length: 50 }, (_, at) => {
      const chunk = new Uint8Array(64 * 1024);
      const signature = { methodId: 1, args: chunk.subarray(0, 20 * (at + 1)) };
      void store.admit(numbered(at + 1), signature, ONCE);
      void store.seal(numbered(at + 1), signature, chunk.subarray(300, 320 + at));
      return new WeakRef(chunk.buffer);
    });
    // A WeakRef lets go at the end of the turn it was made in.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    gc();
    expect(chunks.filter((chunk) => chunk.deref() !== undefined)).toEqual([]);
    expect(store.lookup(numbered(50), { methodId: 1, args: new Uint8Array(1_000) })).toMatchObject({ state: 'sealed' });
  });
});

describe('the memory of evicted numbers', () => {
  const evictAll = (ids: readonly number[], { run, store, now, advance }: ReturnType<typeof storeWith>) => {
    for (const id of ids) run(numbered(id));
    advance(RETENTION_MS);
    void store.sweep(now());
  };
  const range = (first: number, last: number, step: number) =>
    Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, at) => first + at * step);

  it.each([
    ['downwards', [range(5_000, 2_000, -1)]],
    ['odd numbers first', [2_000, 4_000, 6_000].flatMap((from) => [range(from + 1, from + 1_601, 2), range(from + 2, from + 1_600, 2)])],
  ])('[op.expiry] joins what touches, so that no number below is given up: %s', (_what, batches) => {
    const bench = storeWith({ maxBytes: 1e9 });
    for (const ids of batches) evictAll(ids, bench);
    expect(bench.stateOf(numbered(1_000))).toBe('unknown');
    expect(bench.stateOf(numbered(batches[0]![0]!))).toBe('expired');
  });

  it('[op.expiry] knows of every number what a plain set would know', () => {
    const { store, run, stateOf, now, advance } = storeWith({ maxBytes: 1e9 });
    const expired = new Set<number>();
    let seed = 7;
    const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
    for (let round = 0; round < 60; round++) {
      const ran = Array.from({ length: 10 }, () => 1 + random(400)).filter((id) => run(numbered(id)) === 'started');
      advance(RETENTION_MS);
      void store.sweep(now());
      for (const id of ran) expired.add(id);
      if (round % 10 === 9) {
        const upTo = random(40) + round;
        void store.forget(SCOPE, 'initiator', 's1', upTo);
        for (let id = 1; id <= upTo; id++) expired.add(id);
      }
      const wrong = Array.from({ length: 400 }, (_, at) => at + 1).filter((id) => (stateOf(numbered(id)) === 'expired') !== expired.has(id));
      expect(wrong).toEqual([]);
    }
  });
});

describe('a replayed outcome', () => {
  it.each([10, 1_000, 70_000])('is a plain Uint8Array, also where a Buffer was sealed: %i bytes', (length) => {
    const store = memoryStore();
    void store.admit(numbered(1), CALL, ONCE);
    void store.seal(numbered(1), CALL, Buffer.alloc(length, 5));
    const { outcome } = store.lookup(numbered(1), CALL) as { outcome: Uint8Array };
    expect(outcome.constructor).toBe(Uint8Array);
    expect(outcome).toEqual(new Uint8Array(length).fill(5));
  });

  it('is the sealed buffer itself where that is large and nobody else has part of it', () => {
    const store = memoryStore();
    const given = new Uint8Array(70_000);
    void store.seal(numbered(1), CALL, given);
    expect(store.lookup(numbered(1), CALL)).toEqual({ state: 'sealed', outcome: given });
    expect((store.lookup(numbered(1), CALL) as { outcome: Uint8Array }).outcome).toBe(given);
  });
});

describe('memoryStore options', () => {
  it.each([{ retentionMs: 0 }, { retentionMs: Number.NaN }, { maxBytes: -1 }, { maxBytes: '5' as unknown as number }])('refuses %o', (options) => {
    expect(() => memoryStore(options)).toThrow(new RegExp(`options\\.${Object.keys(options)[0]!} must be`));
  });
});
