/**
 * Fills a store until its disk is full, that is until its file may not grow any more; then closes it. It says what it saw, line by line. Started, with such a bound,
 * by test/stores/lmdb-writes.test.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { lmdbStore } from '../../src/lmdb.ts';
import { keyOf, signatureOf } from './crash-store-child.ts';

const OUTCOME = Buffer.alloc(20_000);
const LARGE_OUTCOME = Buffer.alloc(1_000_000);
/** Longer than writes behind gather. */
const WRITTEN_BEHIND_MS = 200;

const folder = process.argv[2] ?? '';
const say = (what: string, value: unknown): void => console.log(`${what} ${String(value)}`);
process.on('unhandledRejection', (reason) => say('unhandled', reason));

const store = lmdbStore({ path: folder });
await store.open();
let operation = 1;
for (; ; operation++) {
  try {
    await store.admit(keyOf(operation), signatureOf(operation), { takeOver: false });
    await store.seal(keyOf(operation), signatureOf(operation), OUTCOME);
  } catch (error) {
    say('failed', (error as Error).message);
    break;
  }
}
say('sealed', operation - 1);
say('last', (await store.lookup(keyOf(operation), signatureOf(operation))).state);
void store.seal(keyOf(operation + 1), signatureOf(operation + 1), LARGE_OUTCOME, { durable: false });
await delay(WRITTEN_BEHIND_MS);
say('lost', store.failedWrites > 0);
await store.close();
say('closed', store.failedWrites > 0);
