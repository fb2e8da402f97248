/** How sessions and servers end, and how their status tells: session.status, and close() as far as links go (api.md, "Calling" and "Serving"). */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen, memoryStore } from 'statewire';
import type { ConnectOptions, Session, SessionStatus } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { attackServer, call, ScriptedPeer } from '../support/hostile-peer.ts';
import { connectPeers, ENDS_WITH_LINK, failureOf, gated, isSettled, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';
import type { Peers } from '../support/peers.ts';

function statuses(session: Session): (SessionStatus | 'complete')[] {
  const seen: (SessionStatus | 'complete')[] = [];
  session.status$.subscribe({ next: (status) => seen.push(status), complete: () => seen.push('complete') });
  return seen;
}

describe('session.status', () => {
  it.each<[string, (peers: Peers) => unknown, SessionStatus[], SessionStatus[], ConnectOptions?]>([
    ['the initiator closes', ({ session }) => session.close(), ['connected', 'closing', 'closed'], ['connected', 'closed']],
    ['the acceptor closes', ({ accepted }) => accepted.close(), ['connected', 'closed'], ['connected', 'closing', 'closed']],
    ['the server closes', ({ server }) => server.close(), ['connected', 'closed'], ['connected', 'closing', 'closed']],
    ['the link is lost that it ends with', ({ network }) => network.cut(), ['connected', 'closed'], ['connected', 'closed'], ENDS_WITH_LINK],
    [
      'it is closed without a link',
      async ({ network, session, accepted, settle }) => {
        network.cut();
        await settle();
        void session.close();
        void accepted.close();
      },
      ['connected', 'disconnected', 'closed'],
      ['connected', 'disconnected', 'closed'],
    ],
    ['its scope is left by using', ({ session }) => session[Symbol.asyncDispose](), ['connected', 'closing', 'closed'], ['connected', 'closed']],
  ])('[session.status] tells of both sides that %s, and then completes', async (_what, end, ofInitiator, ofAcceptor, client = {}) => {
    const peers = await connectPeers({ client });
    const { session, accepted, server } = peers;
    const seen = [statuses(session), statuses(accepted)];
    expect([session.status, accepted.status]).toEqual(['connected', 'connected']);
    await end(peers);
    await Promise.all([session.closed, accepted.closed]);
    expect(seen).toEqual([
      [...ofInitiator, 'complete'],
      [...ofAcceptor, 'complete'],
    ]);
    expect([session.status, accepted.status, server.sessions.size]).toEqual(['closed', 'closed', 0]);
  });

  it('[session.status] who subscribes after the end is told of it', async () => {
    const { session } = await connectPeers();
    await session.close();
    expect(statuses(session)).toEqual(['closed', 'complete']);
  });

  it('[session.status] a subscriber cannot end or fake it', async () => {
    const { session } = await connectPeers();
    expect('next' in session.status$).toBe(false);
  });

  it('[session.status] the root connection is there as long as its session, and cannot be closed alone', async () => {
    const { session } = await connectPeers();
    const { root } = session;
    expect([root.id, root.isConnected, await isSettled(root.closed)]).toEqual([0, true, false]);
    await expect(root.close()).rejects.toThrow(/close the session/);
    expect(root.isConnected).toBe(true);
    await session.close();
    await root.closed;
    expect(root.isConnected).toBe(false);
  });
});

describe('session.close', () => {
  it('without a grace cuts off what runs, both ways, at once', async () => {
    const { handler, calls } = gated();
    const { session, accepted, settle, clock } = await connectPeers({ server: { services: [lab(handler)] }, client: { services: [lab(handler)] } });
    const failing = [failureOf(session.client(Lab).run()), failureOf(accepted.client(Lab).run())];
    await settle();
    const signals = calls.map(({ call: { signal } }) => signal);
    await session.close();
    for (const failure of await Promise.all(failing)) expect(failure).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    await accepted.closed;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    expect(clock.now()).toBe(0);
  });

  it.each(['initiator', 'acceptor'] as const)(
    '[session.drain] with a grace lets what runs finish, both ways, and then ends: closed by the %s',
    async (who) => {
      const { handler, calls } = gated();
      const peers = await connectPeers({ server: { services: [lab(handler)] }, client: { services: [lab(handler)] } });
      const { session, accepted, settle, sent, clock } = peers;
      const pending = [session.client(Lab).run('a'), accepted.client(Lab).run('b')];
      await settle();
      const closing = (who === 'initiator' ? session : accepted).close({ graceMs: 5_000 });
      await clock.advance(4_000);
      expect(await isSettled(closing)).toBe(false);
      expect(sent(who, 'go-away')).toEqual([{ type: 'go-away', graceMs: 5_000 }]);
      calls[0]?.resolve('first');
      await settle();
      expect(await isSettled(closing)).toBe(false);
      calls[1]?.resolve('second');
      expect(new Set(await Promise.all(pending))).toEqual(new Set(['first', 'second']));
      await closing;
      await Promise.all([session.closed, accepted.closed]);
      expect(clock.now()).toBe(4_000);
    },
  );

  it('[session.drain] a grace with nothing to wait for ends at once', async () => {
    const { session, clock } = await connectPeers({ server: { services: [lab()] } });
    await session.client(Lab).run();
    await session.close({ graceMs: 60_000 });
    expect(clock.now()).toBe(0);
  });

  it('[session.drain] when the grace is over, what still runs is cut off', async () => {
    const { handler, calls } = gated();
    const { session, accepted, settle, clock } = await connectPeers({ server: { services: [lab(handler)] } });
    const client = session.client(Lab);
    const failing = [failureOf(client.run()), failureOf(client.idem())];
    await settle();
    const closing = accepted.close({ graceMs: 5_000 });
    await clock.advance(4_999);
    expect(await isSettled(closing)).toBe(false);
    await clock.advance(1);
    await closing;
    expect(calls.map(({ call: { signal } }) => signal.aborted)).toEqual([true, true]);
    expect((await Promise.all(failing)).map(({ kind }) => kind)).toEqual(['indeterminate', 'connection-closed']);
  });

  it.each([{ retry: true }, { retry: false }])(
    '[session.drain] while it drains, new calls of the peer are refused and may go elsewhere (%j)',
    async ({ retry }) => {
      const { handler, calls } = gated();
      const { session, accepted, settle } = await connectPeers({ server: { retry, services: [lab({ run: handler })] } });
      const client = session.client(Lab);
      const running = client.run();
      await settle();
      const closing = accepted.close({ graceMs: 5_000 });
      await settle();
      for (const name of ['run', 'idem', 'persist'] as const) {
        expect(await failureOf(client[name]('new'))).toMatchObject({ kind: 'unavailable', reason: 'draining', retryable: true });
      }
      expect(calls).toHaveLength(1);
      calls[0]?.resolve('done');
      expect(await running).toBe('done');
      await closing;
    },
  );

  it('[session.drain] while it drains, a duplicate joins what is live and is given what is sealed', async () => {
    const { handler, calls } = gated();
    const { session, accepted, settle } = await connectPeers({ server: { services: [lab({ run: handler })] } });
    const { run, idem } = session.client(Lab);
    expect(await idem('sealed', { operationId: 'sealed' })).toBe('sealed');
    const running = run('x', { operationId: 'live' });
    await settle();
    const closing = accepted.close({ graceMs: 5_000 });
    await settle();
    const joined = run('x', { operationId: 'live' });
    expect(await idem('sealed', { operationId: 'sealed' })).toBe('sealed');
    calls[0]?.resolve('once');
    expect(await Promise.all([running, joined])).toEqual(['once', 'once']);
    await closing;
    expect(accepted.counters).toMatchObject({ started: 2, attached: 1, replayed: 1 });
  });

  it('while it drains, our own new calls are refused at once, and handlers that run may not call back', async () => {
    const { handler, calls } = gated();
    const { session, settle, sent } = await connectPeers({ server: { services: [lab(handler)] }, client: { services: [lab()] } });
    const running = session.client(Lab).run();
    await settle();
    const closing = session.close({ graceMs: 5_000 });
    expect(await failureOf(session.client(Lab).run())).toMatchObject({ kind: 'connection-closed', retryable: true });
    expect(sent('initiator', 'call')).toHaveLength(1);
    calls[0]?.resolve('done');
    await Promise.all([running, closing]);
  });

  it('may be called again, and by anybody: all wait for the one end', async () => {
    const { handler, calls } = gated();
    const { session, settle } = await connectPeers({ server: { services: [lab(handler)] } });
    const running = session.client(Lab).run();
    await settle();
    const closing = [session.close({ graceMs: 5_000 }), session.close({ graceMs: 9_000 }), session.closed];
    await settle();
    expect(await Promise.all(closing.map(isSettled))).toEqual([false, false, false]);
    calls[0]?.resolve('done');
    await Promise.all([running, ...closing]);
    await session.close();
  });

  it('may be called by a handler of the session', async () => {
    const { session, accepted } = await connectPeers({ server: { services: [lab((_input, context) => context.session.close())] } });
    expect((await failureOf(session.client(Lab).run())).kind).toBe('indeterminate');
    await Promise.all([session.closed, accepted.closed]);
  });

  it.each([-1, Number.NaN, Infinity, '5', 2 ** 31])('rejects a grace of %s', async (graceMs) => {
    const { session, server } = await connectPeers();
    for (const one of [session, server]) await expect(one.close({ graceMs: graceMs as number })).rejects.toThrow(/options\.graceMs/);
    expect([session.status, server.sessions.size]).toEqual(['connected', 1]);
  });

  it('delivers the answers that were given before it', async () => {
    const { session, accepted } = await connectPeers({
      server: {
        services: [
          lab(() => {
            void accepted.close();
            return new Uint8Array(300_000);
          }),
        ],
      },
    });
    const outcome = await session
      .client(Lab)
      .run()
      .then(
        (value) => (value as Uint8Array).byteLength,
        (error: { kind: string }) => error.kind,
      );
    expect(['indeterminate', 300_000]).toContain(outcome);
    const { peer, accepted: other, settle } = await attackServer({ services: [lab()] });
    peer.send(call(1, { args: encodeValue('last') }));
    await settle();
    void other.close();
    await peer.closed;
    expect(peer.received.map(({ type }) => type)).toEqual(['welcome', 'response', 'close']);
  });
});

describe('server.close', () => {
  it('takes no new peers, ends every session and then the store', async () => {
    const store = Object.assign(memoryStore(), { closes: 0 });
    const { close } = store;
    store.close = async () => {
      store.closes++;
      await close.call(store);
    };
    const { server, session, network, clock } = await connectPeers({ server: { store, services: [lab()] } });
    const other = await connect(network.connector(PLACE), { clock });
    expect(server.sessions.size).toBe(2);
    await Promise.all([server.close(), server.close()]);
    await Promise.all([session.closed, other.closed]);
    expect([server.sessions.size, store.closes]).toEqual([0, 1]);
    await expect(connect(network.connector(PLACE), { clock })).rejects.toThrow(/nobody listens/);
  });

  it('[session.drain] gives its sessions their grace', async () => {
    const { handler, calls } = gated();
    const { server, session, settle } = await connectPeers({ server: { services: [lab(handler)] } });
    const running = session.client(Lab).run();
    await settle();
    const closing = server.close({ graceMs: 5_000 });
    await settle();
    expect(await isSettled(closing)).toBe(false);
    calls[0]?.resolve('done');
    expect(await running).toBe('done');
    await closing;
  });

  it('cuts off a peer in the midst of its handshake', async () => {
    const world = makeWorld();
    const server = await listen(world.network.listener(PLACE), { clock: world.clock });
    const peer = await ScriptedPeer.dial(world.network);
    await world.settle();
    await server.close({ graceMs: 60_000 });
    await peer.closed;
    expect(world.clock.now()).toBe(0);
  });

  it('is what leaving the scope of `await using` does', async () => {
    const { server, session } = await connectPeers();
    await server[Symbol.asyncDispose]();
    await session.closed;
  });

  it('leaves no timer behind, nor does a session', async () => {
    const { server, session, clock, settle } = await connectPeers({ server: { services: [lab()] } });
    await session.client(Lab).run(1, { timeoutMs: 1_000 });
    await server.close({ graceMs: 5_000 });
    await session.closed;
    await settle();
    expect(clock.pending).toBe(0);
  });

  it('an onSession that throws is logged and harms nobody', async () => {
    const { clock, network } = makeWorld();
    const log: unknown[] = [];
    const onSession = () => {
      throw new Error('oh');
    };
    const server = await listen(network.listener(PLACE), { clock, services: [lab()], onSession, log: (entry) => log.push(entry) });
    onTestFinished(() => server.close());
    const session = await connect(network.connector(PLACE), { clock });
    expect(await session.client(Lab).run('fine')).toBe('fine');
    expect(log).toEqual([expect.objectContaining({ level: 'error', error: new Error('oh') })]);
    await session.close();
  });
});
