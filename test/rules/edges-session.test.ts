/** Corners of the session: peers that do not read what they are answered, that open and accept what makes no sense, and handshakes that go wrong half-way. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { listen, RpcError } from 'statewire';
import type { ConnectionRequest, Link, Listener, ListenOptions } from 'statewire';
import { acceptMessage, openMessage } from '../support/connection-peers.ts';
import { acceptClient, attackClient, attackServer, call, dialServer, hello, ScriptedPeer, welcome } from '../support/hostile-peer.ts';
import { deferred, failureOf, lab, makeWorld, PLACE } from '../support/peers.ts';
import { REDIAL_MS, resumePeers, resumableHello, visitWelcome } from '../support/resume-peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

/** A server whose links are as full as the test says, and a scripted peer that was welcomed. */
async function attackFullServer(options: ListenOptions = {}) {
  const world = makeWorld();
  const flow = { isFull: false, drain: (): void => {} };
  const real = world.network.listener(PLACE);
  const narrow = (link: Link): Link => {
    const { send, open } = link;
    link.send = (payload) => send.call(link, payload) && !flow.isFull;
    link.open = (receiver) => {
      flow.drain = () => ((flow.isFull = false), receiver.drain());
      open.call(link, receiver);
    };
    return link;
  };
  const listener: Listener = { ...real, listen: (onLink, ...rest) => real.listen((link, ...facts) => onLink(narrow(link), ...facts), ...rest) };
  const server = await listen(listener, { clock: world.clock, services: [lab((input) => input)], ...options });
  onTestFinished(() => server.close());
  return { ...world, server, flow, peer: await ScriptedPeer.connect(world.network) };
}

describe('a peer that does not read its answers', () => {
  it.each([
    ['pings', { ping: 4_097 }],
    ['opens', { open: 4_097 }],
  ])('[link.backpressure] ends its session with %s above what is held for it, not below', async (what, counts) => {
    const { peer, flow, settle } = await attackFullServer();
    const say = (from: number, count: number): void => {
      const numbers = Array.from({ length: count }, (_, at) => from + at);
      peer.send(...numbers.map((at) => (what === 'pings' ? ({ type: 'ping', nonce: at } as const) : openMessage(2 * at + 1))));
    };
    const most = Object.values(counts)[0] as number;
    flow.isFull = true;
    say(0, 1);
    await settle();
    say(1, most - 1);
    await settle();
    expect(peer.all('protocol-error')).toEqual([]);
    say(most, 1);
    await settle();
    expect(peer.all('protocol-error')).toMatchObject([{ rule: 'link.backpressure' }]);
  });

  it('[link.backpressure] gets them in order when it reads again, results and failures alike, and has none of them twice', async () => {
    const { peer, flow, settle } = await attackFullServer();
    flow.isFull = true;
    peer.send(call(1));
    await settle();
    peer.send(call(3), call(5, { methodId: 1 }), call(7));
    await settle();
    expect(peer.all('response').map(({ requestId }) => requestId)).toEqual([1]);
    flow.drain();
    await settle();
    expect(
      peer
        .all('response')
        .map(({ requestId, ok }) => [requestId, ok])
        .sort(([a], [b]) => Number(a) - Number(b)),
    ).toEqual([
      [1, true],
      [3, true],
      [5, false],
      [7, true],
    ]);
    peer.send(call(9));
    await settle();
    expect(peer.all('response').length).toBe(5);
  });

  it('[attempt.limit-in] [link.backpressure] answers that it has not read count as calls in flight', async () => {
    const { peer, flow, settle } = await attackFullServer({ maxConcurrentRequests: 3 });
    flow.isFull = true;
    peer.send(call(1));
    await settle();
    for (const requestId of [3, 5, 7]) {
      peer.send(call(requestId));
      await settle();
    }
    expect(peer.all('protocol-error')).toEqual([]);
    peer.send(call(9));
    await settle();
    expect(peer.all('protocol-error')).toMatchObject([{ rule: 'attempt.limit-in' }]);
  });
});

describe('a connection that takes no request', () => {
  it('[conn.open] ends the session of who asks for it', async () => {
    const { peer } = await attackServer();
    peer.send(openMessage(1, { limits: { maxConcurrentRequests: 0 } }));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'conn.open' });
  });

  it('[conn.open] ends the session of who accepts one so', async () => {
    const { peer, session } = await attackClient();
    const opening = failureOf(session.open());
    const { connectionId } = await peer.next('open');
    peer.send(acceptMessage(connectionId, 0));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'conn.open' });
    expect(await opening).toMatchObject({ kind: 'protocol-error' });
  });
});

