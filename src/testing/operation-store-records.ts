/**
 * Conformance of operation stores: one operation, from its admission to its replay, and that each is kept apart from all others.
 */
import assert from 'node:assert/strict';
import type { OperationSignature } from '../store/store.ts';
import {
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
  OTHER_METHOD,
  OTHER_ARGS,
  LONGER_ARGS,
  SHORTER_ARGS,
  assertState,
  assertSealed,
  start,
  startAndSeal,
} from './operation-store-kit.ts';
import type { Define } from './operation-store-kit.ts';

const OTHERS = [
  ['another method', OTHER_METHOD],
  ['other arguments', OTHER_ARGS],
  ['more arguments', LONGER_ARGS],
  ['fewer arguments', SHORTER_ARGS],
] as const;

export function admissionTests(define: Define): void {
  for (const [kind, key] of KEYS) {
    define(`[op.admit] admits ${kind} it does not know`, async ({ store }) => {
      assertState(await store.lookup(key, CALL), 'unknown');
      await start(store, key);
      assertState(await store.lookup(key, CALL), 'abandoned', 'live');
    });

    define(`[op.admit] admits ${kind} once, however many ask at the same time`, async ({ store }) => {
      const answers = await Promise.all(Array.from({ length: 32 }, async () => (await store.admit(key, CALL, ONCE)).state));
      assert.equal(answers.filter((state) => state === 'started').length, 1);
      assert.ok(
        answers.every((state) => state === 'started' || state === 'abandoned' || state === 'live'),
        answers.join(' '),
      );
    });

    for (const [what, other] of OTHERS) {
      define(`[op.conflict] refuses ${kind} with ${what}, while live and later`, async ({ store }) => {
        await start(store, key);
        assertState(await store.lookup(key, other), 'conflict');
        assertState(await store.admit(key, other, RERUN), 'conflict');
        await store.seal(key, CALL, bytes(1));
        assertState(await store.lookup(key, other), 'conflict');
        assertState(await store.admit(key, other, RERUN), 'conflict');
        assertSealed(await store.lookup(key, CALL), bytes(1));
      });
    }
  }
}

export function argumentTests(define: Define): void {
  define('[op.conflict] compares long arguments to the last byte', async ({ store }) => {
    for (const length of [65, 1_000, 100_000]) {
      const args = patterned(length);
      const changed = args.slice();
      changed[length - 1]! ^= 1;
      const key = named(`long-${length}`);
      await start(store, key, { methodId: 7, args });
      assertState(await store.lookup(key, { methodId: 7, args: args.slice() }), 'abandoned', 'live');
      assertState(await store.lookup(key, { methodId: 7, args: changed }), 'conflict');
    }
  });

  define('[op.conflict] takes empty arguments for what they are', async ({ store }) => {
    const empty: OperationSignature = { methodId: 7, args: bytes() };
    await start(store, named('empty'), empty);
    assertState(await store.lookup(named('empty'), empty), 'abandoned', 'live');
    assertState(await store.lookup(named('empty'), CALL), 'conflict');
  });

  define('[op.indeterminate] lets an idem method take over what was admitted and never settled, where it is not live', async ({ store }) => {
    await start(store, numbered(1));
    const answer = await store.admit(numbered(1), CALL, RERUN);
    assertState(answer, 'started', 'live');
  });

  define('[link.ownership] keeps its own copy of arguments that are a view', async ({ store }) => {
    for (const length of [3, 100, 70_000]) {
      const args = patterned(length);
      const given = viewOf(args);
      const key = named(`view-${length}`);
      await start(store, key, { methodId: 7, args: given.view });
      given.overwrite();
      assertState(await store.lookup(key, { methodId: 7, args }), 'abandoned', 'live');
    }
  });
}

