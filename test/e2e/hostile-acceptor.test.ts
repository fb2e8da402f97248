/**
 * Acceptors of bad will against a client on a real socket: `connect` and calls reject with a clear error, nothing is thrown into the
 * process, and the offender is told why where the protocol can tell it.
 */
import { describe, expect, it } from 'vitest';
import { connect, RpcError } from 'statewire';
import type { ConnectOptions, Session } from 'statewire';
import { tcp } from 'statewire/tcp';
import { SimulatedClock } from 'statewire/testing';
import { encodeMessage, encodeValue } from 'statewire/wire';
import type { Message, ResponseError } from 'statewire/wire';
import { hello, welcome } from '../support/hostile-peer.ts';
import { saidAs, Target } from '../support/hostile-scene.ts';
import { pattern } from '../support/links.ts';
import { frame, listenRaw, until } from '../support/raw-socket.ts';
import type { RawPeer } from '../support/raw-socket.ts';

const TIMEOUT_MS = 60_000;
const WELCOME = encodeMessage(welcome());
/** The longest text that the wire lets anybody say, and that fits into a payload of the handshake. */
const LONG_TEXT = 'no'.repeat(32_000);

/** Connects to the script; what it rejects with, or the session. */
async function connectTo(script: (peer: RawPeer) => void, options: ConnectOptions = {}) {
  const peers: RawPeer[] = [];
  const listener = await listenRaw((peer) => {
    peers.push(peer);
    script(peer);
  });
  const connecting = connect(tcp(listener.address), options);
  connecting.catch(() => {});
  return { connecting, peers, [Symbol.asyncDispose]: () => listener.close() };
}

async function rejection(promise: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RpcError);
  return error as RpcError;
}

type Failure = { readonly kind: string; readonly reason?: unknown; readonly message?: unknown };
const refusedBy = (reason: RegExp): Failure => ({ kind: 'refused', reason: expect.stringMatching(reason) });
const cutOff: Failure = { kind: 'connection-closed', reason: 'closed' };

