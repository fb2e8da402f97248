/** resume.unknown: the client comes back to somebody who does not know its session. What stays, what goes, and what becomes of its calls. */
import { describe, expect, it } from 'vitest';
import { channel, connect, defineService, implement, memoryStore, method } from 'statewire';
import type { OperationStore, Tx } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { readAll } from '../support/channel-peers.ts';
import { call, dialServer } from '../support/hostile-peer.ts';
import { failureOf, gated, lab, Lab, PLACE } from '../support/peers.ts';
import { REDIAL_MS, resumePeers, visit, visitWelcome } from '../support/resume-peers.ts';
import { otherProcess, ScriptedStore } from '../support/scripted-store.ts';

leavesNothing();

/** Two stores of one identity and the same records: that of a process, and that of the one in its place. */
function sharedStores(): { before: ScriptedStore; after: ScriptedStore } {
  const before = new ScriptedStore();
  return { before, after: otherProcess(before) };
}

type Policy = 'run' | 'idem' | 'persist';

/** A call that has a run (`started`), or was lost on its way to the first server (`lost`), when the second takes over. */
async function judged(policy: Policy, what: 'started' | 'lost' | 'never sent', stores: { before?: OperationStore; after?: OperationStore }) {
  const peers = await resumePeers({ server: { store: stores.before } });
  if (what === 'lost') peers.network.hold();
  if (what === 'never sent') await peers.cut();
  const outcome = peers.session
    .client(Lab)
    [policy]('x')
    .then(
      (value) => ({ value }),
      (error: { kind: string; reason: string; retryable: boolean }) => ({ kind: error.kind, reason: error.reason, retryable: error.retryable }),
    );
  await peers.settle();
  if (what === 'lost') {
    await peers.cut();
    peers.network.release();
  }
  const second = await peers.replaceServer({ store: stores.after });
  second.runs[0]?.resolve('second');
  await peers.settle();
  return { peers, second, outcome: await outcome };
}

describe('[resume.unknown] the judgement of pending calls', () => {
  it.each(['run', 'persist'] as const)('[resume.unknown] %s that may have run, another store: indeterminate, store-lost', async (policy) => {
    for (const what of ['started', 'lost'] as const) {
      const { outcome, second } = await judged(policy, what, {});
      expect(outcome).toEqual({ kind: 'indeterminate', reason: 'store-lost', retryable: false });
      expect(second.runs).toHaveLength(0);
    }
  });

  it('[resume.unknown] run that may have run is indeterminate with the same store, too', async () => {
    for (const what of ['started', 'lost'] as const) {
      const { before, after } = sharedStores();
      const { outcome, second } = await judged('run', what, { before, after });
      expect(outcome).toMatchObject({ kind: 'indeterminate', reason: 'store-lost' });
      expect(second.runs).toHaveLength(0);
    }
  });

  it.each(['started', 'lost'] as const)('[resume.unknown] idem (%s) runs again, whatever the store', async (what) => {
    for (const stores of [{}, sharedStores()]) {
      const { outcome, second } = await judged('idem', what, stores);
      expect([outcome, second.runs.length]).toEqual([{ value: 'second' }, 1]);
    }
  });

  it('[resume.unknown] persist that never arrived, the same store: it is sent again, and runs', async () => {
    const { before, after } = sharedStores();
    const { outcome, second, peers } = await judged('persist', 'lost', { before, after });
    expect([outcome, second.runs.length]).toEqual([{ value: 'second' }, 1]);
    const ids = peers.sent('initiator', 'call').map(({ operationId, series }) => [operationId, series]);
    expect(ids[1]).toEqual(ids[0]);
  });

  it('[resume.unknown] persist that was admitted by who is gone, the same store: indeterminate, abandoned', async () => {
    const { before, after } = sharedStores();
    const { outcome, second } = await judged('persist', 'started', { before, after });
    expect([outcome, second.runs.length]).toMatchObject([{ kind: 'indeterminate', reason: 'abandoned' }, 0]);
  });

  it('[resume.unknown] persist that sealed before, the same store: replayed', async () => {
    const { before, after } = sharedStores();
    const peers = await resumePeers({ server: { store: before } });
    const outcome = peers.session.client(Lab).persist('x');
    await peers.settle();
    await peers.cut();
    peers.runs[0]?.resolve('sealed in time');
    await peers.settle();
    const second = await peers.replaceServer({ store: after });
    expect([await outcome, second.runs.length]).toEqual(['sealed in time', 0]);
  });

  it.each(['run', 'idem', 'persist'] as const)('[resume.unknown] %s that was never sent is sent, whatever the store', async (policy) => {
    const { outcome, second } = await judged(policy, 'never sent', {});
    expect([outcome, second.runs.length]).toEqual([{ value: 'second' }, 1]);
  });

  it('[resume.unknown] the store that counts is the one of the peer that the call was handed to, over several fresh sessions', async () => {
    const { before, after } = sharedStores();
    const peers = await resumePeers({ server: { store: before } });
    await peers.replaceServer({ store: memoryStore() }, 'second');
    peers.network.hold();
    const failure = failureOf(peers.session.client(Lab).persist('x'));
    await peers.settle();
    await peers.cut();
    peers.network.release();
    const third = await peers.replaceServer({ store: after }, 'third');
    expect(await failure).toMatchObject({ kind: 'indeterminate', reason: 'store-lost' });
    expect(third.runs).toHaveLength(0);
  });
});

