/**
 * Whatever the two ends of a channel do, and in whatever order, what was taken comes out in order and each once, and the sum of all credit holds
 * (channel.order, credit.grant). Random scripts against a model that only counts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { channelPeers, EVERYWHERE, numbers, readAll, watched } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing, patiently } from '../support/channel-leaks.ts';

leavesNothing();

type Step =
  | { readonly does: 'send' | 'recv'; readonly count: number }
  | { readonly does: 'grant'; readonly credit: number }
  | { readonly does: 'respond' | 'settle' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ does: fc.constantFrom('send' as const, 'recv' as const), count: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ does: fc.constant('grant' as const), credit: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ does: fc.constantFrom('respond' as const, 'settle' as const) }),
  ),
  { maxLength: 25 },
);
const ending = fc.constantFrom('close' as const, 'reset' as const);

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  it('[channel.order] [credit.grant] any script of sends, receives, grants and pauses loses, repeats and reorders nothing', async () => {
    const peers = await channelPeers({ transport });
    const script = fc.asyncProperty(fc.integer({ min: 0, max: 10 }), steps, ending, async (credit, todo, end) => {
      const { tx, rx, run, sender, receiver } = await peers.pipe({ sends, credit });
      let sent = 0;
      let granted = 0;
      const taken: number[] = [];
      const sending: Promise<unknown>[] = [];
      const receiving: Promise<unknown>[] = [];
      const read: unknown[] = [];
      const leastTaken = (): number => (credit === 0 ? 0 : Math.min(sent, read.length + granted + credit - Math.max(1, credit >> 1) + 1));
      for (const step of todo) {
        switch (step.does) {
          case 'send':
            for (const number of numbers(step.count, sent)) sending.push(watched(tx.send(number).then(() => taken.push(number))));
            sent += step.count;
            break;
          case 'recv':
            for (let count = 0; count < step.count; count++)
              receiving.push(watched(rx.recv().then((received) => read.push(received.value ?? 'end'))));
            break;
          case 'grant':
            rx.grant(step.credit);
            granted += step.credit;
            break;
          case 'respond':
            run.returns(undefined);
            break;
          case 'settle':
            await peers.settle();
            // The sender is ahead by no more than it may be; and, after some grants to and fro, not held back while it may go on.
            expect(taken.length).toBeLessThanOrEqual(read.length + credit + granted + (credit === 0 ? receiving.length : 0));
            await patiently(() => tx.credit === rx.credit && taken.length >= leastTaken());
            expect(tx.credit).toBe(rx.credit);
            expect(taken.length).toBeGreaterThanOrEqual(leastTaken());
        }
      }
      await peers.settle();
      tx[end]();
      const rest = await readAll(rx);
      await Promise.allSettled([...sending, ...receiving]);
      const items = [...read.filter((item) => item !== 'end'), ...rest.items];
      // What was taken is in order, and all of it arrives.
      expect(taken).toEqual(numbers(taken.length));
      expect(items).toEqual(taken);
      expect(rest.error?.kind).toBe(end === 'close' ? undefined : 'channel-reset');
      expect([sender.counters.creditViolations, receiver.counters.creditViolations]).toEqual([0, 0]);
      await expectNoChannels();
    });
    await fc.assert(script, { numRuns: 60 });
  });
});
