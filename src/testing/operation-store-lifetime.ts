/**
 * Conformance of operation stores: how long things are known. Acknowledgement, retention, fences, the store's identity, restarts.
 */
import assert from 'node:assert/strict';
import type { Admission, AdmitOptions, OperationStore } from '../store/store.ts';
import {
  RETENTION_MS,
  RERUN,
  ONCE,
  SERIES,
  OTHER_SERIES,
  SCOPE,
  OTHER_SCOPE,
  numbered,
  named,
  KEYS,
  bytes,
  viewOf,
  patterned,
  CALL,
  OTHER_ARGS,
  assertState,
  assertSealed,
  start,
  startAndSeal,
  makeBench,
} from './operation-store-kit.ts';
import type { Bench, Define, MakeStore, StoreTestRunner } from './operation-store-kit.ts';

export function acknowledgementTests(define: Define): void {
  define('[op.ack] forgets acknowledged numbers, and knows that it did', async ({ store }) => {
    for (const id of [1, 2, 3, 4]) await startAndSeal(store, numbered(id));
    await store.forget(SCOPE, 'initiator', SERIES, 2);
    for (const id of [1, 2]) {
      assertState(await store.lookup(numbered(id), CALL), 'expired');
      assertState(await store.admit(numbered(id), CALL, RERUN), 'expired');
    }
    for (const id of [3, 4]) assertSealed(await store.lookup(numbered(id), CALL), bytes(9));
    assertState(await store.lookup(numbered(5), CALL), 'unknown');
  });

  define('[op.ack] never runs a number at or below the mark, also one it never saw', async ({ store }) => {
    await store.forget(SCOPE, 'initiator', SERIES, 5);
    assertState(await store.lookup(numbered(5), CALL), 'expired');
    assertState(await store.admit(numbered(3), CALL, RERUN), 'expired');
    await store.seal(numbered(3), CALL, bytes(1));
    assertState(await store.lookup(numbered(3), CALL), 'expired');
    await start(store, numbered(6));
  });

  define('[op.ack] forgets up to the mark and no further, where there are gaps', async ({ store }) => {
    for (const id of [1, 40, 1_000]) await startAndSeal(store, numbered(id));
    await store.forget(SCOPE, 'initiator', SERIES, 500);
    assertState(await store.lookup(numbered(40), CALL), 'expired');
    assertSealed(await store.lookup(numbered(1_000), CALL), bytes(9));
  });

  define('[op.ack] takes a lower acknowledgement for an old one', async ({ store }) => {
    for (const id of [1, 2]) await startAndSeal(store, numbered(id));
    await store.forget(SCOPE, 'initiator', SERIES, 1);
    await store.forget(SCOPE, 'initiator', SERIES, 0);
    assertState(await store.lookup(numbered(1), CALL), 'expired');
    assertSealed(await store.lookup(numbered(2), CALL), bytes(9));
  });

  for (const [what, settle] of [
    ['sealed', (store: OperationStore) => store.seal(numbered(1), CALL, bytes(1))],
    ['released', (store: OperationStore) => store.release(numbered(1), 'released')],
  ] as const) {
    define(`[op.ack] drops an operation that was acknowledged while live when it is ${what}`, async ({ store }) => {
      await start(store, numbered(1));
      await store.forget(SCOPE, 'initiator', SERIES, 1);
      await settle(store);
      assertState(await store.lookup(numbered(1), CALL), 'expired');
    });
  }
}

export function markTests(define: Define): void {
  for (const upTo of [Number.MAX_SAFE_INTEGER, 2 ** 53, 2 ** 63, Infinity]) {
    define(`[op.ack] is not held up by an acknowledgement of ${upTo}`, async ({ store }) => {
      for (const id of [1, 2, 3]) await startAndSeal(store, numbered(id));
      await store.forget(SCOPE, 'initiator', SERIES, upTo);
      await store.forget(SCOPE, 'initiator', SERIES, upTo);
      assertState(await store.lookup(numbered(3), CALL), 'expired');
      assertState(await store.admit(numbered(1_000_000), CALL, RERUN), 'expired');
    });
  }

  define('[op.ack] leaves string ids and other series alone', async ({ store }) => {
    const others = [named('1'), numbered(1, { series: OTHER_SERIES }), numbered(1, { scope: OTHER_SCOPE }), numbered(1, { caller: 'acceptor' })];
    for (const key of others) await startAndSeal(store, key);
    await store.forget(SCOPE, 'initiator', SERIES, 100);
    for (const key of others) assertSealed(await store.lookup(key, CALL), bytes(9));
  });
}

