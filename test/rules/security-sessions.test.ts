/**
 * Who may have whose session and outcomes: a thief who knows everything but the principal, one who guesses keys, and one who measures time. And what of the
 * secrets can be seen by those who watch the runtime while it is attacked.
 */
import { describe, expect, it } from 'vitest';
import type { ListenOptions } from 'statewire';
import { encodeValue, methodId } from 'statewire/wire';
import type { HelloMessage } from 'statewire/wire';
import { ResumableSessions } from '../../src/session/resumable-sessions.ts';
import type { SessionCore } from '../../src/session/session-core.ts';
import { call, dialServer, ScriptedPeer } from '../support/hostile-peer.ts';
import { findSecret } from '../support/leaks.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { lab } from '../support/peers.ts';
import { visit, visitWelcome } from '../support/resume-peers.ts';

leavesNothing();

const SCOPE = new Uint8Array(32).fill(0x5a);
const as = (name: string, change: Partial<HelloMessage> = {}): Partial<HelloMessage> => ({ scope: SCOPE, credentials: encodeValue(name), ...change });
const NAMED: ListenOptions = { authenticate: (credentials) => String(credentials) };
const persist = (requestId: number, operationId: string | number) => call(requestId, { methodId: methodId('Lab', 'persist'), operationId });

/** A server that answers each run with its number, so that an answer tells which run it is of. */
async function countingServer(options: ListenOptions = {}) {
  let runs = 0;
  const world = await dialServer({ ...NAMED, services: [lab(() => `run ${++runs}`)], ...options });
  return { ...world, runs: () => runs };
}

describe('a thief with another principal', () => {
  it('[session.auth] [resume.key] who has the key, scope, series and dial number does not resume, and the owner does', async () => {
    const world = await countingServer();
    const own = await visitWelcome(world, as('ann'));
    for (const dial of [2, 3, 1_000]) {
      const thief = await visit(world, as('bob', { dial, resumeKey: own.answer.resumeKey }));
      expect(thief.answer?.type).toBe('refuse');
      await thief.peer.closed;
    }
    own.peer.link.abort();
    const back = await visitWelcome(world, as('ann', { dial: 4, resumeKey: own.answer.resumeKey }));
    expect(back.answer).toMatchObject({ resumed: true, sessionId: own.answer.sessionId });
  });

  it.each<[what: string, operationId: string | number]>([
    ['a string', 'transfer-1'],
    ['a number of the series', 1],
  ])('[op.scope] who uses the scope and names the operation by %s is given no outcome of it: it is another one', async (_what, operationId) => {
    const world = await countingServer();
    const own = await visitWelcome(world, as('ann'));
    own.peer.send(persist(1, operationId));
    expect(await own.peer.next('response')).toMatchObject({ ok: true, result: encodeValue('run 1') });
    const thief = await visitWelcome(world, as('bob'));
    thief.peer.send(persist(1, operationId));
    expect(await thief.peer.next('response')).toMatchObject({ ok: true, result: encodeValue('run 2') });
    // The owner is told its own one, also after that.
    own.peer.send(persist(3, operationId));
    expect(await own.peer.next('response')).toMatchObject({ requestId: 3, ok: true, result: encodeValue('run 1') });
    expect(world.runs()).toBe(2);
  });

  it('[op.scope] [cancel.callee] who names the operation in a cancel or an acknowledgement takes nothing away', async () => {
    const world = await countingServer();
    const own = await visitWelcome(world, as('ann'));
    own.peer.send(persist(1, 1));
    await own.peer.next('response');
    const thief = await visitWelcome(world, as('bob'));
    thief.peer.send({ type: 'cancel', connectionId: 0, requestId: 1, operationId: 1 }, { type: 'ack', series: '00112233445566ff', upTo: 1_000 });
    thief.peer.send({ type: 'ping', nonce: 5 });
    await thief.peer.next('pong');
    own.peer.send(persist(3, 1));
    expect(await own.peer.next('response')).toMatchObject({ requestId: 3, ok: true, result: encodeValue('run 1') });
  });
});

describe('a stranger who guesses', () => {
  it('[resume.key] keys that differ in any one bit, in a scope of its own, resumes nothing and disturbs nobody', async () => {
    const world = await countingServer();
    const own = await visitWelcome(world, as('ann'));
    const key = own.answer.resumeKey as Uint8Array;
    for (let bit = 0; bit < 256; bit++) {
      const guess = key.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      const stranger = await visitWelcome(world, as('bob', { scope: new Uint8Array(32).fill(1), dial: bit + 1, resumeKey: guess }));
      expect(stranger.answer.resumed).toBe(false);
      expect(stranger.answer.sessionId).not.toBe(own.answer.sessionId);
      stranger.peer.link.abort();
    }
    own.peer.send({ type: 'ping', nonce: 9 });
    expect((await own.peer.next('pong')).nonce).toBe(9);
  });

  it('[op.scope] scopes that differ in any one bit finds no outcome', async () => {
    const world = await countingServer();
    const own = await visitWelcome(world, as('ann'));
    own.peer.send(persist(1, 'secret'));
    await own.peer.next('response');
    for (let bit = 0; bit < 256; bit += 7) {
      const scope = SCOPE.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      const guesser = await visitWelcome(world, as('ann', { scope }));
      const before = world.runs();
      guesser.peer.send(persist(1, 'secret'));
      expect(await guesser.peer.next('response')).toMatchObject({ result: encodeValue(`run ${before + 1}`) });
      guesser.peer.link.abort();
    }
  });
});

