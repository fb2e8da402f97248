/** session.keepalive: when a ping goes out, what counts as a sign of life, and when a link is given up. By the simulated clock. */
import { describe, expect, it } from 'vitest';
import type { ConnectOptions, KeepAliveOptions } from 'statewire';
import type { Message } from 'statewire/wire';
import { connectionPeers, openMessage, otherSide, SIDES } from '../support/connection-peers.ts';
import type { Side } from '../support/connection-peers.ts';
import { acceptClient, attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { connectPeers, ENDS_WITH_LINK, failureOf, gated, isSettled, lab, Lab } from '../support/peers.ts';
import type { Peers } from '../support/peers.ts';

leavesNothing();

const KEEP_ALIVE: KeepAliveOptions = { intervalMs: 1_000, timeoutMs: 400 };

/** Two peers of which one side alone keeps the link alive. */
function peersWith(side: Side, keepAlive: KeepAliveOptions | false | undefined, { service = lab(), resume = true } = {}): Promise<Peers> {
  const [mine, theirs] = [
    { keepAlive, services: [service] },
    { keepAlive: false as const, services: [service] },
  ];
  const [client, server] = side === 'initiator' ? [mine, theirs] : [theirs, mine];
  return connectPeers({ client: { ...client, resume }, server });
}

describe.each(SIDES)('the %s', (side) => {
  const other = otherSide(side);

  it('[session.keepalive] sends a ping after the interval without a payload, and is answered with its nonce', async () => {
    const { clock, sent, session, accepted } = await peersWith(side, KEEP_ALIVE);
    await clock.advance(999);
    expect(sent(side, 'ping')).toEqual([]);
    await clock.advance(1);
    expect([sent(side, 'ping').length, sent(other, 'pong').length]).toEqual([1, 1]);
    await clock.advance(10_000);
    // The pongs are signs of life as well, so the pings are an interval apart.
    expect(sent(other, 'pong').map(({ nonce }) => nonce)).toEqual(sent(side, 'ping').map(({ nonce }) => nonce));
    expect(sent(side, 'ping')).toHaveLength(11);
    expect(new Set(sent(side, 'ping').map(({ nonce }) => nonce)).size).toBe(11);
    expect(sent(other, 'ping')).toEqual([]);
    expect([session.status, accepted.status]).toEqual(['connected', 'connected']);
  });

  it('[session.keepalive] notices a dead link in time though the wall clock was set back', async () => {
    const { clock, network, session, accepted } = await peersWith(side, KEEP_ALIVE, { resume: false });
    const now = clock.now.bind(clock);
    clock.now = () => now() - 3_600_000;
    network.silence();
    await clock.advance(1_400);
    expect((side === 'initiator' ? session : accepted).status).toBe('closed');
    network.speak();
    network.cut();
  });

  it('[session.keepalive] sends none as long as anything comes in', async () => {
    const peers = await peersWith(side, KEEP_ALIVE);
    const mine = side === 'initiator' ? peers.session : peers.accepted;
    const theirs = side === 'initiator' ? peers.accepted : peers.session;
    const { clock, sent } = peers;
    for (const speak of [() => mine.client(Lab).run('its answer'), () => theirs.client(Lab).run('a call')]) {
      for (let times = 0; times < 5; times++) {
        await clock.advance(900);
        await speak();
      }
    }
    // Acknowledgements come, too; a call in the last interval is enough.
    expect(sent(side, 'ping')).toEqual([]);
    await clock.advance(1_100);
    expect(sent(side, 'ping')).toHaveLength(1);
  });

  it('[session.keepalive] what it says itself is no sign of life', async () => {
    const { handler, calls } = gated();
    const peers = await peersWith(side, KEEP_ALIVE, { service: lab(handler) });
    const mine = side === 'initiator' ? peers.session : peers.accepted;
    const pending: Promise<unknown>[] = [];
    for (const step of [300, 300, 300]) {
      await peers.clock.advance(step);
      pending.push(mine.client(Lab).run());
    }
    await peers.clock.advance(99);
    expect(peers.sent(side, 'ping')).toEqual([]);
    await peers.clock.advance(1);
    expect(peers.sent(side, 'ping')).toHaveLength(1);
    for (const gate of calls) gate.resolve('done');
    await Promise.all(pending);
  });

  it('[session.keepalive] gives the link up when nothing has come within the timeout, and not before', async () => {
    const { handler, calls } = gated();
    const peers = await peersWith(side, KEEP_ALIVE, { service: lab(handler), resume: false });
    const mine = side === 'initiator' ? peers.session : peers.accepted;
    const client = mine.client(Lab);
    const failing = [client.run(), client.persist(), client.idem()].map(failureOf);
    await peers.settle();
    peers.network.silence();
    await peers.clock.advance(1_399);
    expect([mine.status, peers.sent(side, 'ping').length]).toEqual(['connected', 1]);
    await peers.clock.advance(1);
    expect(mine.status).toBe('closed');
    await mine.closed;
    expect(await Promise.all(failing)).toMatchObject([
      { kind: 'indeterminate', reason: 'closed', retryable: false },
      { kind: 'indeterminate', reason: 'closed', retryable: false },
      { kind: 'connection-closed', reason: 'closed', retryable: true },
    ]);
    const log = side === 'initiator' ? peers.clientLog : peers.serverLog;
    expect(log).toContainEqual(expect.objectContaining({ event: 'link-lost' }));
    for (const gate of calls) gate.resolve('late');
    peers.network.speak();
    peers.network.cut();
    await peers.settle();
  });

  it('[session.keepalive] [session.outlives-link] goes on with the next link, where it may, as after any other loss', async () => {
    const { handler, calls } = gated();
    const peers = await peersWith(side, KEEP_ALIVE, { service: lab(handler) });
    const mine = side === 'initiator' ? peers.session : peers.accepted;
    const { run, persist, idem } = mine.client(Lab);
    const pending = Promise.all([run(), persist(), idem()]);
    await peers.settle();
    peers.network.silence();
    await peers.clock.advance(1_399);
    expect([mine.status, mine.counters.linksLost]).toEqual(['connected', 0]);
    await peers.clock.advance(1);
    expect([mine.status, mine.counters.linksLost, await isSettled(pending)]).toEqual(['disconnected', 1, false]);
    peers.network.speak();
    peers.network.cut();
    await peers.settle();
    peers.network.heal();
    await peers.clock.advance(600);
    expect([mine.status, mine.generation]).toEqual(['connected', 2]);
    for (const gate of calls) gate.resolve('done');
    expect(await pending).toEqual(['done', 'done', 'done']);
    expect(calls).toHaveLength(3);
  });

  it('[session.keepalive] [conn.closed] its virtual connections end with a session that ends with a link that is given up', async () => {
    const options = { keepAlive: KEEP_ALIVE };
    const peers = await connectionPeers({ client: { ...options, ...ENDS_WITH_LINK }, server: options });
    const { opened, taken } = await peers.open(side);
    peers.network.silence();
    await peers.clock.advance(1_400);
    await Promise.all([opened.closed, taken.closed, peers.session.closed, peers.accepted.closed]);
    expect([opened.isConnected, taken.isConnected]).toEqual([false, false]);
  });

  it.each<[string, KeepAliveOptions | undefined, number, number]>([
    ['15 s and 10 s, where nothing is said', undefined, 15_000, 10_000],
    ['what is said', { intervalMs: 50, timeoutMs: 20 }, 50, 20],
    ['a timeout longer than the interval', { intervalMs: 100, timeoutMs: 900 }, 100, 900],
  ])('[session.keepalive] waits %s', async (_what, keepAlive, intervalMs, timeoutMs) => {
    const { clock, network, sent, session, accepted } = await peersWith(side, keepAlive);
    const mine = side === 'initiator' ? session : accepted;
    network.silence();
    await clock.advance(intervalMs - 1);
    expect(sent(side, 'ping')).toHaveLength(0);
    await clock.advance(1);
    expect(sent(side, 'ping').length).toBeGreaterThan(0);
    await clock.advance(timeoutMs - 1);
    expect(mine.status).toBe('connected');
    await clock.advance(1);
    expect([mine.status, mine.counters.linksLost]).toEqual(['disconnected', 1]);
    network.cut();
    await clock.advance(0);
  });

  it('[session.keepalive] sends none where it is switched off, and nothing ends by itself', async () => {
    const { clock, network, sent, session, accepted } = await peersWith(side, false);
    expect(clock.pending).toBe(clock.pending);
    network.silence();
    await clock.advance(3_600_000);
    expect([...sent('initiator', 'ping'), ...sent('acceptor', 'ping')]).toEqual([]);
    expect([session.status, accepted.status]).toEqual(['connected', 'connected']);
    network.cut();
    await clock.advance(0);
  });
});

describe('session.keepalive', () => {
  it('[session.keepalive] is answered by both sides, whatever they keep themselves', async () => {
    const server = await attackServer({ keepAlive: false });
    server.peer.send({ type: 'ping', nonce: 7 }, { type: 'ping', nonce: 2 ** 31 });
    expect([await server.peer.next('pong'), await server.peer.next('pong')].map(({ nonce }) => nonce)).toEqual([7, 2 ** 31]);
    const client = await attackClient({ keepAlive: false });
    client.peer.send({ type: 'ping', nonce: 0 });
    expect(await client.peer.next('pong')).toEqual({ type: 'pong', nonce: 0 });
  });

  it.each<[string, Message]>([
    ['its own ping', { type: 'ping', nonce: 1 }],
    ['a pong of another ping', { type: 'pong', nonce: 123_456 }],
    ['an acknowledgement', { type: 'ack', series: 'ff66554433221100', upTo: 1 }],
    ['an open', openMessage(2)],
    ['a call', call(2)],
    ['an answer to nobody', result(77)],
    ['a go-away', { type: 'go-away', graceMs: 5_000 }],
  ])('[session.keepalive] takes %s for life as well as the pong', async (_what, message) => {
    const { clock, peer, session } = await attackClient({ keepAlive: KEEP_ALIVE });
    await clock.advance(1_000);
    expect(peer.all('ping')).toHaveLength(1);
    await clock.advance(399);
    peer.send(message);
    await clock.advance(999);
    expect([session.status, peer.all('ping').length]).toEqual(['connected', 1]);
    await clock.advance(1);
    expect(peer.all('ping')).toHaveLength(2);
    await clock.advance(400);
    expect(session.status).toBe('closed');
  });

  it('[session.keepalive] counts from the last payload, not from the last ping', async () => {
    const { clock, peer } = await attackClient({ keepAlive: KEEP_ALIVE });
    await clock.advance(700);
    peer.send(result(99));
    await clock.advance(999);
    expect(peer.all('ping')).toEqual([]);
    await clock.advance(1);
    expect(peer.all('ping')).toHaveLength(1);
  });

  it('[session.keepalive] hears what has come by the deadline before it judges, as after a long time in which the process was busy', async () => {
    const { clock, network, session } = await connectPeers({ client: { keepAlive: KEEP_ALIVE }, server: { keepAlive: false } });
    network.hold();
    await clock.advance(1_000);
    // Due at the same moment as the end of the timeout, and run after it: as a pong that lies in the socket's buffer.
    clock.setTimeout(() => network.release(), 400);
    await clock.advance(400);
    expect(session.status).toBe('connected');
  });

  it('[session.keepalive] cuts the link that it gives up, so that a peer which hears again knows', async () => {
    const { clock, peer, session } = await attackClient({ keepAlive: KEEP_ALIVE });
    await clock.advance(1_400);
    await session.closed;
    await peer.closed;
    expect(clock.now()).toBe(1_400);
  });

  it('[session.keepalive] says nothing before the handshake is done', async () => {
    const { clock, peer, connecting } = await acceptClient({ keepAlive: { intervalMs: 100, timeoutMs: 100 } });
    const failing = connecting.catch((error: unknown) => error);
    await clock.advance(9_999);
    expect(peer.received.map(({ type }) => type)).toEqual(['hello']);
    await clock.advance(1);
    expect(await failing).toMatchObject({ reason: 'handshake-timeout' });
  });

  it.each<[string, (peers: Peers) => unknown]>([
    ['is closed', ({ session }) => session.close()],
    ['is closed by the peer', ({ accepted }) => accepted.close()],
    ['ends with its link', ({ network }) => network.cut()],
  ])('[session.keepalive] leaves no timer when the session %s, also while a ping is out', async (_how, end) => {
    for (const waitMs of [0, 1_200]) {
      const options = { keepAlive: KEEP_ALIVE };
      const peers = await connectPeers({ client: { ...options, ...ENDS_WITH_LINK }, server: options });
      expect(peers.clock.pending).toBeGreaterThan(0);
      if (waitMs > 0) peers.network.hold();
      await peers.clock.advance(waitMs);
      peers.network.release();
      await end(peers);
      await Promise.all([peers.session.closed, peers.accepted.closed, peers.server.close()]);
      await peers.settle();
      expect(peers.clock.pending).toBe(0);
    }
  });

  it('[session.keepalive] goes on while a session drains', async () => {
    const { handler, calls } = gated();
    const { session, accepted, clock, network, sent, settle } = await connectPeers({
      client: { keepAlive: KEEP_ALIVE, ...ENDS_WITH_LINK },
      server: { keepAlive: false, services: [lab(handler)] },
    });
    const failing = failureOf(session.client(Lab).run());
    await settle();
    const closing = session.close({ graceMs: 60_000 });
    await clock.advance(1_000);
    expect(sent('initiator', 'ping')).toHaveLength(1);
    network.silence();
    await clock.advance(1_400);
    await closing;
    expect((await failing).kind).toBe('indeterminate');
    network.cut();
    await accepted.closed;
    calls[0]?.resolve('late');
  });

  it.each<[string, unknown]>([
    ['true', true],
    ['a number', 15_000],
    ['null', null],
    ['no interval that is a time', { intervalMs: 0, timeoutMs: 100 }],
    ['no timeout that is a time', { intervalMs: 100, timeoutMs: -1 }],
    ['not a number', { intervalMs: Number.NaN, timeoutMs: 100 }],
    ['more than a timer holds', { intervalMs: 2 ** 31, timeoutMs: 100 }],
    ['a name that means nothing', { intervalMs: 100, timeoutMs: 100, everyMs: 5 }],
  ])('refuses a keepAlive that makes no sense: %s', async (_what, keepAlive) => {
    await expect(connectPeers({ client: { keepAlive } as ConnectOptions })).rejects.toThrow(/keepAlive/);
  });
});