export function retentionTests(define: Define): void {
  define('[op.expiry] keeps settled records for the retention, and no longer', async ({ store, setup, advance }) => {
    await startAndSeal(store, numbered(1));
    await startAndSeal(store, named('order'));
    await start(store, numbered(2));
    await store.release(numbered(2), 'handler-failed');
    advance(RETENTION_MS - 1_000);
    assert.equal(await store.sweep(setup.clock.now()), 0);
    assertSealed(await store.lookup(numbered(1), CALL), bytes(9));
    assertState(await store.lookup(numbered(2), CALL), 'released');
    advance(2_000);
    assert.equal(await store.sweep(setup.clock.now()), 3);
    assertState(await store.lookup(numbered(2), CALL), 'expired');
    assert.equal(await store.sweep(setup.clock.now()), 0);
  });

  define('[op.expiry] counts retention from the outcome, not from the admission', async ({ store, setup, advance }) => {
    await start(store, numbered(1));
    advance(RETENTION_MS - 1_000);
    await store.seal(numbered(1), CALL, bytes(1));
    advance(RETENTION_MS - 1_000);
    await store.sweep(setup.clock.now());
    assertSealed(await store.lookup(numbered(1), CALL), bytes(1));
  });

  define('[op.expiry] never runs an evicted number as new, gaps or not', async ({ store, setup, advance }) => {
    const evicted = [2, 3, 5, 9, 8, 12];
    for (const id of evicted) await startAndSeal(store, numbered(id));
    advance(RETENTION_MS + 1_000);
    await store.sweep(setup.clock.now());
    for (const id of evicted) {
      assertState(await store.lookup(numbered(id), CALL), 'expired');
      assertState(await store.admit(numbered(id), CALL, RERUN), 'expired');
    }
    await start(store, numbered(13));
  });

  define('[op.expiry] takes an evicted string id for new', async ({ store, setup, advance }) => {
    await startAndSeal(store, named('order'));
    advance(RETENTION_MS + 1_000);
    await store.sweep(setup.clock.now());
    assertState(await store.lookup(named('order'), OTHER_ARGS), 'unknown');
    await start(store, named('order'), OTHER_ARGS);
  });
}

export function liveTests(define: Define): void {
  for (const [kind, key] of KEYS) {
    define(`[op.expiry] never evicts ${kind} that was taken over`, async ({ store, setup, advance }) => {
      await start(store, key);
      await store.release(key, 'handler-failed');
      assertState(await store.admit(key, CALL, RERUN), 'started');
      advance(RETENTION_MS * 2);
      assert.equal(await store.sweep(setup.clock.now()), 0);
      assertState(await store.lookup(key, CALL), 'abandoned', 'live');
    });

    define(`[op.expiry] never evicts ${kind} that is not settled`, async ({ store, setup, advance }) => {
      await start(store, key);
      advance(RETENTION_MS * 100);
      assert.equal(await store.sweep(setup.clock.now()), 0);
      assertState(await store.lookup(key, CALL), 'abandoned', 'live');
      await store.seal(key, CALL, bytes(7));
      assertSealed(await store.lookup(key, CALL), bytes(7));
    });
  }
}

export function fenceTests(define: Define): void {
  const of = (series: string, epoch: number): AdmitOptions => ({ takeOver: true, series, epoch });

  define('[resume.unknown] refuses an admission below the fence of its session, and no other', async ({ store }) => {
    await store.fence(SCOPE, SERIES, 3);
    const refused = await store.admit(numbered(1), CALL, of(SERIES, 2));
    assertState(refused, 'refused');
    assert.notEqual((refused as Extract<Admission, { state: 'refused' }>).reason, '');
    assertState(await store.lookup(numbered(1), CALL), 'unknown');
    assertState(await store.admit(numbered(1), CALL, of(SERIES, 3)), 'started');
    assertState(await store.admit(numbered(2), CALL, of(SERIES, 4)), 'started');
    assertState(await store.admit(numbered(3), CALL, of(OTHER_SERIES, 1)), 'started');
    assertState(await store.admit(numbered(4, { scope: OTHER_SCOPE }), CALL, of(SERIES, 1)), 'started');
  });

  define('[resume.unknown] goes by the session that admits, not by the series of the key', async ({ store }) => {
    await store.fence(SCOPE, SERIES, 3);
    assertState(await store.admit(numbered(1), CALL, of(OTHER_SERIES, 1)), 'started');
    assertState(await store.admit(numbered(1, { series: OTHER_SERIES }), CALL, of(SERIES, 1)), 'refused');
    assertState(await store.admit(named('order'), CALL, of(SERIES, 1)), 'refused');
  });

  define('[resume.unknown] keeps the highest fence', async ({ store }) => {
    await store.fence(SCOPE, SERIES, 5);
    await store.fence(SCOPE, SERIES, 4);
    assertState(await store.admit(numbered(1), CALL, of(SERIES, 4)), 'refused');
  });

  define('[resume.unknown] lets a fenced session read what is known, but take nothing over', async ({ store }) => {
    await startAndSeal(store, numbered(1));
    await start(store, numbered(2));
    await store.release(numbered(2), 'released');
    await store.fence(SCOPE, SERIES, 5);
    assertSealed(await store.admit(numbered(1), CALL, of(SERIES, 1)), bytes(9));
    assertState(await store.admit(numbered(2), CALL, of(SERIES, 1)), 'refused');
    assertState(await store.lookup(numbered(2), CALL), 'released');
  });
}

