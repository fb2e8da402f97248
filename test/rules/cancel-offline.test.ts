/** cancel.offline: what a caller gave up while there was no link, or just before it was lost, is told right after the welcome of a resume. */
import { describe, expect, it } from 'vitest';
import { connect } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { call, dialServer } from '../support/hostile-peer.ts';
import { failureOf, gated, lab, Lab, PLACE } from '../support/peers.ts';
import { resumePeers, SIDES, visitWelcome } from '../support/resume-peers.ts';
import type { ResumePeers, Side } from '../support/resume-peers.ts';

leavesNothing();

const other = (side: Side): Side => (side === 'initiator' ? 'acceptor' : 'initiator');

describe.each(SIDES)('the %s', (side) => {
  const clientOf = (peers: ResumePeers) => peers.sessionOf(side).client(Lab);

  /** A call of which there is a run, with what gives it up. */
  async function running(peers: ResumePeers, policy: 'run' | 'idem' | 'persist', operationId?: string) {
    const abort = new AbortController();
    const ended = failureOf(clientOf(peers)[policy]('x', { signal: abort.signal, operationId }));
    await peers.settle();
    return { ended, giveUp: () => abort.abort(), run: peers.runsAt[other(side)].at(-1)! };
  }

  it.each(['run', 'idem'] as const)(
    '[cancel.offline] gave up a call of %s without a link: its handler is aborted at the resume, its attempt answered',
    async (policy) => {
      const peers = await resumePeers();
      const { ended, giveUp, run } = await running(peers, policy);
      await peers.cut();
      giveUp();
      expect(await ended).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
      expect(run.call.signal.aborted).toBe(false);
      await peers.comeBack();
      expect(run.call.signal.aborted).toBe(true);
      expect(peers.sent(side, 'cancel')).toMatchObject([{ requestId: peers.sent(side, 'call')[0]?.requestId, operationId: 1 }]);
      expect(peers.sent(other(side), 'response')).toMatchObject([{ ok: false, error: { kind: 'cancelled' } }]);
      expect(peers.sent(side, 'call')).toHaveLength(1);
      expect([peers.session.counters.unmatched, peers.accepted.counters.unmatched]).toEqual([0, 0]);
    },
  );

  it('[cancel.offline] names the string id of an operation that has one', async () => {
    const peers = await resumePeers();
    const { ended, giveUp, run } = await running(peers, 'run', 'order-1');
    await peers.cut();
    giveUp();
    await ended;
    await peers.comeBack();
    expect(run.call.signal.aborted).toBe(true);
    expect(peers.sent(side, 'cancel')).toMatchObject([{ operationId: 'order-1' }]);
  });

  it('[cancel.offline] a cancel that was lost on its way is said again', async () => {
    const peers = await resumePeers();
    const { ended, giveUp, run } = await running(peers, 'run');
    peers.network.hold();
    giveUp();
    await ended;
    await peers.settle();
    expect(peers.sent(side, 'cancel')).toHaveLength(1);
    await peers.cut();
    peers.network.release();
    expect(run.call.signal.aborted).toBe(false);
    await peers.comeBack();
    expect(run.call.signal.aborted).toBe(true);
    expect(peers.sent(side, 'cancel')).toHaveLength(2);
  });

  it('[cancel.offline] is said again on the next link when that one was lost before the answer', async () => {
    const peers = await resumePeers();
    const { ended, giveUp, run } = await running(peers, 'run');
    await peers.cut();
    giveUp();
    await ended;
    const untap = peers.network.tap(({ message }) => {
      if (message.type !== 'cancel') return;
      untap();
      peers.network.cut();
    });
    await peers.comeBack();
    expect(run.call.signal.aborted).toBe(false);
    peers.network.heal();
    await peers.advance(2_000);
    expect([run.call.signal.aborted, peers.sent(side, 'cancel').length]).toEqual([true, 2]);
    await peers.blink();
    expect(peers.sent(side, 'cancel')).toHaveLength(2);
  });

  it('[cancel.offline] goes before any re-send', async () => {
    const peers = await resumePeers();
    const { ended, giveUp } = await running(peers, 'run');
    const pending = clientOf(peers).run('stays');
    pending.catch(() => {});
    await peers.settle();
    await peers.cut();
    giveUp();
    await ended;
    await peers.comeBack();
    expect(peers.saidOnLastLink(side).filter((type) => type === 'cancel' || type === 'call')).toEqual(['cancel', 'call']);
    peers.runsAt[other(side)][1]?.resolve(0);
    await pending;
  });

  it('[cancel.offline] a persist operation runs on and seals; the attempt is answered all the same', async () => {
    const peers = await resumePeers();
    const { ended, giveUp, run } = await running(peers, 'persist', 'kept');
    await peers.cut();
    giveUp();
    await ended;
    await peers.comeBack();
    expect(run.call.signal.aborted).toBe(false);
    expect(peers.sent(other(side), 'response')).toMatchObject([{ error: { kind: 'cancelled' } }]);
    run.resolve('sealed');
    await peers.settle();
    expect(await clientOf(peers).persist('x', { operationId: 'kept' })).toBe('sealed');
    expect(peers.runsAt[other(side)]).toHaveLength(1);
  });

  it('[cancel.offline] a call that was never handed to a link is not spoken of', async () => {
    const peers = await resumePeers();
    await peers.cut();
    const abort = new AbortController();
    const ended = failureOf(clientOf(peers).run('x', { signal: abort.signal }));
    abort.abort();
    expect(await ended).toMatchObject({ kind: 'cancelled' });
    await peers.comeBack();
    expect([peers.sent(side, 'cancel').length, peers.sent(side, 'call').length, peers.runsAt[other(side)].length]).toEqual([0, 0, 0]);
  });

  it('[cancel.offline] a call whose answer came is not spoken of', async () => {
    const peers = await resumePeers();
    const { ended, giveUp } = await running(peers, 'run');
    giveUp();
    await ended;
    await peers.settle();
    await peers.blink();
    expect(peers.sent(side, 'cancel')).toHaveLength(1);
  });

  it('[cancel.offline] a call that never arrived does not run later', async () => {
    const peers = await resumePeers();
    const abort = new AbortController();
    peers.network.hold();
    const ended = failureOf(clientOf(peers).run('x', { signal: abort.signal }));
    await peers.settle();
    await peers.cut();
    peers.network.release();
    abort.abort();
    await ended;
    await peers.comeBack();
    expect(peers.runsAt[other(side)]).toHaveLength(0);
    expect(peers.sent(other(side), 'response')).toMatchObject([{ error: { kind: 'cancelled' } }]);
  });

  it('[cancel.offline] an operation that sealed meanwhile stays sealed', async () => {
    const peers = await resumePeers();
    const { ended, giveUp, run } = await running(peers, 'run', 'sealed');
    await peers.cut();
    giveUp();
    run.resolve('first');
    await ended;
    await peers.comeBack();
    expect(await clientOf(peers).run('x', { operationId: 'sealed' })).toBe('first');
    expect(peers.runsAt[other(side)]).toHaveLength(1);
  });

  it.each([
    ['run', 'is told that it was released'],
    ['idem', 'runs it again'],
  ] as const)('[cancel.offline] the owner gives up %s: an attempt that joined it before the loss %s when it is sent again', async (policy, _) => {
    const peers = await resumePeers();
    const owner = await running(peers, policy, 'shared');
    const waiter = clientOf(peers)[policy]('x', { operationId: 'shared' });
    waiter.catch(() => {});
    await peers.settle();
    await peers.cut();
    owner.giveUp();
    await owner.ended;
    await peers.comeBack();
    const runs = peers.runsAt[other(side)];
    expect(owner.run.call.signal.aborted).toBe(true);
    runs[1]?.resolve('again');
    if (policy === 'idem') expect([await waiter, runs.length]).toEqual(['again', 2]);
    else expect([await failureOf(waiter), runs.length]).toMatchObject([{ kind: 'indeterminate', reason: 'released' }, 1]);
  });

  it('[cancel.offline] one that only waits gives up: the owner gets its outcome', async () => {
    const peers = await resumePeers();
    const owner = clientOf(peers).run('x', { operationId: 'shared' });
    await peers.settle();
    const [run] = peers.runsAt[other(side)];
    const abort = new AbortController();
    const waiter = failureOf(clientOf(peers).run('x', { operationId: 'shared', signal: abort.signal }));
    await peers.settle();
    await peers.cut();
    abort.abort();
    await waiter;
    await peers.comeBack();
    expect(run?.call.signal.aborted).toBe(false);
    run?.resolve('for the owner');
    expect(await owner).toBe('for the owner');
    expect(peers.runsAt[other(side)]).toHaveLength(1);
  });
});

