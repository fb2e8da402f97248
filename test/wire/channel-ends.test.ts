/** The marks that stand for channel ends in an argument, and the messages that a turn's items leave in. */
import { describe, expect, it } from 'vitest';
import { decodeMessages, decodeValue, encodeValue } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { packValue, MessageBatch } from '../../src/wire/batch.ts';
import { ChannelEnd } from '../../src/wire/channel-ends.ts';
import type { EndCollector, EndMark } from '../../src/wire/channel-ends.ts';
import { ItemGather, ItemRun, LARGE_ITEM_BYTES } from '../../src/wire/item-gather.ts';
import { measure } from '../../src/wire/value-check.ts';
import { decodeArgument, decodeItem } from '../../src/wire/value-decode.ts';
import { bytesOf, hexOf } from './tagged.ts';

class End extends ChannelEnd {
  readonly mark: Omit<EndMark, 'ordinal'>;
  constructor(travels: EndMark['travels'], credit: number) {
    super();
    this.mark = { travels, credit };
  }
}

/** Takes every end but those it is told to refuse. */
class Collector implements EndCollector {
  readonly found: End[] = [];
  readonly #refused: End | undefined;
  constructor(refused?: End) {
    this.#refused = refused;
  }
  begin(): void {
    this.found.length = 0;
  }
  take(end: ChannelEnd): string | undefined {
    if (end === this.#refused) return 'not this one';
    this.found.push(end as End);
    return undefined;
  }
  markOf(end: ChannelEnd): EndMark {
    return { ...(end as End).mark, ordinal: this.found.indexOf(end as End) };
  }
}

const decodeMarks = (bytes: Uint8Array, channels: number): { value: unknown; marks: EndMark[] } => {
  const marks: EndMark[] = [];
  const value = decodeArgument(bytes, channels, (mark) => {
    marks.push(mark);
    return new End(mark.travels, mark.credit);
  });
  return { value, marks };
};

describe('[channel.args] an end in an argument', () => {
  it('is the golden bytes', () => {
    const bytes = packValue({ numbers: new End('receiver', 16) }, new Collector());
    expect(hexOf(bytes)).toBe('81a76e756d62657273d7430000000000000010');
    expect(hexOf(packValue(new End('sender', 0xffff_ffff), new Collector()))).toBe('d74301000000ffffffff');
  });

  it('comes back from wherever it stood, in objects, arrays, Maps and Sets, with a place of its own', () => {
    const ends = Array.from({ length: 6 }, (_, index) => new End(index % 2 === 0 ? 'receiver' : 'sender', index));
    const [a, b, c, d, e, f] = ends;
    const collector = new Collector();
    const bytes = packValue({ a, list: [b, { c }], map: new Map([['d', d]]), set: new Set([e, new Map([['f', f]])]) }, collector);
    expect(collector.found).toEqual(ends);
    const { value, marks } = decodeMarks(bytes, 6);
    expect(marks.toSorted((one, other) => one.ordinal - other.ordinal)).toEqual(ends.map(({ mark }, ordinal) => ({ ...mark, ordinal })));
    expect(value).toEqual({ a, list: [b, { c }], map: new Map([['d', d]]), set: new Set([e, new Map([['f', f]])]) });
  });

  it('is refused with its path, where it may not be passed', () => {
    const refused = new End('sender', 1);
    expect(() => packValue({ good: new End('sender', 1), deep: [{ bad: refused }] }, new Collector(refused))).toThrow('$.deep[0].bad: not this one');
    expect(() => packValue(new Set([refused]), new Collector(refused))).toThrow('$<item 0>: not this one');
  });

  it('has no encoding outside of arguments', () => {
    expect(() => encodeValue({ end: new End('sender', 1) })).toThrow('$.end: a channel end can only be passed in the argument of a call');
  });

  it('may be passed by a getter that encodes another value meanwhile', () => {
    const collector = new Collector();
    const value = {
      get other() {
        return hexOf(encodeValue([1]));
      },
      end: new End('receiver', 2),
    };
    // Measured only: packing runs getters too, which may not encode.
    expect(measure(value, collector)).toBeGreaterThan(0);
    expect(collector.found).toHaveLength(1);
  });

  it.each([
    ['where there may be none', 'd74300000000 00000001', 0, 'where there may be none'],
    ['of another length', 'd643 00000000', 1, '4 bytes, not 8'],
    ['of an unknown kind', 'd743 02000000 00000001', 1, 'neither a receiver nor a sender'],
    ['with a second byte', 'd743 00010000 00000001', 1, 'neither a receiver nor a sender'],
    ['with a place out of range', 'd743 00000001 00000001', 1, 'place 1 of 1'],
    ['with a place that is taken', '92 d743 00000000 00000001 d743 00000000 00000001', 2, 'two channel ends with the place 0'],
    ['missing', '92 d743 00000000 00000001 c0', 2, '1 channel ends, and 2 channels'],
    ['missing altogether', 'c0', 1, '0 channel ends, and 1 channels'],
  ])('is malformed %s', (_what, hex, channels, problem) => {
    expect(() => decodeMarks(bytesOf(hex.replaceAll(' ', '')), channels)).toThrow(problem);
  });

  it('is malformed in a value', () => {
    expect(() => decodeValue(bytesOf('d7430000000000000001'))).toThrow('where there may be none');
  });
});

function gather(maxPayload = 16 * 1024 * 1024) {
  const batch = new MessageBatch({ maxPayload });
  const items = new ItemGather(batch);
  const runs = new Map<number, ItemRun>();
  const runOf = (channelId: number): ItemRun => {
    const run = runs.get(channelId) ?? new ItemRun(0, channelId);
    runs.set(channelId, run);
    return run;
  };
  return {
    batch,
    add: (channelId: number, value: unknown) => items.add(runOf(channelId), value, measure(value)),
    /** What went out, message by message. */
    take(): Message[] {
      items.flush();
      return batch.take().flatMap((payload) => decodeMessages(payload));
    },
  };
}

const valuesOf = (message: Message | undefined): unknown[] =>
  message?.type === 'items' ? message.values.map(decodeItem) : message?.type === 'item' ? [decodeItem(message.value)] : [];

describe('[channel.order] the items of a turn', () => {
  it('leave in one message for each channel, in the order of their first items, whoever took turns', () => {
    const { add, take } = gather();
    for (let index = 0; index < 100; index++) for (const channelId of [5, 1, 3]) add(channelId, { index, channelId });
    const messages = take();
    expect(messages.map((message) => [message.type, 'channelId' in message ? message.channelId : 0])).toEqual([
      ['items', 5],
      ['items', 1],
      ['items', 3],
    ]);
    for (const [at, channelId] of [5, 1, 3].entries())
      expect(valuesOf(messages[at])).toEqual(Array.from({ length: 100 }, (_, index) => ({ index, channelId })));
    expect(take()).toEqual([]);
  });

  it.each([
    ['small', 1, 100_000],
    ['of 255 bytes and around', 250, 5_000],
    ['of some thousand bytes', 2_500, 500],
  ])('come through whole and in order, however many: %s', (_what, length, count) => {
    const { add, take } = gather(64 * 1024);
    const value = (index: number) => `${'x'.repeat(length + (index % 12))}${index}`;
    for (let index = 0; index < count; index++) add(1, value(index));
    const received = take().flatMap(valuesOf);
    expect(received).toHaveLength(count);
    expect(received.every((item, index) => item === value(index))).toBe(true);
  });

  it('are no longer than any peer takes, and none is lost to the next turn', () => {
    const { batch, add } = gather(64 * 1024);
    const value = 'y'.repeat(Math.floor(LARGE_ITEM_BYTES / 3) - 5);
    for (let index = 0; index < 64; index++) add(1, value);
    const payloads = batch.take();
    expect(payloads.length).toBeGreaterThan(0);
    for (const payload of payloads) expect(payload.byteLength).toBeLessThanOrEqual(64 * 1024);
  });

  it('go by themselves when a getter makes one larger than it was measured', () => {
    const { add, take } = gather();
    let reads = 0;
    add(1, 'before');
    add(1, {
      get grows() {
        return 'z'.repeat(reads++ === 0 ? 1 : 5_000);
      },
    });
    add(1, 'after');
    expect(take().flatMap(valuesOf)).toEqual(['before', { grows: 'z'.repeat(5_000) }, 'after']);
  });

  it('hand on a large binary as a view of its payload, and copy a small one', () => {
    const large = encodeValue(new Uint8Array(100_000).fill(7));
    const bytes = decodeItem(large) as Uint8Array;
    expect(bytes).toEqual(new Uint8Array(100_000).fill(7));
    expect(bytes.buffer).toBe(large.buffer);
    const small = encodeValue(new Uint8Array(100).fill(7));
    expect((decodeItem(small) as Uint8Array).buffer).not.toBe(small.buffer);
    // A part of something larger would keep all of that.
    const whole = new Uint8Array(1_000_000);
    whole.set(large, 5);
    expect((decodeItem(whole.subarray(5, 5 + large.byteLength)) as Uint8Array).buffer).not.toBe(whole.buffer);
  });
});
