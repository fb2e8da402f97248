/** The bank's streams over its ledger. They hold no line and no entry longer than it takes to send the next: whoever reads sets the pace. */
import { implement, isRpcError } from '../index.ts';
import type { ServiceImplementation } from '../index.ts';
import type { Order } from './bank-contract.ts';
import { Books } from './books-contract.ts';
import type { LineReceipt } from './books-contract.ts';
import type { LedgerEntry } from './checksum.ts';
import { heldBytes } from './held-bytes.ts';
import type { Ledger } from './ledger.ts';
import { ORDER_LINES, RecordReader } from './record-lines.ts';
import type { FileLine } from './record-lines.ts';

export function makeBooks(ledger: Ledger): ServiceImplementation<typeof Books> {
  let sent = 0;
  return implement(Books, {
    async audit({ lines, receipts }) {
      const reader = new RecordReader(ORDER_LINES);
      const summary = { lines: 0, found: 0, skipped: 0 };
      for await (const line of lines) {
        const receipt = receiptFor(ledger, line, reader);
        summary.lines++;
        if ('skipped' in receipt) summary.skipped++;
        else if (receipt.outcome !== undefined) summary.found++;
        await receipts.send(receipt);
      }
      receipts.close();
      return summary;
    },
    async journal({ entries, most }) {
      sent = 0;
      try {
        for (const entry of roundAndRound(ledger.entries, most)) {
          await entries.send({ ...entry, number: sent + 1 });
          sent++;
        }
      } catch (error) {
        if (!isRpcError(error) || error.kind !== 'channel-reset') throw error;
        return { sent, readerLeft: true };
      }
      entries.close();
      return { sent, readerLeft: false };
    },
    journalSent: () => sent,
    heldBytes: () => heldBytes(),
  });
}

function receiptFor(ledger: Ledger, line: FileLine, reader: RecordReader<Order>): LineReceipt {
  const { record, reason } = reader.read(line);
  return reason === undefined ? { line: line.line, order: record.order, outcome: ledger.find(record) } : { line: line.line, skipped: reason };
}

function* roundAndRound(entries: readonly LedgerEntry[], most: number): Generator<LedgerEntry> {
  let given = 0;
  while (given < most && entries.length > 0) {
    const round = entries.slice(0, most - given);
    yield* round;
    given += round.length;
  }
}
