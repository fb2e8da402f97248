/** session.auth: whom two peers let in, as whom, and what they tell those whom they do not. */
import { expect, it, onTestFinished } from 'vitest';
import { connect, listen, RpcError } from 'statewire';
import type { Session } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { acceptClient, call, dialServer, hello, result, welcome } from '../support/hostile-peer.ts';
import { findSecret } from '../support/leaks.ts';
import { connectPeers, deferred, failureOf, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';

it('[session.auth] authenticate sees credentials and link facts on both sides, and its principal is known everywhere', async () => {
  const seen: unknown[] = [];
  const alice = { id: 'alice', role: 'admin' };
  const { session, accepted } = await connectPeers({
    client: {
      credentials: { token: 't' },
      authenticate: (credentials, facts) => {
        seen.push(credentials, facts);
        return 'the-server';
      },
    },
    server: {
      credentials: new Map([['who', 'server']]),
      authenticate: async (credentials, facts) => {
        seen.push(credentials, facts);
        return alice;
      },
      services: [lab((_input, { principal, session: own }) => [principal, own.principal])],
    },
  });
  const facts = { transport: 'memory', name: PLACE, link: expect.any(String) as string };
  expect(seen).toEqual([{ token: 't' }, facts, new Map([['who', 'server']]), facts]);
  expect([session.principal, accepted.principal]).toEqual(['the-server', alice]);
  expect(await session.client(Lab).run()).toEqual([alice, alice]);
});

it('[session.auth] without authenticate everybody is the empty string; without credentials there are none', async () => {
  const seen: unknown[] = [];
  const { session, accepted } = await connectPeers({
    client: {
      authenticate: (credentials) => {
        seen.push(credentials);
        return '';
      },
    },
  });
  expect([session.principal, accepted.principal, seen]).toEqual(['', '', [undefined]]);
});

it.each<[string, () => unknown]>([
  [
    'throws',
    () => {
      throw new Error('S3CRET');
    },
  ],
  ['rejects', () => Promise.reject(new Error('S3CRET'))],
  [
    'throws nothing',
    () => {
      // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- JavaScript can, so `authenticate` may
      throw undefined;
    },
  ],
  ['gives nothing', () => undefined],
  ['gives null', () => null],
  ['gives a number', () => 5],
  ['gives an object without id', () => ({ name: 'S3CRET' })],
  ['gives an object whose id is no string', () => ({ id: 5 })],
  ['gives false', () => false],
])('[session.auth] an authenticate that %s lets nobody in and gives no reason away', async (_what, authenticate) => {
  const { peer, server, sessions, serverLog } = await dialServer({ authenticate: authenticate as never });
  peer.send(hello({ credentials: encodeValue('x') }));
  expect(await peer.next('refuse')).toEqual({ type: 'refuse', reason: 'not authenticated' });
  await peer.closed;
  expect([server.sessions.size, sessions]).toEqual([0, []]);
  expect(serverLog).toContainEqual(expect.objectContaining({ event: 'refused' }));
});

it('[session.auth] an RpcError of kind refused is made for the peer: its reason goes out', async () => {
  const authenticate = () => {
    throw new RpcError({ kind: 'refused', reason: 'token expired', message: 'inside only' });
  };
  const world = makeWorld();
  const server = await listen(world.network.listener(PLACE), { clock: world.clock, authenticate });
  onTestFinished(() => server.close());
  expect(await failureOf(connect(world.network.connector(PLACE), { clock: world.clock }))).toMatchObject({
    kind: 'refused',
    reason: 'token expired',
  });
});

it('[session.auth] an initiator that refuses its acceptor tells it so, and connect rejects', async () => {
  const { connecting, peer } = await acceptClient({
    authenticate: () => {
      throw new Error('not my server');
    },
  });
  peer.send(welcome());
  expect(await failureOf(connecting)).toMatchObject({ kind: 'refused', reason: 'not authenticated' });
  expect(await peer.next('refuse')).toEqual({ type: 'refuse', reason: 'not authenticated' });
  await peer.closed;
});

it('[session.auth] a session that its initiator refuses ends at the acceptor too', async () => {
  const world = makeWorld();
  const arrived = deferred<Session>();
  const server = await listen(world.network.listener(PLACE), { clock: world.clock, onSession: arrived.resolve });
  onTestFinished(() => server.close());
  const connecting = connect(world.network.connector(PLACE), { clock: world.clock, authenticate: () => Promise.reject(new Error('no')) });
  expect((await failureOf(connecting)).kind).toBe('refused');
  await (
    await arrived.promise
  ).closed;
  expect(server.sessions.size).toBe(0);
  expect((await arrived.promise).counters.protocolErrors).toBe(0);
});

it('[session.auth] nothing runs and nothing is answered while authenticate thinks; what is sent meanwhile is refused', async () => {
  const thinking = deferred<string>();
  const { peer, settle, sessions, started } = await dialServer({ authenticate: () => thinking.promise });
  peer.send(hello());
  await settle();
  expect(peer.received).toEqual([]);
  peer.send(call(1));
  expect((await peer.next('refuse')).reason).toContain('before the welcome');
  thinking.resolve('alice');
  await peer.closed;
  await settle();
  expect([sessions, started, peer.all('welcome')]).toEqual([[], [], []]);
});

it("[session.auth] what an acceptor says behind its welcome waits for the initiator's authenticate", async () => {
  const thinking = deferred<string>();
  const started: unknown[] = [];
  const { connecting, peer, settle } = await acceptClient({
    authenticate: () => thinking.promise,
    services: [
      lab((input) => {
        started.push(input);
        return input;
      }),
    ],
  });
  peer.send(welcome());
  peer.send(call(2, { args: encodeValue('early') }));
  await settle();
  expect([started, peer.all('response')]).toEqual([[], []]);
  thinking.resolve('the-server');
  await connecting;
  expect(await peer.next('response')).toMatchObject(result(2, 'early'));
});

it('[session.auth] credentials that do not decode are refused before authenticate sees them', async () => {
  const seen: unknown[] = [];
  const { peer } = await dialServer({
    authenticate: (credentials) => {
      seen.push(credentials);
      return '';
    },
  });
  peer.send(hello({ credentials: new Uint8Array([0xc1]) }));
  expect((await peer.next('refuse')).reason).toContain('credentials');
  expect(seen).toEqual([]);
});

it('[session.auth] neither credentials nor scope are ever logged or inspected', async () => {
  const secret = 'S3CRET';
  const seen: unknown[] = [];
  const either = { inspect: (event: unknown) => seen.push(event), credentials: { token: secret } };
  const scope = new TextEncoder().encode(`${secret} of sixteen bytes`);
  const { session, serverLog, clientLog, settle } = await connectPeers({
    server: { ...either, services: [lab({ persist: () => new Promise(() => {}) })], authenticate: () => ({ id: 'alice' }) },
    client: { ...either, scope, authenticate: () => 'server' },
  });
  const given = new AbortController();
  const failing = failureOf(session.client(Lab).persist('stay', { signal: given.signal, operationId: 'one' }));
  const joining = new AbortController();
  const joined = failureOf(session.client(Lab).persist('stay', { signal: joining.signal, operationId: 'one' }));
  await session.client(Lab).run();
  joining.abort();
  await joined;
  given.abort();
  await failing;
  await settle();
  await session.close();
  expect(seen.length).toBeGreaterThan(0);
  expect(findSecret([seen, serverLog, clientLog], secret)).toBeUndefined();
});

it('credentials that have no encoding make connect and listen reject with a TypeError that names the place', async () => {
  const { network, clock } = makeWorld();
  const server = await listen(network.listener(PLACE), { clock });
  onTestFinished(() => server.close());
  const error = await connect(network.connector(PLACE), { clock, credentials: { token: () => {} } }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TypeError);
  expect(String(error)).toMatch(/credentials.*token/);
  await expect(listen(network.listener('other'), { clock, credentials: Symbol('s') })).rejects.toThrow(/credentials/);
});