describe('a connection that is rejected', () => {
  it('[conn.open] needs a reason that is a text, and is still undecided after another one', async () => {
    const asked = deferred<ConnectionRequest>();
    const decided = deferred();
    const onConnection = (request: ConnectionRequest): Promise<void> => (asked.resolve(request), decided.promise);
    const { peer, settle } = await attackServer({ onConnection });
    peer.send(openMessage(1));
    const request = await asked.promise;
    expect(() => request.reject(7 as never)).toThrow(new TypeError('reject: the reason must be a string, not number'));
    await settle();
    expect(peer.all('reject')).toEqual([]);
    request.reject('full');
    expect(await peer.next('reject')).toMatchObject({ connectionId: 1, reason: 'full' });
    decided.resolve();
  });

  it('[conn.open] [session.outlives-link] is rejected again on the next link, for its reason; of the last 256 alone that is remembered', async () => {
    const world = makeWorld();
    const { clock, network, settle } = world;
    const server = await listen(network.listener(PLACE), { clock, onConnection: (request) => request.reject(`no ${request.metadata.get('at')}`) });
    onTestFinished(() => server.close());
    const open = (at: number) => openMessage(2 * at + 1, { metadata: [['at', String(at), 0]] });
    const { peer, answer } = await visitWelcome(world);
    for (let at = 0; at < 258; at++) {
      peer.send(open(at));
      await settle();
    }
    expect(peer.all('reject').map(({ reason }) => reason)).toEqual(Array.from({ length: 258 }, (_, at) => `no ${at}`));
    peer.link.abort();
    await settle();
    const again = await visitWelcome(world, { resumeKey: answer.resumeKey!, dial: 2 });
    for (const at of [2, 257]) again.peer.send(open(at));
    await settle();
    expect(again.peer.all('reject').map(({ reason }) => reason)).toEqual(['no 2', 'no 257']);
    again.peer.link.abort();
    await settle();
    const later = await visitWelcome(world, { resumeKey: again.answer.resumeKey!, dial: 3 });
    expect([again.answer.resumed, later.answer.resumed]).toEqual([true, true]);
    later.peer.send(open(1));
    await settle();
    expect(later.peer.all('reject').map(({ reason }) => reason)).toEqual(['closed']);
  });
});

describe('a handshake', () => {
  it('[op.expiry] tells the peer of the default retention where the store names none', async () => {
    const store = new ScriptedStore();
    Object.defineProperty(store, 'retentionMs', { value: undefined });
    const { peer } = await dialServer({ store });
    peer.send(hello());
    expect(await peer.next('welcome')).toMatchObject({ retentionMs: 15 * 60_000 });
  });

  it('[session.auth] that `authenticate` refuses without a reason says that it is refused, and no more', async () => {
    const authenticate = (): never => {
      throw new RpcError({ kind: 'refused', message: 'a secret', retryable: false });
    };
    const { peer } = await dialServer({ authenticate });
    peer.send(hello());
    expect((await peer.next('refuse')).reason).not.toContain('secret');
    await peer.closed;
  });

  it('[resume.key] is refused by a client whose first acceptor pretends to resume something', async () => {
    const { peer, connecting } = await acceptClient();
    await peer.next('hello');
    peer.send(welcome({ resumed: true, features: { retry: true, resume: true }, resumeKey: new Uint8Array(32).fill(1) }));
    expect(await peer.next('refuse')).toMatchObject({ reason: 'there is no session to resume' });
    await expect(connecting).rejects.toMatchObject({ kind: 'refused' });
  });

  it('[session.auth] ends a session that another acceptor resumes than the one that it was made with', async () => {
    const principals = ['ida', 'sven'];
    const peers = await resumePeers({ client: { authenticate: () => principals.shift() ?? 'nobody' } });
    peers.network.cut();
    peers.network.heal();
    await peers.advance(REDIAL_MS);
    await peers.settle();
    expect(principals).toEqual([]);
    expect(peers.session.status).toBe('closed');
  });

  it('[resume.unknown] comes to nothing when its link is lost while the store raises the fence: the session of before is not replaced', async () => {
    const store = new ScriptedStore();
    const { peer, sessions, network, settle } = await dialServer({ store });
    peer.send(resumableHello());
    await peer.next('welcome');
    const fenced = deferred();
    store.fence = () => fenced.promise;
    const newcomer = await ScriptedPeer.dial(network);
    newcomer.send(resumableHello({ resumeKey: new Uint8Array(32).fill(9), dial: 2 }));
    await settle();
    newcomer.link.abort();
    await settle();
    fenced.resolve();
    await settle();
    expect(sessions.map(({ status }) => status)).toEqual(['connected']);
    peer.send(call(1));
    expect(await peer.next('response')).toMatchObject({ requestId: 1, ok: true });
  });
});

describe('a store that is left while it is swept', () => {
  it('[op.expiry] is not swept again: no timer is left', async () => {
    const { network, clock, settle } = makeWorld();
    const store = new ScriptedStore({ clock, retentionMs: 100 });
    const server = await listen(network.listener(PLACE), { clock, store });
    store.hold('sweep');
    await clock.advance(10);
    expect(store.count('sweep')).toBe(1);
    await server.close();
    store.letGo('sweep');
    await settle();
    await clock.advance(1_000);
    expect([store.count('sweep'), clock.pending]).toEqual([1, 0]);
  });
});
