/** conn.proxy and meta.no-propagate on the wire: what of an envelope passes unchanged, what is told for the first caller, and what is stripped. */
import { describe, expect, it } from 'vitest';
import { channel, connect, joinConnections, listen, memoryStore, release } from 'statewire';
import type { CallContext, Connection, MetadataInput } from 'statewire';
import type { Message } from 'statewire/wire';
import { collectGarbage, Flow, flowing, openMessage } from '../support/connection-peers.ts';
import { hello, ScriptedPeer } from '../support/hostile-peer.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { deferred, Lab, lab, makeWorld, PLACE } from '../support/peers.ts';
import { BACK, passed, proxyScene } from '../support/proxy-peers.ts';

leavesNothing();

type CallLike = Extract<Message, { type: 'call' }>;

/** What must be the same on both links. The envelope differs in the connection's id, and in how its series and acknowledgement are told. */
function contentOf(message: { type: string }): object {
  const { connectionId: _connectionId, series: _series, ack: _ack, ...content } = message as CallLike;
  return content;
}

describe('conn.proxy', () => {
  it('[conn.proxy] every message passes with the same ids and the same bytes', async () => {
    const scene = await proxyScene();
    const flow = flowing();
    const services = [lab({ run: (input, call) => call.fail(input) }), flow.service];
    const { near } = await scene.through({ open: { services }, terms: { services } });
    const given = new AbortController();
    const [tx, theirRx] = channel<unknown>({ credit: 2 });
    const calls = [
      near.client(Lab).idem({ any: [1, new Date(0)] }, { metadata: { a: 'b' } }),
      near.client(Lab).run({ code: 1 }, { operationId: 'mine' }),
      near.client(Flow).take({ items: theirRx }, { signal: given.signal }),
    ].map((call) => call.catch(() => {}));
    await scene.settle();
    await Promise.all([tx.send('a'), tx.send('b')]);
    await scene.settle();
    for (let count = 0; count < 2; count++) await flow.taking[0]?.items.recv();
    await tx.send('c');
    tx.close();
    await scene.settle();
    given.abort();
    await Promise.all(calls);
    await scene.clock.advance(1_000);
    for (const type of ['call', 'response', 'cancel', 'item', 'items', 'grant', 'end', 'reset']) {
      const [front, back] = (['front', 'back'] as const).map((link) => passed(scene, link, type).map(({ message }) => contentOf(message)));
      expect(back, type).toEqual(front);
    }
    expect(passed(scene, 'back', 'call')).toHaveLength(3);
    expect(passed(scene, 'back', 'response').length).toBeGreaterThan(1);
    expect(passed(scene, 'back', 'cancel')).toHaveLength(1);
    expect(passed(scene, 'back', 'grant').length).toBeGreaterThan(0);
  });

  it('[conn.proxy] the middle decodes no values: it runs no checks, and needs no services', async () => {
    const scene = await proxyScene();
    const seen: unknown[] = [];
    const { near } = await scene.through({ terms: { services: [lab((input) => seen.push(input))] } });
    const deep = JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`) as unknown;
    for (const input of [undefined, deep, 'x'.repeat(300_000), new Uint8Array(200_000)]) await near.client(Lab).run(input);
    expect(seen).toEqual([undefined, deep, 'x'.repeat(300_000), new Uint8Array(200_000)]);
    expect([scene.front.counters.started, scene.back.counters.started]).toEqual([0, 0]);
  });

  it('[conn.proxy] [op.id] a call carries the series of its first caller, both ways and through a second middle', async () => {
    const scene = await proxyScene();
    const { near, far } = await scene.through({ open: { services: [lab()] } });
    await near.client(Lab).run(1);
    await near.client(Lab).run(2, { operationId: 'mine' });
    await far.client(Lab).run(3);
    const seriesOf = (type: 'hello' | 'welcome') => passed(scene, 'front', type).map(({ message }) => (message as { series: string }).series)[0];
    const [farsWelcome] = passed(scene, 'back', 'welcome').map(({ message }) => (message as { series: string }).series);
    const told = (link: 'front' | 'back', direction: string) =>
      passed(scene, link, 'call')
        .filter((event) => event.direction.startsWith(direction) && typeof (event.message as CallLike).operationId === 'number')
        .map(({ message }) => (message as CallLike).series);
    expect(told('front', 'initiator')).toEqual([undefined]);
    expect(told('back', 'initiator')).toEqual([seriesOf('hello')]);
    expect(told('back', 'acceptor')).toEqual([undefined]);
    expect(told('front', 'acceptor')).toEqual([farsWelcome]);
    expect(seriesOf('welcome')).not.toBe(farsWelcome);

    // A middle in front of the middle.
    const outer = 'outer';
    const { network, clock } = scene;
    await using gate = await listen(network.listener(outer), {
      clock,
      onConnection: async (request) => {
        const { near: onwards } = await scene.through();
        joinConnections(request.accept(), onwards);
      },
    });
    await using first = await connect(network.connector(outer), { clock });
    const opened = await first.open();
    await opened.client(Lab).run('from far away');
    const calls = passed(scene, 'back', 'call').map(({ message }) => (message as CallLike).series);
    const outerHello = scene.traffic.find(({ link, message }) => link.startsWith(outer) && message.type === 'hello')?.message;
    expect(calls.at(-1)).toBe((outerHello as { series: string }).series);
    expect(gate.sessions.size).toBe(1);
  });

  it('[conn.proxy] [op.ack] what the first caller has settled is forgotten behind the middle', async () => {
    const store = memoryStore();
    const forgotten: [string, string, number][] = [];
    const forget = store.forget.bind(store);
    store.forget = (scope, caller, series, upTo) => {
      forgotten.push([caller, series, upTo]);
      return forget(scope, caller, series, upTo);
    };
    const scene = await proxyScene({ far: { store } });
    const { near } = await scene.through();
    const { run } = near.client(Lab);
    for (let count = 0; count < 3; count++) await run(count);
    await scene.clock.advance(1_000);
    const [series] = passed(scene, 'front', 'hello').map(({ message }) => (message as { series: string }).series);
    expect(forgotten.filter(([, of]) => of === series).at(-1)).toEqual(['initiator', series, 3]);
    // Also one that a call carries.
    await run('more');
    await run('and more');
    await scene.settle();
    expect(forgotten.filter(([, of]) => of === series).at(-1)).toEqual(['initiator', series, 4]);
    await scene.clock.advance(1_000);
    expect(forgotten.filter(([, of]) => of === series).at(-1)).toEqual(['initiator', series, 5]);
    expect(forgotten.every(([caller]) => caller === 'initiator')).toBe(true);
  });

  it('[conn.proxy] [liveness.gc] a join needs nobody who holds its connections', async () => {
    const world = makeWorld();
    const { clock, network } = world;
    const far: Connection[] = [];
    await using behind = await listen(network.listener(BACK), {
      clock,
      onConnection: (request) => void far.push(request.accept({ services: [lab()] })),
    });
    await using back = await connect(network.connector(BACK), { clock });
    await using middle = await listen(network.listener(PLACE), {
      clock,
      onConnection: async (request) => {
        const onwards = await back.open();
        const taken = request.accept();
        joinConnections(taken, onwards);
        release(onwards);
        release(taken);
      },
    });
    await using session = await connect(network.connector(PLACE), { clock });
    const near = await session.open();
    const client = near.client(Lab);
    expect(await client.run('joined')).toBe('joined');
    await collectGarbage(undefined, 30);
    expect(await client.run('still joined')).toBe('still joined');
    expect([behind.sessions.size, middle.sessions.size, far[0]?.isConnected]).toEqual([1, 1, true]);
    // And the opener's last release closes it through the middle.
    release(near);
    release(client);
    await far[0]?.closed;
  });

  it('[conn.proxy] [conn.close] a close passes with its reason, and a lost session with one', async () => {
    const world = makeWorld();
    const { clock, network } = world;
    await using behind = await listen(network.listener(BACK), { clock, onConnection: (request) => void request.accept({ services: [lab()] }) });
    await using back = await connect(network.connector(BACK), { clock });
    await using middle = await listen(network.listener(PLACE), {
      clock,
      onConnection: async (request) => {
        const onwards = await back.open();
        joinConnections(request.accept(), onwards);
      },
    });
    const closes = () => world.traffic.filter(({ link, message }) => link.startsWith(BACK) && message.type === 'close').map(({ message }) => message);
    const { limits } = hello();
    const peer = await ScriptedPeer.connect(network, { limits: { ...limits, maxInitialCredit: 65_536 } });
    peer.send(openMessage(1), openMessage(3));
    await peer.next('accept');
    await peer.next('accept');
    peer.send({ type: 'close', connectionId: 3, reason: 'gone fishing' });
    await world.settle();
    expect(closes()).toEqual([{ type: 'close', connectionId: 3, reason: 'gone fishing' }]);
    peer.link.abort(new Error('cut'));
    await world.settle();
    expect(closes()).toEqual([expect.anything(), { type: 'close', connectionId: 1, reason: expect.any(String) as string }]);
    expect([behind.sessions.size, middle.sessions.size, back.status]).toEqual([1, 0, 'connected']);
  });
});

describe('meta.no-propagate', () => {
  const entries: MetadataInput = [
    ['kept', 'a'],
    ['hop', 'b', { noPropagate: true }],
    ['kept', 'c', { sensitive: true }],
    ['hop', 'd', { sensitive: true, noPropagate: true }],
  ];
  const shown = (view: Iterable<{ key: string; value: unknown; sensitive: boolean }>) =>
    Array.from(view, ({ key, value, sensitive }) => [key, value, sensitive]);

  it.each([
    ['near', 'far'],
    ['far', 'near'],
  ] as const)('[meta.no-propagate] is stripped of calls and of responses on their way through, from the %s to the %s end', async (from, to) => {
    const { through } = await proxyScene();
    const seen: unknown[] = [];
    const answer = (input: unknown, call: CallContext<unknown>) => {
      seen.push(shown(call.metadata));
      call.responseMetadata.set('hop', 1, { noPropagate: true });
      call.responseMetadata.set('kept', 2, { sensitive: true });
      return input === 'fail' ? call.fail('no') : input;
    };
    const services = [lab(answer)];
    const connection = await through({ open: { services }, terms: { services } });
    const told: unknown[] = [];
    const { run } = connection[from].client(Lab);
    for (const input of ['returns', 'fail']) {
      await run(input, { metadata: entries, onResponseMetadata: (view) => told.push(shown(view)) }).catch(() => {});
    }
    const kept = [
      ['kept', 'a', false],
      ['kept', 'c', true],
    ];
    expect(seen).toEqual([kept, kept]);
    expect(told).toEqual([[['kept', 2, true]], [['kept', 2, true]]]);
    expect(connection[to].isConnected).toBe(true);
  });

  it('[meta.no-propagate] reaches the peer that it was given to, where nothing is forwarded', async () => {
    const seen = deferred<unknown>();
    const { near } = await (async () => {
      const world = makeWorld();
      const services = [lab((_input, { metadata }) => seen.resolve(shown(metadata)))];
      const server = await listen(world.network.listener(PLACE), {
        clock: world.clock,
        onConnection: (request) => void request.accept({ services }),
      });
      const session = await connect(world.network.connector(PLACE), { clock: world.clock });
      const connection = await session.open();
      await connection.client(Lab).run(1, { metadata: entries });
      await session.close();
      await server.close();
      return { near: connection };
    })();
    expect(await seen.promise).toHaveLength(4);
    expect(near.isConnected).toBe(false);
  });
});
