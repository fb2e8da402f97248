import { describe, expect, it } from 'vitest';
import { memoryNetwork } from 'statewire/memory';
import type { MemoryNetwork, MemoryNetworkOptions, TapEvent } from 'statewire/memory';
import { encodeMessages } from 'statewire/wire';
import { SimulatedClock } from '../../src/testing/clock.ts';
import type { Link } from '../../src/transport/link.ts';
import { connectPair, linkConformance, record, turns } from '../support/links.ts';
import type { Recorder } from '../support/links.ts';

linkConformance(
  'memory',
  (limits) => {
    const network = memoryNetwork();
    return connectPair(network.listener('a'), ({ name }) => network.connector(name), limits);
  },
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);

const never = new AbortController().signal;

interface Scene {
  readonly clock: SimulatedClock;
  readonly network: MemoryNetwork;
  readonly initiator: Link;
  readonly acceptor: Link;
  readonly sender: Recorder;
  readonly receiver: Recorder;
}

async function makeScene(options: Omit<MemoryNetworkOptions, 'clock'> = {}): Promise<Scene> {
  const clock = new SimulatedClock();
  const network = memoryNetwork({ ...options, clock });
  const { initiator, acceptor } = await connectPair(network.listener('a'), () => network.connector('a'));
  return { clock, network, initiator, acceptor, sender: record(initiator), receiver: record(acceptor) };
}

const numbers = (recorder: Recorder): number[] => recorder.messages.map((payload) => payload[0] as number);
const sendNumbers = (link: Link, ...values: number[]): void => values.forEach((value) => void link.send(Uint8Array.of(value)));
const lost = (why: string): unknown => expect.objectContaining({ message: `the link was lost: ${why}` });

