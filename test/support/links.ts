/**
 * What every link must do, as one suite (`linkConformance`) that each transport's test calls with its way to make a pair of links.
 * Also the handler that records what a link says, and waits for it. Rules link.*.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { describe as Describe, expect as Expect, it as It } from 'vitest';
import { LinkClosedError } from '../../src/transport/base-link.ts';
import { PayloadTooLargeError } from '../../src/transport/link.ts';
import type { Connector, Link, LinkHandler, LinkLimits, Listener } from '../../src/transport/link.ts';

/** Records what a link tells. */
export class Recorder implements LinkHandler {
  readonly messages: Uint8Array[] = [];
  readonly closes: (Error | undefined)[] = [];
  drains = 0;
  onMessage: (payload: Uint8Array) => void = () => {};
  #wake: (() => void)[] = [];

  message(payload: Uint8Array): void {
    this.messages.push(payload);
    this.#changed();
    this.onMessage(payload);
  }

  drain(): void {
    this.drains++;
    this.#changed();
  }

  close(error?: Error): void {
    this.closes.push(error);
    this.#changed();
  }

  /** Waits for so many payloads, or for the end. */
  async received(count: number): Promise<Uint8Array[]> {
    await this.#until(() => this.messages.length >= count || this.closes.length > 0);
    return this.messages;
  }

  async drained(): Promise<void> {
    const before = this.drains;
    await this.#until(() => this.drains > before || this.closes.length > 0);
  }

  /** Waits for the end and for what might wrongly follow it. */
  async closed(): Promise<(Error | undefined)[]> {
    await this.#until(() => this.closes.length > 0);
    await turns(5);
    return this.closes;
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #changed(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

/** Opens a link and records it. */
export function record(link: Link): Recorder {
  const recorder = new Recorder();
  link.open(recorder);
  return recorder;
}

/** So many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}

/** Bytes that differ from place to place, so that a shift or a mix-up shows. */
export function pattern(byteLength: number, seed = byteLength): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let index = 0; index < byteLength; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export interface LinkPair {
  readonly initiator: Link;
  readonly acceptor: Link;
  /** Ends both links and what they ran on. */
  dispose(): Promise<void>;
}

export interface PairLimits {
  readonly initiator?: LinkLimits;
  readonly acceptor?: LinkLimits;
}

export type MakePair = (limits?: PairLimits) => Promise<LinkPair>;

/** Listens, connects to where it listens, and gives both ends. */
export async function connectPair<A>(listener: Listener<A>, connectorTo: (address: A) => Connector, limits: PairLimits = {}): Promise<LinkPair> {
  let accepted: (link: Link) => void = () => {};
  const acceptorMade = new Promise<Link>((resolve) => (accepted = resolve));
  const listening = await listener.listen((link) => accepted(link), limits.acceptor);
  const initiator = await connectorTo(listening.address).connect(new AbortController().signal, limits.initiator);
  const acceptor = await acceptorMade;
  return {
    initiator,
    acceptor,
    async dispose() {
      initiator.abort();
      acceptor.abort();
      await listening.close();
    },
  };
}

export interface LinkTraits {
  /** Whether the peer of an aborted link learns that it was no graceful end. On plain TCP a reset tells; a TLS or Unix socket just ends. */
  readonly tellsAbort: boolean;
  /** Who can make the other side wait by not reading. A browser's WebSocket cannot. */
  readonly slowReaders: readonly Side[];
}

type Side = 'initiator' | 'acceptor';
const SIDES: readonly Side[] = ['initiator', 'acceptor'];
const otherSide = (side: Side): Side => (side === 'initiator' ? 'acceptor' : 'initiator');

export interface TestApi {
  readonly describe: typeof Describe;
  readonly it: typeof It;
  readonly expect: typeof Expect;
}

type PairTest = (title: string, run: (pair: LinkPair, sides: { from: Side; to: Side }) => Promise<void>, limits?: PairLimits) => void;

/** The suite. */
export function linkConformance(name: string, makePair: MakePair, traits: LinkTraits, api: TestApi): void {
  const withPair: PairTest = (title, run, limits) => {
    for (const from of SIDES) {
      api.it(`${title} (sent by the ${from})`, async () => {
        const pair = await makePair(limits);
        try {
          await run(pair, { from, to: otherSide(from) });
        } finally {
          await pair.dispose();
        }
      });
    }
  };
  api.describe(`${name}: a link`, () => {
    payloadTests(withPair, api);
    limitTests(withPair, api);
    backpressureTests(makePair, traits, api);
    closeTests(withPair, api);
    abortTests(withPair, traits, api);
  });
}

/** Around every size at which a transport changes its mind: empty, header, copy limit, chunk, high-water mark. */
const SIZES = [0, 1, 2, 3, 4, 5, 125, 126, 127, 4_096, 8_191, 8_192, 8_193, 65_531, 65_535, 65_536, 65_537, 262_144, 1_048_577, 5_000_000];

/** Compares payloads fast: `toEqual` takes seconds for a megabyte. */
export function expectSame(received: readonly Uint8Array[], sent: readonly Uint8Array[], { expect }: Pick<TestApi, 'expect'>): void {
  expect(received.map((payload) => payload.byteLength)).toEqual(sent.map((payload) => payload.byteLength));
  const different = received.findIndex((payload, index) => Buffer.compare(payload, sent[index] as Uint8Array) !== 0);
  expect(different, 'index of the first payload that differs').toBe(-1);
}

function payloadTests(withPair: PairTest, api: TestApi): void {
  const { expect } = api;
  withPair('[link.boundaries] delivers payloads of every size as they were sent, in order', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    for (const size of SIZES) pair[from].send(pattern(size));
    expectSame(
      await receiver.received(SIZES.length),
      SIZES.map((size) => pattern(size)),
      api,
    );
    expect(sender.messages).toEqual([]);
  });

  withPair('[link.boundaries] keeps the order of thousands of payloads over many turns, both ways at once', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    const sent = Array.from({ length: 3_000 }, (_, index) => pattern((index * 7) % 211, index));
    for (let index = 0; index < sent.length; index++) {
      pair[from].send(pattern((index * 7) % 211, index));
      pair[to].send(pattern((index * 7) % 211, index));
      if (index % 50 === 0) await turns(1);
    }
    expectSame(await receiver.received(sent.length), sent, api);
    expectSame(await sender.received(sent.length), sent, api);
  });