describe('a hostile acceptor', () => {
  it.each<[what: string, script: (peer: RawPeer) => void, failure: Failure, told?: Partial<Message>]>([
    ['garbage', (peer) => peer.write(pattern(4_096)), cutOff],
    ['an HTTP response', (peer) => peer.write('HTTP/1.1 400 Bad Request\r\n\r\n'), cutOff],
    ['a length of 4 GiB', (peer) => peer.write(frame(WELCOME, 0xffff_ffff)), cutOff],
    ['a reset', (peer) => void peer.next().then(() => peer.socket.resetAndDestroy()), cutOff],
    ['an end', (peer) => peer.socket.end(), cutOff],
    ['half a welcome and an end', (peer) => peer.socket.end(frame(WELCOME).subarray(0, 30)), cutOff],
    ['a refusal above what a handshake may have', (peer) => peer.sendPayloads(saidAs(3, 'statewire', 1, 'x'.repeat(70_000))), cutOff],
    ['a refusal of a huge text', (peer) => peer.send({ type: 'refuse', reason: LONG_TEXT }), { kind: 'refused', reason: LONG_TEXT }],
    [
      'a protocol error',
      (peer) => peer.send({ type: 'protocol-error', rule: 'id.parity', message: 'odd' }),
      { kind: 'protocol-error', reason: 'id.parity' },
    ],
    ['an empty payload', (peer) => peer.sendPayloads(new Uint8Array(0)), refusedBy(/not nothing/), { type: 'refuse' }],
    ['a hello', (peer) => peer.send(hello()), refusedBy(/a welcome alone, not a hello/), { type: 'refuse' }],
    ['a call first', (peer) => peer.sendPayloads(saidAs(5, 1)), refusedBy(/not a ping/), { type: 'refuse' }],
    [
      'a welcome of another magic',
      (peer) => peer.sendPayloads(saidAs(2, 'somewhere', 1)),
      refusedBy(/expected statewire version 1/),
      { type: 'refuse' },
    ],
    ['a welcome of another version', (peer) => peer.send(welcome({ version: 2 })), refusedBy(/protocol version 2/), { type: 'refuse' }],
    ['a welcome that allocates our ids', (peer) => peer.send(welcome({ parity: 'odd' })), refusedBy(/even ids/), { type: 'refuse' }],
    [
      'a welcome with no room for a payload',
      (peer) => peer.send(welcome({ limits: { ...welcome().limits, maxPayload: 0 } })),
      refusedBy(/maxPayload/),
      { type: 'refuse' },
    ],
    [
      'half a welcome in a whole payload',
      (peer) => peer.sendPayloads(WELCOME.subarray(0, 30)),
      { kind: 'protocol-error' },
      { type: 'protocol-error' },
    ],
    ['an unknown message', (peer) => peer.sendPayloads(saidAs(99)), { kind: 'protocol-error' }, { type: 'protocol-error' }],
  ])(
    '[session.handshake] makes connect reject when it answers with %s',
    async (_what, script, failure, told) => {
      await using scene = await connectTo(script);
      expect(await rejection(scene.connecting)).toMatchObject(failure);
      const { message } = await (scene.peers[0] as RawPeer).lastWord();
      if (told !== undefined) expect(message).toMatchObject(told);
    },
    TIMEOUT_MS,
  );

  it(
    '[session.handshake-limits] makes connect reject in time when it says nothing',
    async () => {
      const clock = new SimulatedClock();
      await using scene = await connectTo(() => {}, { clock, handshakeTimeoutMs: 1_000 });
      await until(() => scene.peers[0]?.unread[0]?.type === 'hello');
      await clock.advance(1_000);
      expect(await rejection(scene.connecting)).toMatchObject({ kind: 'connection-closed', reason: 'handshake-timeout' });
    },
    TIMEOUT_MS,
  );

  it.each([
    ['large', 200, new Uint8Array(8_192)],
    ['empty', 50_000, new Uint8Array(0)],
  ])(
    '[session.handshake-limits] cannot fill the memory with %s payloads while we think about its welcome',
    async (_what, count, payload) => {
      let thinking: () => void = () => {};
      const thought = new Promise<string>((resolve) => (thinking = () => resolve('somebody')));
      const flood = Array.from({ length: count }, () => payload);
      await using scene = await connectTo((peer) => peer.sendPayloads(WELCOME, ...flood), { maxPayload: 1024 * 1024, authenticate: () => thought });
      expect(await rejection(scene.connecting)).toMatchObject({ kind: 'protocol-error', reason: 'session.handshake-limits' });
      thinking();
      expect(await scene.peers[0]?.nextOf('protocol-error')).toMatchObject({ rule: 'session.handshake-limits' });
    },
    TIMEOUT_MS,
  );

  it(
    '[session.handshake] is heard when it speaks right behind its welcome',
    async () => {
      await using scene = await connectTo((peer) => peer.sendPayloads(WELCOME, encodeMessage({ type: 'ping', nonce: 7 })));
      await using session = await scene.connecting;
      expect(await scene.peers[0]?.nextOf('pong')).toEqual({ type: 'pong', nonce: 7 });
      expect(session.status).toBe('connected');
    },
    TIMEOUT_MS,
  );
});

const answer = (requestId: number, result: Uint8Array): Message => ({ type: 'response', connectionId: 0, requestId, ok: true, result, metadata: [] });
const failing = (requestId: number, error: ResponseError): Message => ({
  type: 'response',
  connectionId: 0,
  requestId,
  ok: false,
  error,
  metadata: [],
});

/** A session with a script at its other end, which has got the first call. */
async function called() {
  const scene = await connectTo((peer) => peer.send(welcome()));
  const session: Session = await scene.connecting;
  const peer = scene.peers[0] as RawPeer;
  const call = session.client(Target).echo('hello');
  call.catch(() => {});
  const { requestId } = await peer.nextOf('call');
  return {
    session,
    peer,
    call,
    requestId,
    async [Symbol.asyncDispose]() {
      peer.socket.destroy();
      await session.closed;
      await scene[Symbol.asyncDispose]();
    },
  };
}

