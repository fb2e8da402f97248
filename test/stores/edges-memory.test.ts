/** Corners of the memory store: keys that make no sense, operations waited for in vain, and an outcome for which there is no room. */
import { describe, expect, it } from 'vitest';
import type { OperationKey, OperationSignature } from 'statewire';
import { memoryStore } from '../../src/store/memory.ts';

const SCOPE = 'a'.repeat(64);
const CALL: OperationSignature = { methodId: 1, args: new Uint8Array(100) };
const ONCE = { takeOver: false };
const numbered = (id: number): OperationKey => ({ scope: SCOPE, caller: 'initiator', series: 'series', id });

describe('a memory store', () => {
  it('[op.id] refuses a number without its series: it would be nobody’s', () => {
    const store = memoryStore({});
    expect(() => store.lookup({ scope: SCOPE, caller: 'initiator', id: 7 }, CALL)).toThrow('operation 7: a key with a number needs its series');
  });

  it('[op.ack] says of what was waited for in vain that it has expired, once it is forgotten or was never there', async () => {
    const store = memoryStore({});
    void store.admit(numbered(1), CALL, ONCE);
    const { signal } = new AbortController();
    expect(await store.settled(numbered(1), signal)).toEqual({ state: 'abandoned' });
    void store.forget(SCOPE, 'initiator', 'series', 1);
    expect(await store.settled(numbered(1), signal)).toEqual({ state: 'expired' });
    expect(await store.settled(numbered(2), signal)).toEqual({ state: 'expired' });
  });

  it('[op.expiry] makes room when an outcome takes it above its cap: the oldest settled number goes, and counts as expired', () => {
    const store = memoryStore({ maxBytes: 20_000 });
    for (const id of [1, 2]) void store.admit(numbered(id), CALL, ONCE);
    void store.seal(numbered(1), CALL, new Uint8Array(12_000));
    expect(store.evicted).toBe(0);
    void store.seal(numbered(2), CALL, new Uint8Array(12_000));
    expect([1, 2].map((id) => (store.lookup(numbered(id), CALL) as { state: string }).state)).toEqual(['expired', 'sealed']);
    expect(store.evicted).toBe(1);
    expect(store.bytes).toBeLessThanOrEqual(20_000);
  });

  it('[link.ownership] keeps what it is given for good as it is, and does not pin a large buffer for a small part of it', () => {
    const store = memoryStore({});
    const payload = new Uint8Array(70_000).fill(1);
    const most: OperationSignature = { methodId: 1, args: payload.subarray(100) };
    const least: OperationSignature = { methodId: 1, args: payload.subarray(0, 100) };
    void store.admit(numbered(1), most, { takeOver: false, owned: true });
    void store.admit(numbered(2), least, { takeOver: false, owned: true });
    const outcome = new Uint8Array(300).fill(3);
    void store.seal(numbered(1), most, outcome, { owned: true });
    void store.seal(numbered(2), least, outcome.slice());
    const kept = store.lookup(numbered(1), most) as { outcome: Uint8Array };
    expect(kept).toEqual({ state: 'sealed', outcome });
    // What a caller must not do shows what was kept: the bytes themselves, or a copy.
    payload.fill(2);
    const state = (id: number, args: Uint8Array) => (store.lookup(numbered(id), { methodId: 1, args }) as { state: string }).state;
    expect(state(1, payload.subarray(100))).toBe('sealed');
    expect(state(2, payload.subarray(0, 100))).toBe('conflict');
  });
});
