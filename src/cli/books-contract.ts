/**
 * What the demo's bank streams. Channels stand in the argument of a method that does not persist: a kept outcome could be replayed, a stream
 * could not (retry.persist-no-channels).
 */
import { defineService, method } from '../index.ts';
import type { Rx, Tx } from '../index.ts';
import type { ChargeRefusal, Receipt } from './bank-contract.ts';
import type { LedgerEntry } from './checksum.ts';
import type { FileLine } from './record-lines.ts';

/** What the ledger has for one line of the file. */
export type LineReceipt =
  /** The outcome that the order's caller got; undefined: no such charge was decided. */
  | { readonly line: number; readonly order: string; readonly outcome: Receipt | ChargeRefusal | undefined }
  /** The line is no order: why. */
  | { readonly line: number; readonly skipped: string };

export interface AuditSummary {
  readonly lines: number;
  readonly found: number;
  readonly skipped: number;
}

export interface JournalEntry extends LedgerEntry {
  /** From 1, in the order sent. */
  readonly number: number;
}

export interface JournalEnd {
  readonly sent: number;
  /** The reader left before the last entry, and the bank noticed. */
  readonly readerLeft: boolean;
}

export const Books = defineService('Books', {
  /** Looks every line of an orders' file up in the ledger and says what it has, as the lines come in. Changes nothing. */
  audit: method<{ lines: Rx<FileLine>; receipts: Tx<LineReceipt> }, AuditSummary>(),
  /** Sends the ledger round and round, as fast as the reader allows, until it has sent `most` entries or nobody reads any more. */
  journal: method<{ entries: Tx<JournalEntry>; most: number }, JournalEnd>(),
  /** How many entries the latest `journal` has sent by now. */
  journalSent: method<undefined, number>({ idem: true }),
  /** What the bank's process holds; see held-bytes.ts. */
  heldBytes: method<undefined, number>({ idem: true }),
});
