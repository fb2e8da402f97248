/** session.handshake, session.handshake-limits: what two peers say before anything else, and how much of it they bear. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { Connector, Link, Listener, ListenOptions } from 'statewire';
import { decodeValue, encodeMessage, encodeMessages, encodeValue, MAGIC, PROTOCOL_VERSION } from 'statewire/wire';
import type { HelloMessage, Message, WelcomeMessage } from 'statewire/wire';
import {
  acceptClient,
  attackClient,
  attackServer,
  call,
  dialServer,
  hello,
  result,
  ScriptedPeer,
  welcome,
  withVersion,
} from '../support/hostile-peer.ts';
import { connectPeers, deferred, failureOf, isSettled, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';

describe('session.handshake', () => {
  it('[session.handshake] the first payload each way is magic, version and a hello, then a welcome', async () => {
    const scope = new Uint8Array(16).fill(3);
    const { network, session, accepted, traffic } = await connectPeers({
      client: { scope, maxConcurrentRequests: 7, credentials: { token: 't' } },
      server: { maxPayload: 100_000, retry: false, credentials: 'me' },
      world: makeWorld(),
    });
    expect(network).toBeDefined();
    const [first, second] = traffic.map(({ message }) => message as HelloMessage | WelcomeMessage);
    const RESUME_KEY_BYTES = 32;
    expect(first).toMatchObject({
      type: 'hello',
      version: PROTOCOL_VERSION,
      role: 'initiator',
      parity: 'odd',
      dial: 1,
      scope,
      features: { retry: true, resume: true },
      limits: { maxConcurrentRequests: 7, maxPayload: 16 * 1024 * 1024, maxConnections: 1_024, maxInitialCredit: 65_536 },
      series: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      storeIdentity: expect.any(String) as string,
    });
    // There is no session yet that it could be the key of.
    expect(first?.resumeKey).toBeUndefined();
    expect(second).toMatchObject({
      type: 'welcome',
      version: PROTOCOL_VERSION,
      role: 'acceptor',
      parity: 'even',
      sessionId: session.id,
      features: { retry: false, resume: true },
      resumed: false,
      limits: { maxPayload: 100_000 },
      series: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      retentionMs: 900_000,
    });
    expect(second?.resumeKey).toBeInstanceOf(Uint8Array);
    expect(second?.resumeKey?.byteLength).toBe(RESUME_KEY_BYTES);
    expect([decodeValue(first?.credentials as Uint8Array), decodeValue(second?.credentials as Uint8Array)]).toEqual([{ token: 't' }, 'me']);
    expect(traffic[0]?.payload.subarray(0, 16)).toEqual(encodeMessage(first as Message).subarray(0, 16));
    expect(new TextDecoder('latin1').decode(traffic[0]?.payload.subarray(0, 16))).toContain(MAGIC);
    expect(session.id).toBe(accepted.id);
    expect([session.role, accepted.role]).toEqual(['initiator', 'acceptor']);
  });

  it('[session.handshake] the initiator says nothing but its hello until it is welcomed', async () => {
    const { connecting, peer, settle } = await acceptClient();
    await settle();
    expect(peer.received.map(({ type }) => type)).toEqual(['hello']);
    expect(await isSettled(connecting)).toBe(false);
    peer.send(welcome());
    expect((await connecting).status).toBe('connected');
  });

  it('[session.handshake] the acceptor says nothing before a hello', async () => {
    const { peer, settle, server } = await dialServer();
    await settle();
    expect(peer.received).toEqual([]);
    expect(server.sessions.size).toBe(0);
    peer.send(hello());
    const { sessionId } = await peer.next('welcome');
    expect([...server.sessions.keys()]).toEqual([sessionId]);
  });

  const first = encodeMessage(hello());
  it.each<[string, Uint8Array, RegExp]>([
    ['a call', encodeMessage(call(1)), /hello alone, not a call/],
    ['a ping', encodeMessage({ type: 'ping', nonce: 1 }), /not a ping/],
    ['a welcome', encodeMessage(welcome()), /not a welcome/],
    ['a hello and a call in one payload', encodeMessages([hello(), call(1)]), /not a call/],
    ['two hellos', encodeMessages([hello(), hello()]), /not a hello/],
    ['a hello of another version', withVersion(first, 2), /version 2/],
    ['a hello of version 0', withVersion(first, 0), /version 0/],
    ['nothing', new Uint8Array(0), /nothing/],
    ['what no statewire says', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'), /./],
    ['a hello that is cut off', first.subarray(0, first.length - 1), /./],
    ['zeroes', new Uint8Array(100), /./],
    ['a hello with even ids', encodeMessage(hello({ parity: 'even' })), /odd ids/],
    [
      'a hello with a tiny maxPayload',
      encodeMessage(hello({ limits: { maxConcurrentRequests: 1, maxPayload: 65_535, maxConnections: 0, maxInitialCredit: 0 } })),
      /maxPayload/,
    ],
    [
      'a hello that takes no calls',
      encodeMessage(hello({ limits: { maxConcurrentRequests: 0, maxPayload: 65_536, maxConnections: 0, maxInitialCredit: 0 } })),
      /maxConcurrentRequests/,
    ],
  ])('[session.handshake] the acceptor refuses %s as the first payload, says why, and serves nothing', async (_what, payload, why) => {
    const { peer, server, sessions, started } = await dialServer();
    peer.sendBytes(payload);
    await peer.closed;
    const [last] = peer.received.slice(-1);
    expect(['refuse', 'protocol-error']).toContain(last?.type);
    expect(last?.type === 'refuse' ? last.reason : (last as { message: string }).message).toMatch(why);
    expect(peer.all('welcome')).toEqual([]);
    expect([server.sessions.size, sessions, started]).toEqual([0, [], []]);
  });

  it('[session.handshake] a refusal names what was expected, so that whoever speaks something else can tell', async () => {
    const { peer } = await dialServer();
    peer.sendBytes(encodeMessage({ type: 'ping', nonce: 1 }));
    expect((await peer.next('refuse')).reason).toContain(`${MAGIC} version ${PROTOCOL_VERSION}`);
  });

  it.each<[string, Uint8Array]>([
    ['a response', encodeMessage(result(1))],
    ['a hello', encodeMessage(hello())],
    ['a welcome of another version', withVersion(encodeMessage(welcome()), 9)],
    ['a welcome with odd ids', encodeMessage(welcome({ parity: 'odd' }))],
    ['a welcome and a call in one payload', encodeMessages([welcome(), call(2)])],
  ])('[session.handshake] the initiator refuses %s as the first payload, and connect rejects', async (_what, payload) => {
    const { connecting, peer } = await acceptClient();
    peer.sendBytes(payload);
    expect(await failureOf(connecting)).toMatchObject({ kind: 'refused' });
    expect((await peer.next('refuse')).reason).not.toBe('');
    await peer.closed;
  });

  it("[session.handshake] connect rejects with the peer's reason where it is refused", async () => {
    const { connecting, peer } = await acceptClient();
    peer.send({ type: 'refuse', reason: 'full moon' });
    expect(await failureOf(connecting)).toMatchObject({ kind: 'refused', reason: 'full moon', message: 'refused: full moon' });
  });

  it.each<[string, (peer: ScriptedPeer) => void, string]>([
    ['closes the link', (peer) => peer.link.close(), 'connection-closed'],
    ['aborts the link', (peer) => peer.link.abort(), 'connection-closed'],
    ['reports a protocol error', (peer) => peer.send({ type: 'protocol-error', rule: 'session.handshake', message: 'no' }), 'protocol-error'],
  ])('[session.handshake] connect rejects when the peer %s instead of an answer', async (_what, act, kind) => {
    const { connecting, peer } = await acceptClient();
    act(peer);
    expect(await failureOf(connecting)).toMatchObject({ kind });
  });

  it.each(['hello', 'welcome'] as const)('[session.handshake] a second %s is a protocol error', async (type) => {
    const { peer } = await dialServer();
    peer.send(hello());
    await peer.next('welcome');
    peer.send({ hello: hello(), welcome: welcome() }[type]);
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'session.handshake' });
    await peer.closed;
  });

  it('[session.handshake] an initiator that does not like its welcome says so: the session ends as refused, and no rule was broken', async () => {
    const { peer, accepted, server, serverLog } = await attackServer();
    peer.send({ type: 'refuse', reason: 'not authenticated' });
    await Promise.all([peer.closed, accepted.closed]);
    expect(peer.all('protocol-error')).toEqual([]);
    expect([accepted.counters.protocolErrors, server.sessions.size]).toEqual([0, 0]);
    expect(serverLog).toEqual([expect.objectContaining({ event: 'refused', message: 'refused: not authenticated' })]);
  });

  it('[session.handshake] a refuse after its welcome is a protocol error of the acceptor', async () => {
    const { peer, session } = await attackClient();
    peer.send({ type: 'refuse', reason: 'changed my mind' });
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'session.handshake' });
    await session.closed;
    expect(session.counters.protocolErrors).toBe(1);
  });

  it('[session.handshake] calls that came early behind a broken rule are not served', async () => {
    const ran: unknown[] = [];
    const thinking = deferred<string>();
    const keep = (input: unknown) => ran.push(input);
    const { connecting, peer, settle } = await acceptClient({ services: [lab(keep)], authenticate: () => thinking.promise });
    connecting.catch(() => {});
    peer.send(welcome());
    await settle();
    peer.send(call(2, { args: encodeValue('before') }));
    peer.send(call(1, { args: encodeValue('of our parity') }), call(4, { args: encodeValue('behind it') }));
    peer.send(call(6, { args: encodeValue('in the next payload') }));
    await settle();
    expect(ran).toEqual([]);
    thinking.resolve('peer');
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'id.violation' });
    await peer.closed;
    expect(ran).toEqual(['before']);
  });

  it('connect rejects with what the connector failed with', async () => {
    const mine = new Error('no such host');
    await expect(connect({ connect: () => Promise.reject(mine) })).rejects.toBe(mine);
  });
});

describe('session.handshake-limits', () => {
  it.each<[string, ListenOptions, number]>([
    ['10 s by default', {}, 10_000],
    ['as it is told', { handshakeTimeoutMs: 50 }, 50],
  ])('[session.handshake-limits] a peer that says no hello is cut, after %s', async (_what, options, timeoutMs) => {
    const { peer, clock } = await dialServer(options);
    await clock.advance(timeoutMs - 1);
    expect(await isSettled(peer.closed)).toBe(false);
    await clock.advance(1);
    expect(await isSettled(peer.closed)).toBe(true);
    expect(peer.received).toEqual([]);
  });

  it('[session.handshake-limits] a peer that never welcomes is cut, and connect rejects', async () => {
    const { connecting, peer, clock } = await acceptClient({ handshakeTimeoutMs: 50 });
    const failing = failureOf(connecting);
    await clock.advance(49);
    expect(await isSettled(failing)).toBe(false);
    await clock.advance(1);
    expect(await failing).toMatchObject({ kind: 'connection-closed', retryable: true, message: expect.stringContaining('handshake') as string });
    await peer.closed;
  });

  it('[session.handshake-limits] an authenticate that takes too long counts, and what it says later is ignored', async () => {
    const thinking = deferred<string>();
    const { peer, clock, settle, sessions } = await dialServer({ authenticate: () => thinking.promise });
    peer.send(hello());
    await clock.advance(10_000);
    await peer.closed;
    thinking.resolve('alice');
    await settle();
    expect([sessions, peer.received]).toEqual([[], []]);
  });

  it('[session.handshake-limits] a session that is connected is not timed any more', async () => {
    const { session, accepted, clock } = await connectPeers({ server: { services: [lab()] } });
    await clock.advance(60_000);
    expect([session.status, accepted.status, await session.client(Lab).run('up')]).toEqual(['connected', 'connected', 'up']);
  });

  /** A hello of exactly so many bytes. */
  function helloOf(byteLength: number): Uint8Array {
    const frame = encodeMessage(hello({ credentials: encodeValue(new Uint8Array(60_000)) })).byteLength - 60_000;
    const payload = encodeMessage(hello({ credentials: encodeValue(new Uint8Array(byteLength - frame)) }));
    expect(payload.byteLength).toBe(byteLength);
    return payload;
  }

  it('[session.handshake-limits] a first payload of 64 KiB is taken', async () => {
    const { peer } = await dialServer();
    peer.sendBytes(helloOf(64 * 1024));
    expect((await peer.next('welcome')).type).toBe('welcome');
  });

  it('[session.handshake-limits] one byte more is cut unread', async () => {
    const seen: unknown[] = [];
    const { peer, sessions } = await dialServer({
      authenticate: (credentials) => {
        seen.push(credentials);
        return '';
      },
    });
    peer.sendBytes(helloOf(64 * 1024 + 1));
    await peer.closed;
    expect([seen, sessions, peer.all('welcome')]).toEqual([[], [], []]);
  });

  /** A link as a user's own transport may make it: without a limit that can be set. */
  function withoutLimit(link: Link): Link {
    const { facts } = link;
    return {
      facts,
      send: (payload) => link.send(payload),
      open: (handler) => link.open(handler),
      close: () => link.close(),
      abort: (reason) => link.abort(reason),
    };
  }

  it.each([
    ['taken with 64 KiB', helloOf(64 * 1024), 1],
    ['cut unread with one byte more', helloOf(64 * 1024 + 1), 0],
    ['cut unread with a million', encodeMessage(hello({ credentials: encodeValue(new Uint8Array(1_000_000)) })), 0],
  ])('[session.handshake-limits] over a link that sets no limit a first payload is %s', async (_what, payload, seenHellos) => {
    const seen: unknown[] = [];
    const { network, clock } = makeWorld();
    const inner = network.listener(PLACE);
    const bare: Listener = { listen: (onLink, limits) => inner.listen((link) => onLink(withoutLimit(link)), limits) };
    const authenticate = (credentials: unknown) => {
      seen.push(credentials);
      return '';
    };
    const server = await listen(bare, { clock, authenticate });
    onTestFinished(() => server.close());
    const peer = await ScriptedPeer.dial(network);
    peer.sendBytes(payload);
    await (seenHellos === 1 ? peer.next('welcome') : peer.closed);
    expect([seen.length, server.sessions.size, peer.all('welcome').length]).toEqual([seenHellos, seenHellos, seenHellos]);
  });

  it('[session.handshake-limits] a session over a link that sets no limit takes what it should from its handshake on', async () => {
    const { network, clock } = makeWorld();
    const inner = network.listener(PLACE);
    const bare: Listener = { listen: (onLink, limits) => inner.listen((link) => onLink(withoutLimit(link)), limits) };
    const server = await listen(bare, { clock, services: [lab()] });
    onTestFinished(() => server.close());
    const dialled = network.connector(PLACE);
    const connector: Connector = { connect: async (signal, limits) => withoutLimit(await dialled.connect(signal, limits)) };
    const session = await connect(connector, { clock });
    const large = new Uint8Array(200_000).fill(1);
    expect(await session.client(Lab).run(large)).toEqual(large);
  });

  it('[session.handshake-limits] from the welcome on larger payloads are fine, both ways', async () => {
    const large = new Uint8Array(200_000).fill(1);
    const { session, accepted } = await connectPeers({ server: { services: [lab()] }, client: { services: [lab()] } });
    expect(await session.client(Lab).run(large)).toEqual(large);
    expect(await accepted.client(Lab).run(large)).toEqual(large);
  });

  it('[session.handshake-limits] what comes behind a welcome while authenticate thinks is bounded', async () => {
    const { connecting, peer } = await acceptClient({ authenticate: () => new Promise(() => {}), maxPayload: 65_536 });
    peer.send(welcome());
    for (let id = 2; id <= 8; id += 2) peer.send(call(id, { args: encodeValue(new Uint8Array(30_000)) }));
    expect((await failureOf(connecting)).kind).toMatch(/refused|protocol-error/);
    await peer.closed;
  });

  it('credentials that are too large for a handshake make connect reject and say so', async () => {
    const { network, clock } = makeWorld();
    const server = await listen(network.listener(PLACE), { clock });
    onTestFinished(() => server.close());
    const error = await connect(network.connector(PLACE), { clock, credentials: new Uint8Array(70_000) }).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/credentials|65,?536|64 KiB/);
  });
});