  withPair('[link.ownership] sends the bytes of a view and none around it', async (pair, { from, to }) => {
    record(pair[from]);
    const receiver = record(pair[to]);
    for (const size of [16, 100_000]) pair[from].send(pattern(3 * size, 1).subarray(size, 2 * size));
    expectSame(
      await receiver.received(2),
      [16, 100_000].map((size) => pattern(3 * size, 1).slice(size, 2 * size)),
      api,
    );
  });

  withPair('[link.ownership] hands out plain bytes that later traffic does not change', async (pair, { from, to }) => {
    record(pair[from]);
    const receiver = record(pair[to]);
    const sent = Array.from({ length: 200 }, (_, index) => pattern(5_000, index));
    for (const [index, payload] of sent.entries()) {
      pair[from].send(Buffer.from(payload));
      if (index % 10 === 0) await turns(1);
    }
    const received = await receiver.received(sent.length);
    expectSame(received, sent, api);
    expect(received.every((payload) => payload.constructor === Uint8Array)).toBe(true);
    // The receiver may write to its bytes without touching those of another payload.
    received[0]?.fill(0xff);
    expectSame(received.slice(1), sent.slice(1), api);
  });

  withPair('[link.boundaries] keeps what comes before open() for the handler', async (pair, { from, to }) => {
    record(pair[from]);
    pair[from].send(pattern(10));
    pair[from].send(pattern(20));
    await turns(10);
    expectSame(await record(pair[to]).received(2), [pattern(10), pattern(20)], api);
  });
}

const SMALL_LIMIT: LinkLimits = { maxPayload: 1_000 };

