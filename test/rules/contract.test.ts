/** Contracts and clients at run time: what they are made of, and everything they refuse, with its place. Types are test/types' business. */
import { inspect } from 'node:util';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeClient } from '../../src/client.ts';
import type { CallOptions, Caller } from '../../src/client.ts';
import { defineService, implement, method, servedMethods } from '../../src/contract.ts';
import type { AnyMethod, CallContext } from '../../src/contract.ts';
import { RpcError } from '../../src/errors.ts';
import { isRpcError } from '../../src/is-rpc-error.ts';
import { MetadataBuilder, MetadataView, toMetadata } from '../../src/metadata.ts';
import type { MetadataInput } from '../../src/metadata.ts';
import { validate } from '../../src/schema.ts';
import type { StandardSchemaV1 } from '../../src/schema.ts';

const Bank = defineService('Bank', {
  ping: method(),
  charge: method<{ cents: number }, string, { code: 'insufficient' }>({ persist: true, idem: true }),
});

describe('a method', () => {
  it('has its service, name, policy and a number that other languages can make', () => {
    expect(Bank.methods.charge).toMatchObject({ service: 'Bank', name: 'charge', id: 0x1b1505fb, idem: true, persist: true });
    expect(Bank.methods.ping).toMatchObject({ idem: false, persist: false });
    expect(Object.isFrozen(Bank.methods.charge) && Object.isFrozen(Bank.methods) && Object.isFrozen(Bank)).toBe(true);
  });

  it.each<[string, unknown, RegExp]>([
    ['an unknown option', { idempotent: true }, /options\.idempotent is not an option/],
    ['a policy that is no boolean', { idem: 1 }, /options\.idem must be a boolean/],
    ['a schema that is none', { input: { type: 'object' } }, /options\.input must be a Standard Schema/],
    ['a schema of another version', { error: { '~standard': { version: 2, validate: () => {} } } }, /options\.error must be a Standard Schema/],
  ])('refuses %s', (_what, options, message) => {
    expect(() => method(options as never)).toThrow(message);
  });

  it('takes schemas that are functions', () => {
    const input = type({ a: 'string' });
    expect(defineService('S', { m: method({ input, output: undefined }) }).methods.m.input).toBe(input);
  });
});

describe('defineService', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['no name', () => defineService('', {}), /needs a name/],
    ['a method named then', () => defineService('S', { then: method() }), /defineService\("S"\): methods\["then"\]/],
    ['a method named constructor', () => defineService('S', { constructor: method() }), /methods\["constructor"\]/],
    ['a method without a name', () => defineService('S', { '': method() }), /methods\[""\]/],
    ['a method named __proto__', () => defineService('S', { ['__proto__']: method() }), /methods\["__proto__"\]/],
    ['a literal __proto__', () => defineService('S', { __proto__: method() } as never), /no method can be named __proto__/],
    ['what is no method', () => defineService('S', { get: (() => 5) as never }), /methods\.get must be made by method\(\)/],
    ['what is no object', () => defineService('S', null as never), /methods must be an object/],
  ])('refuses %s', (_what, define, message) => {
    expect(define).toThrow(TypeError);
    expect(define).toThrow(message);
  });

  it('refuses two methods of one id, naming both', () => {
    // Found by trying m0, m1, m2 …
    expect(() => defineService('S', { m68609: method(), m629026: method() })).toThrow(/S\.m68609 and S\.m629026 have the same id/);
  });

  it('takes names that every object has', () => {
    const Odd = defineService('Odd', { toString: method(), hasOwnProperty: method() });
    expect(Object.keys(Odd.methods)).toEqual(['toString', 'hasOwnProperty']);
    expect(() => implement(Odd, {} as never)).toThrow(/handlers\.toString is missing/);
  });
});