describe('[cancel.offline] across sessions', () => {
  it('[cancel.offline] one session that waits on an operation of another one gives up: the owner keeps it', async () => {
    const peers = await resumePeers();
    const owner = await connect(peers.network.connector(PLACE), { clock: peers.world.clock, scope: peers.session.scope });
    const outcome = owner.client(Lab).run('x', { operationId: 'shared' });
    await peers.settle();
    const abort = new AbortController();
    const waiter = failureOf(peers.session.client(Lab).run('x', { operationId: 'shared', signal: abort.signal }));
    await peers.settle();
    peers.link.abort(new Error('cut'));
    await peers.settle();
    abort.abort();
    await waiter;
    await peers.advance(600);
    expect(peers.runs.map(({ call: { signal } }) => signal.aborted)).toEqual([false]);
    peers.runs[0]?.resolve('kept');
    expect(await outcome).toBe('kept');
    await owner.close();
  });
});

describe('[cancel.offline] a scripted initiator', () => {
  it('[cancel.offline] is answered once for each, and those count as attempts until then', async () => {
    const { handler, calls } = gated();
    const world = await dialServer({ services: [lab(handler)] });
    const first = await visitWelcome(world);
    first.peer.send(call(1), call(3));
    await world.settle();
    first.peer.link.abort();
    const { peer } = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    peer.send({ type: 'cancel', connectionId: 0, requestId: 1, operationId: 1 }, call(3));
    await world.settle();
    expect(peer.all('response')).toMatchObject([{ requestId: 1, ok: false, error: { kind: 'cancelled' } }]);
    expect(calls.map(({ call: { signal } }) => signal.aborted)).toEqual([true, false]);
    calls[1]?.resolve('y');
    await world.settle();
    expect(peer.all('response')).toMatchObject([{ requestId: 1 }, { requestId: 3, ok: true }]);
  });

  it('[resume.live] [retry.disposition] the operation that ran on for a request which comes again as another operation has lost its peer for good', async () => {
    const { handler, calls } = gated();
    const world = await dialServer({ services: [lab(handler)] });
    const first = await visitWelcome(world);
    first.peer.send(call(1), call(3));
    await world.settle();
    first.peer.link.abort();
    const { peer } = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    peer.send(call(1, { operationId: 9 }), call(3));
    await world.settle();
    expect(calls.map(({ call: { operationId, signal } }) => [operationId, signal.aborted])).toEqual([
      [1, true],
      [3, false],
      [9, false],
    ]);
    for (const run of calls) run.resolve('done');
    await world.settle();
    expect(peer.all('response')).toMatchObject([
      { requestId: 3, ok: true },
      { requestId: 1, ok: true },
    ]);
  });

  it('[resume.live] [attempt.limit-in] what a peer leaves running from link to link, and never comes again for, is let go, the oldest first', async () => {
    const { handler, calls } = gated();
    const world = await dialServer({ services: [lab(handler)], maxConcurrentRequests: 2 });
    let { peer, answer } = await visitWelcome(world);
    for (let link = 0; link < 4; link++) {
      const [one, other] = [4 * link + 1, 4 * link + 3];
      peer.send(call(one), call(other));
      await world.settle();
      peer.link.abort();
      ({ peer, answer } = await visitWelcome(world, { dial: link + 2, resumeKey: answer.resumeKey }));
    }
    // Twice as many as it may have in flight run on.
    expect(calls.map(({ call: { signal } }) => signal.aborted)).toEqual([true, true, true, true, false, false, false, false]);
    for (const run of calls) run.resolve('done');
    await world.settle();
  });

  it('[cancel.offline] naming an operation that nobody knows is answered cancelled as well', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    first.peer.link.abort();
    const { peer } = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    peer.send({ type: 'cancel', connectionId: 0, requestId: 9, operationId: 9 });
    expect(await peer.next('response')).toMatchObject({ requestId: 9, ok: false, error: { kind: 'cancelled' } });
  });
});
