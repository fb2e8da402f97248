/**
 * The channel ends in the argument of a call that ended before it was encoded: who waits on their other ends is woken (credit.wake, conn.closed: no promise
 * hangs). The channel itself is as it was: its end was not passed, and may be passed again.
 */
import { wakeUnbound } from './channel-pair.ts';
import { Rx, Tx } from './channel.ts';

/** Deeper values are refused when they are encoded. */
const MAX_DEPTH = 500;

/** Wakes those who wait on a channel of which `argument` holds one end. What is no plain value is passed over. */
export function wakeWaiters(argument: unknown): void {
  if (typeof argument !== 'object' || argument === null) return;
  const seen = new Set<unknown>();
  let level: unknown[] = [argument];
  for (let depth = 0; level.length > 0 && depth <= MAX_DEPTH; depth++) {
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== 'object' || value === null || seen.has(value)) continue;
      seen.add(value);
      if (value instanceof Tx) wakeUnbound(Tx.halfOf(value).pair);
      else if (value instanceof Rx) wakeUnbound(Rx.halfOf(value).pair);
      // One by one: as arguments of one call they may be too many.
      else for (const part of partsOf(value)) next.push(part);
    }
    level = next;
  }
}

function partsOf(value: object): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  if (value instanceof Map) return [...value].flat();
  if (value instanceof Set) return [...value];
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return [];
  // Getters are left alone: they belong to the encoding.
  return Object.values(Object.getOwnPropertyDescriptors(value)).map((property) => property.value as unknown);
}
