/** The table of what has a number, against a Map. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdTable } from '../../src/id-table.ts';

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

  it('is empty after clear, and can be used again', () => {
    const table = new IdTable<string>();
    table.set(7, 'seven');
    table.clear();
    expect([table.size, table.get(7), table.has(7), table.delete(7), table.values()]).toEqual([0, undefined, false, false, []]);
    table.set(7, 'again');
    expect(table.inOrder()).toEqual(['again']);
  });
});
