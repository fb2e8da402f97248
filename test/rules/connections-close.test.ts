/** conn.close: what becomes of the calls, handlers and channels of a virtual connection that either side closes; and conn.closed, whatever ends it. */
import { describe, expect, it } from 'vitest';
import { channel } from 'statewire';
import type { Connection } from 'statewire';
import { connectionPeers, Flow, flowing, otherSide, SIDES } from '../support/connection-peers.ts';
import type { ConnectionEnds, ConnectionPeers, Side } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { ENDS_WITH_LINK, failureOf, gated, isSettled, Lab, lab } from '../support/peers.ts';

leavesNothing();

/** Which end of a connection closes it. */
const CLOSERS = ['opened', 'taken'] as const;

const CLOSED = { kind: 'connection-closed', reason: 'closed' };

describe.each(CLOSERS)('the side that has %s it closes it', (closer) => {
  const other = closer === 'opened' ? 'taken' : 'opened';

  it('[conn.close] [conn.closed] both ends are gone, told by one message; the session and its other connections go on', async () => {
    const peers = await connectionPeers({ server: { services: [lab()] } });
    const ends = await peers.open('initiator');
    const bystander = await peers.open('initiator');
    await ends[closer].close();
    expect(ends[closer].isConnected).toBe(false);
    await ends[other].closed;
    expect(ends[other].isConnected).toBe(false);
    await ends[closer].closed;
    const side: Side = closer === 'opened' ? 'initiator' : 'acceptor';
    await peers.settle();
    const closes = [...peers.sent(side, 'close'), ...peers.sent(otherSide(side), 'close')];
    expect(closes).toEqual([{ type: 'close', connectionId: 1, reason: 'closed' }]);
    expect(await bystander.opened.client(Lab).run('beside')).toBe('beside');
    expect(await peers.session.client(Lab).run('root')).toBe('root');
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
  });

  it('[conn.close] may be told to again, by anybody', async () => {
    const peers = await connectionPeers();
    const ends = await peers.open('acceptor');
    await Promise.all([ends[closer].close(), ends[closer].close(), ends[other].close()]);
    await Promise.all([ends.opened.close(), ends.taken.close()]);
    expect(await (await peers.open('acceptor')).opened.client(Lab).run('next')).toBe('next');
  });

  it.each([
    [
      true,
      {
        run: { kind: 'indeterminate', reason: 'closed', retryable: false },
        persist: { kind: 'indeterminate', reason: 'closed', retryable: false },
        idem: { ...CLOSED, retryable: true },
        unsent: { ...CLOSED, retryable: true },
      },
    ],
    [
      false,
      {
        run: { kind: 'connection-closed', retryable: false },
        persist: { kind: 'connection-closed', retryable: false },
        idem: { kind: 'connection-closed', retryable: true },
        unsent: { kind: 'connection-closed', retryable: true },
      },
    ],
  ] as const)('[conn.close] [outcome.closing] [retry.off] pending calls of both sides are judged (retry: %s)', async (retry, expected) => {
    const peers = await connectionPeers({ server: { retry } });
    const { handler, calls } = gated();
    const terms = { maxConcurrentRequests: 3, services: [lab(handler)] };
    const ends = await peers.open('initiator', terms, terms);
    const pending = [ends.opened, ends.taken].map((connection) => {
      const { run, persist, idem } = connection.client(Lab);
      return { run: run(), persist: persist(), idem: idem(), unsent: run('never sent') };
    });
    const failing = pending.map(({ run, persist, idem, unsent }) => Promise.all([run, persist, idem, unsent].map(failureOf)));
    await peers.settle();
    expect(calls).toHaveLength(6);
    void ends[closer].close();
    for (const failures of failing) {
      const [run, persist, idem, unsent] = await failures;
      expect({ run, persist, idem, unsent }).toMatchObject(expected);
    }
    expect(await failureOf(ends.opened.client(Lab).run())).toMatchObject({ ...CLOSED, retryable: true });
    for (const gate of calls) gate.resolve('late');
    await peers.settle();
  });

  it('[conn.close] [retry.disposition] inbound calls: what runs is aborted and released, persist runs on and seals', async () => {
    const peers = await connectionPeers();
    const { handler, calls } = gated();
    const { opened, taken } = await peers.open('initiator', {}, { services: [lab(handler)] });
    const { run, idem, persist } = opened.client(Lab);
    const failing = [run(1, { operationId: 'v' }), idem(1, { operationId: 'i' }), persist(1, { operationId: 'p' })].map(failureOf);
    await peers.settle();
    void { opened, taken }[closer].close();
    await Promise.all([...failing, taken.closed]);
    expect(calls.map(({ call }) => call.signal.aborted)).toEqual([true, true, false]);
    calls[2]?.resolve('sealed');
    await peers.settle();

    const later = (await peers.open('initiator', {}, { services: [lab(() => 'again')] })).opened.client(Lab);
    expect(await failureOf(later.run(1, { operationId: 'v' }))).toMatchObject({ kind: 'indeterminate', reason: 'released' });
    expect(await later.idem(1, { operationId: 'i' })).toBe('again');
    expect(await later.persist(1, { operationId: 'p' })).toBe('sealed');
  });

  it('[conn.close] [cancel.callee] an operation that another connection waits for is run on for it', async () => {
    const { handler, calls } = gated();
    const peers = await connectionPeers({ server: { services: [lab(handler)] } });
    const ends = await peers.open('initiator', {}, { services: [lab(handler)] });
    const owner = failureOf(ends.opened.client(Lab).run(1, { operationId: 'shared' }));
    await peers.settle();
    const waiter = peers.session.client(Lab).run(1, { operationId: 'shared' });
    await peers.settle();
    await ends[closer].close();
    expect((await owner).kind).toBe('indeterminate');
    await peers.settle();
    expect([calls.length, calls[0]?.call.signal.aborted]).toEqual([1, false]);
    calls[0]?.resolve('for the waiter');
    expect(await waiter).toBe('for the waiter');
  });

  it('[conn.close] [conn.closed] [credit.wake] whoever waits on one of its channels wakes', async () => {
    const peers = await connectionPeers();
    const { service, taking, giving } = flowing();
    const ends = await peers.open('initiator', {}, { services: [service] });
    const client = ends.opened.client(Flow);
    const [starved, itsRx] = channel({ credit: 0 });
    const [, silentRx] = channel();
    const [starvedTx] = channel({ credit: 0 });
    const [silentTx, rx] = channel();
    const calls = [
      client.take({ items: itsRx }),
      client.take({ items: silentRx }),
      client.give({ items: starvedTx }),
      client.give({ items: silentTx }),
    ];
    const failing = calls.map(failureOf);
    await peers.settle();
    const waiting = [starved.send('x'), taking[1]?.items.recv(), giving[0]?.items.send('x'), rx.recv()] as Promise<unknown>[];
    const outcomes = waiting.map(failureOf);
    await peers.settle();
    expect(await Promise.all(waiting.map(isSettled))).toEqual([false, false, false, false]);
    await ends[closer].close();
    for (const { kind } of await Promise.all(outcomes)) expect(['connection-closed', 'channel-reset']).toContain(kind);
    for (const { kind } of await Promise.all(failing)) expect(kind).toBe('indeterminate');
  });

  it('[conn.close] [conn.closed] channels whose call has long returned are lost too', async () => {
    const peers = await connectionPeers();
    const { service, taking, giving } = flowing();
    const ends = await peers.open('initiator', {}, { services: [service] });
    const client = ends.opened.client(Flow);
    const [tx, theirRx] = channel({ credit: 1 });
    const [theirTx, rx] = channel({ credit: 1 });
    const calls = [client.take({ items: theirRx }), client.give({ items: theirTx })];
    await peers.settle();
    for (const { gate } of [...taking, ...giving]) gate.resolve('returned');
    await Promise.all(calls);
    await Promise.all([tx.send('credit is spent'), giving[0]?.items.send('credit is spent')]);
    await ends[closer].close();
    await ends[other].closed;
    for (const end of [tx, giving[0]?.items]) {
      expect(await failureOf(end?.send('more') as Promise<void>)).toMatchObject(CLOSED);
      expect(end?.status).toBe('lost');
    }
    for (const end of [rx, taking[0]?.items]) {
      // Whether what had come before can still be read is the channel's matter; that a cut stream never looks complete is the rule.
      const read = async () => {
        for await (const item of end ?? []) expect(item).toBe('credit is spent');
      };
      expect(await failureOf(read())).toMatchObject(CLOSED);
      expect(end?.status).toBe('lost');
    }
  });
});

