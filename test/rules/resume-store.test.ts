/** Links that are lost while the store is being asked, and what a store's failure means to a call that was sent again. */
import { describe, expect, it } from 'vitest';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, isSettled, Lab } from '../support/peers.ts';
import { resumePeers } from '../support/resume-peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

leavesNothing();

const POLICIES = ['run', 'idem', 'persist'] as const;

describe('[resume.live] an operation that the store is asked about when the link goes', () => {
  it.each(POLICIES)('[resume.live] %s, its look-up under way: joined by the re-sent attempt, and runs once', async (policy) => {
    const store = new ScriptedStore();
    const peers = await resumePeers({ server: { store } });
    store.hold('lookup');
    const outcome = peers.session.client(Lab)[policy]('x');
    await peers.settle();
    await peers.blink(2);
    store.letGo('lookup');
    await peers.settle();
    expect(peers.runs).toHaveLength(1);
    peers.runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
  });

  it.each(['run', 'persist'] as const)('[resume.live] %s, its admission under way, without a link: starts all the same', async (policy) => {
    const store = new ScriptedStore();
    const peers = await resumePeers({ server: { store } });
    store.hold('admit');
    const outcome = peers.session.client(Lab)[policy]('x');
    await peers.settle();
    await peers.cut();
    store.letGo('admit');
    await peers.settle();
    expect(peers.runs).toHaveLength(1);
    peers.runs[0]?.resolve('y');
    await peers.comeBack();
    expect(await outcome).toBe('y');
    expect(peers.runs).toHaveLength(1);
  });

  it('[op.seal-durable] a persist outcome on its way to the store is not told on the next link before it is there', async () => {
    const store = new ScriptedStore();
    const peers = await resumePeers({ server: { store } });
    const outcome = peers.session.client(Lab).persist('x');
    await peers.settle();
    store.hold('seal');
    peers.runs[0]?.resolve('y');
    await peers.settle();
    await peers.blink();
    expect(await isSettled(outcome)).toBe(false);
    store.letGo('seal');
    expect(await outcome).toBe('y');
    expect(peers.runs).toHaveLength(1);
  });

  it('[cancel.offline] a call that was given up while it is looked up never starts', async () => {
    const store = new ScriptedStore();
    const peers = await resumePeers({ server: { store } });
    store.hold('lookup');
    const abort = new AbortController();
    const ended = failureOf(peers.session.client(Lab).run('x', { signal: abort.signal }));
    await peers.settle();
    await peers.cut();
    abort.abort();
    await ended;
    await peers.comeBack();
    store.letGo('lookup');
    await peers.settle();
    expect(peers.runs.filter(({ call: { signal } }) => !signal.aborted)).toEqual([]);
    expect(peers.sent('acceptor', 'response')).toHaveLength(1);
  });
});

describe('[op.store-failure] a call that was sent again and is answered unavailable', () => {
  const outcomeOf = async (policy: (typeof POLICIES)[number], loss: 'arrived' | 'lost') => {
    const store = new ScriptedStore();
    const peers = await resumePeers({ server: { store } });
    if (loss === 'lost') peers.network.hold();
    else store.hold('lookup');
    const outcome = failureOf(peers.session.client(Lab)[policy]('x'));
    await peers.settle();
    await peers.cut();
    peers.network.release();
    store.fail('lookup');
    store.letGo('lookup');
    await peers.comeBack();
    return outcome;
  };

  it.each(['run', 'persist'] as const)('[op.store-failure] %s is indeterminate, store-lost: an earlier attempt may have run', async (policy) => {
    for (const loss of ['arrived', 'lost'] as const) {
      expect(await outcomeOf(policy, loss)).toMatchObject({ kind: 'indeterminate', reason: 'store-lost', retryable: false });
    }
  });

  it('[op.store-failure] idem stays unavailable, and retryable', async () => {
    expect(await outcomeOf('idem', 'lost')).toMatchObject({ kind: 'unavailable', retryable: true });
  });

  it('[op.store-failure] a call that is sent for the first time after the loss stays unavailable, and retryable', async () => {
    const store = new ScriptedStore();
    const peers = await resumePeers({ server: { store } });
    await peers.cut();
    const outcome = failureOf(peers.session.client(Lab).run('x'));
    store.fail('lookup');
    await peers.comeBack();
    expect(await outcome).toMatchObject({ kind: 'unavailable', retryable: true });
  });
});

describe('[resume.unknown] a store that cannot raise the fence', () => {
  it('[resume.unknown] lets no fresh session begin: the peer tries again, and is let in when it can', async () => {
    const store = new ScriptedStore();
    const peers = await resumePeers();
    const { fence } = store;
    let failures = 0;
    store.fence = (...given) => {
      failures++;
      if (failures <= 2) return Promise.reject(new Error('the disk is full'));
      return fence.apply(store, given);
    };
    const outcome = peers.session.client(Lab).idem('x');
    await peers.settle();
    const second = await peers.replaceServer({ store });
    expect([peers.session.status === 'connected', second.server.sessions.size]).toEqual([false, 0]);
    await peers.advance(5_000);
    expect([peers.session.status, failures, second.runs.length]).toEqual(['connected', 3, 1]);
    second.runs[0]?.resolve('y');
    expect(await outcome).toBe('y');
  });
});
