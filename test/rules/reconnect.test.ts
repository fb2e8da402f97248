/** session.reconnect: when the next dial comes, what ends the trying, and what is never tried again. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { ConnectOptions, Connector, Link } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { attackClient, ScriptedPeer } from '../support/hostile-peer.ts';
import { deferred, failureOf, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';
import { dice, resumePeers } from '../support/resume-peers.ts';

leavesNothing();

/** A client connected once, whose later dials do what the test says; when each of them came. */
async function dialling(options: ConnectOptions = {}) {
  const world = makeWorld();
  const server = await listen(world.network.listener(PLACE), { clock: world.clock, services: [lab()] });
  onTestFinished(() => server.close());
  const dials: number[] = [];
  const script: { dial: (signal: AbortSignal) => Promise<Link> } = { dial: (signal) => world.network.connector(PLACE).connect(signal) };
  const connector: Connector = {
    connect: (signal) => {
      dials.push(world.clock.now());
      return script.dial(signal);
    },
  };
  const session = await connect(connector, { clock: world.clock, services: [], ...options });
  onTestFinished(() => session.close());
  dials.length = 0;
  return { ...world, server, session, dials, script, client: session.client(Lab) };
}

describe('[session.reconnect] the waits between dials', () => {
  const RECONNECT = { baseMs: 100, factor: 3, maxMs: 2_000, jitter: 0, deadlineMs: 60_000 };

  it('[session.reconnect] the first comes within the base delay, the next ones by the factor, up to the cap', async () => {
    const { network, clock, dials } = await dialling({ reconnect: RECONNECT });
    network.cut();
    await clock.advance(100);
    expect(dials).toHaveLength(1);
    await clock.advance(12_000);
    const waits = dials.slice(1).map((at, index) => at - (dials[index] as number));
    expect(waits.slice(0, 5)).toEqual([300, 900, 2_000, 2_000, 2_000]);
  });

  it.each([0, 0.5, 0.999])(
    '[session.reconnect] with jitter the first is still within the base delay, the others are about right (dice at %d)',
    async (number) => {
      const { network, clock, dials } = await dialling({ reconnect: { ...RECONNECT, jitter: 0.5 }, random: dice(number) });
      network.cut();
      await clock.advance(20_000);
      expect(dials[0]).toBeLessThanOrEqual(100);
      const waits = dials.slice(1).map((at, index) => at - (dials[index] as number));
      expect(Math.max(...waits)).toBeLessThanOrEqual(2_000 * 1.5);
      for (const [at, plain] of [300, 900].entries()) {
        expect(waits[at]).toBeGreaterThanOrEqual(plain * 0.5);
        expect(waits[at]).toBeLessThanOrEqual(plain * 1.5);
      }
    },
  );

  it('[session.reconnect] jitter differs with the dice, so that peers do not come back all at once', async () => {
    const first = async (number: number) => {
      const { network, clock, dials } = await dialling({ reconnect: { ...RECONNECT, jitter: 0.5 }, random: dice(number) });
      network.cut();
      await clock.advance(5_000);
      return dials.slice(0, 3);
    };
    expect(await first(0.1)).not.toEqual(await first(0.9));
  });

  it('[session.reconnect] begin anew with each loss', async () => {
    const { network, clock, dials, session } = await dialling({ reconnect: RECONNECT });
    network.cut();
    await clock.advance(5_000);
    network.heal();
    await clock.advance(2_000);
    expect(session.status).toBe('connected');
    dials.length = 0;
    const lostAt = clock.now();
    network.cut();
    await clock.advance(100);
    expect(dials).toHaveLength(1);
    expect((dials[0] as number) - lostAt).toBeLessThanOrEqual(100);
  });

  it('[session.reconnect] a link whose handshake comes to nothing counts as a failed try', async () => {
    const { network, clock, dials, script, session } = await dialling({ reconnect: RECONNECT, handshakeTimeoutMs: 50 });
    // Somebody takes the link and says nothing.
    await network.listener('mute').listen((link) => void new ScriptedPeer(link));
    const { dial } = script;
    script.dial = (signal) => network.connector('mute').connect(signal);
    network.cut();
    await clock.advance(0);
    network.heal();
    await clock.advance(3_000);
    expect(dials.length).toBeGreaterThan(2);
    expect(dials.length).toBeLessThan(6);
    script.dial = dial;
    await clock.advance(3_000);
    expect(session.status).toBe('connected');
  });

  it('[session.reconnect] a dial that hangs is given up, its signal fires, and its late link is not used', async () => {
    const { network, clock, dials, script, session } = await dialling({ reconnect: RECONNECT, handshakeTimeoutMs: 1_000 });
    const late = deferred<Link>();
    const signals: AbortSignal[] = [];
    const { dial } = script;
    script.dial = (signal) => {
      signals.push(signal);
      return late.promise;
    };
    network.cut();
    await clock.advance(0);
    network.heal();
    await clock.advance(1_100);
    expect(signals[0]?.aborted).toBe(true);
    script.dial = dial;
    await clock.advance(3_000);
    expect([session.status, dials.length]).toEqual(['connected', 2]);
    late.resolve(await network.connector(PLACE).connect(new AbortController().signal));
    await clock.advance(10);
    expect([session.status, session.generation]).toEqual(['connected', 2]);
  });
});

