/** Handshakes of a resume that are slow, late, out of order, or answered by somebody of bad will. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect } from 'statewire';
import type { WelcomeMessage } from 'statewire/wire';
import { leavesNothing } from '../support/nothing-left.ts';
import { call, dialServer, result, ScriptedPeer, welcome } from '../support/hostile-peer.ts';
import { deferred, failureOf, Lab, makeWorld, PLACE } from '../support/peers.ts';
import type { Deferred } from '../support/peers.ts';
import { dice, resumableHello, resumePeers, visitWelcome } from '../support/resume-peers.ts';

leavesNothing();

const KEYS = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte));
const features = { retry: true, resume: true };

describe('[resume.supersedes] dials that overlap', () => {
  /** A server whose authenticate waits for the test from the second time on. */
  async function slowly() {
    const gates: Deferred<string>[] = [];
    let asked = 0;
    const world = await dialServer({
      authenticate: () => {
        asked++;
        if (asked === 1) return 'ann';
        const gate = deferred<string>();
        gates.push(gate);
        return gate.promise;
      },
    });
    const first = await visitWelcome(world);
    const dials: ScriptedPeer[] = [];
    for (const dial of [2, 3]) {
      const peer = await ScriptedPeer.dial(world.network);
      peer.send(resumableHello({ dial, resumeKey: first.answer.resumeKey }));
      dials.push(peer);
    }
    await world.settle();
    return { ...world, first, gates, dials };
  }

  it('[resume.supersedes] the earlier one, authenticated last, is refused', async () => {
    const { gates, dials, settle, server } = await slowly();
    gates[1]?.resolve('ann');
    await settle();
    gates[0]?.resolve('ann');
    await settle();
    expect(dials.map(({ received }) => received[0]?.type)).toEqual(['refuse', 'welcome']);
    dials[1]?.send(call(1));
    expect(await dials[1]?.next('response')).toMatchObject({ ok: true });
    expect(server.sessions.size).toBe(1);
  });

  it('[resume.supersedes] in their order, both resume, the later one last', async () => {
    const { gates, dials, settle, server } = await slowly();
    for (const gate of gates) {
      gate.resolve('ann');
      await settle();
    }
    expect(dials.map(({ received }) => received[0])).toMatchObject([
      { type: 'welcome', resumed: true },
      { type: 'welcome', resumed: true },
    ]);
    expect(await dials[0]?.closed).toBeDefined();
    expect(server.sessions.size).toBe(1);
  });

  it('[session.auth] a session that ends while its resume is authenticated is not resumed', async () => {
    const { gates, dials, settle, server, first } = await slowly();
    await server.sessions.get(first.answer.sessionId)?.close();
    gates[1]?.resolve('ann');
    await settle();
    const [answer] = dials[1]?.received ?? [];
    expect(answer).toMatchObject({ type: 'welcome', resumed: false });
    expect(server.sessions.size).toBe(1);
  });

  it('[session.auth] a link that is lost while its resume is authenticated takes the session away from nobody', async () => {
    const { gates, dials, settle, first } = await slowly();
    dials[0]?.link.abort();
    await settle();
    gates[0]?.resolve('ann');
    await settle();
    first.peer.send({ type: 'ping', nonce: 5 });
    expect((await first.peer.next('pong')).nonce).toBe(5);
  });

  it('[session.handshake-limits] a resume that is never finished leaves the session with the link it has', async () => {
    const { dials, clock, first } = await slowly();
    await clock.advance(10_000);
    for (const { closed } of dials) await closed;
    first.peer.send({ type: 'ping', nonce: 6 });
    expect((await first.peer.next('pong')).nonce).toBe(6);
  });
});

