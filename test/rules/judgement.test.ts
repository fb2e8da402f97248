/** How pending calls are judged when a session or connection ends for good (outcome.closing), and when their string id may have been forgotten (op.expiry). */
import { describe, expect, it } from 'vitest';
import { connect, memoryStore } from 'statewire';
import type { Connector, Link, Session } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, Lab, PLACE } from '../support/peers.ts';
import { resumePeers, SIDES } from '../support/resume-peers.ts';
import type { ResumePeers, Side } from '../support/resume-peers.ts';

leavesNothing();

const other = (side: Side): Side => (side === 'initiator' ? 'acceptor' : 'initiator');
const POLICIES = ['run', 'idem', 'persist'] as const;

/** One call of each policy that was handed to a link, and one of each that was not. */
async function pendingCalls(peers: ResumePeers, side: Side) {
  const ask = () => POLICIES.map((policy) => failureOf(peers.sessionOf(side).client(Lab)[policy]('x')));
  const sent = ask();
  await peers.settle();
  await peers.cut();
  return { sent, unsent: ask() };
}

async function verdicts(failures: readonly ReturnType<typeof failureOf>[]): Promise<string[]> {
  return (await Promise.all(failures)).map(({ kind, reason, retryable }) => `${kind} ${reason ?? '-'} ${retryable ? 'retryable' : 'final'}`);
}

describe.each(SIDES)('[outcome.closing] the %s, without a link', (side) => {
  it('[outcome.closing] closes: idem and unsent connection-closed, the others indeterminate, closed', async () => {
    const peers = await resumePeers();
    const { sent, unsent } = await pendingCalls(peers, side);
    await peers.sessionOf(side).close();
    const [run, idem, persist] = await verdicts(sent);
    expect([run, persist]).toEqual(['indeterminate closed final', 'indeterminate closed final']);
    expect(idem).toMatch(/^connection-closed .* retryable$/);
    for (const verdict of await verdicts(unsent)) expect(verdict).toMatch(/^connection-closed .* retryable$/);
  });

  it('[outcome.closing] closes with a grace: a link may not come, so it ends at once or with the grace, and judges the same', async () => {
    const peers = await resumePeers();
    const { sent, unsent } = await pendingCalls(peers, side);
    const closed = peers.sessionOf(side).close({ graceMs: 300 });
    await peers.advance(300);
    await closed;
    expect((await verdicts(sent))[0]).toBe('indeterminate closed final');
    expect((await verdicts(unsent))[0]).toMatch(/^connection-closed .* retryable$/);
  });

  it('[outcome.closing] gives up at its deadline: idem and unsent session-shutdown, the others indeterminate, deadline', async () => {
    const peers = await resumePeers({ client: { reconnect: { deadlineMs: 2_000 } }, server: { resume: { ttlMs: 2_000 } } });
    const { sent, unsent } = await pendingCalls(peers, side);
    await peers.advance(2_000);
    const [run, idem, persist] = await verdicts(sent);
    expect([run, persist]).toEqual(['indeterminate deadline final', 'indeterminate deadline final']);
    expect(idem).toMatch(/^session-shutdown .* retryable$/);
    for (const verdict of await verdicts(unsent)) expect(verdict).toMatch(/^session-shutdown .* retryable$/);
  });

  it('[outcome.closing] calls that run for the other side meet the row connection gone', async () => {
    const peers = await resumePeers();
    for (const policy of POLICIES)
      peers
        .sessionOf(other(side))
        .client(Lab)
        [policy]('x')
        .catch(() => {});
    await peers.settle();
    await peers.cut();
    await peers.sessionOf(side).close();
    const runs = peers.runsAt[side];
    expect(runs.map(({ call: { signal } }) => signal.aborted)).toEqual([true, true, false]);
    runs.forEach((run) => run.resolve(0));
  });
});

describe.each(SIDES)('[outcome.closing] the %s, on a link of after a resume', (side) => {
  it('[outcome.closing] hears that the peer has closed', async () => {
    const peers = await resumePeers();
    const sent = POLICIES.map((policy) => failureOf(peers.sessionOf(side).client(Lab)[policy]('x')));
    await peers.settle();
    await peers.blink();
    await peers.sessionOf(other(side)).close();
    await peers.sessionOf(side).closed;
    const [run, idem, persist] = await verdicts(sent);
    // The peer aborts what is volatile or idem, and may still say so.
    expect(run).toMatch(/^(indeterminate closed|cancelled aborted) final$/);
    expect(idem).toMatch(/^(connection-closed .* retryable|cancelled aborted .*)$/);
    expect(persist).toBe('indeterminate closed final');
  });
});

