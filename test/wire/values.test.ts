import { deepStrictEqual } from 'node:assert';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { addExtension, Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue, ValueError, WireError } from 'statewire/wire';
import { values } from './arbitraries.ts';
import { bytesOf } from './tagged.ts';

function nested(depth: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = wrap(1);
  for (let index = 1; index < depth; index++) value = wrap(value);
  return value;
}

// Compared with node:assert where a value may have a property `constructor`, by which vitest tells types apart.
describe('round trips', () => {
  it('gives back every value that has an encoding, and equal bytes for it', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encodeValue(value);
        const decoded = decodeValue(bytes);
        deepStrictEqual(decoded, value);
        deepStrictEqual(encodeValue(decoded), bytes);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['the widest Dates', [new Date(8.64e15), new Date(-8.64e15), new Date(-1), new Date(0), new Date(4_294_967_296_000)]],
    ['large bigints', [2n ** 70_000n, -(2n ** 70_000n), 2n ** 65_536n, -(2n ** 65_536n) - 1n]],
    ['strings at the edges of the headers', [31, 32, 255, 256, 65_535, 65_536].map((length) => 'é'.repeat(length))],
    ['arrays at the edges of the headers', [15, 16, 65_535, 65_536].map((length) => Array.from({ length }, () => 0))],
    [
      'objects at the edges of the headers',
      [15, 16, 65_536].map((size) => Object.fromEntries(Array.from({ length: size }, (_, index) => [`k${index}`, index]))),
    ],
    ['Maps in Maps and Sets in Sets', new Map([[new Map([[1, new Set([new Set([undefined])])]]), new Map()]])],
    ['numbers beyond 32 bits', [2 ** 60, -(2 ** 40), 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE]],
  ])('gives back %s', (_, value) => {
    deepStrictEqual(decodeValue(encodeValue(value)), value);
  });

  it('keeps the order of Maps, Sets and properties', () => {
    const value = {
      b: new Map([
        ['z', 1],
        ['a', 2],
      ]),
      a: new Set([3, 1, 2]),
    };
    const decoded = decodeValue(encodeValue(value)) as typeof value;
    expect(Object.keys(decoded)).toEqual(['b', 'a']);
    expect([...decoded.b.keys()]).toEqual(['z', 'a']);
    expect([...decoded.a]).toEqual([3, 1, 2]);
  });

  it('makes -0 into 0', () => {
    expect(decodeValue(encodeValue(-0))).toBe(0);
  });

  it('gives a Buffer back as a plain Uint8Array of its own', () => {
    const bytes = encodeValue(Buffer.from([1, 2, 3]));
    const decoded = decodeValue(bytes) as Uint8Array;
    expect(Object.getPrototypeOf(decoded)).toBe(Uint8Array.prototype);
    expect(decoded.buffer.byteLength).toBe(3);
    bytes.fill(0);
    expect(decoded).toEqual(Uint8Array.of(1, 2, 3));
  });

  it.each([
    ['small', 3],
    ['large', 100_000],
  ])('leaves nothing on the %s array it reads from, and keeps no part of it', (_, length) => {
    const bytes = encodeValue([new Uint8Array(length), 'text']);
    const names = Object.getOwnPropertyNames(bytes).length;
    const [decoded] = decodeValue(bytes) as [Uint8Array];
    expect(Object.getOwnPropertyNames(bytes)).toHaveLength(names);
    expect(decoded.buffer).not.toBe(bytes.buffer);
  });

  it.each([
    ['small', 3],
    ['large', 100_000],
  ])('reads a %s value from a Buffer, whatever is before and behind it', (_, length) => {
    const value = { bytes: new Uint8Array(length).fill(7), text: 'é'.repeat(length), map: new Map([['k', new Uint8Array(length)]]) };
    const bytes = encodeValue(value);
    const payload = Buffer.alloc(bytes.length + 20, 0xc1);
    payload.set(bytes, 10);
    expect(decodeValue(payload.subarray(10, 10 + bytes.length))).toStrictEqual(value);
  });

  it('keeps a byte order mark wherever it stands, in names too, and leaves the bytes as they were', () => {
    const texts = [65, 66, 255, 256, 65_536].map((length) => `\ufeff${'x'.repeat(length - 3)}`);
    const value = [
      ...texts,
      `\ufeff\ufeff${'é'.repeat(80)}`,
      Object.fromEntries(texts.map((text) => [text, text])),
      new Map([[texts[0], new Set(texts)]]),
    ];
    const bytes = encodeValue(value);
    const before = bytes.slice();
    deepStrictEqual(decodeValue(bytes), value);
    deepStrictEqual(bytes, before);
  });

  it('reads a hundred thousand Maps in the time of their bytes', () => {
    const value = Array.from({ length: 100_000 }, (_, index) => new Map([[index, new Set(['s'])]]));
    const decoded = decodeValue(encodeValue(value)) as typeof value;
    expect(decoded).toHaveLength(value.length);
    // Not compared as a whole: what would be told of so large a difference takes minutes to write.
    expect(decoded.findIndex((map, index) => map.get(index)?.has('s') !== true)).toBe(-1);
  });

  it('reads Maps and Sets even where another module has taken their extensions of msgpackr', () => {
    const value = new Map([[1, new Set(['a'])]]);
    const bytes = encodeValue(value);
    for (const type of [0x4d, 0x53]) addExtension({ type, unpack: () => 'taken' });
    deepStrictEqual(decodeValue(bytes), value);
  });

  it('gives those who unpack with msgpackr themselves the contents of a Map, and is not disturbed by them', () => {
    const bytes = encodeValue(new Map([[1, 2]]));
    decodeValue(bytes);
    expect(new Unpackr().unpack(new Uint8Array(bytes))).toEqual(Uint8Array.of(0x92, 1, 2));
    expect(decodeValue(bytes)).toEqual(new Map([[1, 2]]));
  });

  it('takes an object without a prototype for an ordinary one', () => {
    expect(decodeValue(encodeValue(Object.assign(Object.create(null), { a: 1 })))).toStrictEqual({ a: 1 });
  });

  it('encodes as many levels as it decodes', () => {
    for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ inner }), (inner: unknown) => new Set([inner])]) {
      const deepest = nested(500, wrap);
      deepStrictEqual(decodeValue(encodeValue(deepest)), deepest);
      expect(() => encodeValue(wrap(deepest))).toThrow(ValueError);
    }
  });

  it('defines properties that every object inherits', () => {
    const bytes = encodeValue({ constructor: 1, toString: 2 });
    const before = Object.getOwnPropertyDescriptors(Object.prototype);
    const decoded = decodeValue(bytes) as object;
    expect(Object.getOwnPropertyDescriptor(decoded, 'constructor')).toEqual({ value: 1, writable: true, enumerable: true, configurable: true });
    expect(decoded).toStrictEqual({ constructor: 1, toString: 2 });
    expect(Object.getOwnPropertyDescriptors(Object.prototype)).toEqual(before);
  });
});

