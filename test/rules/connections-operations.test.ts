/** Operations where a session has several connections: one owner per id across all of them, one series for all, one record. */
import { describe, expect, it } from 'vitest';
import { connectionPeers, SIDES } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, gated, lab, Lab } from '../support/peers.ts';

leavesNothing();

describe.each(SIDES)('connections that the %s opened', (by) => {
  it('[op.admit] [op.attach] one string id is one operation on all of them, and on the root', async () => {
    const { handler, calls } = gated();
    const services = [lab(handler)];
    const peers = await connectionPeers({ server: { services }, client: { services } });
    const [one, other] = [await peers.open(by, {}, { services }), await peers.open(by, {}, { services })];
    const clients = [one.opened, other.opened, peers.sessionOf(by)].map((connection) => connection.client(Lab));
    const pending = clients.map(({ run }) => run('same', { operationId: 'order' }));
    await peers.settle();
    expect(calls).toHaveLength(1);
    calls[0]?.resolve('once');
    expect(await Promise.all(pending)).toEqual(['once', 'once', 'once']);
    for (const { run } of clients) expect(await run('same', { operationId: 'order' })).toBe('once');
    for (const { run } of clients) expect(await failureOf(run('other', { operationId: 'order' }))).toMatchObject({ kind: 'invalid-payload' });
  });

  it('[op.id] their calls are numbered by one series, so that no two are the same', async () => {
    const services = [lab()];
    const peers = await connectionPeers({ server: { services }, client: { services } });
    const [one, other] = [await peers.open(by, {}, { services }), await peers.open(by, {}, { services })];
    const clients = [one.opened, peers.sessionOf(by), other.opened].map((connection) => connection.client(Lab));
    for (const { run } of [...clients, ...clients]) await run();
    expect(peers.sent(by, 'call').map(({ operationId }) => operationId)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('[op.ack] what was settled on any of them is acknowledged, also for one that is closed by then', async () => {
    const peers = await connectionPeers();
    const [one, other] = [await peers.open(by), await peers.open(by)];
    await one.opened.client(Lab).run();
    await other.opened.client(Lab).run();
    await one.opened.close();
    await peers.clock.advance(1_000);
    expect(peers.sent(by, 'ack').at(-1)).toMatchObject({ upTo: 2 });
    await other.opened.client(Lab).run();
    await peers.clock.advance(1_000);
    expect(peers.sent(by, 'ack').at(-1)).toMatchObject({ upTo: 3 });
  });

  it('[op.ack] [conn.close] a call whose connection was closed under it is settled for its caller, and acknowledged', async () => {
    const peers = await connectionPeers();
    const { handler, calls } = gated();
    const { opened } = await peers.open(by, {}, { services: [lab(handler)] });
    const failing = failureOf(opened.client(Lab).persist());
    await peers.settle();
    await opened.close();
    expect((await failing).kind).toBe('indeterminate');
    await peers.clock.advance(1_000);
    expect(peers.sent(by, 'ack').at(-1)).toMatchObject({ upTo: 1 });
    calls[0]?.resolve('sealed for nobody');
    await peers.settle();
  });
});