function limitTests(withPair: PairTest, api: TestApi): void {
  const { expect } = api;
  withPair(
    '[link.limit] throws for a payload above maxPayload and sends nothing of it; the link goes on',
    async (pair, { from, to }) => {
      record(pair[from]);
      const receiver = record(pair[to]);
      expect(() => pair[from].send(new Uint8Array(1_001))).toThrow(PayloadTooLargeError);
      pair[from].send(pattern(1_000));
      expectSame(await receiver.received(1), [pattern(1_000)], api);
    },
    { initiator: SMALL_LIMIT, acceptor: SMALL_LIMIT },
  );

  withPair('[link.limit] refuses an inbound payload above limitInbound and takes the ones before', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    pair[to].limitInbound?.(500);
    pair[from].send(pattern(500));
    pair[from].send(pattern(501));
    pair[from].send(pattern(1));
    const [error] = await receiver.closed();
    expect(error).toBeInstanceOf(PayloadTooLargeError);
    expect((error as PayloadTooLargeError).maxPayload).toBe(500);
    expectSame(receiver.messages, [pattern(500)], api);
    expect(await sender.closed()).toHaveLength(1);
  });

  withPair('[link.limit] takes larger payloads again when limitInbound is raised', async (pair, { from, to }) => {
    record(pair[from]);
    const receiver = record(pair[to]);
    pair[to].limitInbound?.(500);
    pair[from].send(pattern(500));
    await receiver.received(1);
    pair[to].limitInbound?.(1_000_000);
    pair[from].send(pattern(200_000));
    expectSame(await receiver.received(2), [pattern(500), pattern(200_000)], api);
  });

  for (const to of SIDES) {
    const limits: PairLimits = { [to]: SMALL_LIMIT };
    const title = `[link.limit] the ${to} refuses what is above its own maxPayload, also after limitInbound asked for more`;
    withPair(
      title,
      async (pair, sides) => {
        if (sides.to !== to) return;
        record(pair[sides.from]);
        const receiver = record(pair[to]);
        pair[to].limitInbound?.(1_000_000);
        pair[sides.from].send(pattern(1_001));
        expect(await receiver.closed()).toEqual([expect.any(PayloadTooLargeError)]);
        expect(receiver.messages).toEqual([]);
      },
      limits,
    );
  }
}

/** More than any kernel buffers for us between two sockets of one machine. */
const UNREAD_LIMIT_BYTES = 48 * 1024 * 1024;

function backpressureTests(makePair: MakePair, traits: LinkTraits, api: TestApi): void {
  const { expect } = api;
  for (const to of traits.slowReaders) {
    const from = otherSide(to);
    api.it(`[link.backpressure] stops the ${from} while the ${to} does not read, and tells when it may go on`, async () => {
      const pair = await makePair();
      try {
        const sender = record(pair[from]);
        const payload = 100_000;
        let count = 1;
        while (pair[from].send(pattern(payload, count)) && count * payload < UNREAD_LIMIT_BYTES) {
          count++;
          // As a driver does: a few payloads a turn.
          if (count % 3 === 0) await turns(1);
        }
        expect(count * payload).toBeLessThan(UNREAD_LIMIT_BYTES);
        expect(sender.drains).toBe(0);
        const receiver = record(pair[to]);
        await sender.drained();
        expect(sender.drains).toBe(1);
        expect(pair[from].send(pattern(1))).toBe(true);
        const received = await receiver.received(count + 1);
        expectSame(received, [...Array.from({ length: count }, (_, index) => pattern(payload, index + 1)), pattern(1)], api);
      } finally {
        await pair.dispose();
      }
    });
  }
}

