/**
 * The numbers of a caller's operations (op.id), and how far they are settled (op.ack): every number up to the watermark has
 * its outcome, so the callee may forget it.
 *
 *   1 2 3 4 5 6 7 8 9        settled: 1 2 3 · 5 6 · 9     watermark 3, ahead of it the runs 5–6 and 9–9
 *
 * What is settled ahead of the watermark is kept as runs, known by both ends: there are at most as many as calls in flight,
 * however long the one that holds the watermark back takes.
 */
import { IdTable } from '../id-table.ts';

export class Series {
  /** 16 hex digits, made with the session and kept over resumes. */
  readonly id: string;
  #last = 0;
  #watermark = 0;
  #told = 0;
  readonly #firstByLast = new IdTable<number>();
  readonly #lastByFirst = new IdTable<number>();

  constructor(id: string) {
    this.id = id;
  }

  next(): number {
    return ++this.#last;
  }

  settle(number: number): void {
    const first = this.#firstByLast.get(number - 1) ?? number;
    const last = this.#lastByFirst.get(number + 1) ?? number;
    if (first < number) this.#forgetRun(first, number - 1);
    if (last > number) this.#forgetRun(number + 1, last);
    if (first === this.#watermark + 1) {
      this.#watermark = last;
    } else {
      this.#firstByLast.set(last, first);
      this.#lastByFirst.set(first, last);
    }
  }

  #forgetRun(first: number, last: number): void {
    this.#firstByLast.delete(last);
    this.#lastByFirst.delete(first);
  }

  /** Every number up to here is settled. */
  get watermark(): number {
    return this.#watermark;
  }

  /** Runs of settled numbers ahead of the watermark. */
  get ahead(): number {
    return this.#firstByLast.size;
  }

  /** Whether the peer has yet to be told of settled numbers. */
  get owesAck(): boolean {
    return this.#watermark > this.#told;
  }

  /** What was told last may be lost with its link: it is told again. */
  untold(): void {
    this.#told = 0;
  }

  /** The peer is told of the numbers up to here. */
  told(watermark: number): void {
    this.#told = watermark;
  }
}
