/**
 * Bytes that were in order until something happened to them, and bytes that never were: MessagePack headers put together at random. What is
 * mutated is made by grammar.ts.
 */
import type { SeededRandom } from 'statewire/testing';

/** Bytes with which MessagePack says something: headers of every kind, counts and lengths at their edges, our own extension types. */
const TELLING = [
  ...[0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9a, 0x9f, 0xa0, 0xa1, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb],
  ...[0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff],
  ...[0x42, 0x43, 0x4d, 0x53, 0x54],
] as const;

type Change = (bytes: Uint8Array, dice: SeededRandom) => Uint8Array;

function setByte(bytes: Uint8Array, at: number, byte: number): Uint8Array {
  const changed = bytes.slice();
  if (at < changed.length) changed[at] = byte;
  return changed;
}

function splice(bytes: Uint8Array, cut: { readonly at: number; readonly count: number }, between: Uint8Array): Uint8Array {
  const end = Math.min(bytes.length, cut.at + cut.count);
  const result = new Uint8Array(cut.at + between.length + bytes.length - end);
  result.set(bytes.subarray(0, cut.at));
  result.set(between, cut.at);
  result.set(bytes.subarray(end), cut.at + between.length);
  return result;
}

const CHANGES: readonly Change[] = [
  (bytes, dice) => {
    const at = dice.below(bytes.length + 1);
    return setByte(bytes, at, (bytes[at] ?? 0) ^ (1 << dice.below(8)));
  },
  (bytes, dice) => setByte(bytes, dice.below(bytes.length + 1), dice.pick(TELLING)),
  (bytes, dice) => setByte(bytes, dice.below(bytes.length + 1), dice.below(256)),
  (bytes, dice) => bytes.slice(0, dice.below(bytes.length + 1)),
  (bytes, dice) => splice(bytes, { at: dice.below(bytes.length + 1), count: dice.between(1, 4) }, new Uint8Array(0)),
  (bytes, dice) => splice(bytes, { at: dice.below(bytes.length + 1), count: 0 }, randomBytes(dice, dice.between(1, 4))),
  (bytes, dice) => {
    const from = dice.below(bytes.length + 1);
    return splice(bytes, { at: dice.below(bytes.length + 1), count: 0 }, bytes.slice(from, from + dice.between(1, 32)));
  },
];

/** From one to four things happen to them. */
export function mutate(bytes: Uint8Array, dice: SeededRandom): Uint8Array {
  let result = bytes;
  for (let left = dice.chance(0.7) ? 1 : dice.between(2, 4); left > 0; left--) result = dice.pick(CHANGES)(result, dice);
  return result;
}

/** Mostly telling ones. */
export function randomBytes(dice: SeededRandom, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at++) bytes[at] = dice.chance(0.7) ? dice.pick(TELLING) : dice.below(256);
  return bytes;
}
