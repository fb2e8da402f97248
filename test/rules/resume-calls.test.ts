/** Calls without channels over lost links, in both directions: resume.resend, resume.live, resume.generations, session.outlives-link, attempt.limit-link. */
import { describe, expect, it } from 'vitest';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, isSettled, Lab } from '../support/peers.ts';
import { resumePeers, SIDES } from '../support/resume-peers.ts';
import type { ResumePeers, Side } from '../support/resume-peers.ts';

leavesNothing();

const other = (side: Side): Side => (side === 'initiator' ? 'acceptor' : 'initiator');

describe.each(SIDES)('calls of the %s', (side) => {
  const clientOf = (peers: ResumePeers) => peers.sessionOf(side).client(Lab);
  const runsOf = (peers: ResumePeers) => peers.runsAt[other(side)];

  it.each(['run', 'idem', 'persist'] as const)('[resume.live] a handler of %s runs on, the re-sent attempt attaches', async (policy) => {
    const peers = await resumePeers();
    const outcome = clientOf(peers)[policy]('x');
    await peers.settle();
    await peers.blink();
    const runs = runsOf(peers);
    expect([runs.length, runs[0]?.call.signal.aborted]).toEqual([1, false]);
    expect(peers.sessionOf(other(side)).counters.attached).toBe(1);
    runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
    expect(runs).toHaveLength(1);
  });

  it.each(['run', 'idem', 'persist'] as const)('[resume.live] what %s sealed while there was no link is replayed', async (policy) => {
    const peers = await resumePeers();
    const outcome = clientOf(peers)[policy]('x');
    await peers.settle();
    await peers.cut();
    runsOf(peers)[0]?.resolve('meanwhile');
    await peers.settle();
    expect(await isSettled(outcome)).toBe(false);
    await peers.comeBack();
    expect(await outcome).toBe('meanwhile');
    expect([runsOf(peers).length, peers.sessionOf(other(side)).counters.replayed]).toEqual([1, 1]);
  });

  it('[resume.live] a declared failure of meanwhile is replayed as well', async () => {
    const peers = await resumePeers();
    const failure = failureOf(clientOf(peers).run('x'));
    await peers.settle();
    await peers.cut();
    const [run] = runsOf(peers);
    try {
      run?.call.fail({ code: 7 });
    } catch (error) {
      run?.reject(error);
    }
    await peers.settle();
    await peers.comeBack();
    expect(await failure).toMatchObject({ kind: 'user', data: { code: 7 } });
    expect(runsOf(peers)).toHaveLength(1);
  });

  it('[resume.live] an answer that was lost with its link is replayed', async () => {
    const peers = await resumePeers();
    const outcome = clientOf(peers).run('x');
    await peers.settle();
    peers.network.hold();
    runsOf(peers)[0]?.resolve('lost on its way');
    await peers.settle();
    await peers.cut();
    peers.network.release();
    expect(await isSettled(outcome)).toBe(false);
    await peers.comeBack();
    expect(await outcome).toBe('lost on its way');
    expect(runsOf(peers)).toHaveLength(1);
  });

  it('[resume.resend] a call that was lost on its way is sent again, with its request and operation id, and runs once', async () => {
    const peers = await resumePeers();
    peers.network.hold();
    const outcomes = [clientOf(peers).run(1), clientOf(peers).persist(2), clientOf(peers).idem(3, { operationId: 'third' })];
    await peers.settle();
    await peers.cut();
    peers.network.release();
    expect(runsOf(peers)).toHaveLength(0);
    await peers.comeBack();
    runsOf(peers).forEach((run) => run.resolve(run.input));
    expect(await Promise.all(outcomes)).toEqual([1, 2, 3]);
    const sent = peers.sent(side, 'call').map(({ requestId, operationId, methodId }) => [requestId, operationId, methodId]);
    expect(sent).toHaveLength(6);
    expect(new Set(sent.slice(3).map(String))).toEqual(new Set(sent.slice(0, 3).map(String)));
    expect(peers.sessionOf(side).counters.resent).toBe(3);
  });

  it('[resume.resend] a call made while there is no link is sent on the next one, whatever its policy', async () => {
    const peers = await resumePeers();
    await peers.cut();
    const outcomes = [clientOf(peers).run(1), clientOf(peers).persist(2), clientOf(peers).idem(3)];
    await peers.settle();
    expect(peers.sent(side, 'call')).toHaveLength(0);
    await peers.comeBack();
    expect(runsOf(peers).map(({ input }) => input)).toEqual([1, 2, 3]);
    runsOf(peers).forEach((run) => run.resolve(run.input));
    expect(await Promise.all(outcomes)).toEqual([1, 2, 3]);
    expect(peers.sessionOf(side).counters.resent).toBe(0);
  });

  it('[resume.resend] calls of before go first, those of meanwhile after them', async () => {
    const peers = await resumePeers();
    peers.network.hold();
    void clientOf(peers)
      .run('before')
      .catch(() => {});
    await peers.settle();
    await peers.cut();
    peers.network.release();
    void clientOf(peers)
      .run('meanwhile')
      .catch(() => {});
    await peers.comeBack();
    expect(runsOf(peers).map(({ input }) => input)).toEqual(['before', 'meanwhile']);
    runsOf(peers).forEach((run) => run.resolve(0));
  });

  it('[resume.generations] several losses in a row behave as the last one, generations only grow, and nothing runs twice', async () => {
    const peers = await resumePeers();
    const seen: number[] = [];
    const outcome = clientOf(peers).run('x');
    await peers.settle();
    for (let time = 0; time < 6; time++) {
      await peers.blink();
      seen.push(peers.sessionOf(side).generation);
    }
    expect(seen).toEqual([2, 3, 4, 5, 6, 7]);
    runsOf(peers)[0]?.resolve('at last');
    expect(await outcome).toBe('at last');
    expect(runsOf(peers)).toHaveLength(1);
    expect(peers.sessionOf(side).counters).toMatchObject({ linksLost: 6, resumed: 6, restarted: 0, resent: 6, unmatched: 0 });
  });

  it('[session.outlives-link] a session that has carried nothing yet resumes as well', async () => {
    const peers = await resumePeers();
    const { id } = peers.session;
    await peers.blink(3);
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
    expect([peers.session.id, peers.accepted.id, peers.server.sessions.size]).toEqual([id, id, 1]);
    const outcome = clientOf(peers).run('x');
    await peers.settle();
    runsOf(peers)[0]?.resolve('y');
    expect(await outcome).toBe('y');
  });

  it('[session.outlives-link] request and operation ids go on where they were', async () => {
    const peers = await resumePeers();
    for (let round = 0; round < 3; round++) {
      const outcome = clientOf(peers).run(round);
      await peers.settle();
      runsOf(peers)[round]?.resolve(round);
      await outcome;
      await peers.blink();
    }
    const first = side === 'initiator' ? 1 : 2;
    expect(peers.sent(side, 'call').map(({ requestId }) => requestId)).toEqual([first, first + 2, first + 4]);
    expect(peers.sent(side, 'call').map(({ operationId }) => operationId)).toEqual([1, 2, 3]);
  });

  it('[attempt.limit-link] the count begins at zero on the next link: the queue moves up, and the limit holds', async () => {
    const limited = { maxConcurrentRequests: 2 };
    const peers = await resumePeers(side === 'initiator' ? { server: limited } : { client: limited });
    const outcomes = [1, 2, 3, 4].map((input) => clientOf(peers).run(input));
    await peers.settle();
    expect(runsOf(peers)).toHaveLength(2);
    await peers.blink(2);
    // The two that run are sent again, and the others still wait.
    expect(runsOf(peers).map(({ input }) => input)).toEqual([1, 2]);
    runsOf(peers).forEach((run) => run.resolve(run.input));
    await peers.settle();
    expect(runsOf(peers).map(({ input }) => input)).toEqual([1, 2, 3, 4]);
    runsOf(peers).forEach((run) => run.resolve(run.input));
    expect(await Promise.all(outcomes)).toEqual([1, 2, 3, 4]);
    expect(peers.sessionOf(other(side)).counters.protocolErrors).toBe(0);
  });

  it('[attempt.limit-link] more pending calls than the limit, cancelled ones among them, never break it after a resume', async () => {
    const limited = { maxConcurrentRequests: 2 };
    const peers = await resumePeers(side === 'initiator' ? { server: limited } : { client: limited });
    const abort = new AbortController();
    const given = [1, 2].map((input) => failureOf(clientOf(peers).run(input, { signal: abort.signal })));
    await peers.settle();
    await peers.cut();
    const later = [3, 4, 5].map((input) => clientOf(peers).run(input));
    abort.abort();
    expect((await Promise.all(given)).map(({ kind }) => kind)).toEqual(['cancelled', 'cancelled']);
    await peers.comeBack();
    for (let round = 0; round < 3; round++) {
      runsOf(peers).forEach((run) => run.resolve(run.input));
      await peers.settle();
    }
    expect(await Promise.all(later)).toEqual([3, 4, 5]);
    expect(peers.sessionOf(other(side)).counters.protocolErrors).toBe(0);
    expect(peers.sessionOf(side).counters.unmatched).toBe(0);
  });

  it('[attempt.limit-out] the bound of the queue holds while there is no link', async () => {
    const bound = { maxQueuedRequests: 2 };
    const peers = await resumePeers(side === 'initiator' ? { client: bound } : { server: bound });
    await peers.cut();
    const outcomes = [1, 2].map((input) => clientOf(peers).run(input));
    expect(await failureOf(clientOf(peers).run(3))).toMatchObject({ kind: 'send-failed', retryable: true });
    await peers.comeBack();
    runsOf(peers).forEach((run) => run.resolve(run.input));
    expect(await Promise.all(outcomes)).toEqual([1, 2]);
  });

  it('[attempt.never-parked] a call with a time of its own ends by it, link or not', async () => {
    const peers = await resumePeers();
    await peers.cut();
    const failure = failureOf(clientOf(peers).run('x', { timeoutMs: 100 }));
    await peers.advance(100);
    expect(await failure).toMatchObject({ kind: 'cancelled', reason: 'timeout' });
    await peers.comeBack();
    expect(runsOf(peers)).toHaveLength(0);
  });

  it('[op.ack] an acknowledgement that was lost with its link is made up for: no record of a settled call stays', async () => {
    const peers = await resumePeers();
    const outcome = clientOf(peers).run('x');
    await peers.settle();
    runsOf(peers)[0]?.resolve('y');
    await outcome;
    peers.network.hold();
    await peers.advance(5_000);
    expect(peers.sent(side, 'ack')).toMatchObject([{ upTo: 1 }]);
    await peers.cut();
    peers.network.release();
    await peers.comeBack();
    await peers.advance(5_000);
    expect(peers.sent(side, 'ack')).toMatchObject([{ upTo: 1 }, { upTo: 1 }]);
    expect(peers.saidOnLastLink(side)).toContain('ack');
  });
});

