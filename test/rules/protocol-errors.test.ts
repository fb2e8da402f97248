/** session.protocol-error: a peer that breaks the rules is told why, its session ends, and nobody else notices. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connect } from 'statewire';
import { encodeMessage, encodeMessages, encodeValue } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { attackClient, attackServer, call, hello, result, ScriptedPeer } from '../support/hostile-peer.ts';
import { failureOf, gated, lab, Lab, PLACE } from '../support/peers.ts';

const bytes = (...messages: Message[]) => encodeMessages(messages);

/** What breaks which rule, whoever says it. */
const offences: [string, Uint8Array, string][] = [
  ['bytes that are no MessagePack', new Uint8Array([0xc1]), 'session.protocol-error'],
  ['a value that is no message', new Uint8Array([0x05]), 'session.protocol-error'],
  ['an empty message', new Uint8Array([0x90]), 'session.protocol-error'],
  ['a message of unknown type', new Uint8Array([0x92, 0x63, 0x01]), 'session.protocol-error'],
  ['a message that is cut off', encodeMessage({ type: 'ping', nonce: 70_000 }).subarray(0, 4), 'session.protocol-error'],
  ['a message with a field too few', new Uint8Array([0x91, 5]), 'session.protocol-error'],
  ['a string that says it is longer than the payload', new Uint8Array([0x93, 4, 0xdb, 0xff, 0xff, 0xff, 0xff]), 'session.protocol-error'],
  ['a call on a connection that never was', bytes(call(41, { connectionId: 3 })), 'conn.unknown'],
  ['a response on a connection that never was', bytes({ ...result(1), connectionId: 3 }), 'conn.unknown'],
  ['a cancel on a connection that never was', bytes({ type: 'cancel', connectionId: 3, requestId: 1 }), 'conn.unknown'],
  ['a close of a connection that never was', bytes({ type: 'close', connectionId: 3 }), 'conn.unknown'],
  ['an item on a connection that never was', bytes({ type: 'item', connectionId: 3, channelId: 1, value: encodeValue(1) }), 'conn.unknown'],
  ['an accept of what nobody opened', bytes({ type: 'accept', connectionId: 2, limits: { maxConcurrentRequests: 1 } }), 'conn.unknown'],
  ['a reject of what nobody opened', bytes({ type: 'reject', connectionId: 2, reason: 'no' }), 'conn.unknown'],
];

describe('session.protocol-error', () => {
  it.each(offences)('[session.protocol-error] %s from an initiator: told why, torn down, calls both ways end', async (_what, payload, rule) => {
    const { handler, calls } = gated();
    const { peer, accepted, server, settle } = await attackServer({ services: [lab(handler)] });
    const failing = [failureOf(accepted.client(Lab).run()), failureOf(accepted.client(Lab).idem())];
    peer.send(call(1), call(3, { methodId: Lab.methods.idem.id }));
    await settle();
    const signals = calls.map(({ call: { signal } }) => signal);
    peer.sendBytes(payload);
    const told = await peer.next('protocol-error');
    expect(told).toMatchObject({ rule, message: expect.stringMatching(/./) as string });
    expect(await peer.closed).toBeUndefined();
    for (const failure of await Promise.all(failing)) expect(failure).toMatchObject({ kind: 'protocol-error', reason: rule, retryable: false });
    await accepted.closed;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(peer.all('response')).toEqual([]);
    expect([accepted.status, server.sessions.size]).toEqual(['closed', 0]);
  });

  it.each(offences)('[session.protocol-error] %s from an acceptor', async (_what, payload, rule) => {
    const { peer, session } = await attackClient({ services: [lab()] });
    const failing = failureOf(session.client(Lab).run());
    await peer.next('call');
    peer.sendBytes(payload);
    expect(await failing).toMatchObject({ kind: 'protocol-error', reason: rule, retryable: false });
    expect((await peer.next('protocol-error')).rule).toBe(rule);
    await session.closed;
  });

  it('[session.protocol-error] what came before the offence in its payload counts, what comes after it does not', async () => {
    const { handler, calls } = gated();
    const { peer, accepted, settle } = await attackServer({ services: [lab(handler)] });
    const failing = accepted.client(Lab).run();
    await peer.next('call');
    peer.sendBytes(new Uint8Array([...bytes(result(2, 'in time'), call(1), call(2), call(3), result(2, 'again')), 0xc1]));
    expect(await failing).toBe('in time');
    await settle();
    await accepted.closed;
    expect(calls).toHaveLength(1);
  });

  it('[session.protocol-error] a peer that reports one is believed and not answered', async () => {
    const { peer, session, settle } = await attackClient();
    const failing = failureOf(session.client(Lab).run());
    await peer.next('call');
    peer.send({ type: 'protocol-error', rule: 'attempt.limit-in', message: 'too many' });
    const failure = await failing;
    expect(failure).toMatchObject({ kind: 'protocol-error', reason: 'attempt.limit-in', retryable: false });
    await session.closed;
    await settle();
    expect(peer.all('protocol-error')).toEqual([]);
    await peer.closed;
  });

  it('[session.protocol-error] other sessions of the same server go on', async () => {
    const { handler, calls } = gated();
    const { peer, network, clock, settle, accepted } = await attackServer({ services: [lab({ run: handler })] });
    const good = await connect(network.connector(PLACE), { clock });
    const pending = good.client(Lab).run();
    await settle();
    peer.sendBytes(new Uint8Array([0xc1]));
    await accepted.closed;
    calls[0]?.resolve('unharmed');
    expect(await pending).toBe('unharmed');
    await good.close();
  });

  it('[session.protocol-error] a peer that does not take the news is cut in the end', async () => {
    const { peer, network, clock, accepted } = await attackServer();
    network.tap(({ message }) => {
      if (message.type === 'protocol-error') network.hold();
    });
    peer.sendBytes(new Uint8Array([0xc1]));
    await accepted.closed;
    await clock.advance(10_000);
    network.release();
    expect(await peer.closed).toBeInstanceOf(Error);
  });

  it('[session.protocol-error] a payload above our maxPayload ends the link unread', async () => {
    const { handler, calls } = gated();
    const { peer, accepted } = await attackServer({ services: [lab(handler)], maxPayload: 65_536 });
    peer.send(call(1, { args: encodeValue(new Uint8Array(65_536)) }));
    await accepted.closed;
    await peer.closed;
    expect(calls).toEqual([]);
  });

  it.each<[string, Uint8Array]>([
    ['a hundred thousand nested arrays', new Uint8Array(100_000).fill(0x91)],
    ['an array of four billion', new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff])],
    ['a map of four billion', new Uint8Array([0xdf, 0xff, 0xff, 0xff, 0xff])],
    ['text of four billion bytes', new Uint8Array([0xdb, 0xff, 0xff, 0xff, 0xff])],
    ['an extension nobody has', new Uint8Array([0xd4, 0x72, 0x00])],
    ['text that is no UTF-8', new Uint8Array([0xa2, 0xc3, 0x28])],
  ])('[session.protocol-error] arguments of %s harm their own call only', async (_what, args) => {
    const { handler, calls } = gated();
    const { peer, settle } = await attackServer({ services: [lab({ run: handler })] });
    peer.send(call(1, { args }), call(3, { methodId: Lab.methods.idem.id, args: encodeValue('fine') }));
    await settle();
    expect(peer.all('response').map(({ requestId, ok }) => [requestId, ok])).toContainEqual([3, true]);
    expect(peer.all('response').find(({ requestId }) => requestId === 1) ?? 'decoded').toMatchObject(
      calls.length > 0 ? {} : { error: { kind: 'invalid-payload' } },
    );
    expect(peer.all('protocol-error')).toEqual([]);
  });
});