describe('conn.close', () => {
  it('[conn.close] closing the root is refused, on either side, and harms nobody', async () => {
    const { session, accepted } = await connectionPeers({ server: { services: [lab()] } });
    for (const { root } of [session, accepted]) await expect(root.close()).rejects.toThrow(/root/);
    expect(await session.client(Lab).run('still there')).toBe('still there');
  });

  it('[conn.close] both sides may close at the same moment', async () => {
    const peers = await connectionPeers();
    const { opened, taken } = await peers.open('initiator');
    peers.network.hold();
    const closing = [opened.close(), taken.close()];
    await peers.settle();
    peers.network.release();
    await Promise.all([...closing, opened.closed, taken.closed]);
    await peers.settle();
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
    expect(peers.sent('acceptor', 'protocol-error')).toEqual([]);
  });

  it('[conn.close] [conn.unknown] what crosses a close is dropped, and counted', async () => {
    const peers = await connectionPeers();
    const { opened, taken } = await peers.open('initiator', { services: [lab()] });
    peers.network.hold();
    const failing = [opened, taken].map((connection) => failureOf(connection.client(Lab).run()));
    await peers.settle();
    void opened.close();
    await peers.settle();
    peers.network.release();
    expect((await Promise.all(failing)).map(({ kind }) => kind)).toEqual(['indeterminate', 'indeterminate']);
    await peers.settle();
    expect(peers.session.counters.lateMessages).toBeGreaterThan(0);
    expect(peers.session.status).toBe('connected');
  });

  it('[conn.close] a handler may close the connection that it was called on', async () => {
    const peers = await connectionPeers();
    const taken: Connection[] = [];
    const service = lab(async (_input, { signal }) => {
      await taken[0]?.close();
      return signal.aborted;
    });
    const ends = await peers.open('initiator', {}, { services: [service] });
    taken.push(ends.taken);
    expect(await failureOf(ends.opened.client(Lab).run())).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    await ends.opened.closed;
    expect(peers.handlerErrors).toEqual([]);
  });

  it('[conn.close] a handler of it cannot call back any more', async () => {
    const peers = await connectionPeers();
    const { handler, calls } = gated();
    const { opened, taken } = await peers.open('initiator', { services: [lab()] }, { services: [lab(handler)] });
    const failing = failureOf(opened.client(Lab).persist());
    await peers.settle();
    await taken.close();
    await failing;
    expect(await failureOf(calls[0]?.call.client(Lab).run() as Promise<unknown>)).toMatchObject(CLOSED);
    calls[0]?.resolve('sealed');
    await peers.settle();
  });
});

