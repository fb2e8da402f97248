/**
 * The demo's side of the audit: the file goes to the bank line by line through one channel, and for each line a receipt comes back through
 * another while lines still go out. Neither side holds more than the windows of the two channels, however long the file is.
 */
import { isDeepStrictEqual } from 'node:util';
import { channel, sendAll } from '../index.ts';
import type { Client, Rx } from '../index.ts';
import type { Order } from './bank-contract.ts';
import type { AuditSummary, Books, LineReceipt } from './books-contract.ts';
import type { RecordFile } from './orders.ts';
import type { FileLine } from './record-lines.ts';

/** Items on their way in each of the two channels before the receiver has taken any. */
const WINDOW = 32;
/** Both windows, and the line that the bank is at. */
export const MOST_UNANSWERED = 2 * WINDOW + 1;

export interface AuditResult {
  /** Of the file. */
  readonly lines: number;
  readonly malformed: number;
  /** Orders that the bank must not know. */
  readonly unbooked: number;
  /** That came back. */
  readonly receipts: number;
  /** The bank's own count. */
  readonly summary: AuditSummary;
  /** Receipts that were not what they must be, or not in their place, and what is wrong with the first. */
  readonly wrong: number;
  readonly firstWrong: string | undefined;
  /** The most lines sent whose receipt was not there yet, at any time. */
  readonly mostUnanswered: number;
  readonly seconds: number;
}

/** Streams the file. `outcomeOf` is what the caller of an order's charge got: the bank's books must say the same. Undefined: it was not charged. */
export async function auditFile(
  books: Client<typeof Books>,
  { lines, records, malformed }: RecordFile<Order>,
  outcomeOf: (order: string) => unknown,
): Promise<AuditResult> {
  const startedMs = performance.now();
  const [sending, linesThere] = channel<FileLine>({ credit: WINDOW });
  const [receiptsThere, receipts] = channel<LineReceipt>({ credit: WINDOW });
  const answers = new Answers(dueReceipts({ lines, records, malformed }, outcomeOf));
  const [summary] = await Promise.all([
    books.audit({ lines: linesThere, receipts: receiptsThere }),
    sendAll(sending, answers.countSent(lines)),
    answers.take(receipts),
  ]);
  const seconds = (performance.now() - startedMs) / 1_000;
  const unbooked = records.filter(({ order }) => outcomeOf(order) === undefined).length;
  const { received, wrong, firstWrong, mostUnanswered } = answers;
  return { lines: lines.length, malformed: malformed.length, unbooked, receipts: received, summary, wrong, firstWrong, mostUnanswered, seconds };
}

/** The receipt that each line must get, in order. Its types are the bank's; what is in it is not. */
function* dueReceipts({ lines, records, malformed }: RecordFile<Order>, outcomeOf: (order: string) => unknown): Generator<unknown> {
  const reasons = new Map(malformed.map(({ line, reason }) => [line, reason]));
  let at = 0;
  for (const { line } of lines) {
    const skipped = reasons.get(line);
    if (skipped !== undefined) {
      yield { line, skipped };
      continue;
    }
    const order = records[at++]?.order ?? '';
    yield { line, order, outcome: outcomeOf(order) };
  }
}

/** Lines that went out and receipts that came back, counted as they do. */
class Answers {
  received = 0;
  wrong = 0;
  firstWrong: string | undefined;
  mostUnanswered = 0;
  #sent = 0;
  readonly #due: Iterator<unknown>;

  constructor(due: Iterator<unknown>) {
    this.#due = due;
  }

  /** Asked for its next line when the one before is on its way: that is when that one counts as sent. */
  *countSent(lines: readonly FileLine[]): Generator<FileLine> {
    for (const line of lines) {
      yield line;
      this.#sent++;
      this.mostUnanswered = Math.max(this.mostUnanswered, this.#sent - this.received);
    }
  }

  async take(receipts: Rx<LineReceipt>): Promise<void> {
    for await (const receipt of receipts) {
      this.received++;
      const due = this.#due.next();
      if (due.done !== true && isDeepStrictEqual(receipt, due.value)) continue;
      this.wrong++;
      this.firstWrong ??= `${JSON.stringify(receipt)} instead of ${due.done === true ? 'none' : JSON.stringify(due.value)}`;
    }
  }
}
