/** One number for a whole ledger: the bank makes it of what it booked, the demo of what the file says. */
import { createHash } from 'node:crypto';
import type { Order } from './bank-contract.ts';

export interface LedgerEntry extends Order {
  /** False: refused, insufficient. */
  readonly granted: boolean;
}

/** SHA-256 in hex over the entries, account by account in order of their names; within an account the order of booking counts. */
export function ledgerChecksum(entries: Iterable<LedgerEntry>): string {
  const byAccount = new Map<string, string[]>();
  for (const { order, account, cents, granted } of entries) {
    const line = JSON.stringify([order, cents, granted]);
    const lines = byAccount.get(account);
    if (lines === undefined) byAccount.set(account, [line]);
    else lines.push(line);
  }
  const hash = createHash('sha256');
  for (const account of [...byAccount.keys()].sort()) hash.update(`${JSON.stringify(account)}\n${byAccount.get(account)?.join('\n')}\n`);
  return hash.digest('hex');
}
