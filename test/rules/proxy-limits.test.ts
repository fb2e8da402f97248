/** conn.proxy where the two sides take different amounts, where the middle drains, and where whole sessions are joined by their roots. */
import { describe, expect, it } from 'vitest';
import { channel, connect, joinConnections, listen } from 'statewire';
import type { Session } from 'statewire';
import { Flow, flowing } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { deferred, failureOf, gated, isSettled, Lab, lab, makeWorld, PLACE } from '../support/peers.ts';
import { BACK, proxyScene } from '../support/proxy-peers.ts';

leavesNothing();

const SMALL = 64 * 1024;
const TOO_LARGE = 'x'.repeat(SMALL + 1);

describe('what is too large for the other side of the middle', () => {
  it('[conn.proxy] [link.limit] a call is refused, did not run, and what it passed is reset', async () => {
    const flow = flowing();
    const { through, near, back } = await proxyScene({ far: { maxPayload: SMALL } });
    const connection = await through({ terms: { services: [lab(), flow.service] } });
    const { run } = connection.near.client(Lab);
    expect(await failureOf(run(TOO_LARGE))).toMatchObject({ kind: 'invalid-payload' });
    const [tx, theirRx] = channel<unknown>();
    const [theirTx, rx] = channel<unknown>();
    const input = { items: theirRx, other: theirTx, ballast: TOO_LARGE };
    expect(await failureOf(connection.near.client(Flow).take(input))).toMatchObject({ kind: 'invalid-payload' });
    expect(await failureOf(rx.recv())).toMatchObject({ kind: 'channel-reset' });
    expect(await failureOf(tx.send('late'))).toMatchObject({ kind: 'channel-reset' });
    expect(await run('fits')).toBe('fits');
    expect([flow.taking, near.status, back.status]).toEqual([[], 'connected', 'connected']);
  });

  it('[conn.proxy] [link.limit] [attempt.one-response] a result counts as a throw', async () => {
    const services = [lab((input) => (input === 'much' ? TOO_LARGE : input))];
    const { through, near, back } = await proxyScene({ near: { maxPayload: SMALL } });
    const connection = await through({ terms: { services } });
    const { run, idem } = connection.near.client(Lab);
    for (const method of [run, idem]) expect(['cancelled', 'indeterminate']).toContain((await failureOf(method('much'))).kind);
    expect(await run('little')).toBe('little');
    expect([near.status, back.status]).toEqual(['connected', 'connected']);
  });

  it.each([
    ['near', { far: { maxPayload: SMALL } }],
    ['far', { near: { maxPayload: SMALL } }],
  ] as const)('[conn.proxy] [link.limit] [channel.order] an item from the %s end resets its channel at both', async (from, limits) => {
    const flow = flowing();
    const { through, near, back, settle } = await proxyScene(limits);
    const connection = await through({ open: { services: [flow.service] }, terms: { services: [flow.service] } });
    const [tx, theirRx] = channel<unknown>();
    const call = connection[from].client(Flow).take({ items: theirRx });
    await settle();
    await tx.send('fits');
    await tx.send(TOO_LARGE);
    await settle();
    const receiver = flow.taking[0]?.items;
    const received: unknown[] = [];
    const read = async () => {
      for await (const item of receiver ?? []) received.push(item);
    };
    expect(await failureOf(read())).toMatchObject({ kind: 'channel-reset' });
    expect(received).toEqual(['fits']);
    expect(await failureOf(tx.send('late'))).toMatchObject({ kind: 'channel-reset' });
    flow.taking[0]?.gate.resolve('done');
    expect(await call).toBe('done');
    expect([near.status, back.status]).toEqual(['connected', 'connected']);
  });
});

describe('a middle that drains', () => {
  it.each([
    ['front', 'near'],
    ['front', 'far'],
    ['back', 'near'],
    ['back', 'far'],
  ] as const)('[conn.proxy] [session.drain] its %s session waits for a call that passes through, of the %s end', async (session, from) => {
    const { handler, calls } = gated();
    const services = [lab(handler)];
    const scene = await proxyScene();
    const connection = await scene.through({ open: { services }, terms: { services } });
    const pending = connection[from].client(Lab).run();
    await scene.settle();
    const closing = scene[session].close({ graceMs: 5_000 });
    await scene.clock.advance(4_000);
    expect(await isSettled(closing)).toBe(false);
    calls[0]?.resolve('in time');
    expect(await pending).toBe('in time');
    await closing;
    expect(scene.clock.now()).toBe(4_000);
    await Promise.all([connection.near.closed, connection.far.closed]);
  });

  it('[conn.proxy] [session.drain] waits no longer than its grace, and the call is judged', async () => {
    const { handler, calls } = gated();
    const scene = await proxyScene();
    const connection = await scene.through({ terms: { services: [lab(handler)] } });
    const failing = failureOf(connection.near.client(Lab).run());
    await scene.settle();
    const closing = scene.back.close({ graceMs: 5_000 });
    await scene.clock.advance(5_000);
    await closing;
    expect(await failing).toMatchObject({ kind: 'indeterminate' });
    await connection.far.closed;
    expect(calls[0]?.call.signal.aborted).toBe(true);
  });
});

describe('roots', () => {
  /** A middle that joins the root of each client to the root of a session of its own with the server. */
  async function joinRoots() {
    const { clock, network, settle } = makeWorld();
    const services = [lab()];
    const behind = await listen(network.listener(BACK), { clock, services });
    const back = await connect(network.connector(BACK), { clock });
    const front = deferred<Session>();
    const onSession = (session: Session) => {
      joinConnections(session.root, back.root);
      front.resolve(session);
    };
    const middle = await listen(network.listener(PLACE), { clock, onSession });
    const session = await connect(network.connector(PLACE), { clock, services });
    const far = [...behind.sessions.values()][0] as Session;
    const end = async () => {
      await session.close();
      await middle.close();
      await behind.close();
      await back.closed;
    };
    return { session, front: await front.promise, back, far, settle, end };
  }

  it('[conn.proxy] may be joined before they have carried anything', async () => {
    const { session, far, end } = await joinRoots();
    expect(await session.client(Lab).run('to the server')).toBe('to the server');
    expect(await far.client(Lab).run('to the client')).toBe('to the client');
    await end();
  });

  it.each(['session', 'front', 'back', 'far'] as const)('[conn.proxy] end together: %s is closed first', async (first) => {
    const scene = await joinRoots();
    expect(await scene.session.client(Lab).run('joined')).toBe('joined');
    await scene[first].close();
    await Promise.all([scene.session.closed, scene.front.closed, scene.back.closed, scene.far.closed]);
    await scene.end();
  });
});