export function storeTests(define: Define, makeStore: MakeStore): void {
  define('[resume.unknown] has an identity, the same all its life and other than that of another store', async ({ store }) => {
    const identity = store.identity;
    assert.equal(typeof identity, 'string');
    assert.notEqual(identity, '');
    await startAndSeal(store, numbered(1));
    assert.equal(store.identity, identity);
    const other = await makeBench(makeStore);
    try {
      assert.notEqual(other.store.identity, identity);
      assertState(await other.store.lookup(numbered(1), CALL), 'unknown');
    } finally {
      await other.store.close();
    }
  });

  define('[op.expiry] says how long it keeps records', async ({ store }) => {
    if (store.retentionMs !== undefined) assert.equal(store.retentionMs, RETENTION_MS);
  });

  define('[schema.store] keeps schemas by digest', async ({ store }) => {
    const given = viewOf(patterned(300));
    assert.equal(await store.schemas.get('d1'), undefined);
    await store.schemas.put('d1', given.view);
    given.overwrite();
    await store.schemas.put('d2', bytes());
    const kept = await store.schemas.get('d1');
    assert.ok(kept !== undefined);
    assert.deepEqual(Uint8Array.from(kept), patterned(300));
    assert.equal((await store.schemas.get('d2'))?.byteLength, 0);
  });
}

export function reopenTests(define: Define, reopen: NonNullable<StoreTestRunner['reopen']>): void {
  const restart = async (bench: Bench): Promise<OperationStore> => {
    await bench.store.close();
    bench.store = await reopen(bench.store, bench.setup);
    await bench.store.open();
    return bench.store;
  };

  define('[op.seal-durable] has after a restart what it had before, and the same identity', async (bench) => {
    const { identity } = bench.store;
    const large = patterned(200_000);
    await startAndSeal(bench.store, numbered(1), large);
    await startAndSeal(bench.store, named('order'), bytes(3));
    await start(bench.store, numbered(2));
    await bench.store.release(numbered(2), 'handler-failed');
    await bench.store.schemas.put('d1', bytes(1, 2));
    const store = await restart(bench);
    assert.equal(store.identity, identity);
    assertSealed(await store.lookup(numbered(1), CALL), large);
    assertSealed(await store.lookup(named('order'), CALL), bytes(3));
    assert.deepEqual({ ...(await store.lookup(numbered(2), CALL)) }, { state: 'released', reason: 'handler-failed' });
    assertState(await store.lookup(numbered(1), OTHER_ARGS), 'conflict');
    assert.deepEqual(Uint8Array.from((await store.schemas.get('d1'))!), bytes(1, 2));
  });

  define('[op.indeterminate] calls abandoned what was admitted and not settled before a restart', async (bench) => {
    await start(bench.store, numbered(1));
    await start(bench.store, named('order'));
    const store = await restart(bench);
    for (const key of [numbered(1), named('order')]) {
      assertState(await store.lookup(key, CALL), 'abandoned');
      assertState(await store.admit(key, CALL, ONCE), 'abandoned');
      assertState(await store.admit(key, CALL, RERUN), 'started');
    }
  });

  define('[op.ack] keeps its marks, its evicted numbers and its fences over a restart', async (bench) => {
    await bench.store.forget(SCOPE, 'initiator', SERIES, 5);
    await startAndSeal(bench.store, numbered(8));
    bench.advance(RETENTION_MS + 1_000);
    await bench.store.sweep(bench.setup.clock.now());
    await bench.store.fence(SCOPE, SERIES, 3);
    const store = await restart(bench);
    for (const id of [5, 8]) assertState(await store.lookup(numbered(id), CALL), 'expired');
    assertState(await store.admit(numbered(9), CALL, { takeOver: false, series: SERIES, epoch: 2 }), 'refused');
    assertState(await store.admit(numbered(9), CALL, { takeOver: false, series: SERIES, epoch: 3 }), 'started');
  });

  define('[op.expiry] sweeps after a restart what was settled before it', async (bench) => {
    await startAndSeal(bench.store, named('order'));
    const store = await restart(bench);
    bench.advance(RETENTION_MS + 1_000);
    assert.equal(await store.sweep(bench.setup.clock.now()), 1);
    assertState(await store.lookup(named('order'), CALL), 'unknown');
  });
}
