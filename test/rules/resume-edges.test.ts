/** What a lost link means where something stands between, or where the next peer is not quite the one of before. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { Link } from 'statewire';
import { failureOf, Lab, lab, makeWorld, PLACE } from '../support/peers.ts';
import { proxyScene } from '../support/proxy-peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';
import { REDIAL_MS, resumePeers } from '../support/resume-peers.ts';

describe('joined connections', () => {
  it('[conn.proxy] [session.outlives-link] end with a link of either side, and their sessions go on', async () => {
    const scene = await proxyScene();
    const through = await scene.through();
    const call = failureOf(through.near.client(Lab).run('held', { timeoutMs: 1_000_000 }));
    scene.network.cut();
    await scene.settle();
    expect([through.front.isConnected, through.back.isConnected]).toEqual([false, false]);
    scene.network.heal();
    await scene.clock.advance(REDIAL_MS);
    await Promise.all(Object.values(through).map(({ closed }) => closed));
    expect(await call).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    expect([scene.near.status, scene.far.status]).toEqual(['connected', 'connected']);
    const again = await scene.through();
    expect(await again.near.client(Lab).run('new')).toBe('new');
  });
});

describe('a peer that takes less than the one before', () => {
  it('[attempt.never-parked] [attempt.send-failed] a call that cannot be sent again waits for the next link, and at the latest until the deadline', async () => {
    const peers = await resumePeers();
    const large = new Uint8Array(200_000);
    const call = failureOf(peers.session.client(Lab).idem(large));
    await peers.settle();
    await peers.replaceServer({ maxPayload: 64 * 1024 });
    expect(peers.session.status).toBe('connected');
    const small = peers.session.client(Lab).idem('small');
    void failureOf(small).catch(() => {});
    await peers.advance(120_000);
    expect(await call).toMatchObject({ kind: 'session-shutdown', reason: 'deadline', retryable: true });
    expect(peers.session.status).toBe('connected');
  });
});

describe('a session that was replaced in a shared store', () => {
  it('[resume.unknown] admits nothing any more; the oldest waiter of one that was not owns the operation', async () => {
    const world = makeWorld();
    const { clock, network } = world;
    const store = new ScriptedStore({ clock });
    store.hold('admit');
    let runs = 0;
    const server = await listen(network.listener(PLACE), { clock, services: [lab((input) => (runs++, input))], store });
    onTestFinished(() => server.close());
    const scope = crypto.getRandomValues(new Uint8Array(32));
    const [replaced, other] = await Promise.all([0, 1].map(() => connect(network.connector(PLACE), { clock, scope })));
    onTestFinished(() => Promise.all([replaced?.close(), other?.close()]).then(() => {}));
    const first = failureOf(replaced!.client(Lab).run('x', { operationId: 'order' }));
    await world.settle();
    const second = other!.client(Lab).run('x', { operationId: 'order' });
    await world.settle();
    // As another process would, to which the first of them has gone.
    const [hello] = world.traffic.map(({ message }) => message).filter((message) => message.type === 'hello');
    await store.fence(store.calls.find(({ method }) => method === 'admit')!.key!.scope, hello!.series, 9);
    store.letGo('admit');
    await world.settle();
    expect(await second).toBe('x');
    expect(await first).toMatchObject({ kind: 'unavailable' });
    expect(runs).toBe(1);
  });
});

describe('what a session remembers', () => {
  it('[session.outlives-link] does not grow with the connections that it has had: none of them leaves an event of its own behind', async () => {
    const { session } = await resumePeers({ server: { onConnection: (request) => request.accept() } });
    const types = new Set<string>();
    const { root } = session.actor.getSnapshot().machine as unknown as { root: { next: (snapshot: unknown, event: { type: string }) => unknown } };
    const next = root.next.bind(root);
    root.next = (snapshot, event) => (types.add(event.type), next(snapshot, event));
    onTestFinished(() => void (root.next = next));
    for (let count = 0; count < 3; count++) await (await session.open()).close();
    expect([...types].filter((type) => type.startsWith('xstate.done.actor.'))).toEqual([]);
  });
});

describe('who hears that the link is lost', () => {
  it('[session.reconnect] [session.status] may ask for the next try at once', async () => {
    const peers = await resumePeers();
    peers.session.status$.subscribe((status) => status === 'disconnected' && peers.session.retryNow());
    peers.network.cut();
    peers.network.heal();
    await peers.settle();
    expect([peers.session.status, peers.session.generation]).toEqual(['connected', 2]);
  });
});

describe('a peer that is waited for', () => {
  it('[session.initial-wait] and is half-way through its handshake when the time is over: its link is closed, and the last failure told', async () => {
    const { clock, network, settle } = makeWorld();
    const ended: unknown[] = [];
    const silent = { listen: (onLink: (link: Link) => void) => network.listener(PLACE).listen(onLink) };
    const links: Link[] = [];
    const connecting = connect(network.connector(PLACE), { clock, waitForPeerMs: 5_000 }).catch((error: unknown) => error);
    // Not up for the first seconds, then it takes the link and says nothing.
    await clock.advance(2_000);
    const listening = await silent.listen((link) => {
      links.push(link);
      link.open({ message() {}, drain() {}, close: (error) => ended.push(error) });
    });
    onTestFinished(() => listening.close());
    await clock.advance(4_000);
    expect(await connecting).toBeInstanceOf(Error);
    await settle();
    expect([links.length, ended.length]).toEqual([1, 1]);
  });
});

describe('as many calls as may be in flight, all given up without a link', () => {
  it('[cancel.offline] [attempt.limit-link] are all answered when there is one again, and others take their places', async () => {
    const peers = await resumePeers({ server: { maxConcurrentRequests: 8 } });
    const calls = Array.from({ length: 8 }, () => new AbortController());
    for (const { signal } of calls) void failureOf(peers.session.client(Lab).run(1, { signal }));
    await peers.settle();
    await peers.cut();
    for (const call of calls) call.abort();
    const others = Array.from({ length: 8 }, (_, at) => peers.session.client(Lab).run(at));
    await peers.comeBack();
    expect(peers.runs.slice(0, 8).map(({ call }) => call.signal.aborted)).toEqual(Array.from({ length: 8 }, () => true));
    peers.runs.slice(8).forEach((run) => run.resolve(run.input));
    expect(await Promise.all(others)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(peers.session.counters.unmatched).toBe(0);
  });
});

describe('the log', () => {
  it('[session.reconnect] [session.status] tells of the loss, of the tries in between, and of the return', async () => {
    const peers = await resumePeers();
    await peers.cut();
    // The first try finds nobody.
    await peers.advance(REDIAL_MS);
    peers.network.heal();
    await peers.advance(2_000);
    const told = peers.log.map(({ event, session }) => [event, session]);
    const { id } = peers.session;
    expect(told).toEqual([
      ['link-lost', id],
      ['link-lost', id],
      ['dial-failed', id],
      ['resumed', id],
      ['resumed', id],
    ]);
  });
});
