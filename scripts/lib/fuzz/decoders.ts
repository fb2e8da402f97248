/**
 * The decoders as targets: bytes in, and out comes either a refusal of the right class or something that says the same when it is encoded and decoded
 * again, and that a second reader agrees with.
 */
import { deepStrictEqual } from 'node:assert';
import { decodeMessages, decodeValue, encodeMessages, encodeValue, WireError } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { SeededRandom } from 'statewire/testing';
import { FrameSplitter } from '../../../src/transport/framing.ts';
import { Breach, hashOf, seedOf } from './breach.ts';
import { mutate, randomBytes } from './bytes.ts';
import * as grammar from './grammar.ts';
import { elementsOf, secondOpinion } from './oracle.ts';

/** What is fuzzed; replaced by tests that show that the fuzzer notices. */
export interface Decoders {
  readonly decodeMessages: (payload: Uint8Array) => Message[];
  readonly decodeValue: (bytes: Uint8Array) => unknown;
  readonly FrameSplitter: new (receiver: ConstructorParameters<typeof FrameSplitter>[0]) => Pick<FrameSplitter, 'push' | 'isInsidePayload'>;
}
export const REAL_DECODERS: Decoders = { decodeMessages, decodeValue, FrameSplitter };

export interface DecoderTarget {
  /** Bytes that are in order, dear to make: each is used many times. */
  make(dice: SeededRandom): Uint8Array;
  /** How likely an input is one of those as it is; else something happens to it. */
  readonly intact: number;
  /** Throws a Breach. */
  check(input: Uint8Array): void;
}

/** How many bases are made at once, and how many inputs are made of them. */
const BASES = 1_000;
export const INPUTS_OF_BASES = 25_000;
const NOTHING_OF_THEM = 0.08;

/** The inputs of a target from `first` on: the same for the same seed, whichever come before. */
export class InputMaker {
  readonly #target: DecoderTarget;
  readonly #name: string;
  readonly #seed: number;
  #epoch = -1;
  #bases: Uint8Array[] = [];

  constructor(target: DecoderTarget, name: string, seed: number) {
    this.#target = target;
    this.#name = name;
    this.#seed = seed;
  }