describe('implement', () => {
  const handlers = { ping: () => {}, charge: () => 'r' };
  const call = {} as CallContext<unknown>;

  it('joins every method with its handler, by id', () => {
    const bank = implement(Bank, handlers);
    expect(bank.service).toBe(Bank);
    const served = bank.methods.get(Bank.methods.charge.id)!;
    expect(served.method).toBe(Bank.methods.charge);
    expect(served.handler({ cents: 1 }, call)).toBe('r');
  });

  it('calls a handler with the object that it belongs to as `this`', () => {
    class Till {
      #cents = 7;
      extra = 'state of its own';
      ping() {}
      charge() {
        return `${this.#cents}`;
      }
    }
    expect(implement(Bank, new Till()).methods.get(Bank.methods.charge.id)!.handler({ cents: 1 }, call)).toBe('7');
  });

  it.each<[string, unknown, RegExp]>([
    ['a missing handler', { ping: handlers.ping }, /implement\(Bank\): handlers\.charge is missing/],
    ['a handler that is no function', { ...handlers, charge: 'r' }, /handlers\.charge must be a function/],
    ['a handler that belongs to no method', { ...handlers, refund: () => {} }, /handlers\.refund belongs to no method of Bank/],
    ['nothing', undefined, /handlers must be an object/],
  ])('refuses %s', (_what, given, message) => {
    expect(() => implement(Bank, given as never)).toThrow(message);
  });

  it('refuses two methods of one id on a connection, naming both', () => {
    const Dotted = defineService('A', { 'b.c': method() });
    const Other = defineService('A.b', { c: method() });
    const both = [implement(Dotted, { 'b.c': () => {} }), implement(Other, { c: () => {} })];
    expect(() => servedMethods(both)).toThrow(/A\.b\.c and A\.b\.c have the same id/);
    expect([...servedMethods([implement(Bank, handlers)]).keys()]).toEqual([Bank.methods.ping.id, Bank.methods.charge.id]);
  });
});

describe('a client', () => {
  function recorded() {
    const calls: { method: AnyMethod; input: unknown; options: CallOptions }[] = [];
    const caller: Caller = {
      call(called, input, options) {
        calls.push({ method: called, input, options });
        return Promise.resolve('done');
      },
      clientMade() {},
      clientReleased() {},
    };
    return { calls, client: makeClient(Bank, caller) };
  }

  it('hands the method, the input and the options to its caller', async () => {
    const { calls, client } = recorded();
    const options = { timeoutMs: 5 };
    expect(await client.charge({ cents: 1 }, options)).toBe('done');
    await client.ping();
    expect(calls).toEqual([
      { method: Bank.methods.charge, input: { cents: 1 }, options },
      { method: Bank.methods.ping, input: undefined, options: {} },
    ]);
  });

  it('has methods that may be passed around, each always the same', async () => {
    const { calls, client } = recorded();
    const { charge } = client;
    await charge({ cents: 2 });
    expect(calls).toHaveLength(1);
    expect(client.charge).toBe(charge);
    expect(recorded().client.charge).not.toBe(charge);
  });

  it('is no promise, knows its methods and takes no others', () => {
    const { client } = recorded();
    expect('then' in client).toBe(false);
    expect('ping' in client && 'charge' in client).toBe(true);
    expect(() => Object.assign(client, { ping: 5 })).toThrow(TypeError);
  });

  it.each<[string, unknown]>([
    ['options', 5],
    ['options', null],
    ['options.timeoutMs', { timeoutMs: 0 }],
    ['options.timeoutMs', { timeoutMs: -1 }],
    ['options.timeoutMs', { timeoutMs: Number.NaN }],
    ['options.timeoutMs', { timeoutMs: Infinity }],
    ['options.timeoutMs', { timeoutMs: 2 ** 31 }],
    ['options.timeoutMs', { timeoutMs: '5' }],
    ['options.signal', { signal: {} }],
    ['options.signal', { signal: new AbortController() }],
    ['options.operationId', { operationId: '' }],
    ['options.operationId', { operationId: 5 }],
    ['options.operationId', { operationId: 'x'.repeat(1_025) }],
    ['options.operationId', { operationId: 'é'.repeat(513) }],
    ['options.operationId', { operationId: 'a\ud800' }],
    ['options.onResponseMetadata', { onResponseMetadata: {} }],
  ])('rejects at once, with a TypeError naming %s: %j', async (path, options) => {
    const { calls, client } = recorded();
    const failure = await client.ping(undefined, options as CallOptions).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TypeError);
    expect((failure as Error).message).toMatch(new RegExp(`^${path.replace('.', '\\.')} must`));
    expect(calls).toEqual([]);
  });

  it.each<[string, CallOptions]>([
    [
      'every option undefined',
      {
        signal: undefined,
        timeoutMs: undefined,
        metadata: undefined,
        operationId: undefined,
        onResponseMetadata: undefined,
      },
    ],
    ['the longest ids', { operationId: 'x'.repeat(1_024) }],
    ['ids of many bytes', { operationId: 'é'.repeat(512) }],
    ['ids outside the basic plane', { operationId: '💶' }],
    ['an aborted signal', { signal: AbortSignal.abort() }],
    ['a fraction of a millisecond', { timeoutMs: 0.5 }],
  ])('takes %s', async (_what, options) => {
    expect(await recorded().client.ping(undefined, options)).toBe('done');
  });

  it('turns what its caller throws into a rejection', async () => {
    const client = makeClient(Bank, {
      call: () => {
        throw new TypeError('options.metadata …');
      },
      clientMade() {},
      clientReleased() {},
    });
    await expect(client.ping(undefined, {})).rejects.toThrow('options.metadata');
    await expect(client.ping()).rejects.toThrow('options.metadata');
  });
});