function closeTests(withPair: PairTest, api: TestApi): void {
  const { expect } = api;
  withPair('[link.close] delivers what was sent before a graceful close, then the end, at both sides once', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    const sizes = [3, 2_000_000, 0, 70_000, 5];
    for (const size of sizes) pair[from].send(pattern(size));
    pair[from].close();
    expect(await receiver.closed()).toEqual([undefined]);
    expectSame(
      receiver.messages,
      sizes.map((size) => pattern(size)),
      api,
    );
    expect(await sender.closed()).toEqual([undefined]);
  });

  withPair('[link.close] delivers what was sent before to a peer that opens its link only then', async (pair, { from, to }) => {
    record(pair[from]);
    pair[from].send(pattern(100));
    pair[from].close();
    await turns(10);
    const receiver = record(pair[to]);
    expect(await receiver.closed()).toEqual([undefined]);
    expectSame(receiver.messages, [pattern(100)], api);
  });

  withPair('[link.close] tells the close to a handler that comes after it', async (pair, { from }) => {
    pair[from].abort(new Error('early'));
    await turns(10);
    expect(await record(pair[from]).closed()).toEqual([expect.objectContaining({ message: 'early' })]);
  });

  for (const end of ['close', 'abort'] as const) {
    withPair(`[link.close] send() throws after ${end}()`, async (pair, { from, to }) => {
      const sender = record(pair[from]);
      record(pair[to]);
      pair[from][end]();
      expect(() => pair[from].send(pattern(1))).toThrow(LinkClosedError);
      await sender.closed();
      expect(() => pair[from].send(pattern(1))).toThrow(LinkClosedError);
    });
  }

  withPair('[link.close] send() throws once the peer has closed', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    pair[from].close();
    await receiver.closed();
    expect(() => pair[to].send(pattern(1))).toThrow(LinkClosedError);
    expect(await sender.closed()).toEqual([undefined]);
  });

  withPair('[link.close] takes any sequence of closes and aborts as one', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    pair[from].close();
    pair[from].close();
    pair[from].abort(new Error('changed my mind'));
    pair[from].abort(new Error('again'));
    pair[from].close();
    expect(await sender.closed()).toEqual([expect.objectContaining({ message: 'changed my mind' })]);
    expect(await receiver.closed()).toHaveLength(1);
  });

  withPair('a link has one handler: open() throws the second time', async (pair, { from }) => {
    record(pair[from]);
    expect(() => record(pair[from])).toThrow(/open\(\) was called twice/);
  });
}

function abortTests(withPair: PairTest, traits: LinkTraits, api: TestApi): void {
  const { expect } = api;
  withPair('[link.close] abort tells both sides once, its own with the reason and never within the call', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    pair[from].abort(new Error('enough'));
    expect(sender.closes).toEqual([]);
    expect(await sender.closed()).toEqual([expect.objectContaining({ message: 'enough' })]);
    expect(await receiver.closed()).toEqual([traits.tellsAbort ? expect.any(Error) : undefined]);
  });

  withPair('[link.close] abort in the middle of a large payload delivers no part of it', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    pair[from].send(pattern(10));
    await receiver.received(1);
    for (let count = 0; count < 3; count++) pair[from].send(pattern(5_000_000));
    await turns(1);
    pair[from].abort(new Error('enough'));
    expect(await sender.closed()).toEqual([expect.objectContaining({ message: 'enough' })]);
    expect(await receiver.closed()).toHaveLength(1);
    expect(receiver.messages.slice(1).every((payload) => payload.byteLength === 5_000_000)).toBe(true);
  });

  withPair('[link.close] delivers nothing after an abort from within a handler', async (pair, { from, to }) => {
    record(pair[from]);
    const receiver = record(pair[to]);
    receiver.onMessage = () => {
      if (receiver.messages.length === 3) pair[to].abort(new Error('three are enough'));
    };
    for (let count = 0; count < 10; count++) pair[from].send(pattern(10));
    expect(await receiver.closed()).toEqual([expect.objectContaining({ message: 'three are enough' })]);
    expect(receiver.messages).toHaveLength(3);
  });

  withPair('[link.close] a handler that throws loses its link, and the link says why', async (pair, { from, to }) => {
    const [sender, receiver] = [record(pair[from]), record(pair[to])];
    receiver.onMessage = () => {
      throw new Error('handler bug');
    };
    pair[from].send(pattern(10));
    pair[from].send(pattern(10));
    expect(await receiver.closed()).toEqual([expect.objectContaining({ message: 'handler bug' })]);
    expect(receiver.messages).toHaveLength(1);
    expect(await sender.closed()).toHaveLength(1);
  });

  for (const rounds of [1, 20]) {
    withPair(`[link.close] both sides close at once with ${rounds} payloads under way: all arrive`, async (pair, { from, to }) => {
      const ends = [from, to].map((side) => ({ link: pair[side], recorder: record(pair[side]) }));
      for (const { link } of ends) {
        for (let count = 0; count < rounds; count++) link.send(pattern(1_000, count));
        link.close();
      }
      for (const { recorder } of ends) {
        expect(await recorder.closed()).toEqual([undefined]);
        expectSame(
          recorder.messages,
          Array.from({ length: rounds }, (_, index) => pattern(1_000, index)),
          api,
        );
      }
    });
  }
}