describe('[resume.unknown] a fresh session', () => {
  const scene = async (options: Parameters<typeof resumePeers>[0] = {}) => {
    const peers = await resumePeers(options);
    const { id, scope, root, counters } = peers.session;
    return { peers, before: { id, scope, root, counters, client: peers.session.client(Lab) } };
  };

  it('[resume.unknown] keeps the Session object, its root, counters and clients; the id changes', async () => {
    const { peers, before } = await scene();
    const statuses: string[] = [];
    peers.session.status$.subscribe((status) => statuses.push(status));
    const second = await peers.replaceServer();
    expect(peers.session.id).not.toBe(before.id);
    expect(second.server.sessions.has(peers.session.id)).toBe(true);
    expect(peers.session.root).toBe(before.root);
    expect(peers.session.root.isConnected).toBe(true);
    expect(peers.session.counters).toBe(before.counters);
    expect(peers.session.counters).toMatchObject({ linksLost: 1, restarted: 1, resumed: 0 });
    expect(peers.session.scope).toEqual(before.scope);
    expect(peers.session.generation).toBe(2);
    const outcome = before.client.run('by the old client');
    await peers.settle();
    second.runs[0]?.resolve('served');
    expect(await outcome).toBe('served');
    expect(statuses).toEqual(['connected', 'disconnected', 'reconnecting', 'connected']);
  });

  it('[resume.unknown] is of the same scope and series, with a higher dial', async () => {
    const { peers } = await scene();
    await peers.replaceServer();
    const [first, second] = peers.sent('initiator', 'hello');
    expect([second?.series, second?.scope]).toEqual([first?.series, first?.scope]);
    expect(second?.dial).toBeGreaterThan(first?.dial as number);
    expect(second?.resumeKey).toHaveLength(32);
  });

  it('[resume.unknown] can be resumed itself, with the key that it was given', async () => {
    const { peers, before } = await scene();
    const second = await peers.replaceServer();
    const { id } = peers.session;
    const outcome = before.client.run('x');
    await peers.settle();
    await peers.blink(2);
    expect([peers.session.id, second.server.sessions.size]).toEqual([id, 1]);
    second.runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
    expect(second.runs).toHaveLength(1);
  });

  it('[resume.unknown] ends the virtual connections, whoever opened them, and new ones can be opened', async () => {
    const { peers } = await scene({
      server: { onConnection: (request) => request.accept({ services: [lab()] }) },
      client: { onConnection: (request) => request.accept({ services: [lab()] }) },
    });
    const [ours, theirs] = [await peers.session.open(), await peers.accepted.open()];
    const taken: boolean[] = [];
    void theirs.closed.then(() => taken.push(true));
    await peers.settle();
    await peers.replaceServer({ onConnection: (request) => request.accept({ services: [lab()] }) });
    await ours.closed;
    expect(ours.isConnected).toBe(false);
    // The old acceptor's end waits for a peer that will not come, until its time is over.
    expect([theirs.isConnected, taken]).toEqual([true, []]);
    await peers.advance(150_000);
    expect([theirs.isConnected, taken]).toEqual([false, [true]]);
    expect(await failureOf(ours.client(Lab).run('x'))).toMatchObject({ kind: 'connection-closed' });
    const again = await peers.session.open();
    expect(again.id).not.toBe(ours.id);
    expect(await again.client(Lab).run('served')).toBe('served');
  });

  it('[resume.unknown] judges the pending calls of virtual connections as closed', async () => {
    const gate = await scene({ server: { onConnection: (request) => request.accept({ services: [lab(() => new Promise(() => {}))] }) } });
    const { peers } = gate;
    const connection = await peers.session.open();
    const failures = [failureOf(connection.client(Lab).run(1)), failureOf(connection.client(Lab).idem(2))];
    await peers.settle();
    await peers.cut();
    failures.push(failureOf(connection.client(Lab).run(3)));
    await peers.replaceServer();
    expect(await failures[0]).toMatchObject({ kind: 'indeterminate', reason: 'closed', retryable: false });
    expect(await failures[1]).toMatchObject({ kind: 'connection-closed', retryable: true });
    expect(await failures[2]).toMatchObject({ kind: 'connection-closed', retryable: true });
  });

  it('[resume.unknown] takes calls with channels that were made in between, and their channels work', async () => {
    const { peers } = await scene();
    const Clockwork = defineService('Clockwork', { ticks: method<{ out: Tx<number> }, unknown>({ idem: true }) });
    const beats = implement(Clockwork, {
      async ticks({ out }) {
        for (const beat of [1, 2, 3]) await out.send(beat);
        out.close();
        return 'done';
      },
    });
    await peers.cut();
    const [out, ticks] = channel<number>();
    const outcome = peers.session.client(Clockwork).ticks({ out });
    await peers.replaceServer({ services: [beats] });
    expect(await readAll(ticks)).toEqual({ items: [1, 2, 3] });
    expect(await outcome).toBe('done');
  });

  it('[resume.unknown] ends what the client still runs for the one that is gone, as connection gone', async () => {
    const { peers } = await scene();
    void peers.accepted
      .client(Lab)
      .run('volatile')
      .catch(() => {});
    void peers.accepted
      .client(Lab)
      .persist('persist')
      .catch(() => {});
    await peers.settle();
    const running = peers.runsAt.initiator;
    expect(running).toHaveLength(2);
    await peers.replaceServer();
    expect(running.map(({ call: { signal } }) => signal.aborted)).toEqual([true, false]);
    running.forEach((run) => run.resolve(0));
  });

  it('[resume.unknown] whose acceptor calls back begins at its own ids, without a clash', async () => {
    const { peers } = await scene();
    const first = peers.accepted.client(Lab).run(1);
    await peers.settle();
    peers.runsAt.initiator[0]?.resolve(1);
    await first;
    const { sessions } = await peers.replaceServer();
    const [accepted] = sessions;
    const again = accepted?.client(Lab).run(2);
    await peers.settle();
    peers.runsAt.initiator[1]?.resolve(2);
    expect(await again).toBe(2);
    expect(peers.session.counters.protocolErrors).toBe(0);
  });

  it('[op.ack] acknowledges to it what was settled before', async () => {
    const { before: store, after } = sharedStores();
    const { peers, before } = await scene({ server: { store } });
    const outcome = before.client.persist('x');
    await peers.settle();
    peers.runs[0]?.resolve('y');
    await outcome;
    await peers.replaceServer({ store: after });
    await peers.advance(10_000);
    expect(after.calls.filter(({ method }) => method === 'forget').map(({ upTo }) => upTo)).toContain(1);
  });
});

