/** session.status: what observers of either side see, in order, whatever becomes of the links. */
import { describe, expect, it } from 'vitest';
import { connect } from 'statewire';
import type { Session, SessionStatus } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, Lab, makeWorld, PLACE } from '../support/peers.ts';
import { resumePeers, SIDES } from '../support/resume-peers.ts';

leavesNothing();

function watch(session: Session) {
  const seen: SessionStatus[] = [];
  const end = { completed: 0, failed: 0 };
  session.status$.subscribe({ next: (status) => seen.push(status), complete: () => end.completed++, error: () => end.failed++ });
  return { seen, end };
}

describe('[session.status] the order', () => {
  it('[session.status] over a loss and a resume: the initiator reconnects, the acceptor waits', async () => {
    const peers = await resumePeers();
    const [initiator, acceptor] = [watch(peers.session), watch(peers.accepted)];
    await peers.blink();
    expect(initiator.seen).toEqual(['connected', 'disconnected', 'reconnecting', 'connected']);
    expect(acceptor.seen).toEqual(['connected', 'disconnected', 'connected']);
  });

  it('[session.status] over dials that fail', async () => {
    const peers = await resumePeers({ client: { reconnect: { baseMs: 100, jitter: 0 } } });
    const { seen } = watch(peers.session);
    await peers.cut();
    await peers.advance(350);
    peers.network.heal();
    await peers.advance(1_000);
    expect(seen).toEqual(['connected', 'disconnected', 'reconnecting', 'disconnected', 'reconnecting', 'disconnected', 'reconnecting', 'connected']);
  });

  it('[session.status] to the end, by close: closing only where something still runs, then closed', async () => {
    const peers = await resumePeers();
    const outcome = failureOf(peers.session.client(Lab).run('x'));
    await peers.settle();
    const { seen, end } = watch(peers.session);
    const closing = peers.session.close({ graceMs: 1_000 });
    expect(peers.session.status).toBe('closing');
    await peers.advance(1_000);
    await closing;
    await outcome;
    expect([seen, end]).toEqual([['connected', 'closing', 'closed'], { completed: 1, failed: 0 }]);
  });

  it('[session.status] to the end, by the deadline', async () => {
    const peers = await resumePeers({ client: { reconnect: { baseMs: 900, jitter: 0, deadlineMs: 1_000 } } });
    const { seen, end } = watch(peers.session);
    await peers.cut();
    await peers.advance(1_000);
    expect([seen, end.completed]).toEqual([['connected', 'disconnected', 'reconnecting', 'disconnected', 'closed'], 1]);
  });

  it('[session.status] says that a call waits for a link', async () => {
    const peers = await resumePeers();
    await peers.cut();
    const outcome = peers.session.client(Lab).run('x');
    expect(peers.session.status).toBe('disconnected');
    await peers.comeBack();
    peers.runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
  });

  it('[session.status] is connected before a call is sent again', async () => {
    const peers = await resumePeers();
    const outcome = peers.session.client(Lab).run('x');
    await peers.settle();
    const order: string[] = [];
    peers.session.status$.subscribe((status) => order.push(status));
    peers.network.tap(({ message }) => message.type === 'call' && order.push('call'));
    await peers.blink();
    expect(order).toEqual(['connected', 'disconnected', 'reconnecting', 'connected', 'call']);
    peers.runs[0]?.resolve('y');
    await outcome;
  });
});

describe.each(SIDES)('[session.status] at the %s', (side) => {
  it('[session.status] replays the present one to whoever comes late, and completes at once after closed', async () => {
    const peers = await resumePeers();
    const session = peers.sessionOf(side);
    expect(watch(session).seen).toEqual(['connected']);
    await peers.cut();
    expect(watch(session).seen).toEqual(['disconnected']);
    await session.close();
    expect(watch(session)).toEqual({ seen: ['closed'], end: { completed: 1, failed: 0 } });
    expect(session.status).toBe('closed');
  });

  it('[session.status] an observer that makes a call at every change breaks nothing', async () => {
    const peers = await resumePeers();
    const session = peers.sessionOf(side);
    const other = side === 'initiator' ? 'acceptor' : 'initiator';
    const outcomes: Promise<unknown>[] = [];
    const watching = session.status$.subscribe((status) => void outcomes.push(session.client(Lab).run(status)));
    await peers.blink(2);
    watching.unsubscribe();
    peers.runsAt[other].forEach((run) => run.resolve(run.input));
    expect(new Set(await Promise.all(outcomes))).toEqual(
      new Set(side === 'initiator' ? ['connected', 'disconnected', 'reconnecting'] : ['connected', 'disconnected']),
    );
  });

  it('[session.status] an observer that closes the session at a loss, or at its return, is obeyed', async () => {
    for (const at of ['disconnected', 'connected'] as const) {
      const peers = await resumePeers();
      const session = peers.sessionOf(side);
      const outcome = failureOf(session.client(Lab).idem('x'));
      await peers.settle();
      let isLost = false;
      session.status$.subscribe((status) => {
        isLost ||= status === 'disconnected';
        if (isLost && status === at) void session.close();
      });
      await peers.blink();
      expect(session.status).toBe('closed');
      expect((await outcome).kind).toBe('connection-closed');
    }
  });
});

describe('[session.status] a session that never came to be', () => {
  it('[session.status] leaves no timer and no observer behind', async () => {
    const { network, clock } = makeWorld();
    await expect(connect(network.connector(PLACE), { clock })).rejects.toThrow();
    expect(clock.pending).toBe(0);
  });
});
