/** One of the demo's clients: two sessions of one scope, over which it works through the orders of its accounts as planned. */
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Client, Session } from '../index.ts';
import { Bank, CarelessBank } from './bank-contract.ts';
import type { Order } from './bank-contract.ts';
import type { Aside, PlannedOrder, Treatment } from './plan.ts';
import { UnexpectedEndingError } from './tally.ts';
import type { Ending, Tally } from './tally.ts';

/** Longer than any demo takes: a quote that only ends by being cancelled. */
const ENDLESS_MS = 600_000;
const QUOTE_MS = 2;

/** Not the orders that a bank takes. */
const INVALID_INPUTS: readonly unknown[] = [
  { order: 'invalid', account: 'amara', cents: -5 },
  { order: 'invalid', account: 'amara', cents: 0.5 },
  { order: 'invalid', cents: 100 },
  { order: 'invalid', account: 7, cents: '100' },
  'charge amara 100',
];

type Ask = Client<typeof Bank>;

export interface TellerOptions {
  readonly main: Session;
  readonly twin: Session;
  readonly tally: Tally;
  /** Told of every order that is done, and how it ended: the same for all who asked. `indeterminate`: nobody knows whether it was charged. */
  readonly onCharged: (order: Order, ending: Ending) => void;
}

export class Teller {
  readonly #main: Ask;
  readonly #twin: Ask;
  readonly #careless: Client<typeof CarelessBank>;
  readonly #tally: Tally;
  readonly #onCharged: TellerOptions['onCharged'];
  #invalid = 0;

  constructor({ main, twin, tally, onCharged }: TellerOptions) {
    this.#main = main.client(Bank);
    this.#twin = twin.client(Bank);
    this.#careless = main.client(CarelessBank);
    this.#tally = tally;
    this.#onCharged = onCharged;
  }

  /** All accounts side by side; the orders of one account one after the other. */
  async work(accounts: readonly (readonly PlannedOrder[])[]): Promise<void> {
    await Promise.all(accounts.map((orders) => this.#workAccount(orders)));
  }

  async #workAccount(orders: readonly PlannedOrder[]): Promise<void> {
    for (const { order, treatment, aside } of orders) {
      await this.#aside(aside, order);
      const endings = await this.#treat(treatment, order);
      const [first] = endings;
      if (first === undefined || endings.some((ending) => !isDeepStrictEqual(ending, first))) {
        throw new UnexpectedEndingError(`${order.order}: the same operation had different outcomes: ${JSON.stringify(endings)}`);
      }
      this.#onCharged(order, first);
    }
  }

  /** Charges as planned; gives the endings of all calls that must have the same outcome. */
  async #treat(treatment: Treatment, order: Order): Promise<readonly Ending[]> {
    switch (treatment) {
      case 'once':
        return [await this.#charge(this.#main, order)];
      case 'doubled':
        return Promise.all([this.#charge(this.#main, order), this.#charge(this.#main, order)]);
      case 'doubled-by-twin':
        return Promise.all([this.#charge(this.#main, order), this.#charge(this.#twin, order)]);
      case 'repeated':
        return [await this.#charge(this.#main, order), await this.#charge(this.#main, order)];
      case 'repeated-by-twin':
        return [await this.#charge(this.#main, order), await this.#charge(this.#twin, order)];
      case 'given-up':
        await this.#giveUp(order);
        return [await this.#charge(this.#main, order)];
      case 'altered': {
        const ending = await this.#charge(this.#main, order);
        await this.#alter(order);
        return [ending];
      }
      case 'volatile':
        return [await this.#chargeOnce(order)];
    }
  }

  #charge(client: Ask, order: Order): Promise<Ending> {
    return this.#tally.ending(order.order, ['value', 'user'], client.charge(order, { operationId: order.order }));
  }

  /** Neither id nor second try: when the bank dies under it, that it may have run is all that can be said. */
  async #chargeOnce(order: Order): Promise<Ending> {
    const ending = await this.#tally.ending(order.order, ['value', 'user', 'indeterminate'], this.#main.chargeOnce(order));
    if (ending.kind === 'indeterminate') this.#tally.indeterminateOrders.push(order.order);
    return ending;
  }

  /** The caller hears at once that it gave up; the charge, which persists, runs on. */
  #giveUp(order: Order): Promise<Ending> {
    const patience = new AbortController();
    const call = this.#main.charge(order, { operationId: order.order, signal: patience.signal });
    // In the same turn: call and cancel travel together, so that the outcome cannot come first.
    patience.abort();
    return this.#tally.ending(order.order, ['cancelled'], call);
  }

  #alter(order: Order): Promise<Ending> {
    const other = { ...order, cents: order.cents + 1 };
    return this.#tally.ending(`${order.order} with another amount`, ['invalid-payload'], this.#main.charge(other, { operationId: order.order }));
  }

  async #aside(aside: Aside, { account }: Order): Promise<void> {
    switch (aside) {
      case 'nothing':
        return;
      case 'balance':
        await this.#tally.ending('a balance', ['value'], this.#main.balance({ account }));
        return;
      case 'quote':
        await this.#tally.ending('a quote', ['value', 'indeterminate'], this.#main.quote({ account, workMs: QUOTE_MS }));
        return;
      case 'quote-given-up':
        await this.#giveUpQuote(account);
        return;
      case 'unknown-method':
        await this.#tally.ending('an unknown method', ['unknown-method', 'indeterminate'], this.#careless.closeAccount({ account }));
        return;
      case 'invalid-input':
        await this.#tally.ending(
          'invalid input',
          ['invalid-payload'],
          this.#careless.charge(INVALID_INPUTS[this.#invalid++ % INVALID_INPUTS.length]),
        );
    }
  }

  async #giveUpQuote(account: string): Promise<void> {
    const patience = new AbortController();
    const ending = this.#tally.ending(
      'a quote given up',
      ['cancelled'],
      this.#main.quote({ account, workMs: ENDLESS_MS }, { signal: patience.signal }),
    );
    // Told below: it may end in this turn, when the session does.
    ending.catch(() => {});
    // It is on its way, and nothing but the cancel can end it.
    await turn();
    patience.abort();
    await ending;
    this.#tally.quotesGivenUp++;
  }
}