describe('memoryNetwork', () => {
  it('never delivers within the call of send', async () => {
    const { initiator, receiver } = await makeScene();
    sendNumbers(initiator, 1, 2);
    expect(numbers(receiver)).toEqual([]);
    await Promise.resolve();
    expect(numbers(receiver)).toEqual([1, 2]);
  });

  it('rejects a connect where nobody listens, and a second listener of a name', async () => {
    const network = memoryNetwork();
    await expect(network.connector('a').connect(never)).rejects.toThrow('nobody listens on that name');
    const listening = await network.listener('a').listen(() => {});
    expect(listening.address).toEqual({ name: 'a' });
    await expect(network.listener('a').listen(() => {})).rejects.toThrow('already listens');
    await listening.close();
    await expect(network.connector('a').connect(never)).rejects.toThrow('nobody listens');
    await network.listener('a').listen(() => {});
  });

  it('lets other work of the process go on while two ends chat without pause', async () => {
    const { initiator, acceptor, sender, receiver } = await makeScene();
    receiver.onMessage = (payload) => void acceptor.send(payload);
    sender.onMessage = (payload) => void initiator.send(payload);
    sendNumbers(initiator, 1);
    await turns(3);
    initiator.abort();
    expect(numbers(sender).length).toBeGreaterThan(100);
  });

  it('cut() ends both sides of every link with an error and fails connects until heal()', async () => {
    const { network, initiator, sender, receiver } = await makeScene();
    sendNumbers(initiator, 1);
    network.cut();
    expect(await sender.closed()).toEqual([lost('the network was cut')]);
    expect(await receiver.closed()).toEqual([lost('the network was cut')]);
    expect(numbers(receiver)).toEqual([]);
    const error = await network
      .connector('a')
      .connect(never)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ message: "cannot connect to 'a': the memory network is cut" });
    expect(error).not.toHaveProperty('final');
    network.heal();
    await network.connector('a').connect(never);
  });

  it('silence() loses what arrives and tells nobody; after speak() a direction that lost something stays mute, others go on', async () => {
    const { network, initiator, acceptor, sender, receiver } = await makeScene();
    const other = await network.connector('a').connect(never);
    network.silence();
    sendNumbers(initiator, 1);
    await turns(3);
    network.speak();
    sendNumbers(initiator, 2);
    sendNumbers(acceptor, 3);
    await turns(3);
    expect([numbers(receiver), numbers(sender)]).toEqual([[], [3]]);
    acceptor.abort();
    expect(await sender.closed()).toEqual([lost('the other end aborted it')]);
    expect(other.send(Uint8Array.of(4))).toBe(true);
  });

  it('[link.backpressure] a silent network fills up: the sender gets stuck and is not told', async () => {
    const { network, initiator, sender } = await makeScene({ highWaterBytes: 1_000 });
    network.silence();
    expect(initiator.send(new Uint8Array(999))).toBe(true);
    expect(initiator.send(new Uint8Array(1))).toBe(false);
    await turns(3);
    network.speak();
    await turns(3);
    expect([sender.drains, sender.closes]).toEqual([0, []]);
  });

  it('an abort or a close in a silence is not told to the peer', async () => {
    const { clock, network, initiator, sender, receiver } = await makeScene();
    network.silence();
    initiator.close();
    await clock.advance(29_999);
    expect([sender.closes, receiver.closes]).toEqual([[], []]);
    // The closing side gives up by itself; its peer cannot know.
    await clock.advance(1);
    expect(sender.closes).toEqual([expect.objectContaining({ message: expect.stringContaining('did not finish closing') as string })]);
    network.speak();
    await turns(3);
    expect(receiver.closes).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it.each(['silence', 'hold'] as const)('a connect waits through a %s, and can be aborted there', async (fault) => {
    const { network } = await makeScene();
    network[fault]();
    const controller = new AbortController();
    const aborted = network.connector('a').connect(controller.signal);
    const waiting = network.connector('a').connect(never);
    await turns(2);
    controller.abort(new Error('too slow'));
    await expect(aborted).rejects.toThrow('too slow');
    if (fault === 'hold') network.release();
    else network.speak();
    await waiting;
  });

  it('delay() takes its time by the clock, and what is sent later never overtakes', async () => {
    const { clock, network, initiator, receiver } = await makeScene();
    network.delay(10);
    sendNumbers(initiator, 1);
    await clock.advance(5);
    network.delay(0);
    sendNumbers(initiator, 2);
    await clock.advance(4);
    expect(numbers(receiver)).toEqual([]);
    await clock.advance(1);
    expect(numbers(receiver)).toEqual([1, 2]);
    network.delay(20);
    sendNumbers(initiator, 3);
    initiator.close();
    await clock.advance(19);
    expect(numbers(receiver)).toEqual([1, 2]);
    await clock.advance(1);
    expect([numbers(receiver), receiver.closes]).toEqual([[1, 2, 3], [undefined]]);
  });

  it('hold() keeps payloads and ends, release() lets them go in order', async () => {
    const { network, initiator, receiver, sender } = await makeScene({ highWaterBytes: 3 });
    network.hold();
    sendNumbers(initiator, 1, 2, 3);
    await turns(2);
    expect([numbers(receiver), sender.drains]).toEqual([[], 0]);
    network.release();
    await turns(1);
    expect([numbers(receiver), sender.drains]).toEqual([[1, 2, 3], 1]);
    network.hold();
    sendNumbers(initiator, 4);
    initiator.close();
    network.release();
    expect(await receiver.closed()).toEqual([undefined]);
    expect(numbers(receiver)).toEqual([1, 2, 3, 4]);
  });

  it('drop() kills a link at both ends at the given rate, the same way for the same seed', async () => {
    const survivedPayloads = async (seed: number): Promise<number> => {
      const { network, initiator, receiver, sender } = await makeScene({ seed });
      network.drop({ rate: 0.1 });
      for (let value = 0; sender.closes.length === 0 && value < 200; value++) {
        sendNumbers(initiator, value);
        await turns(1);
      }
      expect(sender.closes).toEqual([lost('the network dropped a payload')]);
      expect(receiver.closes).toEqual([lost('the network dropped a payload')]);
      return receiver.messages.length;
    };
    const runs = await Promise.all([1, 2, 3, 1, 2, 3].map(survivedPayloads));
    expect(runs.slice(0, 3)).toEqual(runs.slice(3));
    expect(new Set(runs).size).toBeGreaterThan(1);
  });

  it('tap() shows each message of a payload when it is sent, also what cannot be decoded, until it is told to stop', async () => {
    const { network, initiator, acceptor, sender, receiver } = await makeScene();
    const seen: TapEvent[] = [];
    const stop = network.tap((event) => seen.push(event));
    const payload = encodeMessages([
      { type: 'ping', nonce: 1 },
      { type: 'pong', nonce: 2 },
    ]);
    initiator.send(payload);
    acceptor.send(Uint8Array.of(0xc1));
    await turns(1);
    stop();
    initiator.send(Uint8Array.of(1));
    expect(seen.map(({ direction, link, message }) => ({ direction, link, message }))).toEqual([
      { direction: 'initiator→acceptor', link: 'a#1', message: { type: 'ping', nonce: 1 } },
      { direction: 'initiator→acceptor', link: 'a#1', message: { type: 'pong', nonce: 2 } },
      { direction: 'acceptor→initiator', link: 'a#1', message: { type: 'undecodable' } },
    ]);
    expect(seen[0]?.payload).toEqual(receiver.messages[0]);
    expect(numbers(sender)).toEqual([0xc1]);
  });
});
