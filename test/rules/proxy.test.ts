/** conn.proxy: whatever may be said on a connection passes through a middle, both ways, and so does its end. On memory and on real sockets. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { channel } from 'statewire';
import { Flow, flowing } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, gated, isSettled, Lab, lab } from '../support/peers.ts';
import type { LabHandler } from '../support/peers.ts';
import { proxyScene } from '../support/proxy-peers.ts';
import type { Medium, ProxiedConnection, ProxyScene } from '../support/proxy-peers.ts';

leavesNothing();

/** Turns of the event loop until something holds; on a memory network a few are always enough. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}

describe.each<Medium>(['memory', 'tcp'])('over %s', (medium) => {
  /** What one end asks of the other, either way. */
  const DIRECTIONS = [
    ['near', 'far'],
    ['far', 'near'],
  ] as const;

  it.each([
    ['client', 'odd'],
    ['client', 'even'],
    ['server', 'odd'],
    ['server', 'even'],
  ] as const)('[conn.proxy] calls pass both ways: opened by the %s, whose ids are %s', async (by, parity) => {
    const { through } = await proxyScene({ medium });
    const seen: unknown[] = [];
    const handler: LabHandler = (input, { requestId, metadata }) => {
      seen.push([requestId % 2 === 1, metadata.get('trace')]);
      return [input];
    };
    const { near, far } = await through({ by, open: { parity, services: [lab(handler)] }, terms: { services: [lab(handler)] } });
    const value = { when: new Date(7), big: 2n ** 60n, bytes: new Uint8Array([1, 2]), map: new Map([['a', new Set([1])]]) };
    for (const end of [near, far]) expect(await end.client(Lab).run(value, { metadata: { trace: 't' } })).toEqual([value]);
    const nearIsOdd = (by === 'client') === (parity === 'odd');
    expect(seen).toEqual([
      [nearIsOdd, 't'],
      [!nearIsOdd, 't'],
    ]);
    expect(await Promise.all(Array.from({ length: 500 }, (_, index) => near.client(Lab).idem(index)))).toEqual(
      Array.from({ length: 500 }, (_, index) => [index]),
    );
  });

  it.each(DIRECTIONS)('[conn.proxy] so do failures of every kind, from the %s to the %s end', async (from, to) => {
    const { through } = await proxyScene({ medium });
    const service = lab({
      run: (_input, call) => call.fail({ code: 7, at: new Date(1) }),
      idem: () => {
        throw new Error('private');
      },
      persist: () => () => {},
    });
    const connection = await through({ open: { services: [service] }, terms: { services: [service] } });
    expect(connection[to].isConnected).toBe(true);
    const client = connection[from].client(Lab);
    expect(await failureOf(client.run())).toMatchObject({ kind: 'user', data: { code: 7, at: new Date(1) } });
    expect(await failureOf(client.idem())).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(await failureOf(client.persist())).toMatchObject({ kind: 'indeterminate', reason: 'handler-failed' });
    expect(await failureOf(connection[from].client(Flow).take({ items: channel()[1] }))).toMatchObject({ kind: 'unknown-method' });
  });

  it.each(DIRECTIONS)('[conn.proxy] cancels pass, from the %s to the %s end', async (from, to) => {
    const { through } = await proxyScene({ medium });
    const { handler, calls } = gated();
    const services = [lab({ run: handler })];
    const connection = await through({ open: { services }, terms: { services } });
    const given = new AbortController();
    const failing = failureOf(connection[from].client(Lab).run(1, { signal: given.signal }));
    await until(() => calls.length === 1);
    given.abort();
    expect(await failing).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
    await until(() => calls[0]?.call.signal.aborted === true);
    expect(await connection[from].client(Lab).idem('next')).toBe('next');
    expect(connection[to].isConnected).toBe(true);
  });

  it.each(DIRECTIONS)('[conn.proxy] [channel.order] [credit.spend] channels pass with their credit, from the %s to the %s end', async (from, to) => {
    const { through } = await proxyScene({ medium });
    const flow = flowing();
    const connection = await through({ open: { services: [flow.service] }, terms: { services: [flow.service] } });
    const client = connection[from].client(Flow);
    const [tx, theirRx] = channel<unknown>({ credit: 2 });
    const [theirTx, rx] = channel<unknown>({ credit: 2 });
    const calls = [client.take({ items: theirRx }), client.give({ items: theirTx })];
    await until(() => flow.taking.length + flow.giving.length === 2);
    const ends = { there: flow.taking[0]?.items, back: flow.giving[0]?.items };

    for (const [sender, receiver] of [
      [tx, ends.there],
      [ends.back, rx],
    ] as const) {
      await Promise.all([sender?.send(0), sender?.send(1)]);
      const starved = sender?.send(2) as Promise<void>;
      expect([await isSettled(starved), sender?.status]).toEqual([false, 'starved']);
      const received: unknown[] = [];
      const sending = (async () => {
        await starved;
        for (let number = 3; number < 100; number++) await sender?.send(number);
        sender?.close();
      })();
      for await (const item of receiver ?? []) received.push(item);
      await sending;
      expect(received).toEqual(Array.from({ length: 100 }, (_, number) => number));
    }
    for (const { gate } of [...flow.taking, ...flow.giving]) gate.resolve('done');
    expect(await Promise.all(calls)).toEqual(['done', 'done']);
    expect(connection[to].isConnected).toBe(true);
  });

  it.each(DIRECTIONS)('[conn.proxy] [channel.reset] a reset passes with its reason, from the %s to the %s end', async (from, to) => {
    const { through } = await proxyScene({ medium });
    const flow = flowing();
    const connection = await through({ open: { services: [flow.service] }, terms: { services: [flow.service] } });
    const client = connection[from].client(Flow);
    const [tx, theirRx] = channel<unknown>({ credit: 0 });
    const [theirTx, rx] = channel<unknown>();
    const calls = [client.take({ items: theirRx }), client.give({ items: theirTx })];
    await until(() => flow.taking.length + flow.giving.length === 2);
    const outcomes = [failureOf(tx.send('waits')), failureOf(rx.recv())];
    flow.taking[0]?.items.reset('enough');
    flow.giving[0]?.items.reset('broken');
    expect(await Promise.all(outcomes)).toMatchObject([
      { kind: 'channel-reset', reason: 'enough' },
      { kind: 'channel-reset', reason: 'broken' },
    ]);
    for (const { gate } of [...flow.taking, ...flow.giving]) gate.resolve('done');
    await Promise.all(calls);
    expect(connection[to].isConnected).toBe(true);
  });

  it('[conn.proxy] [op.attach] [op.replay] one operation id is one operation behind the middle', async () => {
    const { through } = await proxyScene({ medium });
    const { handler, calls } = gated();
    const services = [lab(handler)];
    const [one, other] = [await through({ terms: { services } }), await through({ terms: { services } })];
    const pending = [one, other].map(({ near }) => near.client(Lab).run('x', { operationId: 'order-1' }));
    await until(() => calls.length === 1);
    calls[0]?.resolve('once');
    expect(await Promise.all(pending)).toEqual(['once', 'once']);
    expect(await other.near.client(Lab).run('x', { operationId: 'order-1' })).toBe('once');
    expect(await failureOf(one.near.client(Lab).run('y', { operationId: 'order-1' }))).toMatchObject({ kind: 'invalid-payload' });
    expect(calls).toHaveLength(1);
  });

  it('[conn.proxy] [op.id] the numbers of two callers are two series, also through one middle', async () => {
    const { through, dial, far } = await proxyScene({ medium });
    const services = [lab((input) => input)];
    const second = await dial();
    const [one, other] = [await through({ terms: { services } }), await through({ terms: { services }, client: second })];
    for (let number = 0; number < 5; number++) {
      expect(await one.near.client(Lab).run(`one ${number}`)).toBe(`one ${number}`);
      expect(await other.near.client(Lab).run(`other ${number}`)).toBe(`other ${number}`);
    }
    expect(far.counters).toMatchObject({ started: 10, attached: 0, replayed: 0 });
  });

  describe('the end', () => {
    type End = (connection: ProxiedConnection, scene: ProxyScene) => unknown;
    const ENDS: [string, End][] = [
      ['the client closes it', ({ near }) => near.close()],
      ['the server closes it', ({ far }) => far.close()],
      ['the middle closes its front', ({ front }) => front.close()],
      ['the middle closes its back', ({ back }) => back.close()],
      ['the client closes its session', (_connection, { near }) => near.close()],
      ['the server closes its session', (_connection, { far }) => far.close()],
      ['the middle closes its front session', (_connection, { front }) => front.close()],
      ['the middle closes its back session', (_connection, { back }) => back.close()],
    ];

    it.each(ENDS)('[conn.proxy] [conn.close] when %s, all of it is gone, and what waits for it wakes', async (_what, end) => {
      const scene = await proxyScene({ medium });
      const { handler, calls } = gated();
      const flow = flowing();
      const services = [lab(handler), flow.service];
      const connection = await scene.through({ open: { services }, terms: { services } });
      const pending = [connection.near, connection.far].flatMap((one) => [one.client(Lab).run(), one.client(Lab).idem()]);
      const [tx, theirRx] = channel({ credit: 0 });
      const flows = [connection.near.client(Flow).take({ items: theirRx }), tx.send('waits')];
      const failures = [...pending, ...flows].map(failureOf);
      await until(() => calls.length === 4 && flow.taking.length === 1);
      await end(connection, scene);
      await Promise.all([connection.near.closed, connection.front.closed, connection.back.closed, connection.far.closed]);
      const kinds = (await Promise.all(failures)).map(({ kind }) => kind);
      expect(kinds.slice(0, 5)).toEqual(['indeterminate', 'connection-closed', 'indeterminate', 'connection-closed', 'indeterminate']);
      expect(calls.map(({ call }) => call.signal.aborted)).toEqual([true, true, true, true]);
    });

    it('[conn.proxy] [outcome.scope] the sessions and their other connections go on', async () => {
      const scene = await proxyScene({ medium, far: { services: [lab()] } });
      const [gone, stays] = [await scene.through(), await scene.through()];
      await gone.near.close();
      await gone.far.closed;
      expect(await stays.near.client(Lab).run('beside')).toBe('beside');
      expect(await scene.back.client(Lab).run('root')).toBe('root');
      expect([scene.near, scene.front, scene.back, scene.far].map(({ status }) => status)).toEqual(Array(4).fill('connected'));
    });
  });
});
