/** resume.key, session.auth of a resume: a scripted initiator comes back with the key it was told, with an old one, with a wrong one. */
import { describe, expect, it } from 'vitest';
import type { ListenOptions, LogEntry } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { leavesNothing } from '../support/nothing-left.ts';
import { call, dialServer } from '../support/hostile-peer.ts';
import { lab } from '../support/peers.ts';
import { resumePeers, visit, visitWelcome } from '../support/resume-peers.ts';

leavesNothing();

describe('[resume.key] the key', () => {
  it('[resume.key] is 32 random bytes, told in the welcome, replaced at every resume', async () => {
    const world = await dialServer();
    const keys: Uint8Array[] = [];
    let resumeKey: Uint8Array | undefined;
    for (let dial = 1; dial <= 4; dial++) {
      const { peer, answer } = await visitWelcome(world, { dial, resumeKey });
      expect(answer.resumed).toBe(dial > 1);
      expect(answer.resumeKey).toHaveLength(32);
      resumeKey = answer.resumeKey as Uint8Array;
      keys.push(resumeKey);
      peer.link.abort();
      await world.settle();
    }
    expect(new Set(keys.map((key) => key.join())).size).toBe(4);
    expect(world.server.sessions.size).toBe(1);
  });

  it('[resume.key] resumes the session that it is of: same id', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    first.peer.link.abort();
    const second = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    expect(second.answer.sessionId).toBe(first.answer.sessionId);
    expect(second.answer.resumed).toBe(true);
  });

  it('[resume.key] stays valid until a message came on a link resumed with the next one: lost welcomes orphan nobody', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    // The welcomes of two dials in a row are lost: the peer has nothing but the first key.
    for (const dial of [2, 3, 4]) {
      const again = await visitWelcome(world, { dial, resumeKey: first.answer.resumeKey });
      expect(again.answer).toMatchObject({ resumed: true, sessionId: first.answer.sessionId });
      again.peer.link.abort();
      await world.settle();
    }
  });

  it('[resume.key] of a resume is valid at once, also while the one before it is', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    const second = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    const third = await visitWelcome(world, { dial: 3, resumeKey: second.answer.resumeKey });
    expect(third.answer).toMatchObject({ resumed: true, sessionId: first.answer.sessionId });
    // That was a resume with the second key: the first is two behind.
    const late = await visitWelcome(world, { dial: 4, resumeKey: first.answer.resumeKey });
    expect(late.answer.resumed).toBe(false);
  });

  it('[resume.key] is worth nothing once a message came on the link that told the next one', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    const second = await visitWelcome(world, { dial: 2, resumeKey: first.answer.resumeKey });
    second.peer.send({ type: 'ping', nonce: 1 });
    await second.peer.next('pong');
    second.peer.link.abort();
    const third = await visitWelcome(world, { dial: 3, resumeKey: first.answer.resumeKey });
    expect(third.answer.resumed).toBe(false);
    expect(third.answer.sessionId).not.toBe(first.answer.sessionId);
  });

  it('[resume.key] that is wrong never resumes: the peer gets a session of its own, and the earlier one of its series ends', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    const { answer } = await visitWelcome(world, { dial: 2, resumeKey: new Uint8Array(32).fill(1) });
    expect(answer.resumed).toBe(false);
    expect([...world.server.sessions.keys()]).toEqual([answer.sessionId]);
    expect(answer.sessionId).not.toBe(first.answer.sessionId);
  });

  it('[resume.key] of one session resumes no other one', async () => {
    const world = await dialServer();
    const one = await visitWelcome(world, { series: 'aaaaaaaaaaaaaaaa' });
    await visitWelcome(world, { series: 'bbbbbbbbbbbbbbbb' });
    const { answer } = await visitWelcome(world, { series: 'bbbbbbbbbbbbbbbb', dial: 2, resumeKey: one.answer.resumeKey });
    expect(answer.resumed).toBe(false);
    one.peer.send({ type: 'ping', nonce: 3 });
    expect((await one.peer.next('pong')).nonce).toBe(3);
  });

  it('[resume.key] is not made where either side wants no resume', async () => {
    const world = await dialServer({ resume: false });
    const refusing = await visitWelcome(world);
    expect(refusing.answer.resumeKey).toBeUndefined();
    expect(refusing.answer.features.resume).toBe(false);
    const other = await dialServer();
    const { answer } = await visitWelcome(other, { features: { retry: true, resume: false } });
    expect(answer.resumeKey).toBeUndefined();
  });

  it('[resume.key] never reaches a log or an inspector, on either side', async () => {
    const seen: unknown[] = [];
    const observer = (event: unknown): void => void seen.push(event);
    const log = (entry: LogEntry): void => void seen.push(entry);
    const peers = await resumePeers({ client: { inspect: observer, log }, server: { inspect: observer, log } });
    await peers.blink(2);
    const keys = peers.sent('acceptor', 'welcome').map(({ resumeKey }) => resumeKey as Uint8Array);
    expect(keys).toHaveLength(3);
    expect(seen.length).toBeGreaterThan(0);
    expect(findBytes(seen, keys)).toEqual([]);
  });
});