  make(index: number): Uint8Array {
    const epoch = Math.floor(index / INPUTS_OF_BASES);
    if (epoch !== this.#epoch) {
      const makeBase = (_: unknown, at: number): Uint8Array =>
        this.#target.make(new SeededRandom(seedOf(this.#seed, `${this.#name} base`, epoch * BASES + at)));
      this.#bases = Array.from({ length: BASES }, makeBase);
      this.#epoch = epoch;
    }
    const dice = new SeededRandom(seedOf(this.#seed, this.#name, index));
    if (dice.chance(NOTHING_OF_THEM)) return randomBytes(dice, dice.below(40));
    const base = dice.pick(this.#bases);
    return dice.chance(this.#target.intact) ? base : mutate(base, dice);
  }
}

/** The second reader is slow, and so is a comparison part by part: each is asked about one input in so many. */
const ASKED_ONE_IN = 16;
const COMPARED_ONE_IN = 8;

function same(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** What the decoder made of it; undefined: it refused, as it should. */
function decoded<T>(decode: (bytes: Uint8Array) => T, input: Uint8Array): { readonly result: T } | undefined {
  try {
    return { result: decode(input) };
  } catch (error) {
    if (error instanceof WireError && error.rule !== '' && Number.isInteger(error.offset)) return undefined;
    throw new Breach(`the decoder threw ${String(error)}, which is no WireError`, { cause: error });
  }
}

function must(problem: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new Breach(`${problem}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** A value as it is written: −0 may be read, and is written as 0 (docs/wire.md). */
function written(part: unknown): unknown {
  if (part === 0) return 0;
  if (Array.isArray(part)) return part.map(written);
  if (part instanceof Map) return new Map([...part].map(([key, entry]) => [written(key), written(entry)] as const));
  if (part instanceof Set) return new Set([...part].map(written));
  if (typeof part !== 'object' || part === null || ArrayBuffer.isView(part) || part instanceof Date) return part;
  return Object.fromEntries(Object.entries(part).map(([key, entry]) => [key, written(entry)]));
}

/** Says the same when said again. `input` is left as it was. */
function sameAgain<T>(codec: { decode: (bytes: Uint8Array) => T; encode: (result: T) => Uint8Array }, result: T): void {
  const again = codec.encode(result);
  const second = codec.decode(again);
  if (hashOf(again) % COMPARED_ONE_IN === 0) deepStrictEqual(second, written(result));
  if (!same(codec.encode(second), again)) throw new Error('a second encoding has other bytes');
}

function messagesOf(dice: SeededRandom): Message[] {
  return Array.from({ length: dice.chance(0.7) ? 1 : dice.between(2, 4) }, () => grammar.message(dice));
}

function envelopes({ decodeMessages: decode }: Decoders): DecoderTarget {
  return {
    make: (dice) => encodeMessages(messagesOf(dice)),
    intact: 0.1,
    check: (input) => {
      const before = hashOf(input);
      const outcome = decoded(decode, input);
      if (hashOf(input) !== before) throw new Breach('the decoder wrote to its input');
      if (outcome === undefined) return;
      must('messages that were decoded are not the same again', () => sameAgain({ decode, encode: encodeMessages }, outcome.result));
      if (before % ASKED_ONE_IN > 0) return;
      must('a second reader disagrees', () => deepStrictEqual(elementsOf(input), outcome.result.length));
    },
  };
}

function values({ decodeValue: decode }: Decoders): DecoderTarget {
  return {
    make: (dice) => encodeValue(grammar.value(dice)),
    intact: 0.05,
    check: (input) => {
      const outcome = decoded(decode, input);
      if (outcome === undefined) return;
      must('a value that was decoded is not the same again', () => sameAgain({ decode, encode: encodeValue }, outcome.result));
      if (hashOf(input) % ASKED_ONE_IN > 0) return;
      must('a second reader disagrees', () => {
        const opinion = secondOpinion(input);
        if (opinion !== undefined) deepStrictEqual(outcome.result, opinion.value);
      });
    },
  };
}

const FRAME_LIMIT = 64;

interface Framed {
  readonly payloads: Uint8Array[];
  readonly refused: number | undefined;
  readonly isInside: boolean;
}

/** The whole stream at once, as docs/wire.md says it, without a thought for speed. */
function naiveFrames(stream: Uint8Array): Framed {
  const payloads: Uint8Array[] = [];
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  let at = 0;
  while (at + 4 <= stream.length) {
    const length = view.getUint32(at, true);
    if (length > FRAME_LIMIT) return { payloads, refused: length, isInside: false };
    if (at + 4 + length > stream.length) break;
    payloads.push(stream.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { payloads, refused: undefined, isInside: at < stream.length };
}

/** In pieces whose lengths are thrown by the bytes themselves. */
function splitFrames(Splitter: Decoders['FrameSplitter'], stream: Uint8Array): Framed {
  const dice = new SeededRandom(hashOf(stream));
  const payloads: Uint8Array[] = [];
  let refused: number | undefined;
  const splitter = new Splitter({
    deliver: (payload) => payloads.push(payload) > 0,
    limit: () => FRAME_LIMIT,
    refuse: ({ byteLength }) => {
      if (refused !== undefined) throw new Breach('refused twice');
      refused = byteLength;
    },
  });
  for (let at = 0; at < stream.length && refused === undefined;) {
    const end = Math.min(stream.length, at + (dice.chance(0.3) ? 1 : dice.between(0, 80)));
    // The socket's buffer is its own: a payload that spans pieces must have been copied.
    splitter.push(stream.slice(at, end));
    at = end;
  }
  return { payloads, refused, isInside: refused === undefined && splitter.isInsidePayload };
}

function frames({ FrameSplitter: Splitter }: Decoders): DecoderTarget {
  return {
    make: (dice) => {
      const parts: number[] = [];
      for (let left = dice.below(5); left > 0; left--) {
        const length = dice.chance(0.9) ? dice.pick([0, 1, 3, 4, 17, 63, 64, 65]) : dice.below(2 ** 32);
        parts.push(length & 0xff, (length >>> 8) & 0xff, (length >>> 16) & 0xff, length >>> 24);
        const told = dice.chance(0.85) ? Math.min(length, FRAME_LIMIT) : dice.below(FRAME_LIMIT);
        for (let at = 0; at < told; at++) parts.push((at * 7 + left) & 0xff);
      }
      return Uint8Array.from(parts);
    },
    intact: 0.5,
    check: (input) => {
      let given: Framed;
      try {
        given = splitFrames(Splitter, input);
      } catch (error) {
        throw error instanceof Breach ? error : new Breach(`the splitter threw ${String(error)}`, { cause: error });
      }
      const wanted = naiveFrames(input);
      const isSame =
        given.refused === wanted.refused &&
        given.isInside === wanted.isInside &&
        given.payloads.length === wanted.payloads.length &&
        given.payloads.every((payload, at) => same(payload, wanted.payloads[at] as Uint8Array));
      if (isSame) return;
      throw new Breach(`the stream was split otherwise: ${given.payloads.length} payloads, refused ${given.refused}, inside ${given.isInside}`);
    },
  };
}

export const DECODER_TARGETS = { frames, envelopes, values } as const;
export type DecoderName = keyof typeof DECODER_TARGETS;

/** Why an input breaks its target; undefined: it does not. */
export function problemOf(target: DecoderTarget, input: Uint8Array): string | undefined {
  try {
    target.check(input);
    return undefined;
  } catch (error) {
    if (error instanceof Breach) return error.message;
    throw error;
  }
}

/** A shorter input with a breach of its own: pieces are left out as long as one remains. */
export function shorten(target: DecoderTarget, input: Uint8Array): Uint8Array {
  let shortest = input;
  for (let size = input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= shortest.length;) {
      const shorter = Uint8Array.from([...shortest.subarray(0, at), ...shortest.subarray(at + size)]);
      if (problemOf(target, shorter) === undefined) at += size;
      else shortest = shorter;
    }
  }
  return shortest;
}
