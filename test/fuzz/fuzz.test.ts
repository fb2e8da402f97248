/**
 * Hostile input, made by a grammar and a seed, against the decoders and against whole sessions (scripts/lib/fuzz): 20,000 inputs, 200,000 with
 * STATEWIRE_ALL=1. And that the fuzzer would notice: each kind of fault, put in on purpose, is found.
 */
import { describe, expect, it } from 'vitest';
import { decodeMessages, decodeValue, encodeMessages } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { FrameSplitter } from '../../src/transport/framing.ts';
import { REAL_DECODERS } from '../../scripts/lib/fuzz/decoders.ts';
import type { Decoders } from '../../scripts/lib/fuzz/decoders.ts';
import { fuzz, reproduction, TARGETS } from '../../scripts/lib/fuzz/run.ts';
import type { TargetName } from '../../scripts/lib/fuzz/run.ts';

const INPUTS = process.env['STATEWIRE_ALL'] === '1' ? 200_000 : 20_000;
const TIMEOUT_MS = 300_000;

it(
  `[session.protocol-error] ${INPUTS} hostile inputs are refused or answered rightly: no crash, no hang, nothing left over`,
  async () => {
    const { results, findings, heapBytes } = await fuzz({ inputs: INPUTS, seed: 20_261_128 });
    expect(findings).toEqual([]);
    expect(results.map(({ target }) => target)).toEqual(TARGETS);
    expect(results.reduce((sum, { inputs }) => sum + inputs, 0)).toBeGreaterThanOrEqual(INPUTS);
    expect(results.find(({ target }) => target === 'session')?.sessions).toBeGreaterThan(INPUTS / 1_000);
    expect(heapBytes).toBeDefined();
  },
  TIMEOUT_MS,
);

it('[session.protocol-error] the same seed gives the same run', async () => {
  const run = async (): Promise<unknown> => {
    const { results } = await fuzz({ inputs: 300, seed: 7, target: 'session' });
    return results.map(({ inputs, sessions }) => [inputs, sessions]);
  };
  expect(await run()).toEqual(await run());
});

/** A cancel is taken for one of the next connection. */
const misread = (message: Message): Message => (message.type === 'cancel' ? { ...message, connectionId: message.connectionId + 1 } : message);

describe('[session.protocol-error] the fuzzer notices', () => {
  it.each<[what: string, target: Exclude<TargetName, 'session'>, decoders: Partial<Decoders>, problem: RegExp]>([
    [
      'a decoder that throws anything but a WireError',
      'envelopes',
      {
        decodeMessages: (payload) => {
          if (payload[2] === 0xc1) throw new TypeError('cannot read properties of undefined');
          return decodeMessages(payload);
        },
      },
      /TypeError/,
    ],
    ['a decoder that reads a wrong id', 'envelopes', { decodeMessages: (payload) => decodeMessages(payload).map(misread) }, /not the same again/],
    ['a decoder that drops a message', 'envelopes', { decodeMessages: (payload) => decodeMessages(payload).slice(0, 2) }, /second reader/],
    [
      'a decoder that writes to its input',
      'envelopes',
      {
        decodeMessages: (payload) => {
          const messages = decodeMessages(payload);
          payload.fill(0, 0, 1);
          return messages;
        },
      },
      /wrote to its input/,
    ],
    [
      'a value decoder that reads a Date otherwise',
      'values',
      {
        decodeValue: (bytes) => {
          const value = decodeValue(bytes);
          return value instanceof Date ? new Date(Math.trunc(value.getTime() / 1_000) * 1_000) : value;
        },
      },
      /second reader/,
    ],
    [
      'a splitter that loses a byte between two chunks',
      'frames',
      {
        FrameSplitter: class extends FrameSplitter {
          override push(chunk: Uint8Array): void {
            super.push(this.isInsidePayload && chunk.byteLength > 70 ? chunk.subarray(1) : chunk);
          }
        },
      },
      /split otherwise/,
    ],
  ])('%s', async (_what, target, decoders, problem) => {
    const { findings } = await fuzz({ inputs: 60_000, seed: 3, target, decoders: { ...REAL_DECODERS, ...decoders } });
    expect(findings).toHaveLength(1);
    expect(findings[0]?.problem).toMatch(problem);
    expect(reproduction(findings[0]!)).toBe(`npm run fuzz -- --target ${target} --seed 3 --only ${findings[0]!.index}`);
    const again = await fuzz({ inputs: 1, seed: 3, target, only: findings[0]!.index, decoders: { ...REAL_DECODERS, ...decoders } });
    expect(again.findings).toEqual(findings);
  });

  /** The server is given what was never said: to the fuzzer that is a server that does not look, or looks wrongly. */
  const change = (payload: Uint8Array, change_: (message: Message) => Message): Uint8Array => {
    try {
      return encodeMessages(decodeMessages(payload).map(change_));
    } catch {
      return payload;
    }
  };
  it.each<[what: string, sabotage: (payload: Uint8Array) => Uint8Array, problem: RegExp]>([
    [
      'a session that takes ids of the wrong parity',
      (payload) => change(payload, (message) => (message.type === 'call' && message.requestId % 2 === 0 ? { type: 'ping', nonce: 1 } : message)),
      /wrong parity/,
    ],
    [
      'a session that goes on after malformed bytes',
      (payload) => {
        try {
          decodeMessages(payload);
          return payload;
        } catch {
          return new Uint8Array(0);
        }
      },
      /still open after malformed bytes/,
    ],
    [
      'an answer to another call than was made',
      (payload) => change(payload, (message) => (message.type === 'call' ? { ...message, requestId: message.requestId + 1_000 } : message)),
      /where none is due/,
    ],
    [
      'an answer with another value',
      (payload) => change(payload, (message) => (message.type === 'call' ? { ...message, args: Uint8Array.of(7) } : message)),
      /wrong answer/,
    ],
    [
      'a call that is never answered',
      (payload) => change(payload, (message) => (message.type === 'call' ? { type: 'ping', nonce: 1 } : message)),
      /of \d+ calls/,
    ],
  ])('%s', async (_what, sabotage, problem) => {
    const { findings } = await fuzz({ inputs: 30_000, seed: 5, target: 'session', sabotage });
    expect(findings).toHaveLength(1);
    expect(findings[0]?.problem).toMatch(problem);
    expect(findings[0]?.input.length).toBeGreaterThan(0);
  });
});