describe('malformed bytes', () => {
  const limits = { maxConcurrentRequests: 4, maxPayload: 65_536, maxConnections: 1, maxInitialCredit: 1 };
  const good: Message[] = [
    hello(),
    call(1),
    call(3, {
      metadata: [
        ['k', 'v', 1],
        ['n', 5n, 0],
      ],
      operationId: 'order-42',
      args: encodeValue({ a: [1, 'x', new Map([[1, 2]])] }),
    }),
    result(2, { total: 5 }),
    { type: 'response', connectionId: 0, requestId: 4, ok: false, error: { kind: 'user', message: 'm', data: encodeValue(1) }, metadata: [] },
    { type: 'cancel', connectionId: 0, requestId: 1, operationId: 1 },
    { type: 'ping', nonce: 5 },
    { type: 'ack', series: '00112233445566ff', upTo: 3 },
    { type: 'go-away', graceMs: 5 },
    { type: 'items', connectionId: 0, channelId: 1, values: [encodeValue(1), encodeValue(2)] },
    { type: 'open', connectionId: 1, parity: 'odd', limits: { maxConcurrentRequests: 3 }, metadata: [['k', 1, 0]] },
    { type: 'schema', connectionId: 0, methodId: 5, digest: 'd', schema: encodeValue({}) },
  ];

  /** A good message with some bytes changed, cut off or added; now and then any bytes at all. */
  const malformed = fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    {
      weight: 6,
      arbitrary: fc
        .record({
          message: fc.constantFrom(...good),
          cut: fc.nat(400),
          tail: fc.uint8Array({ maxLength: 4 }),
          changes: fc.array(fc.record({ at: fc.nat(400), to: fc.nat(255) }), { maxLength: 4 }),
        })
        .map(({ message, cut, tail, changes }) => {
          const payload = encodeMessage(message).slice();
          for (const { at, to } of changes) payload[at % payload.byteLength] = to;
          return new Uint8Array([...(cut % 3 === 0 ? payload.subarray(0, cut % payload.byteLength) : payload), ...tail]);
        }),
    },
  );

  it('[session.protocol-error] whatever a peer sends, before or after the handshake, the server serves the next one', async () => {
    const { network, clock, server } = await attackServer({ services: [lab()], maxPayload: 65_536, keepAlive: false });
    const witness = await connect(network.connector(PLACE), { clock });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(malformed, { minLength: 1, maxLength: 5 }), async (welcomed, payloads) => {
        const peer = welcomed ? await ScriptedPeer.connect(network, { limits }) : await ScriptedPeer.dial(network);
        for (const payload of payloads) {
          try {
            peer.sendBytes(payload);
          } catch {
            break;
          }
        }
        expect(await witness.client(Lab).run('well')).toBe('well');
        peer.link.abort();
      }),
      { numRuns: 150, seed: 42 },
    );
    await clock.advance(60_000);
    expect(server.sessions.size).toBe(2);
    await witness.close();
  });
});