describe('[session.outlives-link] handshakes of a resume', () => {
  it.each(['hello', 'welcome'] as const)('[session.outlives-link] one that is cut with its %s under way is tried again', async (type) => {
    const peers = await resumePeers();
    const outcome = peers.session.client(Lab).run('x');
    await peers.settle();
    await peers.cut();
    peers.network.heal();
    const untap = peers.network.tap(({ message }) => {
      if (message.type !== type) return;
      untap();
      peers.network.cut();
    });
    await peers.advance(600);
    expect(peers.session.status).not.toBe('connected');
    peers.network.heal();
    await peers.advance(5_000);
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
    expect(peers.session.id).toBe(peers.accepted.id);
    peers.runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
    expect([peers.runs.length, peers.server.sessions.size]).toEqual([1, 1]);
  });

  it('[session.outlives-link] many losses at random moments lose no call and run none twice', async () => {
    const peers = await resumePeers();
    peers.network.delay(20);
    const outcomes: Promise<unknown>[] = [];
    let seed = 12_345;
    const dice = (sides: number) => (seed = (seed * 48_271) % 2_147_483_647) % sides;
    for (let round = 0; round < 60; round++) {
      outcomes.push(peers.session.client(Lab).run(round), peers.accepted.client(Lab).run(round));
      await peers.advance(dice(400));
      for (const run of [...peers.runsAt.acceptor, ...peers.runsAt.initiator]) if (dice(2) === 0) run.resolve(run.input);
      if (dice(3) === 0) {
        await peers.cut();
        peers.network.heal();
      }
    }
    for (let round = 0; round < 10; round++) {
      await peers.advance(3_000);
      for (const run of [...peers.runsAt.acceptor, ...peers.runsAt.initiator]) run.resolve(run.input);
    }
    peers.network.delay(0);
    await peers.advance(100);
    expect(await Promise.all(outcomes)).toEqual(Array.from({ length: 120 }, (_, at) => at >> 1));
    expect(peers.runsAt.acceptor.map(({ input }) => input)).toEqual(Array.from({ length: 60 }, (_, at) => at));
    expect(peers.runsAt.initiator).toHaveLength(60);
    expect(peers.session.counters.protocolErrors + peers.accepted.counters.protocolErrors).toBe(0);
    expect(peers.session.counters.linksLost).toBeGreaterThan(5);
  });
});