describe('what has no encoding', () => {
  const cycle: Record<string, unknown> = { list: [] };
  (cycle.list as unknown[]).push(cycle);
  const wide: unknown[] = [];
  wide.push(wide, wide, wide);
  class Point {
    readonly x = 1;
  }

  it.each<[string, unknown, string, RegExp]>([
    ['a function', { run: () => 1 }, '$.run', /function/],
    ['a symbol', [Symbol('s')], '$[0]', /symbol/],
    ['a class instance', { orders: [0, { at: new Point() }] }, '$.orders[1].at', /Point/],
    ['a subclass of Map', new (class Registry extends Map {})(), '$', /Registry/],
    ['a subclass of Array', { list: new (class List extends Array {})() }, '$.list', /List/],
    ['an object that inherits', Object.create({ a: 1 }), '$', /Object/],
    ['a RegExp', { 'a b': /x/ }, '$["a b"]', /RegExp/],
    ['a Promise', Promise.resolve(), '$', /Promise/],
    ['an Error', new Error('x'), '$', /Error/],
    ['a Float64Array', [[new Float64Array(2)]], '$[0][0]', /Float64Array/],
    ['an ArrayBuffer', new ArrayBuffer(2), '$', /ArrayBuffer/],
    ['a boxed number', { n: Object(1) }, '$.n', /Number/],
    ['an invalid Date', { at: new Date(NaN) }, '$.at', /invalid Date/],
    ['a hole', Object.assign(new Array(3), { 0: 1, 2: 3 }), '$[1]', /hole/],
    ['a cycle', cycle, '$.list[0]', /contain itself/],
    ['a cycle of many ways', wide, '$[0]', /contain itself/],
    ['a Map key without an encoding', new Map([[1, 1], [() => 1, 2] as never]), '$<key 1>', /function/],
    ['a Map value without an encoding', { m: new Map([['k', Symbol('s')]]) }, '$.m<value 0>', /symbol/],
    ['a Set item without an encoding', new Set([1, /x/]), '$<item 1>', /RegExp/],
    ['an own property __proto__', { deep: JSON.parse('{"__proto__": 1}') }, '$.deep.__proto__', /__proto__/],
    ['a lone surrogate', { text: 'a\ud800b' }, '$.text', /surrogate/],
    ['a property named by a lone surrogate', { 'a\ud800': 1 }, '$["a\\ud800"]', /surrogate/],
    ['an object of another realm', runInNewContext('({ a: 1 })'), '$', /Object/],
    ['501 levels', nested(501, (inner) => ({ inner })), `$${'.inner'.repeat(500)}`, /500 deep/],
  ])('%s is refused, naming its path', (_, value, path, problem) => {
    let thrown: unknown;
    try {
      encodeValue(value);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ValueError);
    expect(thrown).toBeInstanceOf(TypeError);
    expect((thrown as ValueError).path).toBe(path);
    expect((thrown as ValueError).message).toMatch(problem);
  });

  it('a value that two places share is no cycle', () => {
    const shared = { a: 1 };
    expect(decodeValue(encodeValue([shared, shared]))).toEqual([shared, shared]);
  });

  it('a getter that encodes while its value is packed is refused, and does no harm', () => {
    let reads = 0;
    const value = {
      get inner() {
        reads += 1;
        return reads > 1 ? encodeValue('meanwhile') : 1;
      },
    };
    expect(() => encodeValue(value)).toThrow(/getter/);
    expect(decodeValue(encodeValue({ after: true }))).toEqual({ after: true });
  });
});