describe('[session.keepalive] after a wait that was no whole number of milliseconds', () => {
  it.each([1 / 37, 10 / 37, 25 / 37])('[session.keepalive] watches the link as before, at its interval (dice at %d)', async (number) => {
    const peers = await resumePeers({ client: { random: dice(number) } });
    await peers.blink();
    const { clock } = peers.world;
    const setTimer = clock.setTimeout.bind(clock);
    let timers = 0;
    // Whoever sets timers for no time at all is stopped, or the test would not end.
    clock.setTimeout = (run, delayMs) => setTimer(run, ++timers > 1_000 ? 1e9 : delayMs);
    await peers.advance(150_000);
    expect(timers).toBeLessThan(1_000);
    expect(peers.session.status).toBe('connected');
    expect(peers.sent('initiator', 'ping').length).toBeGreaterThanOrEqual(9);
  });
});

describe('[session.reconnect] retryNow', () => {
  it('[session.reconnect] dials at once instead of waiting', async () => {
    const { network, clock, dials, session } = await dialling({ reconnect: { baseMs: 10_000, jitter: 0 } });
    network.cut();
    await clock.advance(0);
    network.heal();
    expect(dials).toEqual([]);
    session.retryNow();
    await clock.advance(0);
    expect([dials, session.status]).toEqual([[0], 'connected']);
    await clock.advance(20_000);
    expect(dials).toHaveLength(1);
  });

  it('[session.reconnect] does nothing while it is connected, dialling, or over', async () => {
    const { network, clock, dials, script, session } = await dialling({ reconnect: { baseMs: 100, jitter: 0 } });
    session.retryNow();
    await clock.advance(1_000);
    expect(dials).toEqual([]);
    script.dial = () => new Promise(() => {});
    network.cut();
    await clock.advance(100);
    session.retryNow();
    session.retryNow();
    await clock.advance(0);
    expect(dials).toHaveLength(1);
    await session.close();
    session.retryNow();
    await clock.advance(100_000);
    expect(dials).toHaveLength(1);
  });

  it('[session.reconnect] does nothing at the acceptor', async () => {
    const peers = await resumePeers();
    await peers.cut();
    peers.accepted.retryNow();
    await peers.settle();
    expect(peers.accepted.status).toBe('disconnected');
  });
});

describe('[session.reconnect] the recovery deadline', () => {
  it('[attempt.never-parked] ends the session and every call in it: judged, with deadline', async () => {
    const peers = await resumePeers({ client: { reconnect: { deadlineMs: 5_000 } } });
    const client = peers.session.client(Lab);
    const sent = [failureOf(client.run(1)), failureOf(client.idem(2)), failureOf(client.persist(3))];
    await peers.settle();
    await peers.cut();
    sent.push(failureOf(client.run(4)));
    await peers.advance(4_999);
    expect(['disconnected', 'reconnecting']).toContain(peers.session.status);
    await peers.advance(1);
    expect(peers.session.status).toBe('closed');
    const [run, idem, persist, unsent] = await Promise.all(sent);
    expect(run).toMatchObject({ kind: 'indeterminate', reason: 'deadline', retryable: false });
    expect(persist).toMatchObject({ kind: 'indeterminate', reason: 'deadline', retryable: false });
    expect(idem).toMatchObject({ kind: 'session-shutdown', retryable: true });
    expect(unsent).toMatchObject({ kind: 'session-shutdown', retryable: true });
    await peers.session.closed;
    expect(await failureOf(client.run(5))).toMatchObject({ retryable: true });
  });

  it('[session.reconnect] counts from each loss anew', async () => {
    const peers = await resumePeers({ client: { reconnect: { deadlineMs: 2_000 } } });
    for (let loss = 0; loss < 3; loss++) {
      await peers.cut();
      await peers.advance(1_500);
      peers.network.heal();
      peers.session.retryNow();
      await peers.settle();
      expect(peers.session.status).toBe('connected');
    }
    await peers.advance(10_000);
    expect(peers.session.status).toBe('connected');
  });

  it('[session.reconnect] is not put off by dials that fail', async () => {
    const { network, clock, session, dials } = await dialling({ reconnect: { baseMs: 10, maxMs: 20, deadlineMs: 1_000 } });
    network.cut();
    await clock.advance(1_000);
    expect([session.status, dials.length > 10]).toEqual(['closed', true]);
    const { length } = dials;
    await clock.advance(10_000);
    expect(dials).toHaveLength(length);
  });

  it('[session.reconnect] leaves no call hanging when a dial hangs', async () => {
    const { network, clock, client, script, session } = await dialling({ reconnect: { baseMs: 10, deadlineMs: 1_000 } });
    script.dial = () => new Promise(() => {});
    network.cut();
    await clock.advance(100);
    const failure = failureOf(client.run(1));
    await clock.advance(900);
    expect(await failure).toMatchObject({ kind: 'session-shutdown', retryable: true });
    expect(session.status).toBe('closed');
  });
});