describe('[session.outlives-link] sessions that wait at the acceptor', () => {
  it('[session.outlives-link] end after ttlMs; who comes later gets a fresh one', async () => {
    const peers = await resumePeers({ server: { resume: { ttlMs: 5_000 } } });
    const { id } = peers.session;
    const outcome = failureOf(peers.session.client(Lab).run('x'));
    await peers.settle();
    await peers.cut();
    await peers.advance(4_999);
    expect([peers.accepted.status, peers.server.sessions.size]).toEqual(['disconnected', 1]);
    await peers.advance(1);
    expect([peers.accepted.status, peers.server.sessions.size]).toEqual(['closed', 0]);
    expect(peers.runs[0]?.call.signal.aborted).toBe(true);
    peers.network.heal();
    peers.session.retryNow();
    await peers.settle();
    expect(peers.session.status).toBe('connected');
    expect(peers.session.id).not.toBe(id);
    expect(await outcome).toMatchObject({ kind: 'indeterminate' });
  });

  it('[session.outlives-link] wait from each loss anew', async () => {
    const peers = await resumePeers({ server: { resume: { ttlMs: 2_000 } } });
    const { id } = peers.session;
    for (let loss = 0; loss < 3; loss++) {
      await peers.cut();
      await peers.advance(1_900);
      peers.network.heal();
      peers.session.retryNow();
      await peers.settle();
    }
    await peers.advance(10_000);
    expect([peers.session.id, peers.session.counters.restarted]).toEqual([id, 0]);
  });

  it('[session.outlives-link] beyond maxSessions the one that has waited the longest ends; those with a link do not count', async () => {
    const peers = await resumePeers({ server: { resume: { maxSessions: 2 } } });
    const { clock } = peers.world;
    const links: Link[] = [];
    const inner = peers.network.connector(PLACE);
    const keeping: Connector = {
      connect: async (signal, limits) => {
        const link = await inner.connect(signal, limits);
        links.push(link);
        return link;
      },
    };
    const sessions: Session[] = [];
    for (let count = 0; count < 4; count++) sessions.push(await connect(keeping, { clock, reconnect: { baseMs: 60_000, jitter: 0 } }));
    const isThere = () => sessions.map(({ id }) => peers.server.sessions.has(id));
    expect(isThere()).toEqual([true, true, true, true]);
    // In an order that is not the one they came in.
    for (const [lost, left] of [
      [2, [true, true, true, true]],
      [0, [true, true, true, true]],
      [1, [true, true, false, true]],
      [3, [false, true, false, true]],
    ] as const) {
      links[lost]?.abort(new Error('cut'));
      await peers.settle();
      expect(isThere()).toEqual(left);
    }
    expect(peers.accepted.status).toBe('connected');
    for (const session of sessions) await session.close();
  });
});

describe('[op.expiry] a pending call whose outcome may have been forgotten', () => {
  const RETENTION_MS = 10_000;

  it.each([
    ['run', 'order', 'indeterminate'],
    ['persist', 'order', 'indeterminate'],
    ['idem', 'order', 'value'],
    ['run', undefined, 'value'],
    ['persist', undefined, 'value'],
  ] as const)('[op.expiry] %s with the id %s, after the retention: %s', async (policy, operationId, expected) => {
    for (const late of [false, true]) {
      const peers = await resumePeers({ server: { store: memoryStore({ retentionMs: RETENTION_MS }) } });
      const outcome = peers.session
        .client(Lab)
        [policy]('x', { operationId })
        .then(
          () => 'value',
          ({ kind, reason }: { kind: string; reason: string }) => (reason === 'expired' ? kind : `${kind} ${reason}`),
        );
      await peers.settle();
      await peers.cut();
      await peers.advance(late ? RETENTION_MS : RETENTION_MS - 1_000);
      peers.network.heal();
      peers.session.retryNow();
      await peers.settle();
      peers.runs.forEach((run) => run.resolve(0));
      await peers.settle();
      expect(await outcome).toBe(late ? expected : 'value');
    }
  });

  it('[op.expiry] counts from when it was first handed to a link, not from the last time, nor from when it was made', async () => {
    const peers = await resumePeers({ server: { store: memoryStore({ retentionMs: RETENTION_MS }) } });
    await peers.cut();
    const unsent = peers.session.client(Lab).run('x', { operationId: 'made before' });
    await peers.advance(RETENTION_MS * 2);
    peers.network.heal();
    peers.session.retryNow();
    await peers.settle();
    // It was never handed to a link: nothing of it can have been forgotten.
    peers.runs[0]?.resolve('runs');
    expect(await unsent).toBe('runs');
    const twice = failureOf(peers.session.client(Lab).run('x', { operationId: 'handed twice' }));
    await peers.settle();
    await peers.advance(RETENTION_MS * 0.6);
    await peers.blink();
    await peers.advance(RETENTION_MS * 0.6);
    await peers.blink();
    expect(await twice).toMatchObject({ kind: 'indeterminate', reason: 'expired', retryable: false });
  });

  it('[op.expiry] the welcome tells how long that is', async () => {
    const peers = await resumePeers({ server: { store: memoryStore({ retentionMs: 4_321 }) } });
    expect(peers.sent('acceptor', 'welcome')).toMatchObject([{ retentionMs: 4_321 }]);
  });
});