describe('conn.closed', () => {
  type End = (peers: ConnectionPeers, ends: ConnectionEnds) => unknown;

  const ENDS: [string, End][] = [
    ['it is closed by its opener', (_peers, { opened }) => opened.close()],
    ['it is closed by its taker', (_peers, { taken }) => taken.close()],
    ['the initiator closes the session', ({ session }) => session.close()],
    ['the acceptor closes the session', ({ accepted }) => accepted.close()],
    ['the server closes', ({ server }) => server.close()],
    ['the session ends with its link', ({ network }) => network.cut()],
  ];

  it.each(SIDES.flatMap((by) => ENDS.map(([what, end]) => [what, by, end] as const)))(
    '[conn.closed] where %s, `closed` settles, `isConnected` turns false and nobody waits any more (opened by the %s)',
    async (_what, by, end) => {
      const peers = await connectionPeers({ client: ENDS_WITH_LINK });
      const flows = { opener: flowing(), taker: flowing() };
      const ends = await peers.open(by, { services: [flows.opener.service] }, { services: [flows.taker.service] });
      const waiting: Promise<unknown>[] = [];
      for (const connection of [ends.opened, ends.taken]) {
        const client = connection.client(Flow);
        const [tx, theirRx] = channel({ credit: 0 });
        const [theirTx, rx] = channel({ credit: 16 });
        const read = async () => {
          for await (const _ of rx);
        };
        waiting.push(client.take({ items: theirRx }), client.give({ items: theirTx }), tx.send('no credit'), read());
      }
      const outcomes = waiting.map(failureOf);
      await peers.settle();
      const served = [...flows.opener.taking, ...flows.opener.giving, ...flows.taker.taking, ...flows.taker.giving];
      expect([served.length, await isSettled(Promise.race(waiting))]).toEqual([4, false]);
      await end(peers, ends);
      await Promise.all([ends.opened.closed, ends.taken.closed]);
      expect([ends.opened.isConnected, ends.taken.isConnected]).toEqual([false, false]);
      for (const { kind } of await Promise.all(outcomes)) expect(['indeterminate', 'connection-closed', 'channel-reset']).toContain(kind);
      expect(served.map(({ signal }) => signal.aborted)).toEqual([true, true, true, true]);
    },
  );
});
