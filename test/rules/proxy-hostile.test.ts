/**
 * conn.proxy against peers of bad will: what one says on a proxied connection may end its own session with the middle, but never the session at the
 * other side of the middle, which serves others.
 */
import { encode } from '@msgpack/msgpack';
import { describe, expect, it, onTestFinished } from 'vitest';
import { channel, connect, joinConnections, listen, memoryStore, RpcError } from 'statewire';
import type { Connection, OperationStore, Session } from 'statewire';
import { encodeValue } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { argsWith } from '../support/channel-marks.ts';
import { callOn, everythingOn, Flow, flowing, openMessage, resultOn } from '../support/connection-peers.ts';
import { ScriptedPeer, welcome } from '../support/hostile-peer.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';

leavesNothing();

const BEHIND = 'behind';
const MAX_CONCURRENT = 4;
const MAX_CREDIT = 32;

/** The side that must be spared: a server behind the middle, with a client of its own through the same middle. */
async function makeScene(store: OperationStore = memoryStore()) {
  const world = makeWorld();
  const { clock, network } = world;
  const flow = flowing();
  const services = [lab({ run: (input) => input, idem: () => new Promise(() => {}) }), flow.service];
  const terms = { services, maxConcurrentRequests: MAX_CONCURRENT };
  const behind = await listen(network.listener(BEHIND), {
    clock,
    services,
    store,
    maxInitialCredit: MAX_CREDIT,
    onConnection: (request) => void request.accept(terms),
  });
  onTestFinished(() => behind.close());
  const back = await connect(network.connector(BEHIND), { clock, maxInitialCredit: MAX_CREDIT });
  onTestFinished(() => back.close());
  const fronts: Session[] = [];
  const middle = await listen(network.listener(PLACE), {
    clock,
    maxInitialCredit: MAX_CREDIT,
    onSession: (session) => void fronts.push(session),
    onConnection: async (request) => {
      const onwards = await back.open();
      joinConnections(request.accept({ maxConcurrentRequests: MAX_CONCURRENT }), onwards);
    },
  });
  onTestFinished(() => middle.close());
  const witness = await connect(network.connector(PLACE), { clock });
  onTestFinished(() => witness.close());
  const beside = await witness.open();
  const peer = await ScriptedPeer.connect(network);
  peer.send(openMessage(1));
  await peer.next('accept');
  const [served] = behind.sessions.values();
  const expectSpared = async (): Promise<void> => {
    await world.settle();
    expect([back.status, served?.status, witness.status]).toEqual(['connected', 'connected', 'connected']);
    expect(await back.client(Lab).run('root')).toBe('root');
    expect(await beside.client(Lab).run('beside')).toBe('beside');
  };
  return { ...world, peer, back, served: served as Session, front: fronts[1] as Session, beside, flow, expectSpared };
}

const take = Flow.methods.take.id;
const give = Flow.methods.give.id;
const hang = Lab.methods.idem.id;

/** A call of `Flow.take` that carries channels. */
function flowCall(requestId: number, channels: number[], args: Uint8Array, methodId = take): Message {
  return callOn(1, requestId, { methodId, channels, args });
}

const item = (channelId: number, value: unknown = 1): Message => ({ type: 'item', connectionId: 1, channelId, value: encodeValue(value) });
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

