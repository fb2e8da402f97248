/** The numbers of a caller's operations, and how far they are settled, against a plain set. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Series } from '../../src/driver/series.ts';

/** What a series should say of the numbers that were settled. */
function naive(settled: ReadonlySet<number>, last: number): { watermark: number; ahead: number } {
  let watermark = 0;
  while (settled.has(watermark + 1)) watermark++;
  let ahead = 0;
  for (let number = watermark + 1; number <= last; number++) if (settled.has(number) && !settled.has(number - 1)) ahead++;
  return { watermark, ahead };
}

describe('Series', () => {
  it('[op.ack] has every number up to its watermark settled, and knows the runs ahead of it', () => {
    const step = fc.oneof({ weight: 2, arbitrary: fc.constant('next' as const) }, { weight: 3, arbitrary: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const series = new Series('00112233445566ff');
        const settled = new Set<number>();
        const open: number[] = [];
        let last = 0;
        for (const what of steps) {
          if (what === 'next') {
            expect(series.next()).toBe(++last);
            open.push(last);
          } else if (open.length > 0) {
            const [number] = open.splice(what % open.length, 1) as [number];
            series.settle(number);
            settled.add(number);
          }
          const { watermark, ahead } = series;
          expect({ watermark, ahead }).toEqual(naive(settled, last));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('[op.ack] owes an acknowledgement from when its watermark rises until it was told', () => {
    const series = new Series('00112233445566ff');
    for (let number = 1; number <= 3; number++) series.next();
    series.settle(2);
    expect(series.owesAck).toBe(false);
    series.settle(1);
    expect([series.owesAck, series.watermark]).toEqual([true, 2]);
    series.told(2);
    expect(series.owesAck).toBe(false);
    series.settle(3);
    expect([series.owesAck, series.watermark]).toEqual([true, 3]);
  });

  it('[op.ack] keeps one run for a hundred thousand numbers that were settled while one is held back', () => {
    const series = new Series('00112233445566ff');
    for (let number = 1; number <= 100_001; number++) series.next();
    let most = 0;
    for (let number = 2; number <= 100_001; number++) {
      series.settle(number);
      most = Math.max(most, series.ahead);
    }
    expect([most, series.watermark, series.owesAck]).toEqual([1, 0, false]);
    series.settle(1);
    expect([series.ahead, series.watermark]).toEqual([0, 100_001]);
  });
});
