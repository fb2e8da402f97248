/** What the fuzzer reports: something that must never happen did. What a decoder or a session refuses in order is no breach. */

/** Thrown by a target's check. The message says what went wrong, without the input. */
export class Breach extends Error {
  override readonly name = 'Breach';
}

/** A breach with what repeats it. */
export interface Finding {
  readonly target: string;
  readonly seed: number;
  /** Which input, or which hostile session, of the target. */
  readonly index: number;
  readonly problem: string;
  /** The input in hex: one payload, or those of a session's steps in order. As short as it could be made. */
  readonly input: readonly string[];
}

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

/** A seed for one input: near ones give unlike dice. */
export function seedOf(seed: number, target: string, index: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < target.length; at++) hash = Math.imul(hash ^ target.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ seed, 0x85ebca6b);
  hash = Math.imul((hash ^ (hash >>> 13)) + index, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Dice of the bytes themselves, for what a check decides: so that the hex of an input is all there is to repeat. */
export function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
