/** What is wrong with a run's streams, a sentence each: receipts that are missing, wrong or out of order, and memory that is not bounded. */
import { MOST_UNANSWERED } from './audit.ts';
import type { AuditResult } from './audit.ts';
import { WINDOW } from './slow-reader.ts';
import type { SlowReading, Weight } from './slow-reader.ts';

/** What a process may hold more while a slow reader is served. All that is offered would take about ten times as much. */
export const MOST_GROWTH_BYTES = 4 * 1024 * 1024;

/** Below 0 where what earlier work left was let go meanwhile. */
const growthOf = ({ beforeBytes, mostBytes }: Weight): number => mostBytes - beforeBytes;

export function auditFaults({ lines, malformed, unbooked, receipts, summary, wrong, firstWrong, mostUnanswered }: AuditResult): readonly string[] {
  const faults: string[] = [];
  if (receipts !== lines) faults.push(`${lines} lines were streamed to the bank, and ${receipts} receipts came back`);
  if (wrong > 0) faults.push(`${wrong} receipts were not what they must be, or not in their place; the first was ${firstWrong}`);
  const due = { lines, found: lines - malformed - unbooked, skipped: malformed };
  if (summary.lines !== due.lines || summary.found !== due.found || summary.skipped !== due.skipped) {
    faults.push(`the bank's summary of the lines must be ${JSON.stringify(due)} and is ${JSON.stringify(summary)}`);
  }
  if (mostUnanswered > MOST_UNANSWERED) faults.push(`at most ${MOST_UNANSWERED} lines may wait for their receipts, and ${mostUnanswered} did`);
  return faults;
}

export function slowReaderFaults(reading: SlowReading): readonly string[] {
  const { offered, read, misplaced, end, mostUnread } = reading;
  const faults: string[] = [];
  if (misplaced > 0) faults.push(`${misplaced} entries of the journal came out of order`);
  if (mostUnread > WINDOW) faults.push(`at most ${WINDOW} entries may be sent and not read, and ${mostUnread} were`);
  // Otherwise nothing was proved: the sender must have been held by the window alone.
  if (mostUnread < WINDOW / 2)
    faults.push(`the bank was never more than ${mostUnread} entries ahead of its slow reader, where ${WINDOW} are allowed`);
  if (!end.readerLeft) faults.push(`the reader left after ${read} entries, and the bank did not notice: it sent ${end.sent} of ${offered}`);
  for (const process of ['bank', 'demo'] as const) {
    const growthBytes = growthOf(reading[process]);
    if (growthBytes > MOST_GROWTH_BYTES)
      faults.push(`the ${process}'s process came to hold ${growthBytes} bytes more for a slow reader, where ${MOST_GROWTH_BYTES} are allowed`);
  }
  return faults;
}
