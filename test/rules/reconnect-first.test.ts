/** session.initial-wait: `connect` to a peer that is not up yet. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { ConnectOptions, Connector } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { acceptClient } from '../support/hostile-peer.ts';
import { lab, Lab, makeWorld, PLACE } from '../support/peers.ts';

leavesNothing();

describe('[session.initial-wait] connect', () => {
  const start = (options: ConnectOptions = {}) => {
    const world = makeWorld();
    const outcome = connect(world.network.connector(PLACE), { clock: world.clock, ...options }).then(
      (session) => ({ session, error: undefined }),
      (error: Error) => ({ session: undefined, error }),
    );
    onTestFinished(async () => (await outcome).session?.close());
    return { ...world, outcome };
  };

  it('[session.initial-wait] rejects at once without it', async () => {
    const { outcome } = start();
    expect((await outcome).error?.message).toContain('nobody listens');
  });

  it('[session.initial-wait] waits for a peer that comes up, by the same back-off', async () => {
    const { clock, network, outcome } = start({ waitForPeerMs: 20_000, reconnect: { baseMs: 100, jitter: 0 } });
    await clock.advance(3_000);
    const server = await listen(network.listener(PLACE), { clock, services: [lab()] });
    onTestFinished(() => server.close());
    await clock.advance(6_000);
    const { session } = await outcome;
    expect(session?.status).toBe('connected');
    expect(await session?.client(Lab).run('served')).toBe('served');
  });

  it('[session.initial-wait] rejects with the last failure at the deadline', async () => {
    const { clock, network, outcome } = start({ waitForPeerMs: 1_000, reconnect: { baseMs: 100 } });
    await clock.advance(900);
    network.cut();
    await clock.advance(100);
    const { error } = await outcome;
    expect(error?.message).toMatch(/nobody listens|is cut/);
    expect(clock.pending).toBe(0);
  });

  it('[session.initial-wait] a refusal is final', async () => {
    const { clock, network, outcome } = start({ waitForPeerMs: 20_000 });
    const server = await listen(network.listener(PLACE), {
      clock,
      authenticate: () => {
        throw new Error('no');
      },
    });
    onTestFinished(() => server.close());
    await clock.advance(1_000);
    expect((await outcome).error).toMatchObject({ kind: 'refused' });
  });

  it('[session.initial-wait] an error that says final is final', async () => {
    const world = makeWorld();
    let dials = 0;
    const connector: Connector = {
      connect: () => {
        dials++;
        return Promise.reject(Object.assign(new Error('bad address'), { final: true }));
      },
    };
    await expect(connect(connector, { clock: world.clock, waitForPeerMs: 20_000 })).rejects.toThrow('bad address');
    await world.clock.advance(30_000);
    expect(dials).toBe(1);
  });

  it('[session.initial-wait] a peer that does not finish its handshake is tried again, until the deadline', async () => {
    const { peer, clock, connecting } = await acceptClient({ waitForPeerMs: 5_000, handshakeTimeoutMs: 500, reconnect: { baseMs: 100 } });
    const failure = connecting.catch((error: unknown) => error);
    await peer.next('hello');
    await clock.advance(5_000);
    expect(await failure).toBeInstanceOf(Error);
    expect(clock.pending).toBe(0);
  });
});