/** The paths under which any of `wanted` stands, as bytes or as hex, in what a listener can reach by itself: own properties, not methods. */
function findBytes(root: unknown, wanted: readonly Uint8Array[]): string[] {
  const texts = wanted.map((bytes) => Buffer.from(bytes).toString('hex'));
  const visited = new Set<unknown>();
  const found: string[] = [];
  const walk = (value: unknown, path: string, depth: number): void => {
    if (typeof value === 'string' && texts.some((text) => value.includes(text))) found.push(path);
    if (typeof value !== 'object' || value === null || visited.has(value) || depth > 12) return;
    visited.add(value);
    if (value instanceof Uint8Array) {
      if (texts.includes(Buffer.from(value).toString('hex'))) found.push(path);
      return;
    }
    for (const [key, part] of value instanceof Map ? value : Object.entries(value)) walk(part, `${path}.${String(key)}`, depth + 1);
  };
  walk(root, '$', 0);
  return found;
}

describe('[session.auth] a resume', () => {
  const byName: ListenOptions = { authenticate: (credentials) => String(credentials), services: [lab()] };
  const as = (name: string) => encodeValue(name);

  it('[session.auth] is refused to another principal, and the session stays for its own', async () => {
    const world = await dialServer(byName);
    const first = await visitWelcome(world, { credentials: as('ann') });
    first.peer.link.abort();
    const thief = await visit(world, { dial: 2, credentials: as('bob'), resumeKey: first.answer.resumeKey });
    expect(thief.answer?.type).toBe('refuse');
    const own = await visitWelcome(world, { dial: 3, credentials: as('ann'), resumeKey: first.answer.resumeKey });
    expect(own.answer).toMatchObject({ resumed: true, sessionId: first.answer.sessionId });
  });

  it('[session.auth] a refused thief takes no live link away, and uses up no dial number', async () => {
    const world = await dialServer(byName);
    const first = await visitWelcome(world, { credentials: as('ann') });
    await visit(world, { dial: 1_000, credentials: as('bob'), resumeKey: first.answer.resumeKey });
    first.peer.send({ type: 'ping', nonce: 7 });
    expect((await first.peer.next('pong')).nonce).toBe(7);
    first.peer.link.abort();
    const own = await visit(world, { dial: 2, credentials: as('ann'), resumeKey: first.answer.resumeKey });
    expect(own.answer?.type).toBe('welcome');
  });

  it('[session.auth] is refused where the scope is another one', async () => {
    const world = await dialServer();
    const first = await visitWelcome(world);
    const { answer } = await visit(world, { dial: 2, scope: new Uint8Array(32).fill(8), resumeKey: first.answer.resumeKey });
    expect(answer?.type).toBe('refuse');
    first.peer.send(call(1));
    expect(await first.peer.next('response')).toMatchObject({ requestId: 1, ok: true });
  });

  it('[session.auth] asks authenticate again each time, which may refuse', async () => {
    let asked = 0;
    const world = await dialServer({
      authenticate: () => {
        asked++;
        if (asked > 1) throw new Error('no more');
        return 'ann';
      },
    });
    const first = await visitWelcome(world);
    first.peer.link.abort();
    const second = await visit(world, { dial: 2, resumeKey: first.answer.resumeKey });
    expect([asked, second.answer?.type]).toEqual([2, 'refuse']);
  });
});
