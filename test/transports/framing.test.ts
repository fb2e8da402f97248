/** The framing of byte streams against a naive reference, the stream cut everywhere. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameSplitter, writeFrames } from '../../src/transport/framing.ts';
import { PayloadTooLargeError } from '../../src/transport/link.ts';
import { pattern } from '../support/links.ts';

/** What the framing is, in as few words as can be. */
function naiveFrames(payloads: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    payloads.flatMap((payload) => {
      const header = Buffer.alloc(4);
      header.writeUInt32LE(payload.byteLength);
      return [header, payload];
    }),
  );
}

interface Split {
  readonly payloads: Uint8Array[];
  readonly refusals: PayloadTooLargeError[];
  readonly splitter: FrameSplitter;
}

function splitterFor(limit = 1_000_000, goesOn: (count: number) => boolean = () => true): Split {
  const payloads: Uint8Array[] = [];
  const refusals: PayloadTooLargeError[] = [];
  const splitter = new FrameSplitter({
    deliver: (payload) => goesOn(payloads.push(payload)),
    limit: () => limit,
    refuse: (error) => refusals.push(error),
  });
  return { payloads, refusals, splitter };
}

function splitChunks(chunks: readonly Uint8Array[]): Uint8Array[] {
  const { payloads, refusals, splitter } = splitterFor();
  for (const chunk of chunks) splitter.push(chunk);
  expect(refusals).toEqual([]);
  expect(splitter.isInsidePayload).toBe(false);
  return payloads;
}

/** `stream` cut at the given places; every chunk in a buffer of its own, as a socket gives them. */
function cutAt(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const bounds = [0, ...places, stream.byteLength];
  return bounds.slice(1).map((end, index) => stream.slice(bounds[index], end));
}

const hex = (payloads: readonly Uint8Array[]): string[] => payloads.map((payload) => Buffer.from(payload).toString('hex'));

describe('FrameSplitter', () => {
  const payloads = [0, 1, 2, 3, 4, 5, 0, 0, 31, 7].map((size, index) => pattern(size, index));
  const stream = naiveFrames(payloads);

  it('[link.boundaries] gives the same payloads wherever the stream is cut, at one place or at two', () => {
    for (let first = 0; first <= stream.byteLength; first++) {
      expect(hex(splitChunks(cutAt(stream, [first])))).toEqual(hex(payloads));
      for (let second = first; second <= stream.byteLength; second++) {
        expect(hex(splitChunks(cutAt(stream, [first, second])))).toEqual(hex(payloads));
      }
    }
  });

  it('[link.boundaries] gives the same payloads from single bytes, and from any payloads in any chunks', () => {
    expect(hex(splitChunks([...stream].map((byte) => Uint8Array.of(byte))))).toEqual(hex(payloads));
    const sizes = fc.array(fc.nat({ max: 300 }), { maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.array(fc.nat({ max: 12_000 }), { maxLength: 30 }), (lengths, places) => {
        const sent = lengths.map((length, index) => pattern(length, index));
        const bytes = naiveFrames(sent);
        const cuts = places.map((place) => Math.min(place, bytes.byteLength)).sort((left, right) => left - right);
        expect(hex(splitChunks(cutAt(bytes, cuts)))).toEqual(hex(sent));
      }),
      { numRuns: 300 },
    );
  });

  it('gives a payload that is whole inside a chunk as a view of it', () => {
    const chunk = new Uint8Array(naiveFrames([pattern(10), pattern(20)]));
    for (const payload of splitChunks([chunk])) expect(payload.buffer).toBe(chunk.buffer);
  });

  it('gives a payload that spans chunks in a buffer of exactly its length', () => {
    const bytes = new Uint8Array(naiveFrames([pattern(100_000)]));
    const [payload] = splitChunks(cutAt(bytes, [2, 40_000, 40_001, 90_000]));
    expect(payload?.buffer.byteLength).toBe(100_000);
  });

  it.each([0, 1, 2, 3, 4])('[link.limit] refuses a length above the limit from its header alone, cut after %i bytes of it', (place) => {
    const { payloads: got, refusals, splitter } = splitterFor(1_000);
    const announced = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
    splitter.push(naiveFrames([pattern(1_000)]));
    for (const chunk of cutAt(announced, [place])) if (chunk.byteLength > 0) splitter.push(chunk);
    expect(hex(got)).toEqual(hex([pattern(1_000)]));
    expect(refusals).toEqual([expect.any(PayloadTooLargeError)]);
    expect(refusals[0]).toMatchObject({ byteLength: 0xffff_ffff, maxPayload: 1_000, final: true });
  });

  it('stops within a chunk when its receiver has had enough', () => {
    const { payloads: got, splitter } = splitterFor(1_000, (count) => count < 2);
    splitter.push(naiveFrames([pattern(1), pattern(2), pattern(3)]));
    expect(hex(got)).toEqual(hex([pattern(1), pattern(2)]));
  });

  it('says that a payload has begun and not ended', () => {
    const { splitter } = splitterFor();
    expect(splitter.isInsidePayload).toBe(false);
    for (const byte of stream.subarray(0, 4)) splitter.push(Uint8Array.of(byte));
    expect(splitter.isInsidePayload).toBe(false);
    splitter.push(stream.subarray(4, 6));
    expect(splitter.isInsidePayload).toBe(true);
  });
});

describe('writeFrames', () => {
  /** A sink that counts system calls: what is written while it is corked leaves in one. */
  function makeSink(): { calls: Uint8Array[][]; cork(): void; uncork(): void; write(bytes: Uint8Array): boolean } {
    const calls: Uint8Array[][] = [];
    let corked: Uint8Array[] | undefined;
    return {
      calls,
      cork: () => (corked = []),
      uncork: () => {
        if (corked !== undefined) calls.push(corked);
        corked = undefined;
      },
      write: (bytes) => {
        if (corked === undefined) calls.push([bytes]);
        else corked.push(bytes);
        return true;
      },
    };
  }

  it.each([
    ['one small payload', [64]],
    ['an empty payload', [0]],
    ['many small payloads', [1, 0, 2, 8_192, 5]],
    ['one large payload', [8_193]],
    ['large payloads among small ones', [1, 2, 100_000, 3, 70_000, 70_001, 4]],
  ])('[link.boundaries] writes %s in one call', (_what, sizes) => {
    const sent = sizes.map((size) => pattern(size));
    const sink = makeSink();
    writeFrames(sink, sent);
    expect(sink.calls).toHaveLength(1);
    expect(Buffer.concat(sink.calls.flat()).equals(naiveFrames(sent))).toBe(true);
  });

  it('copies no large payload', () => {
    const sink = makeSink();
    const large = pattern(100_000);
    writeFrames(sink, [pattern(5), large]);
    expect(sink.calls.flat().at(-1)).toBe(large);
    expect(sink.calls.flat()).toHaveLength(2);
  });
});