describe('bytes that are no value', () => {
  it.each<[string, string, RegExp]>([
    ['no bytes', '', /end/],
    ['a byte behind the value', '0101', /left behind/],
    ['the token that is never used', 'c1', /0xc1/],
    ['a string beyond the end', 'a568', /beyond the end/],
    ['a long string beyond the end', 'dbffffffff61', /beyond the end/],
    ['bytes beyond the end', 'c6ffffffff', /beyond the end/],
    ['an array beyond the end', 'ddffffffff', /beyond the end/],
    ['an object beyond the end', 'dfffffffff', /beyond the end/],
    ['an extension beyond the end', 'c9ffffffff4d', /beyond the end/],
    ['a number that is cut', 'cb3ff8', /end within/],
    ['a length that is cut', 'da00', /end within/],
    ['an over-long encoding in UTF-8', 'a2c080', /UTF-8/],
    ['a surrogate in UTF-8', 'a3eda080', /UTF-8/],
    ['a point above U+10FFFF', 'a4f4908080', /UTF-8/],
    ['a letter of UTF-8 that is cut', 'a2e282', /UTF-8/],
    ['a lone continuation byte', 'a180', /UTF-8/],
    ['invalid UTF-8 in a long string', `d978${'61'.repeat(119)}ff`, /UTF-8/],
    ['a property name that is a number', '810102', /property name/],
    ['a property __proto__', '81a95f5f70726f746f5f5f01', /__proto__/],
    ['a property __proto__ with a longer header', '81da00095f5f70726f746f5f5f01', /__proto__/],
    ['a property name that is an extension', '81d4000001', /property name/],
    ['an object that ends where a property name should begin', '82a16192a16101', /property name should begin/],
    ['undefined with another byte', 'd40001', /undefined/],
    ['undefined of two bytes', 'd5000000', /undefined/],
    ['a bigint of no bytes', 'c70042', /bigint/],
    ['a timestamp of one byte', 'd4ffff', /timestamp/],
    ['a timestamp with a full second of nanoseconds', 'd7ffee6b280000000000', /range/],
    ['a timestamp a millisecond later than any Date', 'c70cff000f4240000007dba8218000', /range/],
    ['a timestamp no Date reaches', 'c70cff000000007fffffffffffffff', /range/],
    ['a Map that holds no array', 'd44d01', /array/],
    ['a Map with a key without a value', 'd54d9101', /without a value/],
    ['a Map with a key twice', 'c7054d9401010102', /twice/],
    ['a Map whose array is longer than it', 'd44d9201', /beyond|end/],
    ['a Map with bytes behind its array', 'd54d9001', /extension has bytes behind/],
    ['a Set with an item twice', 'c703539201 01', /twice/],
    ['a record definition', 'd4724091a16101', /extension type 114/],
    ['a bundle of strings', 'd66200000000', /extension type 98/],
    ['a pointer', 'd67000000001', /extension type 112/],
    ['a RegExp', 'd4780092a178a0', /extension type 120/],
    ['a typed array', 'd5740101', /extension type 116/],
    ['an Error', 'd6650192a178', /extension type 101/],
    ['a structured clone', 'd66900000001', /extension type 105/],
    ['a Set of msgpackr', 'd4739101', /extension type 115/],
    ['the text extension, which is no part of the wire', 'd454bb', /extension type 84/],
    ['501 arrays', `${'91'.repeat(501)}01`, /500 deep/],
    ['a hundred thousand arrays', '91'.repeat(100_000), /500 deep/],
  ])('%s is refused', (_, hex, problem) => {
    let thrown: unknown;
    try {
      decodeValue(bytesOf(hex));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(WireError);
    expect((thrown as WireError).rule).toBe('session.protocol-error');
    expect((thrown as WireError).message).toMatch(problem);
    expect((thrown as WireError).offset).toBeLessThanOrEqual(hex.length / 2);
  });

  it.each<[string, string, unknown]>([
    ['a float 32', 'ca3fc00000', 1.5],
    ['a longer header than needed', 'dd00000001d90161', ['a']],
    ['int 64 as a bigint, whatever its size', 'd30000000000000005', 5n],
    ['a bigint of any length', 'c70342ff0000', -65_536n],
    ['a timestamp finer than a millisecond, cut', 'd7ff00f423fc695735a5', new Date('2026-01-02T03:04:05.003Z')],
    ['a byte order mark as a letter', 'a4efbbbf61', '\ufeffa'],
    ['int 64 and uint 64 at their ends', '93d38000000000000000cfffffffffffffffffcf0000000000000000', [-(2n ** 63n), 2n ** 64n - 1n, 0n]],
    ['a float 32 that has no short decimal', 'ca3dcccccd', Math.fround(0.1)],
    ['-0', 'cb8000000000000000', -0],
    ['undefined with a longer header', 'c7010000', undefined],
    ['a bigint of nine bytes with a longer header', 'c80009420100000000000000ff', 2n ** 64n + 255n],
    ['a timestamp of 4 bytes', 'd6ffffffffff', new Date(4_294_967_295_000)],
    ['a timestamp of 12 bytes before 1970, cut towards the past', 'c70cff3b9ac9ffffffffffffffffff', new Date(-1)],
    ['the earliest Date', 'c70cff00000000fffff82457de8000', new Date(-8.64e15)],
    ['a property twice, of which the last one wins', '82a16101a16102', { a: 2 }],
    ['a property name with a longer header', '81da00016101', { a: 1 }],
    ['an empty property name', '81a001', { '': 1 }],
    ['an empty Map and an empty Set', '92d44d90d45390', [new Map(), new Set()]],
    ['a Map with a longer header within it', 'c800094ddd0000000201d90161', new Map([[1, 'a']])],
  ])('%s is read', (_, hex, value) => {
    expect(decodeValue(bytesOf(hex))).toStrictEqual(value);
  });

  it('[session.protocol-error] no bytes give another error than a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeValue(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('[session.protocol-error] a changed byte of a value gives a value or a WireError, and a cut one a WireError', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(255), (value, place, byte) => {
        const bytes = encodeValue(value);
        expect(() => decodeValue(bytes.subarray(0, place % bytes.length))).toThrow(WireError);
        bytes[place % bytes.length] = byte;
        try {
          encodeValue(decodeValue(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('claimed lengths cost nothing: arrays within arrays that each claim all that is left', () => {
    const size = 2_000_000;
    const bytes = new Uint8Array(size);
    for (let at = 0, level = 0; level < 499; level++, at += 5) {
      bytes[at] = 0xdd;
      new DataView(bytes.buffer).setUint32(at + 1, size - at - 5);
    }
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    expect(() => decodeValue(bytes)).toThrow(WireError);
    expect(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024);
  });
});