describe('[session.handshake] an acceptor of bad will at a resume', () => {
  /** A client that has come back, with a call pending, to a script that answers each of its dials with this. */
  async function comesBack(change: Partial<WelcomeMessage>) {
    const world = makeWorld();
    const { clock, network, settle } = world;
    const peers: ScriptedPeer[] = [];
    const listening = await network.listener(PLACE).listen((link) => {
      const peer = new ScriptedPeer(link);
      peers.push(peer);
      const first = welcome({ features, resumeKey: KEYS[0] });
      const answer = peers.length === 1 ? first : welcome({ features, resumeKey: KEYS[1], resumed: true, ...change });
      void peer.next('hello').then(
        () => peer.send(answer),
        () => {},
      );
    });
    onTestFinished(() => listening.close());
    const session = await connect(network.connector(PLACE), { clock, random: dice(0.5), keepAlive: false });
    onTestFinished(() => session.close());
    const outcome = session.client(Lab).persist('x');
    outcome.catch(() => {});
    await settle();
    peers[0]?.link.abort(new Error('cut'));
    await clock.advance(600);
    return { ...world, session, peers, outcome };
  }

  it('[resume.key] one that does resume it is told the key of the welcome, and gets the call again', async () => {
    const { peers, session, outcome, settle } = await comesBack({});
    expect(peers[1]?.all('hello')).toMatchObject([{ resumeKey: KEYS[0] }]);
    expect(peers[1]?.all('call')).toMatchObject([{ requestId: 1, operationId: 1 }]);
    peers[1]?.send(result(1, 'y'));
    expect(await outcome).toBe('y');
    peers[1]?.send(result(1, 'twice'));
    await settle();
    expect([session.counters.unmatched, session.status]).toEqual([1, 'connected']);
  });

  it('[session.handshake] a welcome that resumes another session than ours is refused, and final', async () => {
    const { session, peers, outcome, clock } = await comesBack({ sessionId: 'another' });
    expect(session.status).toBe('closed');
    expect(await failureOf(outcome)).toMatchObject({ kind: 'indeterminate' });
    expect(peers[1]?.all('call')).toEqual([]);
    await clock.advance(100_000);
    expect(peers).toHaveLength(2);
  });

  it('[resume.unknown] a fresh session of another store: the call is not sent there', async () => {
    const { session, peers, outcome } = await comesBack({ resumed: false, sessionId: 'fresh', storeIdentity: 'another' });
    expect([session.status, session.id]).toEqual(['connected', 'fresh']);
    expect(await failureOf(outcome)).toMatchObject({ kind: 'indeterminate', reason: 'store-lost' });
    expect(peers[1]?.all('call')).toEqual([]);
  });

  it('[retry.off] a fresh session of a peer without operations: what may have run is not sent there', async () => {
    const { session, peers, outcome } = await comesBack({ resumed: false, sessionId: 'fresh', features: { retry: false, resume: true } });
    expect(session.status).toBe('connected');
    expect(await failureOf(outcome)).toMatchObject({ retryable: false });
    expect(peers[1]?.all('call')).toEqual([]);
  });

  it('[attempt.limit-out] a fresh session of a peer that bears less is never given more', async () => {
    const limits = { maxConcurrentRequests: 1, maxPayload: 16 * 1024 * 1024, maxConnections: 16, maxInitialCredit: 1_024 };
    const { session, peers, outcome, settle } = await comesBack({ resumed: false, sessionId: 'fresh', limits });
    const more = [1, 2].map((input) => session.client(Lab).run(input));
    await settle();
    expect(peers[1]?.all('call')).toHaveLength(1);
    peers[1]?.send(result(1, 'y'));
    expect(await outcome).toBe('y');
    await settle();
    expect(peers[1]?.all('call')).toHaveLength(2);
    for (const { requestId } of peers[1]?.all('call').slice(1) ?? []) peers[1]?.send(result(requestId, 'z'));
    await settle();
    peers[1]?.send(result(5, 'z'));
    expect(await Promise.all(more)).toEqual(['z', 'z']);
  });
});

describe('[resume.order] what is said with the welcome', () => {
  it('[resume.order] calls of the acceptor that come with it are taken after it, in order', async () => {
    const peers = await resumePeers();
    await peers.cut();
    const outcomes = [1, 2, 3].map((input) => peers.accepted.client(Lab).run(input));
    await peers.comeBack();
    expect(peers.runsAt.initiator.map(({ input }) => input)).toEqual([1, 2, 3]);
    peers.runsAt.initiator.forEach((run) => run.resolve(run.input));
    expect(await Promise.all(outcomes)).toEqual([1, 2, 3]);
  });

  it('[session.outlives-link] a welcome that comes after its dial was given up harms nothing', async () => {
    const peers = await resumePeers({ client: { handshakeTimeoutMs: 1_000 } });
    const outcome = peers.session.client(Lab).run('x');
    const back = peers.accepted.client(Lab).run('back');
    await peers.settle();
    await peers.cut();
    peers.network.heal();
    peers.network.delay(1_500);
    await peers.advance(6_000);
    expect(peers.session.status).not.toBe('connected');
    peers.network.delay(0);
    await peers.advance(30_000);
    expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
    peers.runs[0]?.resolve('y');
    peers.runsAt.initiator[0]?.resolve('z');
    expect(await Promise.all([outcome, back])).toEqual(['y', 'z']);
    expect([peers.runs.length, peers.runsAt.initiator.length, peers.server.sessions.size]).toEqual([1, 1, 1]);
    expect(peers.session.counters.protocolErrors + peers.accepted.counters.protocolErrors).toBe(0);
  });
});