describe('[session.reconnect] what is final', () => {
  it('[session.reconnect] a connector whose error says final ends the session, and its calls are judged as closed', async () => {
    const { network, clock, client, script, session, dials } = await dialling({ reconnect: { baseMs: 10 } });
    script.dial = () => Promise.reject(Object.assign(new Error('no such host'), { final: true }));
    network.cut();
    await clock.advance(0);
    const failure = failureOf(client.run(1));
    await clock.advance(100);
    expect(await failure).toMatchObject({ kind: 'connection-closed', retryable: true });
    await session.closed;
    await clock.advance(10_000);
    expect([session.status, dials.length]).toEqual(['closed', 1]);
  });

  it('[session.reconnect] an error that says final: false, or nothing, is transient; so is a connector that throws', async () => {
    const { network, clock, script, session, dials } = await dialling({ reconnect: { baseMs: 10 } });
    const { dial } = script;
    script.dial = () => {
      if (dials.length === 1) throw new Error('thrown');
      return Promise.reject(dials.length === 2 ? Object.assign(new Error('maybe'), { final: false }) : (undefined as never));
    };
    network.cut();
    network.heal();
    await clock.advance(200);
    expect(dials.length).toBeGreaterThan(2);
    script.dial = dial;
    await clock.advance(60_000);
    expect(session.status).toBe('connected');
  });

  it('[session.reconnect] a refusal at the resume ends the session', async () => {
    let isWelcome = true;
    const peers = await resumePeers({
      server: {
        authenticate: () => {
          if (!isWelcome) throw new Error('not any more');
          return 'ann';
        },
      },
    });
    isWelcome = false;
    const failure = failureOf(peers.session.client(Lab).persist('x'));
    await peers.settle();
    await peers.blink();
    expect(peers.session.status).toBe('closed');
    expect(await failure).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    const { length } = peers.sent('initiator', 'hello');
    await peers.advance(60_000);
    expect([length, peers.sent('initiator', 'hello').length]).toEqual([2, 2]);
  });

  it('[session.reconnect] a protocol error ends the session: no dial after it', async () => {
    const { peer, session, traffic, clock } = await attackClient(
      {},
      { features: { retry: true, resume: true }, resumeKey: new Uint8Array(32).fill(1) },
    );
    peer.sendBytes(new Uint8Array([0xc1]));
    await session.closed;
    await clock.advance(60_000);
    expect(session.counters.protocolErrors).toBe(1);
    expect(traffic.filter(({ message }) => message.type === 'hello')).toHaveLength(1);
  });

  it('[session.reconnect] reconnect: false and resume: false end the session with its link', async () => {
    for (const options of [{ reconnect: false as const }, { resume: false }]) {
      const { network, clock, session, dials, client } = await dialling(options);
      network.cut();
      await session.closed;
      expect(await failureOf(client.run(1))).toMatchObject({ kind: 'connection-closed', retryable: true });
      await clock.advance(60_000);
      expect(dials).toEqual([]);
    }
  });

  it('[session.outlives-link] an acceptor without resume ends the session with its link', async () => {
    const peers = await resumePeers({ server: { resume: false } });
    await peers.cut();
    expect([peers.session.status, peers.accepted.status, peers.server.sessions.size]).toEqual(['closed', 'closed', 0]);
  });

  it('[session.outlives-link] a session that was closed by the peer is not dialled again', async () => {
    const peers = await resumePeers();
    await peers.accepted.close();
    await peers.session.closed;
    await peers.advance(60_000);
    expect(peers.sent('initiator', 'hello')).toHaveLength(1);
  });
});
