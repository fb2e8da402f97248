import { describe, expect, it } from 'vitest';
import { createActor, createMachine } from 'xstate';
import { memoryNetwork } from 'statewire/memory';
import { SimulatedClock } from 'statewire/testing';
import { connectPair, record } from '../support/links.ts';

/** Both ways to let time pass. */
const WAYS = [
  ['advance', (clock: SimulatedClock, durationMs: number) => clock.advance(durationMs)],
  ['increment', async (clock: SimulatedClock, durationMs: number) => clock.increment(durationMs)],
] as const;

describe.each(WAYS)('SimulatedClock.%s', (_name, pass) => {
  it('stops at each deadline in order, also at those that are set on the way', async () => {
    const clock = new SimulatedClock(1_000);
    const log: string[] = [];
    const note = (name: string): void => void log.push(`${name}@${clock.now()}`);
    clock.setTimeout(() => note('c'), 30);
    clock.setTimeout(() => note('a'), 10);
    clock.setTimeout(() => note('a2'), 10);
    const chain = (): void => {
      note('chain');
      clock.setTimeout(chain, 8);
    };
    chain();
    await pass(clock, 30);
    expect(log).toEqual(['chain@1000', 'chain@1008', 'a@1010', 'a2@1010', 'chain@1016', 'chain@1024', 'c@1030']);
    expect([clock.now(), clock.pending]).toEqual([1_030, 1]);
  });

  it('runs no timer that was cleared, nor one that is not due', async () => {
    const clock = new SimulatedClock();
    const log: string[] = [];
    const second: { id?: unknown } = {};
    clock.setTimeout(() => {
      log.push('first');
      clock.clearTimeout(second.id);
    }, 5);
    second.id = clock.setTimeout(() => log.push('second'), 5);
    clock.setTimeout(() => log.push('third'), 11);
    await pass(clock, 10);
    expect(log).toEqual(['first']);
    expect(clock.pending).toBe(1);
    await pass(clock, 1);
    expect([log, clock.pending]).toEqual([['first', 'third'], 0]);
  });

  it('runs timers without a delay at the next step, those they set included', async () => {
    const clock = new SimulatedClock();
    const log: string[] = [];
    clock.setTimeout(() => {
      log.push('zero');
      clock.setTimeout(() => log.push('zero again'), 0);
    }, 0);
    clock.setTimeout(() => log.push('negative'), -5);
    await pass(clock, 0);
    expect(log).toEqual(['zero', 'negative', 'zero again']);
    expect(clock.now()).toBe(0);
  });

  it('keeps the order of thousands of deadlines', async () => {
    const clock = new SimulatedClock();
    const times: number[] = [];
    for (let index = 0; index < 2_000; index++) clock.setTimeout(() => times.push(clock.now()), (index * 7_919) % 501);
    await pass(clock, 500);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    expect(times).toHaveLength(2_000);
  });

  it('drives the delays of an XState actor', async () => {
    const clock = new SimulatedClock();
    const machine = createMachine({ initial: 'a', states: { a: { after: { 10: 'b' } }, b: { after: { 10: 'c' } }, c: {} } });
    const actor = createActor(machine, { clock }).start();
    await pass(clock, 19);
    expect(actor.getSnapshot().value).toBe('b');
    await pass(clock, 1);
    expect(actor.getSnapshot().value).toBe('c');
  });
});

describe('SimulatedClock.advance', () => {
  it('lets promises settle before the first deadline, between deadlines and after the last', async () => {
    const clock = new SimulatedClock();
    const log: string[] = [];
    const wait = (delayMs: number): Promise<void> => new Promise((resolve) => clock.setTimeout(resolve, delayMs));
    const work = async (): Promise<void> => {
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      for (const step of [1, 2, 3]) {
        await wait(10);
        await Promise.resolve();
        log.push(`${step}@${clock.now()}`);
      }
    };
    void work();
    await clock.advance(30);
    expect(log).toEqual(['1@10', '2@20', '3@30']);
  });

  it('runs a timer that is set for right now after the promises of the one that set it', async () => {
    const clock = new SimulatedClock();
    const log: string[] = [];
    clock.setTimeout(() => {
      void Promise.resolve().then(() => log.push('promise'));
      clock.setTimeout(() => log.push('timer'), 0);
    }, 10);
    await clock.advance(10);
    expect(log).toEqual(['promise', 'timer']);
  });

  it('lets a memory network deliver between deadlines, many messages deep', async () => {
    const clock = new SimulatedClock();
    const network = memoryNetwork({ clock });
    const { initiator, acceptor } = await connectPair(network.listener('a'), () => network.connector('a'));
    const [sender, receiver] = [record(initiator), record(acceptor)];
    receiver.onMessage = (payload) => void acceptor.send(payload);
    sender.onMessage = () => {
      if (sender.messages.length % 100 !== 0) initiator.send(new Uint8Array(1));
    };
    const seen: number[] = [];
    clock.setTimeout(() => initiator.send(new Uint8Array(1)), 10);
    clock.setTimeout(() => seen.push(sender.messages.length), 11);
    await clock.advance(11);
    expect(seen).toEqual([100]);
  });

  it('runs overlapping calls one after another, and rejects with what a timer throws', async () => {
    const clock = new SimulatedClock();
    clock.setTimeout(() => {
      throw new Error('timer bug');
    }, 5);
    const first = clock.advance(10);
    const second = clock.advance(10);
    await expect(first).rejects.toThrow('timer bug');
    await second;
    expect(clock.now()).toBe(15);
  });
});
