/** What TypeScript makes of contracts: nothing here runs but the definitions; `npx tsc` is the judge. */
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { Client } from '../../src/client.ts';
import { defineService, implement, method } from '../../src/contract.ts';
import type { CallContext, Handlers } from '../../src/contract.ts';
import type { RpcError } from '../../src/errors.ts';
import { isRpcError } from '../../src/is-rpc-error.ts';

/** Checked by the compiler, never run: what it types has no value behind it. */
function neverRun(_body: () => unknown): void {}
declare function caught(): unknown;
declare function clientOf<S extends Parameters<typeof implement>[0]>(service: S): Client<S>;

const Bank = defineService('Bank', {
  ping: method(),
  balance: method<{ account: string }, number>({ idem: true }),
  charge: method<{ account: string; cents: number }, { receipt: string }, { code: 'insufficient'; missing: number }>({ persist: true }),
  touch: method<string>(),
  count: method<void, number>(),
  maybe: method<{ n: number } | undefined, string>(),
  both: method<number, number>({ persist: true, idem: true }),
});
type BankClient = Client<typeof Bank>;

describe('types only', () => {
  it('gives the client its input and output', () => {
    expectTypeOf<BankClient['balance']>().parameter(0).toEqualTypeOf<{ account: string }>();
    expectTypeOf<BankClient['balance']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<BankClient['charge']>().returns.toEqualTypeOf<Promise<{ receipt: string }>>();
    expectTypeOf<BankClient['touch']>().returns.toEqualTypeOf<Promise<void>>();
    expectTypeOf<BankClient['ping']>().returns.toEqualTypeOf<Promise<void>>();
  });

  it('lets the input be left out only where it may be undefined', () => {
    neverRun(() => {
      const client = clientOf(Bank);
      void client.ping();
      void client.ping(undefined, { timeoutMs: 5 });
      void client.count();
      void client.maybe();
      void client.maybe({ n: 1 });
      // @ts-expect-error the input is missing
      void client.balance();
      // @ts-expect-error the input is wrong
      void client.balance({ account: 5 });
      // @ts-expect-error there is no such method
      void client.withdraw({});
      // @ts-expect-error no input was declared
      void client.ping(5);
    });
  });

  it('lets every option be undefined and refuses what is none', () => {
    neverRun(() => {
      const client = clientOf(Bank);
      const none = undefined;
      void client.ping(none, { signal: none, timeoutMs: none, metadata: none, operationId: none, onResponseMetadata: none });
      void client.ping(undefined, { metadata: { trace: 't', n: 1, big: 2n, bytes: new Uint8Array() } });
      void client.ping(undefined, {
        metadata: [
          ['token', 's', { sensitive: true }],
          ['token', 't'],
        ],
      });
      void client.ping(undefined, { onResponseMetadata: (view) => view.get('x') });
      // @ts-expect-error metadata carries no booleans
      void client.ping(undefined, { metadata: { flag: true } });
      // @ts-expect-error no such option
      void client.ping(undefined, { timeout: 5 });
    });
  });

  it('keeps the runtime shape of a method', () => {
    expectTypeOf(Bank.methods.charge.id).toEqualTypeOf<number>();
    expectTypeOf(Bank.methods.charge.service).toEqualTypeOf<string>();
    // @ts-expect-error there is no such method
    expectTypeOf(Bank.methods.withdraw).toBeUndefined();
  });
});

describe('handlers', () => {
  it('are typed by their place', () => {
    neverRun(() =>
      implement(Bank, {
        ping: () => {},
        async balance({ account }, call) {
          expectTypeOf(account).toEqualTypeOf<string>();
          expectTypeOf(call).toEqualTypeOf<CallContext<never>>();
          expectTypeOf(call.signal).toEqualTypeOf<AbortSignal>();
          expectTypeOf(call.client(Bank)).toEqualTypeOf<BankClient>();
          return call.client(Bank).balance({ account });
        },
        async charge(input, call) {
          if (input.cents > 5) return call.fail({ code: 'insufficient', missing: 1 });
          return { receipt: 'r' };
        },
        touch: (text) => {
          expectTypeOf(text).toEqualTypeOf<string>();
        },
        count: () => 5,
        maybe: async (input) => {
          expectTypeOf(input).toEqualTypeOf<{ n: number } | undefined>();
          return 'x';
        },
        both: (n) => Promise.resolve(n),
      }),
    );
  });

  it('narrow after `return call.fail(…)`', () => {
    neverRun(() => {
      const Books = defineService('Books', { find: method<string, { title: string }, 'missing'>() });
      return implement(Books, {
        find(isbn, call) {
          const book = new Map<string, { title: string }>().get(isbn);
          if (!book) return call.fail('missing');
          expectTypeOf(book).toEqualTypeOf<{ title: string }>();
          return book;
        },
      });
    });
  });

  it('are refused where they do not fit', () => {
    const Small = defineService('Small', { get: method<string, number, { code: 1 }>(), touch: method() });
    neverRun(() => {
      const touch = () => {};
      // @ts-expect-error a handler is missing
      implement(Small, { touch });
      // @ts-expect-error the result is of the wrong type
      implement(Small, { get: () => 'x', touch });
      // @ts-expect-error nothing was declared to come back
      implement(Small, { get: () => 1, touch: async () => 5 });
      // @ts-expect-error the input is of the wrong type
      implement(Small, { get: (input: number) => input, touch });
      // @ts-expect-error belongs to no method
      implement(Small, { get: () => 1, touch, put: () => {} });
      // @ts-expect-error not a declared failure
      implement(Small, { get: (_input, call) => call.fail({ code: 2 }), touch });
      // @ts-expect-error this method declares no failure
      implement(Small, { get: () => 1, touch: (_input, call) => call.fail('x') });
    });
  });

  it('may be the methods of a class', () => {
    class Account {
      readonly #cents = 5;
      balance(): number {
        return this.#cents;
      }
    }
    const Ledger = defineService('Ledger', { balance: method<{ account: string }, number>() });
    expectTypeOf<Account>().toExtend<Handlers<typeof Ledger>>();
    implement(Ledger, new Account());
  });
});

