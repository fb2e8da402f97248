/**
 * What the demo's bank offers, and the checks of what it takes: Standard Schemas written by hand, so that the shipped command needs no
 * schema library. Methods of each policy: `open` persists, `balance` is idempotent, `charge` is both, `chargeOnce` and `quote` are neither.
 */
import { defineService, method } from '../index.ts';
import type { StandardSchemaV1 } from '../index.ts';

export interface Opening {
  readonly account: string;
  readonly cents: number;
}

/** One line of the orders' file. `order` is also the charge's operation id. */
export interface Order {
  readonly order: string;
  readonly account: string;
  readonly cents: number;
}

export interface Receipt {
  /** Numbered by the bank: two receipts are the same only if one charge made both. */
  readonly receipt: string;
  readonly balanceCents: number;
}

export interface ChargeRefusal {
  readonly code: 'insufficient';
  readonly missingCents: number;
}

export interface QuoteRequest {
  readonly account: string;
  /** How long the bank shall think about it: so that there is something to cancel. */
  readonly workMs: number;
}

/** What the ledger says when asked. */
export interface LedgerView {
  readonly balances: Readonly<Record<string, number>>;
  /** Charges decided, granted or refused: every order that ran, once for each time that it ran. */
  readonly entries: number;
  /** See checksum.ts. */
  readonly checksum: string;
  /** Orders that came to `chargeOnce` a second time: the runtime ran twice what it must not. */
  readonly refused: readonly string[];
}

/** What the server's runtime counted over all sessions but the auditor's, and what the bank's own handlers saw. */
export interface BankCounts {
  /** Handlers. */
  readonly started: number;
  /** Duplicates joined to a live operation, and those answered with a kept outcome. */
  readonly attached: number;
  readonly replayed: number;
  /** Charges that ran again after a kill and found their order in the journal. */
  readonly found: number;
  /** At this moment. */
  readonly quotesThinking: number;
  readonly quotesAborted: number;
}

/** Names are operation ids too, of at most 1,024 bytes: a character takes up to three. */
const LONGEST_NAME = 300;
const LARGEST_CENTS = 1_000_000_000_000;
const LONGEST_WORK_MS = 600_000;

interface Check {
  readonly fits: (value: unknown) => boolean;
  readonly expected: string;
}

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most;

const name: Check = {
  fits: (value) => typeof value === 'string' && value !== '' && value.length <= LONGEST_NAME && !/[\p{Surrogate}\p{Control}]/u.test(value),
  expected: `must be text of 1 to ${LONGEST_NAME} characters`,
};
const amount: Check = { fits: (value) => isWhole(value, 1, LARGEST_CENTS), expected: `must be a whole number of cents from 1 to ${LARGEST_CENTS}` };
const openingAmount: Check = {
  fits: (value) => isWhole(value, 0, LARGEST_CENTS),
  expected: `must be a whole number of cents from 0 to ${LARGEST_CENTS}`,
};
const workMs: Check = {
  fits: (value) => isWhole(value, 0, LONGEST_WORK_MS),
  expected: `must be a whole number of milliseconds from 0 to ${LONGEST_WORK_MS}`,
};

/** A Standard Schema of an object with exactly these fields' checks; other fields are dropped. */
function checked<T extends object>(checks: { readonly [K in keyof T]: Check }): StandardSchemaV1<T, T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'statewire-demo',
      validate(value) {
        if (typeof value !== 'object' || value === null) return { issues: [{ message: 'must be an object' }] };
        const parsed: Record<string, unknown> = {};
        for (const [field, check] of Object.entries<Check>(checks)) {
          const given = (value as Record<string, unknown>)[field];
          if (!check.fits(given)) return { issues: [{ message: check.expected, path: [field] }] };
          parsed[field] = given;
        }
        return { value: parsed as T };
      },
    },
  };
}

export const orderSchema = checked<Order>({ order: name, account: name, cents: amount });
export const openingSchema = checked<Opening>({ account: name, cents: openingAmount });

export const Bank = defineService('Bank', {
  /** Opens an account with its first balance. */
  open: method<Opening>({ persist: true, input: openingSchema }),
  /** Carried to an outcome whatever happens to link and bank: when it runs again, it finds the order in the bank's journal. */
  charge: method<Order, Receipt, ChargeRefusal>({ persist: true, idem: true, input: orderSchema }),
  /** Does the same and promises less: when the bank dies under it, nobody knows whether it ran, and it never runs again. */
  chargeOnce: method<Order, Receipt, ChargeRefusal>({ input: orderSchema }),
  balance: method<{ account: string }, number>({ idem: true, input: checked<{ account: string }>({ account: name }) }),
  /** Thinks for `workMs`, then says how many cents could be charged; stops thinking when it is cancelled. */
  quote: method<QuoteRequest, number>({ input: checked<QuoteRequest>({ account: name, workMs }) }),
  ledger: method<undefined, LedgerView>({ idem: true }),
  /** What was decided for the orders of these names; undefined: nothing. */
  outcomes: method<{ orders: readonly string[] }, readonly (Receipt | ChargeRefusal | undefined)[]>({ idem: true }),
  counts: method<undefined, BankCounts>({ idem: true }),
});

/** The same bank as a careless caller sees it: nothing is checked before it is sent, and one method does not exist. */
export const CarelessBank = defineService('Bank', {
  charge: method<unknown, unknown>({ persist: true, idem: true }),
  closeAccount: method<unknown, unknown>(),
});