describe('a hostile acceptor, called', () => {
  it.each<[what: string, result: Uint8Array]>([
    ['nothing at all', new Uint8Array(0)],
    ['a result cut in the middle', encodeValue('hello').subarray(0, 3)],
    ['a result with a foreign extension', Uint8Array.of(0xd4, 0x72, 0x40)],
    ['a result nested ten thousand deep', new Uint8Array(10_000).fill(0x91)],
    ['a result that claims 4 billion elements', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a result with a property named __proto__', Uint8Array.of(0x81, 0xa9, ...Buffer.from('__proto__'), 0x80)],
  ])(
    '[outcome.invalid-payload] fails that call alone with %s',
    async (_what, result) => {
      await using scene = await called();
      scene.peer.send(answer(scene.requestId, result));
      expect(await rejection(scene.call)).toMatchObject({ kind: 'invalid-payload', reason: 'result', retryable: false });
      await expectStillServed(scene);
    },
    TIMEOUT_MS,
  );

  it(
    '[outcome.invalid-payload] fails that call alone with a failure whose data does not decode',
    async () => {
      await using scene = await called();
      scene.peer.send(failing(scene.requestId, { kind: 'user', message: 'x', data: Uint8Array.of(0xc1) }));
      expect(await rejection(scene.call)).toMatchObject({ kind: 'invalid-payload', reason: 'error' });
      await expectStillServed(scene);
    },
    TIMEOUT_MS,
  );

  it(
    '[attempt.unmatched] is heard once: other answers are dropped and counted',
    async () => {
      await using scene = await called();
      const { requestId, session } = scene;
      scene.peer.send(
        answer(requestId + 2, encodeValue(0)),
        answer(requestId, encodeValue('first')),
        answer(requestId, encodeValue('second')),
        answer(2, encodeValue(3)),
      );
      expect(await scene.call).toBe('first');
      await expectStillServed(scene);
      expect(session.counters.unmatched).toBe(3);
    },
    TIMEOUT_MS,
  );

  it.each<[rule: string, what: string, bytes: (requestId: number) => Uint8Array]>([
    ['session.protocol-error', 'garbage in a payload', () => frame(pattern(100))],
    ['session.protocol-error', 'a kind of failure that is none', (requestId) => frame(saidAs(18, 0, requestId, [], 99, null, 'x', null))],
    ['session.handshake', 'another welcome', () => frame(WELCOME)],
    ['id.violation', 'a call with an id of ours', () => frame(saidAs(16, 0, 3, Target.methods.echo.id, 1, null, null, [], [], encodeValue(1)))],
    ['conn.unknown', 'an accept of nothing', () => frame(saidAs(9, 1, 1))],
  ])(
    '[session.protocol-error] fails every call by %s of %s, and is told so',
    async (rule, _what, bytes) => {
      await using scene = await called();
      scene.peer.write(bytes(scene.requestId));
      expect(await rejection(scene.call)).toMatchObject({ kind: 'protocol-error', reason: rule, retryable: false });
      expect(await scene.peer.nextOf('protocol-error')).toMatchObject({ rule });
      expect(await rejection(scene.session.client(Target).echo('late'))).toMatchObject({ kind: 'connection-closed' });
      expect(scene.session.status).toBe('closed');
    },
    TIMEOUT_MS,
  );

  it.each<[what: string, end: (peer: RawPeer) => void, failure: Failure]>([
    [
      'a protocol error of a huge text',
      (peer) => peer.send({ type: 'protocol-error', rule: 'made.up', message: LONG_TEXT }),
      { kind: 'protocol-error', reason: 'made.up' },
    ],
    ['a close', (peer) => peer.send({ type: 'close', connectionId: 0, reason: LONG_TEXT }), { kind: 'indeterminate', reason: 'closed' }],
    ['a length of 4 GiB', (peer) => peer.write(frame(WELCOME, 0xffff_ffff)), { kind: 'indeterminate', reason: 'closed' }],
    ['half a payload and an end', (peer) => peer.socket.end(frame(WELCOME).subarray(0, 50)), { kind: 'indeterminate', reason: 'closed' }],
    ['a reset', (peer) => peer.socket.resetAndDestroy(), { kind: 'indeterminate', reason: 'closed' }],
  ])(
    '[outcome.closing] leaves a call that may have run to its caller when it ends with %s',
    async (_what, end, failure) => {
      await using scene = await called();
      end(scene.peer);
      expect(await rejection(scene.call)).toMatchObject(failure);
      await scene.session.closed;
    },
    TIMEOUT_MS,
  );
});

async function expectStillServed({ session, peer }: { session: Session; peer: RawPeer }): Promise<void> {
  const call = session.client(Target).echo('again');
  const { requestId } = await peer.nextOf('call');
  peer.send(answer(requestId, encodeValue('again')));
  expect(await call).toBe('again');
  expect(session.status).toBe('connected');
}
