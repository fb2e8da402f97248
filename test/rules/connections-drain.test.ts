/** session.drain where a session has virtual connections: what runs on them is waited for, and nothing new is taken. */
import { describe, expect, it } from 'vitest';
import type { ConnectionRequest } from 'statewire';
import { connectionPeers, otherSide, SIDES } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { connectPeers, deferred, failureOf, gated, isSettled, lab, Lab } from '../support/peers.ts';

leavesNothing();

const GRACE = { graceMs: 5_000 };

describe.each(SIDES)('the %s closes the session with a grace', (by) => {
  it.each(['opened', 'taken'] as const)(
    '[session.drain] and waits for a call on a virtual connection, made by the side that has %s it',
    async (end) => {
      const { handler, calls } = gated();
      const peers = await connectionPeers();
      const services = [lab(handler)];
      const ends = await peers.open('initiator', { services }, { services });
      const pending = ends[end].client(Lab).run();
      await peers.settle();
      const closing = peers.sessionOf(by).close(GRACE);
      await peers.clock.advance(4_000);
      expect(await isSettled(closing)).toBe(false);
      expect([ends.opened.isConnected, ends.taken.isConnected]).toEqual([true, true]);
      expect(peers.sent(by, 'go-away')).toEqual([{ type: 'go-away', ...GRACE }]);
      calls[0]?.resolve('in time');
      expect(await pending).toBe('in time');
      await Promise.all([closing, ends.opened.closed, ends.taken.closed]);
      expect(peers.clock.now()).toBe(4_000);
    },
  );

  it('[session.drain] cuts off what still runs on one when the grace is over', async () => {
    const { handler, calls } = gated();
    const peers = await connectionPeers();
    const services = [lab(handler)];
    const { opened, taken } = await peers.open('initiator', { services }, { services });
    const failing = [opened.client(Lab).run(), taken.client(Lab).idem()].map(failureOf);
    await peers.settle();
    const closing = peers.sessionOf(by).close(GRACE);
    await peers.clock.advance(5_000);
    await closing;
    expect(await Promise.all(failing)).toMatchObject([
      { kind: 'indeterminate', reason: 'closed' },
      { kind: 'connection-closed', reason: 'closed', retryable: true },
    ]);
    await Promise.all([opened.closed, taken.closed]);
    expect(calls.map(({ call }) => call.signal.aborted)).toEqual([true, true]);
  });

  it('[session.drain] and waits for nothing where its connections are idle', async () => {
    const peers = await connectionPeers();
    const { opened } = await peers.open(by);
    expect(await opened.client(Lab).run('before')).toBe('before');
    await peers.sessionOf(by).close(GRACE);
    expect([peers.clock.now(), opened.isConnected, peers.sent(by, 'go-away').length]).toEqual([0, false, 0]);
  });

  it('[session.drain] refuses new calls on them, as on the root', async () => {
    const { handler, calls } = gated();
    const peers = await connectionPeers();
    const services = [lab({ run: handler })];
    const busy = await peers.open(by, { services }, { services });
    const idle = await peers.open(otherSide(by), { services }, { services });
    const running = busy.opened.client(Lab).run();
    await peers.settle();
    const closing = peers.sessionOf(by).close(GRACE);
    await peers.settle();
    for (const method of ['run', 'idem', 'persist'] as const) {
      expect(await failureOf(busy.taken.client(Lab)[method]('new'))).toMatchObject({ kind: 'unavailable', reason: 'draining', retryable: true });
      expect(await failureOf(idle.opened.client(Lab)[method]('new'))).toMatchObject({ kind: 'unavailable', reason: 'draining', retryable: true });
      expect(await failureOf(busy.opened.client(Lab)[method]('ours'))).toMatchObject({ kind: 'connection-closed', retryable: true });
    }
    expect(calls).toHaveLength(1);
    calls[0]?.resolve('done');
    expect(await running).toBe('done');
    await closing;
  });

  it('[session.drain] [conn.open] rejects opens, the peer’s and its own', async () => {
    const { handler, calls } = gated();
    const peers = await connectionPeers({ server: { services: [lab(handler)] }, client: { services: [lab(handler)] } });
    const running = peers.sessionOf(by).client(Lab).run();
    await peers.settle();
    const closing = peers.sessionOf(by).close(GRACE);
    await peers.settle();
    expect(await failureOf(peers.sessionOf(otherSide(by)).open())).toMatchObject({ kind: 'rejected', reason: expect.stringMatching(/./) as string });
    expect(await failureOf(peers.sessionOf(by).open())).toMatchObject({ kind: 'connection-closed' });
    expect([...peers.requests.initiator, ...peers.requests.acceptor]).toEqual([]);
    calls[0]?.resolve('done');
    expect(await running).toBe('done');
    await closing;
  });
});

describe('session.drain', () => {
  it('[session.drain] [conn.open] an open that is being answered when the session begins to drain comes to nothing', async () => {
    const gate = deferred();
    const { handler, calls } = gated();
    const late = deferred<unknown>();
    const onConnection = async (request: ConnectionRequest) => {
      await gate.promise;
      try {
        request.accept({ services: [lab()] });
        late.resolve('accepted');
      } catch (error) {
        late.resolve(error);
      }
    };
    const { session, accepted, settle } = await connectPeers({ server: { services: [lab(handler)], onConnection } });
    const running = session.client(Lab).run();
    const opening = session.open().then(
      () => 'opened',
      (error: { kind: string }) => error.kind,
    );
    await settle();
    const closing = accepted.close(GRACE);
    await settle();
    gate.resolve();
    await late.promise;
    await settle();
    calls[0]?.resolve('done');
    expect(await running).toBe('done');
    await closing;
    // Told at once or at the end: no open outlives its session.
    expect(['opened', 'rejected', 'connection-closed']).toContain(await opening);
    await session.closed;
  });

  it('[session.drain] a server’s close waits for calls on the virtual connections of all its sessions', async () => {
    const { handler, calls } = gated();
    const { server, session, settle } = await connectPeers({
      server: { onConnection: (request) => void request.accept({ services: [lab(handler)] }) },
    });
    const pending = (await session.open()).client(Lab).run();
    await settle();
    const closing = server.close(GRACE);
    await settle();
    expect(await isSettled(closing)).toBe(false);
    calls[0]?.resolve('in time');
    expect(await pending).toBe('in time');
    await closing;
  });
});