describe('[retry.off] at a loss', () => {
  it.each(['client', 'server'] as const)('[retry.off] by the %s: every pending call fails, the session and its ids go on', async (who) => {
    const peers = await resumePeers({ [who]: { retry: false } });
    const { id } = peers.session;
    const [run, idem] = [failureOf(peers.session.client(Lab).run(1)), failureOf(peers.session.client(Lab).idem(2))];
    await peers.settle();
    await peers.cut();
    expect(await run).toMatchObject({ kind: 'connection-closed', retryable: false });
    expect(await idem).toMatchObject({ kind: 'connection-closed', retryable: true });
    expect(peers.runs.map(({ call }) => call.signal.aborted)).toEqual([true, true]);
    await peers.comeBack();
    expect([peers.session.id, peers.session.status, peers.session.counters.resumed]).toEqual([id, 'connected', 1]);
    const after = peers.session.client(Lab).run(3);
    await peers.settle();
    expect(peers.runs).toHaveLength(3);
    peers.runs[2]?.resolve('new');
    expect(await after).toBe('new');
    const calls = peers.sent('initiator', 'call');
    expect(calls.map(({ requestId }) => requestId)).toEqual([1, 3, 5]);
    expect(calls.map(({ operationId }) => operationId)).toEqual([undefined, undefined, undefined]);
  });
});

describe('[attempt.send-failed] without a link', () => {
  it('[attempt.send-failed] a call that is too large for the peer fails while there is no link, not later', async () => {
    const peers = await resumePeers({ server: { maxPayload: 70_000 } });
    await peers.cut();
    const failure = failureOf(peers.session.client(Lab).run(new Uint8Array(100_000)));
    await peers.comeBack();
    expect(await failure).toMatchObject({ kind: 'send-failed', retryable: false });
    expect(peers.session.status).toBe('connected');
  });
});