describe('[resume.unknown] at the callee', () => {
  it('[resume.unknown] a fresh hello of a series first ends its earlier session, as connection gone', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    const [earlier] = world.server.sessions.values();
    const second = await visitWelcome(world, { dial: 2 });
    expect(second.answer.resumed).toBe(false);
    expect(earlier?.status).toBe('closed');
    expect([...world.server.sessions.keys()]).toEqual([second.answer.sessionId]);
    await first.peer.closed;
  });

  it('[resume.unknown] what the earlier session left live: persist runs on and is joined, volatile is aborted', async () => {
    const { handler, calls } = gated();
    const world = await dialServer({ services: [lab(handler)] });
    const first = await visitWelcome(world);
    const persist = call(3, { methodId: Lab.methods.persist.id });
    first.peer.send(call(1), persist);
    await world.settle();
    const second = await visitWelcome(world, { dial: 2 });
    expect(calls.map(({ call: { signal } }) => signal.aborted)).toEqual([true, false]);
    second.peer.send(persist);
    await world.settle();
    calls[1]?.resolve('joined');
    expect(await second.peer.next('response')).toMatchObject({ requestId: 3, ok: true });
    expect(calls).toHaveLength(2);
  });

  it('[resume.unknown] raises the fence of the series to the dial of a hello that wants to resume what nobody knows', async () => {
    const fences: [string, number][] = [];
    const store = new ScriptedStore();
    const { fence } = store;
    store.fence = (scope, series, dial) => {
      fences.push([series, dial]);
      return fence.call(store, scope, series, dial);
    };
    const world = await dialServer({ store });
    await visit(world, { dial: 41, resumeKey: new Uint8Array(32).fill(4) });
    expect(fences).toEqual([['00112233445566ff', 41]]);
  });

  it('[resume.unknown] an admission by a session below the fence is refused: nothing that the old process had on its way runs', async () => {
    const { before, after } = sharedStores();
    const peers = await resumePeers({ server: { store: before } });
    before.hold('lookup');
    const outcome = peers.session.client(Lab).persist('x');
    await peers.settle();
    after.hold('lookup');
    const second = await peers.replaceServer({ store: after });
    // The old process gets its answer only now, still before the new one: unknown, in both.
    before.letGo('lookup');
    await peers.settle();
    expect(peers.runs).toHaveLength(0);
    after.letGo('lookup');
    await peers.settle();
    expect(second.runs).toHaveLength(1);
    second.runs[0]?.resolve('once');
    expect(await outcome).toBe('once');
  });
});

describe('[op.scope] a client that restarts with its scope', () => {
  it('[op.scope] finds the outcomes of its own string ids, those that still run and those that sealed', async () => {
    const peers = await resumePeers();
    const ask = (client: ReturnType<typeof peers.session.client<typeof Lab>>, id: string) => client.persist('x', { operationId: id });
    const [sealed, live] = [ask(peers.session.client(Lab), 'sealed'), ask(peers.session.client(Lab), 'live')];
    live.catch(() => {});
    await peers.settle();
    peers.runs[0]?.resolve('before');
    expect(await sealed).toBe('before');
    await peers.cut();
    peers.network.heal();
    // The old client never comes back: another process with its scope does.
    const again = await connect(peers.network.connector(PLACE), { clock: peers.world.clock, scope: peers.session.scope });
    const answers = [ask(again.client(Lab), 'sealed'), ask(again.client(Lab), 'live')];
    await peers.settle();
    peers.runs[1]?.resolve('after');
    expect(await Promise.all(answers)).toEqual(['before', 'after']);
    expect(peers.runs).toHaveLength(2);
    await again.close();
    await peers.advance(REDIAL_MS);
  });
});
