import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import { pack, unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeMessages, decodeValue, encodeMessage, encodeValue, ValueError, type Message } from 'statewire/wire';
import { MessageBatch, MessageTooLargeError } from '../../src/wire/index.ts';
import { messages, values } from './arbitraries.ts';

const MIB = 1024 * 1024;
const head = { connectionId: 0, requestId: 1, methodId: 7, channels: [], metadata: [] };

function takeMessages(batch: MessageBatch): Message[] {
  return batch.take().flatMap(decodeMessages);
}

describe('MessageBatch', () => {
  it('gives back in order what was added in any of its ways', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            messages,
            values.map((value) => ({ value })),
          ),
          { maxLength: 20 },
        ),
        (things) => {
          const batch = new MessageBatch({ maxPayload: MIB });
          const expected = things.map((thing, index): Message => {
            if ('type' in thing) {
              batch.add(thing);
              return thing;
            }
            const args = encodeValue(thing.value);
            if (index % 2 === 0) {
              deepStrictEqual(batch.addCall(head, thing.value), args);
              return { type: 'call', ...head, operationId: undefined, series: undefined, ack: undefined, args };
            }
            deepStrictEqual(batch.addResult(head, thing.value), args);
            return { type: 'response', connectionId: 0, requestId: 1, ok: true, result: args, metadata: [] };
          });
          expect(takeMessages(batch)).toEqual(expected);
          expect(batch.byteLength).toBe(0);
          expect(batch.take()).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is one payload, however many messages, and nothing was copied', () => {
    const batch = new MessageBatch({ maxPayload: MIB });
    let view: Uint8Array = new Uint8Array(0);
    for (let index = 1; index <= 100; index++) view = batch.addCall({ ...head, requestId: index }, { index });
    const payloads = batch.take();
    expect(payloads).toHaveLength(1);
    expect(payloads[0]!.buffer).toBe(view.buffer);
    expect(decodeMessages(payloads[0]!).map((message) => message.type === 'call' && message.requestId)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
  });

  it('keeps payloads within maxPayload, also where it is set anew', () => {
    const batch = new MessageBatch({ maxPayload: 100 });
    for (let index = 1; index <= 50; index++) {
      if (index === 25) batch.maxPayload = 60;
      batch.addCall({ ...head, requestId: index }, 'x'.repeat(index % 20));
    }
    const total = batch.byteLength;
    const payloads = batch.take();
    expect(Math.max(...payloads.map((payload) => payload.length))).toBeLessThanOrEqual(100);
    expect(Math.max(...payloads.slice(-8).map((payload) => payload.length))).toBeLessThanOrEqual(60);
    expect(payloads.reduce((bytes, payload) => bytes + payload.length, 0)).toBe(total);
    expect(payloads.flatMap(decodeMessages)).toHaveLength(50);
  });

  it('joins what batches filled by turns have in many places', () => {
    const batches = [new MessageBatch({ maxPayload: MIB }), new MessageBatch({ maxPayload: MIB })];
    for (let index = 1; index <= 20; index++) for (const batch of batches) batch.addCall({ ...head, requestId: index }, index);
    for (const batch of batches) {
      const payloads = batch.take();
      expect(payloads).toHaveLength(1);
      expect(payloads.flatMap(decodeMessages).map((message) => message.type === 'call' && decodeValue(message.args))).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 1),
      );
    }
  });

  it('gives views that stay valid for ever', () => {
    const batch = new MessageBatch({ maxPayload: MIB });
    const views = Array.from({ length: 5_000 }, (_, index) => {
      const view = batch.addCall(head, { index, text: 'x'.repeat(index % 90) });
      if (index % 7 === 0) batch.take();
      return view;
    });
    expect(views.map((view) => (decodeValue(view) as { index: number }).index)).toEqual(views.map((_, index) => index));
  });

  it.each([10_000, 20_000, 70_000, 3_000_000])('packs a text of %i letters, and keeps no buffer of several times its size', (letters) => {
    const batch = new MessageBatch({ maxPayload: 4 * MIB });
    batch.add({ type: 'ping', nonce: 1 });
    const view = batch.addResult(head, 'x'.repeat(letters));
    batch.add({ type: 'ping', nonce: 2 });
    expect(view.buffer.byteLength).toBeLessThanOrEqual(Math.max(64 * 1024, 2 * letters + 1_000));
    expect(decodeValue(view)).toBe('x'.repeat(letters));
    expect(takeMessages(batch).map((message) => message.type)).toEqual(['ping', 'response', 'ping']);
  });

  it.each<[string, (batch: MessageBatch) => unknown, new (...args: never[]) => Error]>([
    ['arguments without an encoding', (batch) => batch.addCall(head, { deep: [() => 1] }), ValueError],
    ['a result without an encoding', (batch) => batch.addResult(head, Symbol('s')), ValueError],
    ['a field without an encoding', (batch) => batch.addCall({ ...head, requestId: 0 }, 1), ValueError],
    ['a message without an encoding', (batch) => batch.add({ type: 'ping', nonce: -1 }), ValueError],
    ['a call above maxPayload', (batch) => batch.addCall(head, 'x'.repeat(990)), MessageTooLargeError],
    ['a call far above maxPayload', (batch) => batch.addCall(head, 'x'.repeat(50_000)), MessageTooLargeError],
    ['a call that no buffer could hold', (batch) => batch.addCall(head, new Array(500).fill('x'.repeat(2 ** 24))), MessageTooLargeError],
    [
      'a message above maxPayload',
      (batch) => batch.add({ type: 'item', connectionId: 0, channelId: 1, value: new Uint8Array(1_000) }),
      MessageTooLargeError,
    ],
    [
      'a getter that throws while it is packed',
      (batch) => {
        let reads = 0;
        batch.addCall(head, {
          get later() {
            if (reads++ > 0) throw new RangeError('not twice');
            return 1;
          },
        });
      },
      RangeError,
    ],
  ])('throws for %s, and nothing was added', (_, addTo, kind) => {
    const batch = new MessageBatch({ maxPayload: 1_000 });
    batch.add({ type: 'ping', nonce: 1 });
    const before = batch.byteLength;
    expect(() => addTo(batch)).toThrow(kind);
    expect(batch.byteLength).toBe(before);
    batch.add({ type: 'ping', nonce: 2 });
    expect(takeMessages(batch)).toEqual([
      { type: 'ping', nonce: 1 },
      { type: 'ping', nonce: 2 },
    ]);
  });

  it('takes a message of exactly maxPayload bytes', () => {
    const message: Message = { type: 'item', connectionId: 0, channelId: 1, value: new Uint8Array(1_000) };
    const batch = new MessageBatch({ maxPayload: encodeMessage(message).length });
    batch.add(message);
    expect(takeMessages(batch)).toEqual([message]);
  });

  it('does not get into the bytes of others who use msgpackr, nor they into its', () => {
    const batch = new MessageBatch({ maxPayload: MIB });
    const both = Array.from({ length: 500 }, (_, index) => ({
      theirs: pack({ index, text: 'x'.repeat(index) }),
      ours: batch.addCall(head, { index, text: 'y'.repeat(index % 50) }),
    }));
    expect(both.map(({ theirs }) => (unpack(theirs) as { index: number }).index)).toEqual(both.map((_, index) => index));
    expect(both.map(({ ours }) => (decodeValue(ours) as { index: number }).index)).toEqual(both.map((_, index) => index));
    expect(new Set(both.map(({ theirs }) => theirs.buffer)).has(both[0]!.ours.buffer)).toBe(false);
  });

  it.each<[string, unknown]>([
    ['a Map', new Map([[1, 2]])],
    ['a Set', new Set([1])],
    ['a Map in an array', [new Map([[1, new Map()]])]],
    ['a plain value', 1],
  ])('keeps everything whole around a getter that encodes another value, beside %s', (_, beside) => {
    const ways: ((batch: MessageBatch, value: unknown) => Uint8Array)[] = [
      (batch, value) => batch.addCall(head, value),
      (batch, value) => batch.addResult(head, value),
      (batch, value) => {
        const args = encodeValue(value);
        batch.add({ type: 'call', ...head, operationId: undefined, series: undefined, ack: undefined, args });
        return args;
      },
    ];
    for (const encode of ways) {
      const batch = new MessageBatch({ maxPayload: MIB });
      const refusals: unknown[] = [];
      const value = {
        beside,
        get inner() {
          try {
            batch.addCall({ ...head, requestId: 2 }, ['inner', new Set([1])]);
          } catch (error) {
            refusals.push(error);
          }
          return 'outer';
        },
        after: 'x'.repeat(100),
      };
      deepStrictEqual(decodeValue(encode(batch, value)), { beside, inner: 'outer', after: 'x'.repeat(100) });
      // One may be added while the value is measured; while it is written, none.
      const [inner, outer, ...more] = takeMessages(batch) as { args?: Uint8Array; result?: Uint8Array }[];
      deepStrictEqual(decodeValue(inner!.args!), ['inner', new Set([1])]);
      deepStrictEqual(decodeValue((outer!.args ?? outer!.result)!), { beside, inner: 'outer', after: 'x'.repeat(100) });
      expect(more).toEqual([]);
      expect(refusals).toEqual([expect.any(ValueError)]);
    }
  });

  it('packs a value that grew after it was measured', () => {
    let reads = 0;
    const value = {
      get text() {
        return 'x'.repeat(reads++ === 0 ? 1 : 90_000);
      },
    };
    const batch = new MessageBatch({ maxPayload: MIB });
    const args = batch.addCall(head, value);
    expect((decodeValue(args) as { text: string }).text).toHaveLength(90_000);
    expect(takeMessages(batch)).toMatchObject([{ type: 'call', args }]);
  });
});
