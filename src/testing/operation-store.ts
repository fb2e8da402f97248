/**
 * The conformance suite of operation stores, ours and users': every rule that a store alone can prove. Runs under any test runner that has `describe`
 * and `it`. What it cannot see: that `seal` of a durable store waits for the disk, and two processes at one shared store.
 */
import { makeBench } from './operation-store-kit.ts';
import type { Define, MakeStore, StoreTestRunner } from './operation-store-kit.ts';
import { acknowledgementTests, fenceTests, liveTests, markTests, reopenTests, retentionTests, storeTests } from './operation-store-lifetime.ts';
import { admissionTests, argumentTests, isolationTests, outcomeTests, releaseTests } from './operation-store-records.ts';

export type { MakeStore, StoreTestRunner, StoreTestSetup } from './operation-store-kit.ts';

/**
 * Defines the suite's tests. Call it at the top of a test file:
 * `testOperationStore(({ clock, retentionMs }) => myStore({ clock, retentionMs }), { describe, it })`.
 */
export function testOperationStore(makeStore: MakeStore, runner: StoreTestRunner): void {
  const define: Define = (title, body) => {
    runner.it(title, async () => {
      const bench = await makeBench(makeStore);
      try {
        await body(bench);
      } finally {
        await bench.store.close();
      }
    });
  };
  runner.describe('an operation store', () => {
    admissionTests(define);
    argumentTests(define);
    outcomeTests(define);
    releaseTests(define);
    acknowledgementTests(define);
    markTests(define);
    retentionTests(define);
    liveTests(define);
    fenceTests(define);
    isolationTests(define);
    storeTests(define, makeStore);
    if (runner.reopen !== undefined) reopenTests(define, runner.reopen);
  });
}