describe('isRpcError', () => {
  it('tells RpcErrors from all else', () => {
    const error = new RpcError({ kind: 'user', message: 'm', data: { code: 'insufficient' } });
    expect(isRpcError(error)).toBe(true);
    expect(isRpcError(error, Bank.methods.charge) && error.data).toEqual({ code: 'insufficient' });
    for (const other of [new Error('m'), undefined, null, 'RpcError', { name: 'RpcError' }]) expect(isRpcError(other)).toBe(false);
  });
});

describe('validate', () => {
  it('answers at once where the schema does, parsed', () => {
    expect(validate(z.object({ n: z.string().transform(Number) }), { n: '5' })).toEqual({ value: { n: 5 } });
    expect(validate(v.optional(v.number(), 3), undefined)).toEqual({ value: 3 });
    expect(validate(type({ n: 'number = 4' }), {})).toEqual({ value: { n: 4 } });
  });

  it('answers with a promise where the schema does', async () => {
    const later = z.string().refine(async (text) => text === 'yes', 'say yes');
    const answer = validate(later, 'no');
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toEqual({ issues: [{ path: '', message: 'say yes' }] });
  });

  it.each<[string, StandardSchemaV1, unknown, string]>([
    ['zod', z.object({ items: z.array(z.object({ sku: z.string() })) }), { items: [{ sku: 'a' }, { sku: 5 }] }, 'items[1].sku'],
    ['valibot', v.object({ 'two words': v.array(v.string()) }), { 'two words': [1] }, '["two words"][0]'],
    ['arktype', type({ outer: { inner: 'string' } }), { outer: { inner: 1 } }, 'outer.inner'],
    ['the value itself', z.string(), 5, ''],
  ])('[outcome.invalid-payload] names the path of an issue: %s', (_name, schema, value, path) => {
    const answer = validate(schema, value) as { issues: { path: string; message: string }[] };
    expect(answer.issues.map((issue) => issue.path)).toEqual([path]);
    expect(answer.issues[0]!.message).not.toBe('');
  });

  it('throws on what a schema throws', () => {
    const broken: StandardSchemaV1 = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw new RangeError('mine');
        },
      },
    };
    expect(() => validate(broken, 1)).toThrow(RangeError);
  });
});

