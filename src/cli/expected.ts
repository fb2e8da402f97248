/**
 * What the ledger must say, worked out from the files alone, and the comparison with what the bank says. Independent of the bank: it shares
 * no arithmetic with bank.ts.
 */
import type { LedgerView, Order } from './bank-contract.ts';
import { ledgerChecksum } from './checksum.ts';
import type { LedgerEntry } from './checksum.ts';

/** What an account begins with that the accounts' file does not list. */
export const UNLISTED_OPENING_CENTS = 100_000;

export interface ExpectedLedger {
  readonly balances: ReadonlyMap<string, number>;
  readonly entries: number;
  readonly insufficient: number;
  readonly checksum: string;
}

/** Of every account that has orders. */
export function expectOpenings(orders: readonly Order[], listed: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map(orders.map(({ account }) => [account, listed.get(account) ?? UNLISTED_OPENING_CENTS]));
}

/**
 * Charges every order once, in the order of the file; what an account cannot pay is refused and changes nothing. `unbooked`: orders whose callers were
 * told that nobody knows, and which the bank does not have. All others it must have.
 */
export function expectLedger(
  orders: readonly Order[],
  openings: ReadonlyMap<string, number>,
  unbooked: ReadonlySet<string> = new Set(),
): ExpectedLedger {
  const balances = new Map(openings);
  const entries: LedgerEntry[] = [];
  for (const order of orders) {
    if (unbooked.has(order.order)) continue;
    const after = (balances.get(order.account) ?? 0) - order.cents;
    if (after >= 0) balances.set(order.account, after);
    entries.push({ ...order, granted: after >= 0 });
  }
  const insufficient = entries.filter(({ granted }) => !granted).length;
  return { balances, entries: entries.length, insufficient, checksum: ledgerChecksum(entries) };
}

/** Everything in which the bank's ledger is not exactly what it must be, a sentence each. */
export function ledgerFaults(expected: ExpectedLedger, actual: LedgerView): readonly string[] {
  const faults: string[] = [];
  for (const [account, cents] of expected.balances) {
    const found = Object.hasOwn(actual.balances, account) ? actual.balances[account] : undefined;
    if (found !== cents) faults.push(`account ${account} must have ${cents} cents and has ${found ?? 'none: the bank does not know it'}`);
  }
  for (const account of Object.keys(actual.balances)) {
    if (!expected.balances.has(account)) faults.push(`the bank has an account ${account}, which no order names`);
  }
  if (actual.refused.length > 0) faults.push(`these orders came twice to a method that runs once only: ${actual.refused.join(', ')}`);
  if (actual.entries !== expected.entries) faults.push(`${expected.entries} orders must be charged once each, and ${actual.entries} charges ran`);
  if (actual.checksum !== expected.checksum) faults.push(`the ledger's checksum must be ${expected.checksum} and is ${actual.checksum}`);
  return faults;
}
