/**
 * Where memoryStore keeps its records: by number in a series, which also remembers what is gone, or by name. How long and how much is kept is
 * memory.ts's business.
 *
 *   a series   1 … mark | 7 8 | 12 | … newest     at or below the mark, or in a range of evicted numbers: expired
 *                         ╰ evicted ranges        has a record: known · anything else: unknown
 */
import type { Chain, Chained } from './chain.ts';
import type { KeptBytes } from './kept-bytes.ts';
import type { OperationKey } from './store.ts';

/** One operation. It is in a chain once it is settled, so what is live can never be evicted. */
export class MemoryRecord implements Chained<MemoryRecord> {
  readonly home: Series | Names;
  readonly id: string | number;
  readonly methodId: number;
  readonly args: KeptBytes;
  state: 'admitted' | 'sealed' | 'released' = 'admitted';
  outcome: KeptBytes | undefined = undefined;
  reason = '';
  bytes: number;
  previous: MemoryRecord | undefined = undefined;
  next: MemoryRecord | undefined = undefined;
  chain: Chain<MemoryRecord> | undefined = undefined;
  since = 0;

  constructor(home: Series | Names, id: string | number, signature: { readonly methodId: number; readonly args: KeptBytes }, bytes: number) {
    this.home = home;
    this.id = id;
    this.methodId = signature.methodId;
    this.args = signature.args;
    this.bytes = bytes;
  }
}

/** What one side of one scope has. */
export class Shelf {
  readonly scope: string;
  readonly caller: OperationKey['caller'];
  readonly series = new Map<string, Series>();
  names: Names | undefined = undefined;

  constructor(scope: string, caller: OperationKey['caller']) {
    this.scope = scope;
    this.caller = caller;
  }
}

/** The records with string ids. One that is evicted is unknown again (op.expiry). */
export class Names {
  readonly shelf: Shelf;
  readonly records = new Map<string | number, MemoryRecord>();

  constructor(shelf: Shelf) {
    this.shelf = shelf;
  }

  evict(record: MemoryRecord): void {
    this.records.delete(record.id);
  }
}

interface Range {
  first: number;
  last: number;
}

/**
 * More gaps than this in what was evicted, and the oldest is closed: its numbers count as expired although some of them may never have run. Only a
 * peer that leaves gaps on purpose gets there; without a bound it could fill the memory with them.
 */
const MAX_RANGES = 1_024;

/** The records of one series, and which of its numbers are gone: a number is never run twice because it was forgotten (op.expiry). */
export class Series implements Chained<Series> {
  readonly shelf: Shelf;
  readonly name: string;
  /** Every number up to here is expired. */
  mark = 0;
  readonly records = new Map<string | number, MemoryRecord>();
  /** Evicted numbers above the mark, ascending, never touching one another or the mark. */
  #ranges: Range[] | undefined = undefined;
  previous: Series | undefined = undefined;
  next: Series | undefined = undefined;
  chain: Chain<Series> | undefined = undefined;
  since = 0;

  constructor(shelf: Shelf, name: string) {
    this.shelf = shelf;
    this.name = name;
  }

  /** The record of a number; undefined: unknown. */
  find(id: number): MemoryRecord | 'expired' | undefined {
    if (id <= this.mark) return 'expired';
    const record = this.records.get(id);
    return record === undefined && this.#ranges !== undefined && this.#inRange(id) ? 'expired' : record;
  }

  /**
   * Forgets every number up to `upTo`, and hands the records to `discard`. Costs no more than the records there are, whatever a peer says. What is
   * live goes too: when it settles, its number says that nobody wants it.
   */
  raiseMark(upTo: number, discard: (record: MemoryRecord) => void): void {
    const first = this.mark + 1;
    this.mark = upTo;
    if (upTo - first < this.records.size) {
      for (let id = first; id <= upTo; id++) this.#discard(this.records.get(id), discard);
    } else {
      for (const record of this.records.values()) if ((record.id as number) <= upTo) this.#discard(record, discard);
    }
    this.#absorb();
  }

  /** Forgets a settled record, but not that it was there. */
  evict(record: MemoryRecord, discard: (record: MemoryRecord) => void): void {
    this.records.delete(record.id);
    this.#addToRanges(record.id as number);
    this.#absorb();
    if (this.#ranges !== undefined && this.#ranges.length > MAX_RANGES) this.raiseMark(this.#ranges[0]!.last, discard);
  }

  #discard(record: MemoryRecord | undefined, discard: (record: MemoryRecord) => void): void {
    if (record === undefined) return;
    this.records.delete(record.id);
    discard(record);
  }

  /** The place of the first range that ends at or above `id`. */
  #place(ranges: readonly Range[], id: number): number {
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle]!.last < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #inRange(id: number): boolean {
    const ranges = this.#ranges!;
    const range = ranges[this.#place(ranges, id)];
    return range !== undefined && range.first <= id;
  }

  #addToRanges(id: number): void {
    const ranges = (this.#ranges ??= []);
    const at = this.#place(ranges, id);
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
  }

  /** Lets the mark swallow the ranges at or next to it. */
  #absorb(): void {
    const ranges = this.#ranges;
    if (ranges === undefined) return;
    let gone = 0;
    while (gone < ranges.length && ranges[gone]!.first <= this.mark + 1) this.mark = Math.max(this.mark, ranges[gone++]!.last);
    if (gone === ranges.length) this.#ranges = undefined;
    else if (gone > 0) ranges.splice(0, gone);
  }
}