describe('metadata', () => {
  it('[meta.entries] keeps order, duplicates and every kind of value', () => {
    const given: MetadataInput = [
      ['b', 1],
      ['a', 'x'],
      ['b', 2n ** 64n - 1n],
      ['a', new Uint8Array([1])],
    ];
    const view = MetadataView.of(toMetadata(given));
    expect([...view].map(({ key, value }) => [key, value])).toEqual(given);
    expect([view.get('b'), view.getAll('b'), view.has('a')]).toEqual([1, [1, 2n ** 64n - 1n], true]);
    expect([view.get('c'), view.getAll('c'), view.has('c')]).toEqual([undefined, [], false]);
  });

  it('[meta.entries] takes records, maps and generators', () => {
    expect(toMetadata({ a: 1, b: 'x' })).toEqual([
      ['a', 1, 0],
      ['b', 'x', 0],
    ]);
    expect(toMetadata(new Map([['a', 1n]]))).toEqual([['a', 1n, 0]]);
    expect(
      toMetadata(
        (function* () {
          yield ['a', 's', { sensitive: true, noPropagate: true }] as const;
        })(),
      ),
    ).toEqual([['a', 's', 3]]);
    expect(toMetadata(undefined)).toEqual([]);
  });

  it('copies bytes, because a call may wait', () => {
    const bytes = new Uint8Array([1, 2]);
    const entries = toMetadata({ bytes });
    bytes.fill(9);
    expect(entries[0]![1]).toEqual(new Uint8Array([1, 2]));
  });

  it('[meta.sensitive] shows no sensitive value in JSON, in the console or in an error', () => {
    const bytes = new Uint8Array(3);
    const view = MetadataView.of(
      toMetadata([
        ['token', 'S3CRET', { sensitive: true }],
        ['n', 5n],
        ['b', bytes],
        ['p', 'x', { noPropagate: true }],
      ]),
    );
    const texts = [JSON.stringify(view), inspect(view), inspect({ deep: { view } }, { showHidden: true })];
    for (const text of texts) expect(text).not.toContain('S3CRET');
    expect(JSON.parse(JSON.stringify(view))).toEqual([
      { key: 'token', value: '[sensitive]', sensitive: true },
      { key: 'n', value: '5' },
      { key: 'b', value: '[3 bytes]' },
      { key: 'p', value: 'x', noPropagate: true },
    ]);
    expect(inspect(view)).toContain('[sensitive]');
    expect(view.get('token')).toBe('S3CRET');
    expect([...view][0]).toEqual({ key: 'token', value: 'S3CRET', sensitive: true, noPropagate: false });
  });

  it.each<[string, unknown]>([
    ['options.metadata must be', 'text'],
    ['options.metadata must be', null],
    ['options.metadata["a b"] must be', { 'a b': true }],
    ['options.metadata["a"] must be', { a: undefined }],
    ['options.metadata["a"] must be an integer', { a: 1.5 }],
    ['options.metadata["a"] must be an integer', { a: 2 ** 53 }],
    ['options.metadata["a"] must fit 64 bits', { a: 2n ** 64n }],
    ['options.metadata["a"] must fit 64 bits', { a: -(2n ** 63n) - 1n }],
    ['options.metadata[1] must be an entry', [['a', 1], 'b']],
    ['options.metadata[0]: the key must be a string', [[1, 'a']]],
    ['options.metadata[0]: the flag sensitive must be a boolean', [['a', 'b', { sensitive: 1 }]]],
    ['options.metadata[0]: the flags must be an object', [['a', 'b', 1]]],
  ])('refuses with a TypeError: %s', (message, given) => {
    const attempt = () => toMetadata(given as MetadataInput, 'options.metadata');
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow(message);
  });

  it('has one empty view, and builds a response by key', () => {
    expect(MetadataView.of([])).toBe(MetadataView.of(toMetadata({})));
    const builder = new MetadataBuilder();
    builder.set('a', 1);
    builder.set('b', 'x', { sensitive: true });
    builder.set('a', 2);
    expect(builder.entries).toEqual([
      ['a', 2, 0],
      ['b', 'x', 1],
    ]);
    expect(() => builder.set('a', 1.5)).toThrow('responseMetadata["a"]');
  });
});
