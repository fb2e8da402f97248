/** session.drain: a side that closes with a grace lets what runs finish, joins and replays what is known, and takes nothing new. */
import { describe, expect, it } from 'vitest';
import { leavesNothing } from '../support/nothing-left.ts';
import { attackServer, call } from '../support/hostile-peer.ts';
import { failureOf, gated, lab, Lab } from '../support/peers.ts';
import { resumableHello, resumePeers, SIDES, tidied, visit, visitWelcome } from '../support/resume-peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

leavesNothing();

const persist = (requestId: number, operationId: string) => call(requestId, { methodId: Lab.methods.persist.id, operationId });

/** A server with one call running and one sealed, that has begun to drain. */
async function draining(graceMs = 1_000) {
  const { handler, calls } = tidied(gated());
  const attack = await attackServer({ services: [lab(handler)] }, { ...resumableHello() });
  const { peer, accepted, settle } = attack;
  peer.send(persist(1, 'sealed'), persist(3, 'live'));
  await settle();
  calls[0]?.resolve('before');
  await settle();
  const closed = accepted.close({ graceMs });
  await settle();
  const answerTo = async (requestId: number) => {
    await settle();
    return peer.all('response').find((response) => response.requestId === requestId);
  };
  return { ...attack, calls, closed, answerTo };
}

describe('[session.drain] an acceptor that drains', () => {
  it('[session.drain] says go-away with the grace', async () => {
    const { peer } = await draining(1_234);
    expect(peer.all('go-away')).toMatchObject([{ graceMs: 1_234 }]);
  });

  it('[session.drain] refuses what its store does not know: unavailable, and it did not run', async () => {
    const { peer, answerTo, calls } = await draining();
    peer.send(persist(5, 'new'), call(7, { operationId: 7 }), call(9, { methodId: Lab.methods.idem.id, operationId: 'idem' }));
    for (const requestId of [5, 7, 9]) expect(await answerTo(requestId)).toMatchObject({ ok: false, error: { kind: 'unavailable' } });
    expect(calls).toHaveLength(2);
  });

  it('[session.drain] attaches to what is live, and answers all who wait', async () => {
    const { peer, answerTo, calls, closed } = await draining();
    peer.send(persist(5, 'live'));
    expect(await answerTo(5)).toBeUndefined();
    calls[1]?.resolve('finished');
    expect(await answerTo(3)).toMatchObject({ ok: true });
    expect(await answerTo(5)).toMatchObject({ ok: true });
    expect(calls).toHaveLength(2);
    await closed;
  });

  it('[session.drain] replays what is sealed', async () => {
    const { peer, answerTo, calls } = await draining();
    peer.send(persist(5, 'sealed'));
    expect(await answerTo(5)).toMatchObject({ ok: true });
    expect(calls).toHaveLength(2);
  });

  it('[session.drain] ends when nothing runs any more, before the grace is over', async () => {
    const { calls, closed, settle, peer } = await draining(60_000);
    calls[1]?.resolve('finished');
    await settle();
    await closed;
    expect(peer.all('response')).toHaveLength(2);
    expect(peer.all('close')).toHaveLength(1);
  });

  it('[session.drain] ends with the grace, whatever runs', async () => {
    const { clock, accepted, closed, calls } = await draining(500);
    await clock.advance(499);
    expect(accepted.status).toBe('closing');
    await clock.advance(1);
    await closed;
    expect(accepted.status).toBe('closed');
    calls[1]?.resolve('too late');
  });

  it('[session.drain] is not resumed: who comes back with its key gets a session of its own, or is sent away', async () => {
    const world = await attackServer({ services: [lab(() => new Promise(() => {}))] }, { series: 'cccccccccccccccc' });
    const first = await visitWelcome(world);
    first.peer.send(call(1));
    await world.settle();
    const accepted = world.server.sessions.get(first.answer.sessionId)!;
    const closed = accepted.close({ graceMs: 500 });
    await world.settle();
    first.peer.link.abort(new Error('cut'));
    const { answer } = await visit(world, { dial: 2, resumeKey: first.answer.resumeKey });
    if (answer?.type === 'welcome') expect(answer.resumed).toBe(false);
    else expect(answer?.type).toBe('refuse');
    await world.clock.advance(500);
    await closed;
  });
});

describe.each(SIDES)('[session.drain] the %s drains', (side) => {
  const other = side === 'initiator' ? 'acceptor' : 'initiator';

  it('[session.drain] while calls of both sides run: they finish, and new ones of the peer are refused as retryable', async () => {
    const peers = await resumePeers();
    const ours = peers.sessionOf(side).client(Lab).run('ours');
    const theirs = peers.sessionOf(other).client(Lab).run('theirs');
    await peers.settle();
    const closed = peers.sessionOf(side).close({ graceMs: 5_000 });
    await peers.settle();
    expect(await failureOf(peers.sessionOf(other).client(Lab).run('new'))).toMatchObject({ retryable: true });
    peers.runsAt[side][0]?.resolve(1);
    peers.runsAt[other][0]?.resolve(2);
    expect([await theirs, await ours]).toEqual([1, 2]);
    await closed;
    await peers.sessionOf(other).closed;
  });

  it('[session.drain] after a resume, the same', async () => {
    const peers = await resumePeers();
    const theirs = peers.sessionOf(other).client(Lab).run('theirs');
    await peers.settle();
    await peers.blink();
    const closed = peers.sessionOf(side).close({ graceMs: 5_000 });
    await peers.settle();
    expect(peers.sessionOf(side).status).toBe('closing');
    peers.runsAt[side][0]?.resolve(1);
    expect(await theirs).toBe(1);
    await closed;
  });
});

describe('[session.drain] a link that is lost while its session drains', () => {
  it('[session.drain] ends it, and no timer of it goes on', async () => {
    const { peer, clock, closed, server, calls, settle } = await draining(60_000);
    peer.link.abort(new Error('cut'));
    await closed;
    calls[1]?.resolve('nobody waits');
    await server.close();
    await settle();
    expect(clock.pending).toBe(0);
  });
});

describe('[session.drain] a resumable peer of a draining server', () => {
  it('[session.drain] may connect elsewhere: what is idem, or not yet sent, goes on there', async () => {
    const store = new ScriptedStore();
    const peers = await resumePeers({ server: { store } });
    const idem = peers.session.client(Lab).idem('x');
    await peers.settle();
    const closing = peers.accepted.close({ graceMs: 10_000 });
    await peers.settle();
    const second = await peers.replaceServer({ store });
    expect(peers.session.status).toBe('connected');
    expect(second.runs).toHaveLength(1);
    second.runs[0]?.resolve('there');
    expect(await idem).toBe('there');
    await closing;
  });
});
