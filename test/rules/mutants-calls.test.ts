/** What only a mutant showed that no test saw, of attempts, outcomes and cancels (docs/mutants.md): each of these fails for the mutant it was written for. */
import { describe, expect, it } from 'vitest';
import { memoryStore } from 'statewire';
import { attackClient, result } from '../support/hostile-peer.ts';
import { operationPeers } from '../support/operation-peers.ts';
import { connectPeers, failureOf, lab, Lab } from '../support/peers.ts';

describe('a call that is made after another one was cancelled', () => {
  it('[attempt.limit-link] waits for the response to that one, although nobody is before it in the queue', async () => {
    const { peer, session, settle } = await attackClient(
      {},
      { limits: { maxConcurrentRequests: 1, maxPayload: 65_536, maxConnections: 0, maxInitialCredit: 0 } },
    );
    const { run } = session.client(Lab);
    const given = new AbortController();
    const cancelled = failureOf(run('first', { signal: given.signal }));
    await peer.next('call');
    given.abort();
    await cancelled;
    await peer.next('cancel');
    const next = run('next');
    await settle();
    expect(peer.all('call')).toHaveLength(1);
    peer.send(result(1, 'too late'));
    expect(await peer.next('call')).toMatchObject({ requestId: 3 });
    peer.send(result(3, 'next'));
    expect(await next).toBe('next');
  });
});

describe('a call that its peer says it did not run', () => {
  it.each(['run', 'idem', 'persist'] as const)('[outcome.retryable] is retryable where the store cannot look up a %s one', async (name) => {
    let works = false;
    const store = memoryStore();
    const lookup = store.lookup.bind(store);
    store.lookup = (key, signature) => {
      if (works) return lookup(key, signature);
      throw new Error('no disk');
    };
    const { session } = await connectPeers({ server: { services: [lab()], store } });
    expect(await failureOf(session.client(Lab)[name]('x'))).toMatchObject({ kind: 'unavailable', retryable: true });
    works = true;
    expect(await session.client(Lab)[name]('x')).toBe('x');
  });
});

describe('a cancel that comes when the handler has answered and the outcome is being stored', () => {
  it('[cancel.race] changes nothing for who waits as well, nor for the attempt itself', async () => {
    await using peers = await operationPeers();
    peers.store.hold('seal');
    const [one, other] = await peers.connectTwo();
    const asked = one.ask('persist', 'x');
    await peers.settle();
    const waiting = other.ask('persist', 'x');
    await peers.settle();
    peers.run.returns('done');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    expect(peers.messages('response')).toEqual([]);
    peers.store.letGo('seal');
    expect(await waiting.ended).toEqual({ value: 'done' });
    await peers.settle();
    expect(peers.messages('response')).toMatchObject([{ ok: true }, { ok: true }]);
  });
});