describe('a peer in front of the middle', () => {
  /** What would end a session that it is said to directly, with the rule it breaks. */
  const OFFENCES: [string, Message[], string | RegExp][] = [
    ['calls with an id of the other parity', [callOn(1, 2)], 'id.violation'],
    ['calls with an id that is in flight', [callOn(1, 1, { methodId: hang }), callOn(1, 1)], 'id.violation'],
    ['has too many calls in flight', many(MAX_CONCURRENT + 1, (index) => callOn(1, 2 * index + 1, { methodId: hang })), 'attempt.limit-in'],
    ['calls without an operation id', [callOn(1, 1, { operationId: undefined })], 'op.id'],
    ['passes a channel of the other parity', [flowCall(1, [2], argsWith({ travels: 'receiver', ordinal: 0 }))], /id\.|channel\./],
  ];

  it.each(OFFENCES)('[conn.proxy] [session.protocol-error] is told and cut off alone when it %s', async (_what, messages, rule) => {
    const { peer, front, expectSpared } = await makeScene();
    for (const message of messages) peer.send(message);
    expect(await peer.next('protocol-error')).toMatchObject({ rule: expect.stringMatching(rule) as string });
    await front.closed;
    await expectSpared();
  });

  /** What is its own business, or nothing at all; whether it is cut off for it is open, as long as nobody else is. */
  const ODDITIES: [string, Message[]][] = [
    ['asks for more initial credit than is given', [flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0, credit: MAX_CREDIT + 1 }))]],
    ['offers more initial credit than is taken', [flowCall(1, [1], argsWith({ travels: 'sender', ordinal: 0, credit: 2 ** 32 - 1 }), give)]],
    ['passes an end that is not in its list of channels', [flowCall(1, [], argsWith({ travels: 'receiver', ordinal: 0 }))]],
    ['lists a channel that is nowhere in the argument', [flowCall(1, [1, 3], argsWith({ travels: 'receiver', ordinal: 0 }))]],
    [
      'passes one channel twice in an argument',
      [flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0 }, { travels: 'receiver', ordinal: 0 }))],
    ],
    ['lists one channel twice', [flowCall(1, [1, 1], argsWith({ travels: 'receiver', ordinal: 0 }, { travels: 'sender', ordinal: 1 }))]],
    [
      'passes one channel in two calls',
      [flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0 })), flowCall(3, [1], argsWith({ travels: 'receiver', ordinal: 0 }))],
    ],
    [
      'passes a channel again whose end nobody has read yet',
      [
        flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0 })),
        item(1),
        { type: 'end', connectionId: 1, channelId: 1 },
        flowCall(3, [1], argsWith({ travels: 'receiver', ordinal: 0 })),
      ],
    ],
    [
      'passes a channel again that it has reset',
      [
        flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0 })),
        { type: 'reset', connectionId: 1, channelId: 1 },
        flowCall(3, [1], argsWith({ travels: 'receiver', ordinal: 0 })),
      ],
    ],
    ['sends on a channel of which it receives', [flowCall(1, [1], argsWith({ travels: 'sender', ordinal: 0 }), give), item(1)]],
    [
      'ends a channel of which it receives',
      [flowCall(1, [1], argsWith({ travels: 'sender', ordinal: 0 }), give), { type: 'end', connectionId: 1, channelId: 1 }],
    ],
    [
      'grants credit for a channel on which it sends',
      [flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0 })), { type: 'grant', connectionId: 1, channelId: 1, credit: 5 }],
    ],
    [
      'passes a channel below one that was bound',
      [flowCall(1, [9], argsWith({ travels: 'receiver', ordinal: 0 })), flowCall(3, [7], argsWith({ travels: 'receiver', ordinal: 0 }))],
    ],
    ['sends beyond its credit', [flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0, credit: 1 })), item(1), item(1), item(1)]],
    ['had sent beyond its credit before its call', [item(1), item(1), flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0, credit: 1 }))]],
    [
      'grants credit without bound',
      [
        flowCall(1, [1], argsWith({ travels: 'sender', ordinal: 0 }), give),
        ...many(3, (): Message => ({ type: 'grant', connectionId: 1, channelId: 1, credit: 2 ** 31 - 1 })),
      ],
    ],
    ['sends on more channels that it never passed than anybody keeps', many(1_500, (index) => item(2 * index + 1))],
    ['sends more on channels that it never passed than anybody keeps', many(10, (index) => item(2 * index + 1, 'x'.repeat(60_000)))],
    ['answers, ends, grants and resets what nobody knows', [...everythingOn(1, 'odd').slice(1), ...everythingOn(1, 'even').slice(1)]],
    ['answers calls that nobody made', [resultOn(1, 2), resultOn(1, 4), resultOn(1, 1)]],
    ['cancels an operation by its id alone', [{ type: 'cancel', connectionId: 1, operationId: 'nobody' }]],
    ['calls with arguments that are no value of ours', [callOn(1, 1, { args: encode(new Map([[{ a: 1 }, 2]])) })]],
    ['calls a method that nobody has', [callOn(1, 1, { methodId: 1 })]],
    ['calls with a series that is nobody’s', [callOn(1, 1, { operationId: 5, series: 'ffffffffffffffff' })]],
    ['acknowledges what nobody called', [callOn(1, 1, { ack: 1_000_000 }), { type: 'ack', series: '0123456789abcdef', upTo: 7 }]],
    ['tells a schema', [{ type: 'schema', connectionId: 1, methodId: 1, digest: 'd', schema: new Uint8Array([1]) }]],
    ['closes twice', many(2, (): Message => ({ type: 'close', connectionId: 1 }))],
    ['speaks after its close', [{ type: 'close', connectionId: 1 }, ...everythingOn(1)]],
  ];

  it.each(ODDITIES)('[conn.proxy] [outcome.scope] harms nobody else when it %s', async (_what, messages) => {
    const { peer, expectSpared } = await makeScene();
    for (const message of messages) peer.send(message);
    await expectSpared();
  });

  it('[conn.proxy] [attempt.unmatched] is counted where it says what nobody knows, and nothing of that reaches the others', async () => {
    const { peer, front, served, settle, traffic } = await makeScene();
    await settle();
    const before = traffic.length;
    for (const message of everythingOn(1).slice(1)) peer.send(message);
    await settle();
    expect(front.counters).toMatchObject({ unmatched: 2, lateItems: 3, lateSignals: 3 });
    expect(served.counters).toMatchObject({ unmatched: 0, lateItems: 0, lateSignals: 0 });
    expect(traffic.slice(before).filter(({ link }) => link.startsWith(BEHIND))).toEqual([]);
  });

  it.each<[string, Message]>([
    ['its end', { type: 'end', connectionId: 1, channelId: 1 }],
    ['its reset', { type: 'reset', connectionId: 1, channelId: 1 }],
  ])('[conn.proxy] [channel.terminal] what comes for a channel after %s stays at the middle, and is counted', async (_what, last) => {
    const { peer, front, settle, traffic } = await makeScene();
    peer.send(flowCall(1, [1], argsWith({ travels: 'receiver', ordinal: 0 })), item(1), last);
    await settle();
    const before = traffic.length;
    peer.send(item(1), item(1), { type: 'reset', connectionId: 1, channelId: 1 });
    await settle();
    expect(front.counters).toMatchObject({ lateItems: 2, lateSignals: 1 });
    expect(traffic.slice(before).filter(({ link, direction }) => link.startsWith(BEHIND) && direction.startsWith('initiator'))).toEqual([]);
    expect(front.status).toBe('connected');
  });

  it.each(['end', 'abort'] as const)(
    '[conn.proxy] [outcome.scope] harms nobody else when its link is gone (%s), with calls and channels open',
    async (how) => {
      const { peer, flow, expectSpared, settle } = await makeScene();
      peer.send(callOn(1, 1, { methodId: hang }), flowCall(3, [1], argsWith({ travels: 'receiver', ordinal: 0 })), item(1));
      await settle();
      expect(flow.taking).toHaveLength(1);
      if (how === 'end') peer.link.close();
      else peer.link.abort(new Error('cut'));
      await expectSpared();
      expect(flow.taking[0]?.signal.aborted).toBe(true);
    },
  );

  it('[conn.proxy] [link.limit] harms nobody else when its call is larger than what is taken behind the middle', async () => {
    const world = makeWorld();
    const { clock, network } = world;
    const services = [lab()];
    await using behind = await listen(network.listener(BEHIND), {
      clock,
      services,
      maxPayload: 64 * 1024,
      onConnection: (request) => void request.accept({ services }),
    });
    await using back = await connect(network.connector(BEHIND), { clock });
    await using middle = await listen(network.listener(PLACE), {
      clock,
      onConnection: async (request) => {
        const onwards = await back.open();
        joinConnections(request.accept(), onwards);
      },
    });
    await using session = await connect(network.connector(PLACE), { clock });
    const near = await session.open();
    const outcome = await near
      .client(Lab)
      .run('x'.repeat(100_000))
      .catch((error: { kind: string }) => error.kind);
    expect(['send-failed', 'indeterminate', 'connection-closed', 'unavailable', 'invalid-payload']).toContain(outcome);
    expect(await back.client(Lab).run('root')).toBe('root');
    expect([back.status, behind.sessions.size, middle.sessions.size]).toEqual(['connected', 1, 1]);
  });
});