export function outcomeTests(define: Define): void {
  const outcomes: readonly (readonly [string, Uint8Array])[] = [
    ['an empty outcome', bytes()],
    ['one byte', bytes(0)],
    ['every byte there is', Uint8Array.from({ length: 256 }, (_, at) => at)],
    ['an outcome above 64 KiB', patterned(200_000)],
  ];
  for (const [kind, key] of KEYS) {
    for (const [what, outcome] of outcomes) {
      define(`[op.replay] replays ${what} of ${kind}, byte for byte, as often as asked`, async ({ store }) => {
        await startAndSeal(store, key, outcome.slice());
        assertSealed(await store.lookup(key, CALL), outcome);
        assertSealed(await store.admit(key, CALL, ONCE), outcome);
        assertSealed(await store.admit(key, CALL, RERUN), outcome);
      });
    }

    define(`[op.seal] keeps the first outcome of ${kind}, whatever comes after`, async ({ store }) => {
      await startAndSeal(store, key, bytes(1));
      await store.seal(key, CALL, bytes(2));
      await store.release(key, 'released');
      assertSealed(await store.lookup(key, CALL), bytes(1));
    });

    define(`[op.idem-not-admitted] seals ${kind} that was never admitted`, async ({ store }) => {
      await store.seal(key, CALL, bytes(5));
      assertSealed(await store.lookup(key, CALL), bytes(5));
      assertState(await store.lookup(key, OTHER_ARGS), 'conflict');
    });
  }

  define('[link.ownership] keeps its own copy of an outcome that is a view', async ({ store }) => {
    for (const length of [3, 100, 70_000]) {
      const outcome = patterned(length);
      const given = viewOf(outcome);
      await start(store, named(`view-${length}`));
      await store.seal(named(`view-${length}`), CALL, given.view);
      given.overwrite();
      assertSealed(await store.lookup(named(`view-${length}`), CALL), outcome);
    }
  });

  define('[op.attach] tells who waits for an operation what became of it', async ({ store }) => {
    await startAndSeal(store, numbered(1), bytes(4));
    assertSealed(await store.settled(numbered(1), new AbortController().signal), bytes(4));
  });
}

export function releaseTests(define: Define): void {
  for (const [kind, key] of KEYS) {
    for (const reason of ['released', 'handler-failed', 'store-lost'] as const) {
      define(`[op.released] says that ${kind} was released, and why: ${reason}`, async ({ store }) => {
        await start(store, key);
        await store.release(key, reason);
        assert.deepEqual({ ...(await store.lookup(key, CALL)) }, { state: 'released', reason });
        assert.deepEqual({ ...(await store.admit(key, CALL, ONCE)) }, { state: 'released', reason });
        assertState(await store.lookup(key, OTHER_ARGS), 'conflict');
      });
    }

    define(`[op.released] lets an idem method run ${kind} again, once, and seal it`, async ({ store }) => {
      await start(store, key);
      await store.release(key, 'handler-failed');
      assertState(await store.admit(key, CALL, RERUN), 'started');
      assertState(await store.lookup(key, CALL), 'abandoned', 'live');
      await store.seal(key, CALL, bytes(6));
      assertSealed(await store.lookup(key, CALL), bytes(6));
    });

    define(`[cancel.race] ignores a seal of ${kind} that comes after its release`, async ({ store }) => {
      await start(store, key);
      await store.release(key, 'released');
      await store.seal(key, CALL, bytes(6));
      assertState(await store.lookup(key, CALL), 'released');
    });

    define(`[op.released] takes a release of ${kind} it does not know for nothing`, async ({ store }) => {
      await store.release(key, 'released');
      assertState(await store.lookup(key, CALL), 'unknown');
    });
  }
}

export function isolationTests(define: Define): void {
  const keys = [
    numbered(1),
    numbered(1, { scope: OTHER_SCOPE }),
    numbered(2),
    numbered(1, { series: OTHER_SERIES }),
    numbered(1, { caller: 'acceptor' }),
    named('1'),
    named('1 '),
    named('2'),
    named('1', { scope: OTHER_SCOPE }),
    named('1', { caller: 'acceptor' }),
    named(SERIES),
    named('__proto__'),
    named('é'),
    named('e\u0301'),
    named('x'.repeat(1_024)),
    named(`${'x'.repeat(1_023)}y`),
    named('\u0000'),
    named(`${SCOPE}/initiator/1`),
  ];

  define('[op.scope] keeps scopes, callers, series, numbers and string ids apart', async ({ store }) => {
    for (const [at, key] of keys.entries()) {
      assertState(await store.lookup(key, CALL), 'unknown');
      await startAndSeal(store, key, bytes(at));
    }
    for (const [at, key] of keys.entries()) assertSealed(await store.lookup(key, CALL), bytes(at));
  });

  define('[op.id] takes numbers up to the largest safe one', async ({ store }) => {
    await startAndSeal(store, numbered(Number.MAX_SAFE_INTEGER));
    assertSealed(await store.lookup(numbered(Number.MAX_SAFE_INTEGER), CALL), bytes(9));
    assertState(await store.lookup(numbered(Number.MAX_SAFE_INTEGER - 1), CALL), 'unknown');
  });
}
