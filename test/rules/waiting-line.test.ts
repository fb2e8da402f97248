/** The line in which calls wait for room, against a plain array. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { WaitingLine } from '../../src/driver/waiting-line.ts';

it('[attempt.limit-out] serves in order, whoever leaves', () => {
  const step = fc.oneof(fc.constant('join' as const), fc.constant('next' as const), fc.nat());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 4_000, size: 'max' }), (steps) => {
      const line = new WaitingLine<number>();
      const expected: number[] = [];
      const tickets: number[] = [];
      for (const what of steps) {
        if (what === 'join') {
          expected.push(tickets.length);
          tickets.push(line.join(tickets.length));
        } else if (what === 'next') {
          if (line.next() !== expected.shift()) return false;
        } else if (tickets.length > 0) {
          const who = what % tickets.length;
          line.leave(tickets[who] as number);
          if (expected.includes(who)) expected.splice(expected.indexOf(who), 1);
        }
      }
      return line.size === expected.length;
    }),
    { numRuns: 30 },
  );
});

it('[attempt.limit-out] serves a hundred and fifty thousand in three rushes', () => {
  const line = new WaitingLine<object>();
  for (let round = 0; round < 3; round++) {
    for (let member = 0; member < 50_000; member++) line.join({ member });
    const served = Array.from({ length: 50_000 }, () => line.next());
    expect(served).toEqual(Array.from({ length: 50_000 }, (_, member) => ({ member })));
  }
  expect(line.next()).toBeUndefined();
  expect(line.size).toBe(0);
});