describe('a peer behind the middle', () => {
  /** The middle dials the peer of bad will, and a client in front of it must be spared. */
  async function makeMirror() {
    const world = makeWorld();
    const { clock, network } = world;
    const { arrival } = await ScriptedPeer.listen(network);
    const dialling = connect(network.connector(PLACE), { clock });
    const peer = await arrival;
    await peer.next('hello');
    peer.send(welcome());
    const back = await dialling;
    onTestFinished(() => back.close());
    const middle = await listen(network.listener('front'), {
      clock,
      maxInitialCredit: MAX_CREDIT,
      services: [lab()],
      onConnection: async (request) => {
        const onwards = await back.open({ maxConcurrentRequests: MAX_CONCURRENT });
        joinConnections(request.accept(), onwards);
      },
    });
    onTestFinished(() => middle.close());
    const session = await connect(network.connector('front'), { clock });
    onTestFinished(() => session.close());
    const opening = session.open({ services: [lab({ idem: () => new Promise(() => {}) })], maxConcurrentRequests: MAX_CONCURRENT });
    await peer.next('open');
    peer.send({ type: 'accept', connectionId: 1, limits: { maxConcurrentRequests: 256 } });
    const near: Connection = await opening;
    const expectSpared = async (): Promise<void> => {
      await world.settle();
      expect(session.status).toBe('connected');
      expect(await session.client(Lab).run('root')).toBe('root');
    };
    return { ...world, peer, back, near, expectSpared };
  }

  const OFFENCES: [string, Message[], string][] = [
    ['calls with an id of the other parity', [callOn(1, 1)], 'id.violation'],
    ['calls with an id that is in flight', [callOn(1, 2, { methodId: hang }), callOn(1, 2)], 'id.violation'],
    ['has too many calls in flight', many(MAX_CONCURRENT + 1, (index) => callOn(1, 2 * index + 2, { methodId: hang })), 'attempt.limit-in'],
  ];

  it.each(OFFENCES)('[conn.proxy] [session.protocol-error] is told and cut off alone when it %s', async (_what, messages, rule) => {
    const { peer, back, near, expectSpared } = await makeMirror();
    for (const message of messages) peer.send(message);
    expect(await peer.next('protocol-error')).toMatchObject({ rule });
    await Promise.all([back.closed, near.closed]);
    await expectSpared();
  });

  const on = (channelId: number, message: Omit<Message, 'connectionId' | 'channelId'>): Message =>
    ({ connectionId: 1, channelId, ...message }) as Message;

  it.each<[string, Message[]]>([
    ['sends on a channel of which it receives', [on(1, item(1))]],
    ['ends a channel of which it receives', [on(1, { type: 'end' })]],
    ['grants credit for a channel on which it sends', [on(3, { type: 'grant', credit: 5 } as Message)]],
    ['sends beyond the credit of a channel', many(20, () => on(3, item(3)))],
    ['grants credit without bound', many(3, () => on(1, { type: 'grant', credit: 2 ** 31 - 1 } as Message))],
    ['resets what it was passed, twice', many(2, () => on(1, { type: 'reset' }))],
    [
      'says everything it can of both, in a heap',
      [1, 3].flatMap((id) =>
        everythingOn(1, 'odd')
          .slice(3)
          .map((message) => on(id, message)),
      ),
    ],
  ])('[conn.proxy] [outcome.scope] harms nobody else, with channels that it was passed, when it %s', async (_what, messages) => {
    const { peer, near, expectSpared } = await makeMirror();
    const [tx, theirRx] = channel();
    const [theirTx, rx] = channel();
    const client = near.client(Flow);
    const calls = [client.take({ items: theirRx }), client.give({ items: theirTx })].map(failureOf);
    const waiting = failureOf(
      (async () => {
        for await (const _ of rx);
        throw new RpcError({ kind: 'channel-reset', message: 'it ended as it should' });
      })(),
    );
    await tx.send('there');
    await peer.next('items');
    expect(peer.all('call').map(({ channels }) => channels)).toEqual([[1], [3]]);
    for (const message of messages) peer.send(message);
    await expectSpared();
    await near.close();
    await Promise.all([...calls, waiting]);
  });

  it.each<[string, Message[]]>([
    ['answers calls that nobody made', [resultOn(1, 1), resultOn(1, 3), resultOn(1, 2)]],
    ['sends on more channels that it never passed than anybody keeps', many(1_500, (index) => item(2 * index + 2))],
    ['says everything it can of what nobody knows', [...everythingOn(1, 'odd').slice(1), ...everythingOn(1, 'even').slice(1)]],
    ['closes twice and speaks on', [{ type: 'close', connectionId: 1 }, { type: 'close', connectionId: 1 }, ...everythingOn(1, 'even')]],
  ])('[conn.proxy] [outcome.scope] harms nobody else when it %s', async (_what, messages) => {
    const { peer, expectSpared } = await makeMirror();
    for (const message of messages) peer.send(message);
    await expectSpared();
  });
});
