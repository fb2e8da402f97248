/** A store's life beside those who use it: opened by the first, swept meanwhile, closed behind the last and behind what is still written. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { ConnectOptions, Listener, Session } from 'statewire';
import { deferred, ENDS_WITH_LINK, failureOf, gated, isSettled, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';
import type { LabHandler, World } from '../support/peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

/** What a store was asked, in order, of these methods. */
function asked(store: ScriptedStore, ...methods: string[]): string[] {
  return store.calls.map(({ method }) => method).filter((method) => methods.includes(method));
}

/** An initiator that serves, and what its acceptor has of the session. */
async function serveAsInitiator(world: World, given: ConnectOptions, handler: LabHandler): Promise<{ session: Session; accepted: Session }> {
  const { clock, network } = world;
  const arrived = deferred<Session>();
  const server = await listen(network.listener(PLACE), { clock, onSession: arrived.resolve });
  onTestFinished(() => server.close());
  const session = await connect(network.connector(PLACE), { clock, ...given, services: [lab(handler)] });
  return { session, accepted: await arrived.promise };
}

describe('a store in use', () => {
  it('[op.expiry] is opened once and swept by somebody when two servers begin with it at once, until both have ended', async () => {
    const { network, clock } = makeWorld();
    const store = new ScriptedStore({ clock, retentionMs: 100, answers: 'by promise' });
    const servers = await Promise.all(['one', 'other'].map((name) => listen(network.listener(name), { clock, store })));
    await clock.advance(100);
    expect([store.count('open'), store.count('sweep')]).toEqual([1, 10]);
    await servers[0]?.close();
    await clock.advance(100);
    expect([store.count('close'), store.count('sweep')]).toEqual([0, 20]);
    await servers[1]?.close();
    await clock.advance(100);
    expect([store.count('close'), store.count('sweep'), clock.pending]).toEqual([1, 20, 0]);
  });

  it('is closed before close() of the last session settles, and opened again only behind that', async () => {
    const { network, clock, settle } = makeWorld();
    const store = new ScriptedStore({ clock });
    const server = await listen(network.listener(PLACE), { clock });
    onTestFinished(() => server.close());
    const session = await connect(network.connector(PLACE), { clock, store });
    store.hold('close');
    const closing = session.close();
    const next = connect(network.connector(PLACE), { clock, store });
    await settle();
    expect([await isSettled(closing), await isSettled(next), store.count('open')]).toEqual([false, false, 1]);
    store.letGo('close');
    await closing;
    await (await next).close();
    expect(asked(store, 'open', 'close')).toEqual(['open', 'close', 'open', 'close']);
  });

  it('is closed, and the error of its listener told, when that fails to close', async () => {
    const { clock, settle } = makeWorld();
    const store = new ScriptedStore({ clock });
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    const mine = new Error('the port is stuck');
    const stuck: Listener<number> = { listen: () => Promise.resolve({ address: 0, close: () => Promise.reject(mine) }) };
    const server = await listen(stuck, { clock, store });
    await expect(server.close()).rejects.toBe(mine);
    await settle();
    expect([store.count('close'), unhandled, clock.pending]).toEqual([1, [], 0]);
  });
});

describe('an outcome that is still to be stored', () => {
  it.each(['run', 'persist'] as const)('[op.seal] of a %s call is stored before the store is closed by a close with a grace', async (name) => {
    const world = makeWorld();
    const { clock, settle } = world;
    const store = new ScriptedStore({ clock });
    const { handler, calls } = gated();
    const { session, accepted } = await serveAsInitiator(world, { store }, handler);
    const answer = accepted.client(Lab)[name](1);
    await settle();
    store.hold('seal');
    const closing = session.close({ graceMs: 1_000 });
    await settle();
    calls[0]?.resolve('done');
    await settle();
    expect([await isSettled(closing), asked(store, 'seal', 'close')]).toEqual([false, ['seal']]);
    store.letGo('seal');
    await closing;
    expect(await answer).toBe('done');
    expect(asked(store, 'seal', 'close')).toEqual(['seal', 'close']);
    expect(clock.pending).toBe(1);
  });

  it('[op.seal] of a persist call without a session is stored before its server closes the store, within the grace', async () => {
    const { network, clock, settle } = makeWorld();
    const store = new ScriptedStore({ clock });
    const { handler, calls } = gated();
    const server = await listen(network.listener(PLACE), { clock, store, services: [lab(handler)] });
    const session = await connect(network.connector(PLACE), { clock });
    const pending = failureOf(session.client(Lab).persist(1));
    await settle();
    await session.close();
    expect((await pending).kind).toBe('indeterminate');
    const closing = server.close({ graceMs: 1_000 });
    await clock.advance(999);
    expect([await isSettled(closing), asked(store, 'seal', 'close')]).toEqual([false, []]);
    calls[0]?.resolve('done');
    await settle();
    await closing;
    expect(asked(store, 'seal', 'close')).toEqual(['seal', 'close']);
  });

  it('keeps a server that closes no longer than its grace', async () => {
    const { network, clock, settle } = makeWorld();
    const store = new ScriptedStore({ clock });
    const server = await listen(network.listener(PLACE), { clock, store, services: [lab(gated().handler)] });
    const session = await connect(network.connector(PLACE), { clock });
    const pending = failureOf(session.client(Lab).persist(1));
    await settle();
    await session.close();
    await pending;
    const closing = server.close({ graceMs: 1_000 });
    await clock.advance(999);
    expect(await isSettled(closing)).toBe(false);
    await clock.advance(1);
    await closing;
    expect([asked(store, 'seal', 'close'), clock.pending]).toEqual([['close'], 0]);
  });

  it('[retry.disposition] of a persist call that outlives its session keeps the store open, however long it takes', async () => {
    const world = makeWorld();
    const { clock, network, settle } = world;
    const store = new ScriptedStore({ clock });
    const { handler, calls } = gated();
    const { session, accepted } = await serveAsInitiator(world, { store, ...ENDS_WITH_LINK }, handler);
    const pending = failureOf(accepted.client(Lab).persist(1));
    await settle();
    network.cut();
    await session.closed;
    await pending;
    await clock.advance(3_600_000);
    expect(asked(store, 'seal', 'close')).toEqual([]);
    store.hold('seal');
    calls[0]?.resolve('done');
    await settle();
    expect(asked(store, 'seal', 'close')).toEqual(['seal']);
    store.letGo('seal');
    await settle();
    expect(asked(store, 'seal', 'close')).toEqual(['seal', 'close']);
    network.heal();
  });
});