/** A key that counts how often one of its bytes is looked at. */
function watchedKey(bytes: Uint8Array): { key: Uint8Array; reads: () => number } {
  let reads = 0;
  const key = new Proxy(bytes, {
    get: (target, name) => {
      if (typeof name === 'string' && /^\d+$/.test(name)) reads++;
      const value: unknown = Reflect.get(target, name, target);
      return value;
    },
  });
  return { key, reads: () => reads };
}

it('[resume.key] is compared in a time that tells nothing: every byte is looked at once, wherever the first wrong one is', () => {
  const sessions = new ResumableSessions(10);
  const agreement = { peerSeries: 'aaaaaaaaaaaaaaaa', scopeDigest: 'digest', dial: 1, resumable: true } as unknown as Parameters<
    typeof sessions.judge
  >[0];
  const kept = watchedKey(new Uint8Array(32).fill(3));
  sessions.keep({} as SessionCore, agreement, kept.key);
  const looks = (wrongAt: readonly number[]): [kept: number, shown: number, known: boolean] => {
    const shown = watchedKey(new Uint8Array(32).fill(3).map((byte, at) => (wrongAt.includes(at) ? byte ^ 1 : byte)));
    const before = kept.reads();
    const known = sessions.knows(agreement, shown.key);
    return [kept.reads() - before, shown.reads(), known];
  };
  expect(looks([])).toEqual([32, 32, true]);
  for (const wrongAt of [[0], [15], [31], [0, 31], Array.from({ length: 32 }, (_, at) => at)]) expect(looks(wrongAt)).toEqual([32, 32, false]);
});

/** What a watcher could read: a secret as it is, and as the usual ways of printing bytes show it. */
function printed(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, ''), [...bytes].join(','), [...bytes].join(', ')];
}

it('[session.auth] [meta.sensitive] an attack makes no scope, key, credential or sensitive value visible in logs, inspection events, errors or refusals', async () => {
  const secrets = { scope: 'the-scope-is-a-secret-of-32-byte', credentials: 'the-password-of-ann', metadata: 'a-sensitive-value' };
  const seen: unknown[] = [];
  const world = await dialServer({
    inspect: (event) => void seen.push(event),
    log: (entry) => void seen.push(entry),
    onHandlerError: (error) => void seen.push(error),
    onSession: (session) => void seen.push(session.id, session.status, session.counters),
    authenticate: (credentials) => {
      if (credentials !== secrets.credentials) throw new Error('a wrong password');
      return 'ann';
    },
    services: [
      lab(() => {
        throw new Error('by accident');
      }),
    ],
  });
  const hello = { scope: Buffer.from(secrets.scope), credentials: encodeValue(secrets.credentials) };
  const own = await visitWelcome(world, hello);
  const key = own.answer.resumeKey as Uint8Array;
  const said: ScriptedPeer[] = [own.peer];
  own.peer.send(call(1, { metadata: [['token', secrets.metadata, 1]] }), persist(3, 'x'));
  await own.peer.next('response');
  own.peer.link.abort();
  const attacks: Partial<HelloMessage>[] = [
    { ...hello, dial: 2, resumeKey: key.with(0, (key[0] as number) ^ 1), series: 'cccccccccccccccc' },
    { ...hello, dial: 1, resumeKey: key },
    { ...hello, dial: 2, credentials: encodeValue(`not ${secrets.credentials}`), resumeKey: key },
    { ...hello, dial: 2, resumeKey: key },
  ];
  for (const attack of attacks) said.push((await visit(world, attack)).peer);
  // Each ends by a rule broken in its own way, where it was let in.
  for (const peer of said)
    if (peer.all('welcome').length > 0 && peer !== own.peer) peer.send(call(2, { metadata: [['token', secrets.metadata, 1]] }));
  await world.settle();
  await world.server.close();
  expect(seen.length).toBeGreaterThan(20);
  const answers = said.flatMap((peer) => peer.received.filter(({ type }) => type !== 'welcome'));
  expect(answers.length).toBeGreaterThan(2);
  for (const secret of [...Object.values(secrets), Buffer.from(key).toString('latin1')])
    for (const text of printed(secret)) expect(findSecret([seen, answers], text)).toBeUndefined();
  for (const text of [Buffer.from(key).toString('hex'), [...key].join(',')]) expect(findSecret([seen, answers], text)).toBeUndefined();
});
