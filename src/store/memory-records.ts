/**
 * Where memoryStore keeps its records: by number in a series, which also remembers what is gone, or by name. How long and how much is kept is
 * memory.ts's business.
 *
 *   a series   1 … mark | 7 8 | 12 | … newest     at or below the mark, or in a range of evicted numbers: expired
 *                         ╰ evicted ranges        has a record: known · anything else: unknown
 */
import { IdTable } from '../id-table.ts';
import type { Chain, Chained } from './chain.ts';
import { ForgottenNumbers } from './forgotten-numbers.ts';
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
  readonly records = new Map<string, MemoryRecord>();

  constructor(shelf: Shelf) {
    this.shelf = shelf;
  }

  add(record: MemoryRecord): void {
    this.records.set(record.id as string, record);
  }

  evict(record: MemoryRecord): void {
    this.records.delete(record.id as string);
  }
}

/** The records of one series, and which of its numbers are gone: a number is never run twice because it was forgotten (op.expiry). */
export class Series implements Chained<Series> {
  readonly shelf: Shelf;
  readonly name: string;
  readonly forgotten = new ForgottenNumbers();
  readonly records = new IdTable<MemoryRecord>();
  previous: Series | undefined = undefined;
  next: Series | undefined = undefined;
  chain: Chain<Series> | undefined = undefined;
  since = 0;

  constructor(shelf: Shelf, name: string) {
    this.shelf = shelf;
    this.name = name;
  }

  /** Every number up to here is expired. */
  get mark(): number {
    return this.forgotten.mark;
  }

  add(record: MemoryRecord): void {
    this.records.set(record.id as number, record);
  }

  /** The record of a number; undefined: unknown. */
  find(id: number): MemoryRecord | 'expired' | undefined {
    return this.forgotten.has(id) ? 'expired' : this.records.get(id);
  }

  /**
   * Forgets every number up to `upTo`, and hands the records to `discard`. Costs no more than the records there are, whatever a peer says. What is
   * live goes too: when it settles, its number says that nobody wants it.
   */
  raiseMark(upTo: number, discard: (record: MemoryRecord) => void): void {
    const first = this.mark + 1;
    this.forgotten.raise(upTo);
    if (upTo - first < this.records.size) {
      for (let id = first; id <= upTo; id++) this.#discard(this.records.get(id), discard);
    } else {
      for (const record of this.records.values()) if ((record.id as number) <= upTo) this.#discard(record, discard);
    }
  }

  /** Forgets a settled record, but not that it was there. */
  evict(record: MemoryRecord, discard: (record: MemoryRecord) => void): void {
    this.records.delete(record.id as number);
    this.forgotten.add(record.id as number);
    const { excess } = this.forgotten;
    if (excess !== undefined) this.raiseMark(excess, discard);
  }

  #discard(record: MemoryRecord | undefined, discard: (record: MemoryRecord) => void): void {
    if (record === undefined) return;
    this.records.delete(record.id as number);
    discard(record);
  }
}
