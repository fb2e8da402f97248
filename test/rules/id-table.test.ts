/** The table of what has a number, against a Map. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdTable, placeOf } from '../../src/id-table.ts';

const id = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.integer({ min: 1, max: 9 }).map((at) => at * 2 ** 32),
);
const step = fc.record({ what: fc.constantFrom('set', 'set', 'delete', 'get'), id });

function expectAlike(table: IdTable<number>, map: ReadonlyMap<number, number>): void {
  const inOrder = [...map].sort(([one], [other]) => one - other).map(([, value]) => value);
  expect(table.size).toBe(map.size);
  expect(table.inOrder()).toEqual(inOrder);
  expect(table.values().toSorted((one, other) => one - other)).toEqual(inOrder.toSorted((one, other) => one - other));
}

describe('an IdTable', () => {
  it('[attempt.slot-first] knows what a Map would, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
        const table = new IdTable<number>();
        const map = new Map<number, number>();
        for (const [value, { what, id: key }] of steps.entries()) {
          if (what === 'set') {
            table.set(key, value);
            map.set(key, value);
          } else if (what === 'delete') {
            expect(table.delete(key)).toBe(map.delete(key));
          }
          expect(table.get(key)).toBe(map.get(key));
          expect(table.has(key)).toBe(map.has(key));
        }
        expectAlike(table, map);
      }),
      { numRuns: 200 },
    );
  });

  it.each([1, 2, 2 ** 20, 2 ** 32])('grows to 100,000 entries whose numbers are %i apart, and shrinks again', (apart) => {
    const table = new IdTable<number>();
    const map = new Map<number, number>();
    for (let at = 1; at <= 100_000; at++) {
      table.set(at * apart, at);
      map.set(at * apart, at);
    }
    expectAlike(table, map);
    let deleted = 0;
    for (let at = 1; at <= 100_000; at++) if (at % 1_000 !== 0 && map.delete(at * apart) && table.delete(at * apart)) deleted++;
    expect(deleted).toBe(99_900);
    expectAlike(table, map);
    // One that stays keeps the rest findable, however many pass by.
    for (let at = 200_000; at <= 600_000; at++) {
      table.set(at * apart, at);
      if (table.delete(at * apart)) deleted++;
    }
    expect(deleted).toBe(99_900 + 400_001);
    expectAlike(table, map);
  });

  // How numbers relate whose places a peer might hope to know: the inverse of a multiplier, one half making up for the other, one bit, one half alone.
  it.each<[string, (at: number) => number]>([
    ['neighbours', (at) => at],
    ['every second one', (at) => 2 * at],
    ['multiples of 2^20', (at) => at * 2 ** 20],
    ['high halves alone', (at) => at * 2 ** 32],
    ['both halves, one a multiple of the other', (at) => at * 2 ** 32 + (Math.imul(at, 0x85eb_ca6b) >>> 0)],
    ['both halves, mixed as the low one is', (at) => at * 2 ** 32 + (Math.imul(at, 0xc2b2_ae35) >>> 0)],
    ['inverses of the last multiplier', (at) => Math.imul(at, 0x0e8b_2f51) >>> 0 || 1],
    ['both halves alike', (at) => at * 2 ** 32 + at],
  ])('[id.violation] spreads the numbers that a peer chooses: %s', (_, numberAt) => {
    const places = new Set(Array.from({ length: 4_096 }, (__, index) => placeOf(numberAt(index + 1), 32 - 13)));
    // Thrown at random, 4,096 of them take about 3,220 of 8,192 places.
    expect(places.size).toBeGreaterThan(2_400);
  });

  it('is empty after clear, and can be used again', () => {
    const table = new IdTable<string>();
    table.set(7, 'seven');
    table.clear();
    expect([table.size, table.get(7), table.has(7), table.delete(7), table.values()]).toEqual([0, undefined, false, false, []]);
    table.set(7, 'again');
    expect(table.inOrder()).toEqual(['again']);
  });
});
