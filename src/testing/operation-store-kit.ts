/**
 * What the conformance suite of operation stores is written with: a store on a bench with its own time, keys, calls, and assertions in the words
 * of the rules. No tests.
 */
import assert from 'node:assert/strict';
import type { AdmitOptions, Lookup, MaybePromise, OperationKey, OperationSignature, OperationStore } from '../store/store.ts';

/** What a store under test is made with. Its time stands still until a test moves it. */
export interface StoreTestSetup {
  readonly clock: { now(): number };
  readonly retentionMs: number;
}

/** Makes a new, empty store. The suite opens and closes it. */
export type MakeStore = (setup: StoreTestSetup) => MaybePromise<OperationStore>;

export interface StoreTestRunner {
  readonly describe: (title: string, body: () => void) => unknown;
  readonly it: (title: string, body: () => Promise<void>) => unknown;
  /** For stores that survive their process: makes another store on what a store, by now closed, has left. The suite opens and closes it. */
  readonly reopen?: ((closed: OperationStore, setup: StoreTestSetup) => MaybePromise<OperationStore>) | undefined;
}

export const START_MS = 1_700_000_000_000;
export const RETENTION_MS = 60_000;
export const RERUN: AdmitOptions = { takeOver: true };
export const ONCE: AdmitOptions = { takeOver: false };
export const SERIES = '00000000000000aa';
export const OTHER_SERIES = '00000000000000bb';
export const SCOPE = 'a'.repeat(64);
export const OTHER_SCOPE = 'b'.repeat(64);

/** One store and its time, with the words of the rules. */
export interface Bench {
  store: OperationStore;
  readonly setup: StoreTestSetup;
  advance(ms: number): void;
}

export type TestBody = (bench: Bench) => Promise<void>;
export type Define = (title: string, body: TestBody) => void;

export async function makeBench(makeStore: MakeStore): Promise<Bench> {
  let now = START_MS;
  const setup: StoreTestSetup = { clock: { now: () => now }, retentionMs: RETENTION_MS };
  const store = await makeStore(setup);
  await store.open();
  return { store, setup, advance: (ms) => void (now += ms) };
}

export function numbered(id: number, changes: Partial<OperationKey> = {}): OperationKey {
  return { scope: SCOPE, caller: 'initiator', series: SERIES, id, ...changes };
}

export function named(id: string, changes: Partial<OperationKey> = {}): OperationKey {
  return { scope: SCOPE, caller: 'initiator', id, ...changes };
}

/** Every key kind: what holds of one must hold of both. */
export const KEYS: readonly (readonly [kind: string, key: OperationKey])[] = [
  ['a number', numbered(1)],
  ['a string id', named('order-42')],
];

export function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

/** As bytes come from a link: a view into a larger chunk. */
export function viewOf(content: Uint8Array): { view: Uint8Array; overwrite(): void } {
  const chunk = new Uint8Array(content.length + 32);
  chunk.set(content, 16);
  return { view: chunk.subarray(16, 16 + content.length), overwrite: () => void chunk.fill(0xee) };
}

export function patterned(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
}

export const CALL: OperationSignature = { methodId: 7, args: bytes(1, 2, 3) };
export const OTHER_METHOD: OperationSignature = { methodId: 8, args: bytes(1, 2, 3) };
export const OTHER_ARGS: OperationSignature = { methodId: 7, args: bytes(1, 2, 4) };
export const SHORTER_ARGS: OperationSignature = { methodId: 7, args: bytes(1, 2) };
export const LONGER_ARGS: OperationSignature = { methodId: 7, args: bytes(1, 2, 3, 0) };

export function assertState(answer: Lookup, ...expected: Lookup['state'][]): void {
  assert.ok(expected.includes(answer.state), `expected ${expected.join(' or ')}, got ${answer.state}`);
}

export function assertSealed(answer: Lookup, outcome: Uint8Array): void {
  assert.equal(answer.state, 'sealed');
  // Compared as plain arrays: a Buffer would do as well.
  assert.deepEqual(Uint8Array.from(answer.outcome), outcome);
}

export async function start(store: OperationStore, key: OperationKey, signature = CALL): Promise<void> {
  assertState(await store.admit(key, signature, ONCE), 'started');
}

export async function startAndSeal(store: OperationStore, key: OperationKey, outcome = bytes(9)): Promise<void> {
  await start(store, key);
  await store.seal(key, CALL, outcome);
}
