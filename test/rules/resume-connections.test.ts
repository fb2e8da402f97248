/** Virtual connections over lost links: what is open stays, what was said just before a loss is said again or was heard (session.outlives-link, conn.*). */
import { describe, expect, it } from 'vitest';
import { channel, defineService, implement, method } from 'statewire';
import type { Connection, ConnectionRequest, Rx } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, gated, isSettled, lab, Lab } from '../support/peers.ts';
import { resumePeers, SIDES } from '../support/resume-peers.ts';

leavesNothing();

/** Both take every connection; what they took, in order, and the gates of its runs. */
async function scene(take?: (request: ConnectionRequest) => void) {
  const { handler, calls } = gated();
  const taken: Connection[] = [];
  const onConnection = take ?? ((request: ConnectionRequest) => void taken.push(request.accept({ services: [lab(handler)] })));
  const peers = await resumePeers({ client: { onConnection }, server: { onConnection } });
  return { peers, taken, runs: calls };
}

describe.each(SIDES)('[session.outlives-link] a connection that the %s opened', (side) => {
  it('[session.outlives-link] goes on: same id, same objects, and calls on it both ways', async () => {
    const { peers, taken, runs } = await scene();
    const { handler, calls } = gated();
    const connection = await peers.sessionOf(side).open({ services: [lab(handler)] });
    const { id } = connection;
    const outcomes = [connection.client(Lab).run('over'), taken[0]?.client(Lab).run('back')];
    await peers.settle();
    await peers.blink(2);
    expect([connection.isConnected, taken[0]?.isConnected, connection.id, taken.length]).toEqual([true, true, id, 1]);
    runs[0]?.resolve(1);
    calls[0]?.resolve(2);
    expect(await Promise.all(outcomes)).toEqual([1, 2]);
    expect([runs.length, calls.length]).toEqual([1, 1]);
    const more = connection.client(Lab).run('after');
    await peers.settle();
    runs[1]?.resolve(3);
    expect(await more).toBe(3);
  });

  it('[session.outlives-link] whose open was lost with the link is opened on the next one, once', async () => {
    const { peers, taken, runs } = await scene();
    peers.network.hold();
    const opening = peers.sessionOf(side).open({ metadata: { who: 'me' } });
    await peers.settle();
    await peers.cut();
    peers.network.release();
    expect(await isSettled(opening)).toBe(false);
    await peers.comeBack();
    const connection = await opening;
    expect(taken).toHaveLength(1);
    const outcome = connection.client(Lab).run('x');
    await peers.settle();
    runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
  });

  it('[session.outlives-link] that was opened without a link waits for one', async () => {
    const { peers, taken } = await scene();
    await peers.cut();
    const opening = peers.sessionOf(side).open();
    expect(await isSettled(opening)).toBe(false);
    await peers.comeBack();
    expect((await opening).isConnected).toBe(true);
    expect(taken).toHaveLength(1);
  });

  it('[session.outlives-link] whose accept was lost with the link is accepted once, and its two ends are one connection', async () => {
    const { peers, taken, runs } = await scene();
    const untap = peers.network.tap(({ message }) => {
      if (message.type !== 'accept') return;
      untap();
      peers.network.cut();
    });
    const opening = peers.sessionOf(side).open();
    await peers.settle();
    expect([taken.length, await isSettled(opening)]).toEqual([1, false]);
    await peers.comeBack();
    const connection = await opening;
    expect([taken.length, taken[0]?.id, taken[0]?.isConnected]).toEqual([1, connection.id, true]);
    const outcome = connection.client(Lab).run('x');
    await peers.settle();
    runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
  });

  it('[session.outlives-link] whose reject was lost with the link is rejected all the same', async () => {
    let asked = 0;
    const { peers } = await scene((request) => {
      asked++;
      request.reject('not you');
    });
    const untap = peers.network.tap(({ message }) => {
      if (message.type !== 'reject') return;
      untap();
      peers.network.cut();
    });
    const failure = failureOf(peers.sessionOf(side).open());
    await peers.settle();
    await peers.comeBack();
    expect(await failure).toMatchObject({ kind: 'rejected' });
    expect(asked).toBe(1);
    expect([peers.session.counters.protocolErrors, peers.accepted.counters.protocolErrors]).toEqual([0, 0]);
  });

  it('[conn.open] one that is being decided when the link goes is decided once, and told on the next link', async () => {
    const pending: ConnectionRequest[] = [];
    let decide: () => void = () => {};
    const { peers } = await scene((request) => {
      pending.push(request);
      return new Promise<void>((resolve) => {
        decide = () => {
          request.accept({ services: [lab()] });
          resolve();
        };
      }) as never;
    });
    const opening = peers.sessionOf(side).open();
    await peers.settle();
    await peers.cut();
    decide();
    await peers.comeBack();
    const connection = await opening;
    expect(pending).toHaveLength(1);
    expect(await connection.client(Lab).run('x')).toBe('x');
  });

  it.each(['opener', 'taker'] as const)(
    '[conn.close] whose close by the %s was lost with the link is closed on both sides after it',
    async (closer) => {
      const { peers, taken } = await scene();
      const connection = await peers.sessionOf(side).open();
      const [mine, theirs] = closer === 'opener' ? [connection, taken[0]!] : [taken[0]!, connection];
      peers.network.hold();
      void mine.close();
      await peers.settle();
      await peers.cut();
      peers.network.release();
      expect(theirs.isConnected).toBe(true);
      await peers.comeBack();
      await theirs.closed;
      await mine.closed;
      expect([mine.isConnected, theirs.isConnected]).toEqual([false, false]);
      expect([peers.session.counters.protocolErrors, peers.accepted.counters.protocolErrors]).toEqual([0, 0]);
    },
  );

  it.each(['opener', 'taker'] as const)('[conn.close] that the %s closes without a link is closed on both sides after it', async (closer) => {
    const { peers, taken, runs } = await scene();
    const connection = await peers.sessionOf(side).open();
    const failure = failureOf(connection.client(Lab).run('x'));
    await peers.settle();
    const [mine, theirs] = closer === 'opener' ? [connection, taken[0]!] : [taken[0]!, connection];
    await peers.cut();
    await mine.close();
    expect([mine.isConnected, theirs.isConnected]).toEqual([false, true]);
    await peers.comeBack();
    await theirs.closed;
    expect(await failure).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    expect(runs[0]?.call.signal.aborted).toBe(true);
    // The id is over, and the next one is another.
    const next = await peers.sessionOf(side).open();
    expect(next.id).not.toBe(connection.id);
    expect(next.isConnected).toBe(true);
  });

  it('[conn.close] closed by both without a link: neither is a protocol error', async () => {
    const { peers, taken } = await scene();
    const connection = await peers.sessionOf(side).open();
    await peers.cut();
    await Promise.all([connection.close(), taken[0]?.close()]);
    await peers.comeBack();
    await peers.blink(2);
    expect([peers.session.counters.protocolErrors, peers.accepted.counters.protocolErrors]).toEqual([0, 0]);
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
  });

  it('[conn.close] closes are said again after a loss, but not all that there ever were', async () => {
    const { peers } = await scene();
    for (let count = 0; count < 300; count++) {
      const connection = await peers.sessionOf(side).open();
      await connection.close();
    }
    await peers.settle();
    await peers.blink();
    const again = peers.saidOnLastLink(side).filter((type) => type === 'close').length;
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThan(150);
    expect([peers.session.counters.protocolErrors, peers.accepted.counters.protocolErrors]).toEqual([0, 0]);
  });

  it('[conn.limit] counts what is open over a resume: the limit holds, and a place that was freed without a link is free', async () => {
    const { handler } = gated();
    const onConnection = (request: ConnectionRequest) => void request.accept({ services: [lab(handler)] });
    const limited = { maxConnections: 2, onConnection };
    const peers = await resumePeers({ client: limited, server: limited });
    const [first] = [await peers.sessionOf(side).open(), await peers.sessionOf(side).open()];
    await peers.blink();
    expect(await failureOf(peers.sessionOf(side).open())).toMatchObject({ kind: 'rejected' });
    await peers.cut();
    await first?.close();
    const opening = peers.sessionOf(side).open();
    await peers.comeBack();
    expect((await opening).isConnected).toBe(true);
  });

  it('[resume.rebind] channels of idem calls on it are bound anew, on it', async () => {
    const Sum = defineService('Sum', { sum: method<{ items: Rx<number> }, number>({ idem: true }) });
    const summing = implement(Sum, {
      async sum({ items }) {
        let total = 0;
        for await (const item of items) total += item;
        return total;
      },
    });
    const { peers } = await scene((request) => void request.accept({ services: [summing] }));
    const connection = await peers.sessionOf(side).open();
    const [tx, rx] = channel<number>();
    const total = connection.client(Sum).sum({ items: rx });
    await tx.send(1);
    await peers.settle();
    await peers.blink();
    await expect(tx.send(2)).rejects.toMatchObject({ reason: 'restarted' });
    await tx.send(3);
    tx.close();
    expect(await total).toBe(3);
    expect(peers.sent(side, 'call').map(({ connectionId }) => connectionId)).toEqual([connection.id, connection.id]);
  });

  it('[cancel.offline] a call on it that was given up without a link is aborted at the resume', async () => {
    const { peers, runs } = await scene();
    const connection = await peers.sessionOf(side).open();
    const abort = new AbortController();
    const failure = failureOf(connection.client(Lab).run('x', { signal: abort.signal }));
    await peers.settle();
    await peers.cut();
    abort.abort();
    await failure;
    await peers.comeBack();
    expect(runs[0]?.call.signal.aborted).toBe(true);
    expect(peers.sent(side, 'cancel')).toMatchObject([{ connectionId: connection.id }]);
  });
});
