/**
 * The numbers of a caller's operations (op.id), and how far they are settled (op.ack): every number up to the watermark has
 * its outcome, so the callee may forget it.
 */
export class Series {
  /** 16 hex digits, made with the session and kept over resumes. */
  readonly id: string;
  #last = 0;
  #watermark = 0;
  #told = 0;
  /** Settled above the watermark. */
  readonly #ahead = new Set<number>();

  constructor(id: string) {
    this.id = id;
  }

  next(): number {
    return ++this.#last;
  }

  settle(number: number): void {
    if (number !== this.#watermark + 1) {
      this.#ahead.add(number);
      return;
    }
    this.#watermark = number;
    while (this.#ahead.size > 0 && this.#ahead.delete(this.#watermark + 1)) this.#watermark++;
  }

  /** Every number up to here is settled. */
  get watermark(): number {
    return this.#watermark;
  }

  /** Whether the peer has yet to be told of settled numbers. */
  get owesAck(): boolean {
    return this.#watermark > this.#told;
  }

  /** The peer is told of the numbers up to here. */
  told(watermark: number): void {
    this.#told = watermark;
  }
}
