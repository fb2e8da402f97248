/**
 * Which numbers of a series are gone, so that none of them is ever run as new because its record is (op.expiry).
 *
 *   1 … mark | 7 8 | 12 | …       at or below the mark, or in a range: forgotten
 */

export interface Range {
  first: number;
  last: number;
}

/**
 * More gaps than this, and the oldest is to be closed: its numbers count as expired although some of them may never have run. Only a peer that leaves gaps on
 * purpose gets there; without a bound it could fill the memory with them.
 */
const MAX_RANGES = 1_024;

export class ForgottenNumbers {
  #mark: number;
  /** Above the mark, ascending, never touching one another or the mark. */
  #ranges: Range[];

  constructor(mark = 0, ranges: Range[] = []) {
    this.#mark = mark;
    this.#ranges = ranges;
  }

  /** Every number up to here is forgotten. */
  get mark(): number {
    return this.#mark;
  }

  get ranges(): readonly Readonly<Range>[] {
    return this.#ranges;
  }

  has(id: number): boolean {
    if (id <= this.#mark) return true;
    if (this.#ranges.length === 0) return false;
    const range = this.#ranges[this.#place(id)];
    return range !== undefined && range.first <= id;
  }

  raise(upTo: number): void {
    this.#mark = Math.max(this.#mark, upTo);
    this.#absorb();
  }

  add(id: number): void {
    if (this.has(id)) return;
    const ranges = this.#ranges;
    const at = this.#place(id);
    const below = ranges[at - 1];
    const above = ranges[at];
    const joinsBelow = below?.last === id - 1;
    const joinsAbove = above?.first === id + 1;
    if (joinsBelow && joinsAbove) {
      below.last = above.last;
      ranges.splice(at, 1);
    } else if (joinsBelow) below.last = id;
    else if (joinsAbove) above.first = id;
    else ranges.splice(at, 0, { first: id, last: id });
    this.#absorb();
  }

  /** How far the mark must be raised, where there are too many gaps. */
  get excess(): number | undefined {
    return this.#ranges.length > MAX_RANGES ? this.#ranges[0]?.last : undefined;
  }

  /** The place of the first range that ends at or above `id`. */
  #place(id: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as Range).last < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Lets the mark swallow the ranges at or next to it. */
  #absorb(): void {
    let gone = 0;
    for (const { first, last } of this.#ranges) {
      if (first > this.#mark + 1) break;
      this.#mark = Math.max(this.#mark, last);
      gone++;
    }
    if (gone > 0) this.#ranges.splice(0, gone);
  }
}
