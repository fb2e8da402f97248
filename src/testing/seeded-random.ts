/**
 * Dice that show the same for the same seed: for simulations, plans of tests, and wherever the runtime takes a `random`. Not for secrets.
 */

/** What there is to choose from, and how often each is to come. */
export type Weighted<T> = readonly (readonly [choice: T, weight: number])[];

/** Mulberry32: small, seeded, good enough for dice. Fits `random` of `connect` and `listen`. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  number(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    const state = this.#state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  /** A whole number from 0 up to and without `limit`. */
  below(limit: number): number {
    return Math.floor(this.number() * limit);
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.number() < probability;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  weighted<T>(choices: Weighted<T>): T {
    let sum = 0;
    for (const choice of choices) sum += choice[1];
    let left = this.number() * sum;
    for (const choice of choices) if ((left -= choice[1]) < 0) return choice[0];
    return (choices.at(-1) as readonly [T, number])[0];
  }

  /** Dice of their own, that depend on these but not on how often these are thrown later. */
  fork(): SeededRandom {
    return new SeededRandom(this.below(2 ** 32));
  }
}
