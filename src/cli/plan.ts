/**
 * What the demo does to each order beside charging it: which calls are repeated, given up, or wrong on purpose. Decided by the seed and the
 * order's name alone, before anything runs, so that the same seed makes the same calls however they interleave.
 */
import { createHash } from 'node:crypto';
import type { Order } from './bank-contract.ts';

/** How an order is charged. The twin is another session of the same client, with the same scope. */
export type Treatment =
  | 'once'
  /** Twice at the same time: one call joins the other. */
  | 'doubled'
  | 'doubled-by-twin'
  /** Again when it is done: the outcome is replayed. */
  | 'repeated'
  | 'repeated-by-twin'
  /** Given up while it runs, then asked for again by its id. */
  | 'given-up'
  /** Again with another amount: refused, since the id is taken. */
  | 'altered'
  /** Once, by the method that promises less: without an id of the caller's. */
  | 'volatile';

/** What is called before the order is charged. */
export type Aside = 'nothing' | 'balance' | 'quote' | 'quote-given-up' | 'unknown-method' | 'invalid-input';

export interface PlannedOrder {
  readonly order: Order;
  readonly treatment: Treatment;
  readonly aside: Aside;
}

/** Dealt round and round, so that every kind comes up in the same share, also in a short file. */
const TREATMENTS: readonly Treatment[] = [
  'doubled',
  'repeated',
  'once',
  'doubled-by-twin',
  'repeated-by-twin',
  'once',
  'given-up',
  'once',
  'altered',
  'once',
  'volatile',
  'once',
];
/** A number of cards that has no factor in common with that of the treatments: all pairs occur. */
const ASIDES: readonly Aside[] = [
  'quote-given-up',
  'unknown-method',
  'nothing',
  'invalid-input',
  'balance',
  'nothing',
  'quote',
  'nothing',
  'nothing',
  'nothing',
  'nothing',
];

/** The orders in the order given, each with what is done to it. */
export function planOrders(orders: readonly Order[], seed: number): readonly PlannedOrder[] {
  const shuffled = orders.map(({ order }) => ({ order, at: createHash('sha256').update(`${seed}/${order}`).digest('hex') }));
  shuffled.sort((one, other) => (one.at < other.at ? -1 : 1));
  const ranks = new Map(shuffled.map(({ order }, rank) => [order, rank]));
  return orders.map((order) => {
    const rank = ranks.get(order.order) ?? 0;
    return { order, treatment: dealt(TREATMENTS, rank), aside: dealt(ASIDES, rank) };
  });
}

/** Whole accounts dealt to `count` clients: the orders of one account stay together and in order. */
export function dealAccounts(planned: readonly PlannedOrder[], count: number): readonly (readonly PlannedOrder[])[][] {
  const byAccount = new Map<string, PlannedOrder[]>();
  for (const one of planned) {
    const orders = byAccount.get(one.order.account);
    if (orders === undefined) byAccount.set(one.order.account, [one]);
    else orders.push(one);
  }
  return Array.from({ length: count }, (_, client) => [...byAccount.values()].filter((_orders, at) => at % count === client));
}

function dealt<T>(cards: readonly T[], rank: number): T {
  const card = cards[rank % cards.length];
  if (card === undefined) throw new Error('an empty pack of cards');
  return card;
}