describe('schemas', () => {
  const Shop = defineService('Shop', {
    zod: method({
      input: z.object({ sku: z.string(), count: z.number().default(1), when: z.string().transform((text) => new Date(text)) }),
      output: z.number().transform(String),
      error: z.object({ code: z.literal('gone'), retry: z.boolean().default(false) }),
      idem: true,
    }),
    valibot: method({
      input: v.object({ sku: v.string(), count: v.optional(v.number(), 1) }),
      output: v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
      error: v.object({ code: v.literal('gone') }),
    }),
    arktype: method({ input: type({ sku: 'string', count: 'number = 1' }), output: type('string').pipe((text) => text.length), persist: true }),
    onlyInput: method({ input: z.string() }),
    onlyOutput: method({ output: z.string() }),
    optional: method({ input: z.string().optional(), output: z.string() }),
  });
  type ShopClient = Client<typeof Shop>;

  it('give the caller what they take in and what they parse out', () => {
    expectTypeOf<ShopClient['zod']>().parameter(0).toEqualTypeOf<{ sku: string; count?: number | undefined; when: string }>();
    expectTypeOf<ShopClient['zod']>().returns.toEqualTypeOf<Promise<string>>();
    expectTypeOf<ShopClient['valibot']>().parameter(0).toEqualTypeOf<{ sku: string; count?: number | undefined }>();
    expectTypeOf<ShopClient['valibot']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<ShopClient['arktype']>().parameter(0).toEqualTypeOf<{ sku: string; count?: number }>();
    expectTypeOf<ShopClient['arktype']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<ShopClient['onlyInput']>().returns.toEqualTypeOf<Promise<void>>();
    expectTypeOf<ShopClient['onlyOutput']>().toBeCallableWith();
    expectTypeOf<ShopClient['optional']>().toBeCallableWith();
  });

  it('give the handler the reverse', () => {
    neverRun(() =>
      implement(Shop, {
        zod(input, call) {
          expectTypeOf(input).toEqualTypeOf<{ sku: string; count: number; when: Date }>();
          if (input.count === 0) return call.fail({ code: 'gone' });
          return 5;
        },
        valibot: async (input) => {
          expectTypeOf(input).toEqualTypeOf<{ sku: string; count: number }>();
          return 'text';
        },
        arktype: (input) => {
          expectTypeOf(input).toEqualTypeOf<{ sku: string; count: number }>();
          return 'text';
        },
        onlyInput: (input) => {
          expectTypeOf(input).toEqualTypeOf<string>();
        },
        onlyOutput: () => 'text',
        optional: (input) => input ?? 'none',
      }),
    );
  });

  it('give a caught failure its parsed type', () => {
    neverRun(() => {
      const error = caught();
      if (isRpcError(error, Shop.methods.zod)) expectTypeOf(error.data).toEqualTypeOf<{ code: 'gone'; retry: boolean } | undefined>();
      if (isRpcError(error, Bank.methods.charge)) expectTypeOf(error).toEqualTypeOf<RpcError<{ code: 'insufficient'; missing: number }>>();
      if (isRpcError(error, Bank.methods.ping)) expectTypeOf(error.data).toEqualTypeOf<undefined>();
      if (isRpcError(error)) expectTypeOf(error).toEqualTypeOf<RpcError>();
    });
  });

  it('may stand beside type arguments, which then name the types', () => {
    interface Order {
      sku: string;
    }
    const Mixed = defineService('Mixed', {
      order: method<Order, number, 'gone'>({ input: z.object({ sku: z.string() }), idem: true }),
      answer: method<undefined, number>({ output: z.number() }),
      ark: method<Order, Order>({ input: type({ sku: 'string' }), output: v.object({ sku: v.string() }) }),
    });
    expectTypeOf<Client<typeof Mixed>['order']>().parameter(0).toEqualTypeOf<Order>();
    expectTypeOf<Client<typeof Mixed>['order']>().returns.toEqualTypeOf<Promise<number>>();
    expectTypeOf<Client<typeof Mixed>['answer']>().toBeCallableWith();
    expectTypeOf<Client<typeof Mixed>['ark']>().returns.toEqualTypeOf<Promise<Order>>();
    // @ts-expect-error the schema gives the handler a number where a string was promised
    method<{ sku: string }>({ input: z.object({ sku: z.number() }) });
  });
});

describe('definitions', () => {
  it('are refused where they make no sense', () => {
    neverRun(() => {
      // @ts-expect-error no such option
      method({ idempotent: true });
      // @ts-expect-error not a schema
      method({ input: { type: 'object' } });
      // @ts-expect-error not a method
      defineService('Broken', { get: () => 5 });
      // @ts-expect-error not a method
      defineService('Broken', { get: { persist: true } });
    });
  });

  it('keep the types of methods defined elsewhere', () => {
    const shared = method<number, string>();
    const Reused = defineService('Reused', { first: shared, second: shared });
    expectTypeOf<Client<typeof Reused>['second']>().returns.toEqualTypeOf<Promise<string>>();
  });
});
