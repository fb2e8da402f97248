/** resume.supersedes: which of two hellos is the later one, and what becomes of a link that was replaced. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { listen } from 'statewire';
import type { Link, Listener } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { call, dialServer } from '../support/hostile-peer.ts';
import { gated, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';
import { resumePeers, visit, visitWelcome } from '../support/resume-peers.ts';

leavesNothing();

/** A listener whose links go on delivering after they were aborted. */
function deafToAbort(inner: Listener): Listener {
  const deaf = (link: Link): Link => ({
    send: (payload) => link.send(payload),
    open: (handler) => link.open(handler),
    close: () => link.close(),
    abort: () => {},
    facts: link.facts,
  });
  return { listen: (onLink, limits) => inner.listen((link) => onLink(deaf(link)), limits) };
}

describe('[resume.supersedes] the dial number', () => {
  it.each([
    ['the same as', 5],
    ['below', 4],
  ])('[resume.supersedes] %s the last accepted one is refused, resume or not', async (_, dial) => {
    const world = await dialServer();
    const first = await visitWelcome(world, { dial: 5 });
    expect((await visit(world, { dial, resumeKey: first.answer.resumeKey })).answer?.type).toBe('refuse');
    expect((await visit(world, { dial })).answer?.type).toBe('refuse');
    // The one that is there is untouched.
    first.peer.send(call(1));
    expect(await first.peer.next('response')).toMatchObject({ ok: true });
  });

  it('[resume.supersedes] counts from the last resume, not from the first hello', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world, { dial: 1 });
    const second = await visitWelcome(world, { dial: 9, resumeKey: first.answer.resumeKey });
    expect((await visit(world, { dial: 9, resumeKey: second.answer.resumeKey })).answer?.type).toBe('refuse');
    expect((await visitWelcome(world, { dial: 10, resumeKey: second.answer.resumeKey })).answer.resumed).toBe(true);
  });

  it('[resume.supersedes] of another series does not matter', async () => {
    const world = await dialServer();
    await visitWelcome(world, { dial: 50 });
    expect((await visit(world, { dial: 1, series: 'aaaaaaaaaaaaaaaa' })).answer?.type).toBe('welcome');
    expect(world.server.sessions.size).toBe(2);
  });

  it('[resume.supersedes] of the same series in another scope does not matter: nobody shuts out another peer', async () => {
    const world = await dialServer();
    await visitWelcome(world, { dial: 50, scope: new Uint8Array(32).fill(9) });
    expect((await visit(world, { dial: 1 })).answer?.type).toBe('welcome');
    expect(world.server.sessions.size).toBe(2);
  });

  it('[resume.supersedes] grows with every dial of an initiator, also with those that failed', async () => {
    const peers = await resumePeers();
    await peers.cut();
    await peers.advance(10_000);
    peers.network.heal();
    await peers.advance(30_000);
    await peers.blink();
    const dials = peers.sent('initiator', 'hello').map(({ dial }) => dial);
    expect(dials).toHaveLength(3);
    expect(dials[1]).toBeGreaterThan((dials[0] as number) + 1);
    expect(dials[2]).toBeGreaterThan(dials[1] as number);
  });
});

describe('[resume.supersedes] a link that still looks alive', () => {
  it('[resume.supersedes] is aborted when a higher dial resumes, and the session goes on with the new one', async () => {
    const { handler, calls } = gated();
    const world = await dialServer({ services: [lab(handler)] });
    const first = await visitWelcome(world);
    first.peer.send(call(1));
    await world.settle();
    const second = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    expect(await first.peer.closed).toBeInstanceOf(Error);
    second.peer.send(call(1));
    calls[0]?.resolve('once');
    expect(await second.peer.next('response')).toMatchObject({ requestId: 1, ok: true });
    expect([calls.length, first.peer.all('response').length, world.server.sessions.size]).toEqual([1, 0, 1]);
  });

  it('[resume.supersedes] is not heard any more, whatever it says, and that is counted', async () => {
    const world = makeWorld();
    const { handler, calls } = gated();
    const server = await listen(deafToAbort(world.network.listener(PLACE)), { clock: world.clock, services: [lab(handler)] });
    onTestFinished(() => server.close());
    const first = await visitWelcome(world);
    const [accepted] = server.sessions.values();
    const second = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    first.peer.send(call(1));
    first.peer.send({ type: 'close', connectionId: 0, reason: 'closed' });
    first.peer.sendBytes(new Uint8Array([0xc1]));
    await world.settle();
    expect([calls.length, accepted?.status, accepted?.counters.protocolErrors, accepted?.counters.stalePayloads]).toEqual([0, 'connected', 0, 3]);
    second.peer.send(call(1));
    await world.settle();
    expect(calls).toHaveLength(1);
  });

  it('[resume.supersedes] that ends after it was replaced takes nothing along', async () => {
    const world = makeWorld();
    const server = await listen(deafToAbort(world.network.listener(PLACE)), { clock: world.clock, services: [lab()] });
    onTestFinished(() => server.close());
    const first = await visitWelcome(world);
    const second = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    first.peer.link.abort(new Error('at last'));
    await world.settle();
    const [accepted] = server.sessions.values();
    expect([accepted?.status, accepted?.generation]).toEqual(['connected', 2]);
    second.peer.send(call(1));
    expect(await second.peer.next('response')).toMatchObject({ ok: true });
  });

  it('[resume.supersedes] that went mute under a real peer is replaced before the acceptor has noticed', async () => {
    const peers = await resumePeers({ client: { keepAlive: { intervalMs: 1_000, timeoutMs: 500 } }, server: { keepAlive: false } });
    const statuses: string[] = [];
    peers.accepted.status$.subscribe((status) => statuses.push(status));
    peers.network.silence();
    await peers.advance(1_600);
    expect([peers.session.status === 'connected', peers.accepted.status]).toEqual([false, 'connected']);
    peers.network.speak();
    await peers.advance(1_000);
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
    expect([peers.session.generation, peers.accepted.generation]).toEqual([2, 2]);
    expect(peers.server.sessions.size).toBe(1);
    const run = peers.session.client(Lab).run('after');
    await peers.settle();
    peers.runs[0]?.resolve('done');
    expect(await run).toBe('done');
  });

  it('[resume.supersedes] and the acceptor that noticed first waits for the initiator that has not', async () => {
    const peers = await resumePeers({
      client: { keepAlive: { intervalMs: 5_000, timeoutMs: 500 } },
      server: { keepAlive: { intervalMs: 500, timeoutMs: 500 } },
    });
    const run = peers.session.client(Lab).run('through');
    await peers.settle();
    peers.network.silence();
    await peers.advance(1_100);
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'disconnected']);
    peers.network.speak();
    await peers.advance(6_500);
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
    peers.runs[0]?.resolve('done');
    expect(await run).toBe('done');
    expect(peers.runs).toHaveLength(1);
  });
});
