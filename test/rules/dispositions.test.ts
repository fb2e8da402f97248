/**
 * What becomes of handlers that are aborted or end without an outcome: the table of retry.disposition, cell by cell, as far as it needs neither channels
 * nor a resume (caller, waiter of another session, handler, record, later attempt), and what an aborted handler may still do.
 */
import { describe, expect, it } from 'vitest';
import { operationPeers } from '../support/operation-peers.ts';
import type { Asked, OperationPeers, Peer, Policy } from '../support/operation-peers.ts';
import { ENDS_WITH_LINK } from '../support/peers.ts';

const HANDLER_TIMEOUT_MS = 1_000;

type Why = 'throws' | 'overruns' | 'is cancelled by the caller' | 'loses its connection' | 'loses its connection, though another session waits';

interface Cell {
  readonly policy: Policy;
  readonly why: Why;
  /** What the call is told whose attempt owns the operation. */
  readonly caller: object;
  /** What another session's waiter is told. */
  readonly waiter?: object;
  /** Whether the handler's signal fires. */
  readonly aborted: boolean;
  /** Whether the handler goes on for somebody, so that what it returns counts. */
  readonly runsOn?: true;
  /** What the store is told in the end. */
  readonly record: 'nothing' | 'seal' | 'release handler-failed' | 'release released';
  /** What a later attempt under the same id gets; `{ value: 'again' }` where the handler runs again. */
  readonly later: object;
}

const FAILED = { kind: 'cancelled', reason: 'handler-failed', retryable: false };
const UNSURE = { kind: 'indeterminate', reason: 'handler-failed', retryable: false };
const GAVE_UP = { kind: 'cancelled', reason: 'aborted', retryable: false };
const CUT_OFF = { kind: 'indeterminate', reason: 'closed', retryable: false };
const CUT_OFF_HARMLESS = { kind: 'connection-closed', reason: 'closed', retryable: true };
const ABORTED = { kind: 'cancelled', reason: 'aborted', retryable: false };
const RELEASED = { kind: 'indeterminate', reason: 'released' };
const DONE = { value: 'done' };
const AGAIN = { value: 'again' };

const CELLS: readonly Cell[] = [
  { policy: 'volatile', why: 'throws', caller: FAILED, waiter: FAILED, aborted: false, record: 'release handler-failed', later: UNSURE },
  { policy: 'idem', why: 'throws', caller: FAILED, waiter: FAILED, aborted: false, record: 'nothing', later: AGAIN },
  { policy: 'persist', why: 'throws', caller: UNSURE, waiter: UNSURE, aborted: false, record: 'release handler-failed', later: UNSURE },
  { policy: 'persistIdem', why: 'throws', caller: UNSURE, waiter: UNSURE, aborted: false, record: 'release handler-failed', later: AGAIN },

  { policy: 'volatile', why: 'overruns', caller: FAILED, waiter: FAILED, aborted: true, record: 'release handler-failed', later: UNSURE },
  { policy: 'idem', why: 'overruns', caller: FAILED, waiter: FAILED, aborted: true, record: 'nothing', later: AGAIN },
  { policy: 'persist', why: 'overruns', caller: UNSURE, waiter: UNSURE, aborted: true, record: 'release handler-failed', later: UNSURE },
  { policy: 'persistIdem', why: 'overruns', caller: UNSURE, waiter: UNSURE, aborted: true, record: 'release handler-failed', later: AGAIN },

  {
    policy: 'volatile',
    why: 'is cancelled by the caller',
    caller: GAVE_UP,
    waiter: ABORTED,
    aborted: true,
    record: 'release released',
    later: RELEASED,
  },
  { policy: 'idem', why: 'is cancelled by the caller', caller: GAVE_UP, waiter: ABORTED, aborted: true, record: 'nothing', later: AGAIN },
  { policy: 'persist', why: 'is cancelled by the caller', caller: GAVE_UP, waiter: DONE, aborted: false, runsOn: true, record: 'seal', later: DONE },
  {
    policy: 'persistIdem',
    why: 'is cancelled by the caller',
    caller: GAVE_UP,
    waiter: DONE,
    aborted: false,
    runsOn: true,
    record: 'seal',
    later: DONE,
  },

  { policy: 'volatile', why: 'loses its connection', caller: CUT_OFF, aborted: true, record: 'release released', later: RELEASED },
  { policy: 'idem', why: 'loses its connection', caller: CUT_OFF_HARMLESS, aborted: true, record: 'nothing', later: AGAIN },
  { policy: 'persist', why: 'loses its connection', caller: CUT_OFF, aborted: false, runsOn: true, record: 'seal', later: DONE },
  { policy: 'persistIdem', why: 'loses its connection', caller: CUT_OFF_HARMLESS, aborted: false, runsOn: true, record: 'seal', later: DONE },
  ...(['volatile', 'idem', 'persist', 'persistIdem'] as const).map((policy): Cell => ({
    policy,
    why: 'loses its connection, though another session waits',
    caller: policy === 'idem' || policy === 'persistIdem' ? CUT_OFF_HARMLESS : CUT_OFF,
    waiter: DONE,
    aborted: false,
    runsOn: true,
    record: 'seal',
    later: DONE,
  })),
];

/** Makes it happen. */
async function end(peers: OperationPeers, { why }: Cell, { owner, call }: { owner: Peer; call: Asked }): Promise<void> {
  switch (why) {
    case 'throws':
      peers.run.throws(new Error('oops'));
      break;
    case 'overruns':
      await peers.clock.advance(HANDLER_TIMEOUT_MS);
      break;
    case 'is cancelled by the caller':
      call.cancel();
      break;
    case 'loses its connection':
    case 'loses its connection, though another session waits':
      owner.cut();
  }
  await peers.settle();
}

/** The last thing the store was told of the record, if anything after its admission. */
function recordOf(peers: OperationPeers): string {
  const told = peers.store.calls
    .filter(({ method }) => method === 'seal' || method === 'release')
    .map(({ method, reason }) => [method, reason].join(' ').trim());
  expect(told.length).toBeLessThanOrEqual(1);
  return told[0] ?? 'nothing';
}

describe('a handler that ends without an outcome', () => {
  it.each(CELLS.map((cell) => [`${cell.policy}: it ${cell.why}`, cell] as const))('[retry.disposition] %s', async (_what, cell) => {
    await using peers = await operationPeers({
      server: { handlerTimeoutMs: cell.why === 'overruns' ? HANDLER_TIMEOUT_MS : undefined },
      client: ENDS_WITH_LINK,
    });
    const [owner, other] = await peers.connectTwo();
    const call = owner.ask(cell.policy, 'x');
    await peers.settle();
    const waiter = cell.waiter === undefined ? undefined : other.ask(cell.policy, 'x');
    await peers.settle();
    await end(peers, cell, { owner, call });

    expect(await call.ended).toMatchObject(cell.caller);
    expect(peers.run.aborted).toBe(cell.aborted);
    peers.run.returns('done');
    if (waiter !== undefined) expect(await waiter.ended).toMatchObject(cell.waiter as object);
    await peers.settle();
    expect(recordOf(peers)).toBe(cell.record);

    const later = other.ask(cell.policy, 'x');
    await peers.settle();
    peers.runs[1]?.returns('again');
    expect(await later.ended).toMatchObject(cell.later);
    expect(peers.runs).toHaveLength(cell.later === AGAIN ? 2 : 1);
  });

  it.each(['throws', 'overruns'] as const)('[retry.disposition] that %s says nothing of why to the caller', async (why) => {
    await using peers = await operationPeers({ server: { handlerTimeoutMs: HANDLER_TIMEOUT_MS } });
    const owner = await peers.connect();
    const call = owner.ask('volatile', 'x');
    await peers.settle();
    await end(peers, { ...CELLS[0]!, why }, { owner, call });
    await call.ended;
    expect(call.error?.message).not.toContain('oops');
    expect(peers.accidents).toEqual(why === 'throws' ? [expect.objectContaining({ message: 'oops' })] : []);
  });
});

describe('a connection that goes', () => {
  it('[retry.disposition] makes the earliest waiter of another session the owner, whose own cancel then aborts', async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    const one = await peers.connect();
    const heirs = [await peers.connect({ scope: one.scope }), await peers.connect({ scope: one.scope })];
    const asked = [];
    for (const peer of [one, ...heirs]) {
      asked.push(peer.ask('volatile', 'x'));
      await peers.settle();
    }
    one.cut();
    await peers.settle();
    expect(peers.run.aborted).toBe(false);
    asked[1]?.cancel();
    await peers.settle();
    expect(peers.run.aborted).toBe(true);
    expect(await asked[2]?.ended).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
  });

  it('[retry.disposition] does not make an heir of an attempt of the same session', async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    const one = await peers.connect();
    const asked = [one.ask('volatile', 'x'), one.ask('volatile', 'x')];
    await peers.settle();
    one.cut();
    await peers.settle();
    expect(peers.run.aborted).toBe(true);
    for (const { ended } of asked) expect(await ended).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    expect(peers.store.calls.at(-1)).toMatchObject({ method: 'release', reason: 'released' });
  });

  it('[retry.disposition] does not trouble an operation that it only waited for', async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    const [one, other] = await peers.connectTwo();
    const owner = one.ask('volatile', 'x');
    await peers.settle();
    other.ask('volatile', 'x');
    await peers.settle();
    other.cut();
    await peers.settle();
    expect(peers.run.aborted).toBe(false);
    peers.run.returns('done');
    expect(await owner.ended).toEqual({ value: 'done' });
    expect(peers.messages('response')).toHaveLength(1);
  });

  it.each(['lookup', 'admit'] as const)('[retry.disposition] while the %s of a volatile operation is pending: it never starts', async (stage) => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    peers.store.hold(stage);
    const [one, other] = await peers.connectTwo();
    one.ask('volatile', 'x');
    await peers.settle();
    one.cut();
    await peers.settle();
    peers.store.letGo(stage);
    await peers.settle();
    expect(peers.runs).toEqual([]);
    const later = other.ask('volatile', 'x');
    await peers.settle();
    peers.runs[0]?.returns('first');
    expect(await later.ended).toMatchObject(stage === 'lookup' ? { value: 'first' } : { kind: 'indeterminate', reason: 'released' });
  });

  it.each([
    ['lookup', 'is lost'],
    ['lookup', 'is closed by the server'],
    ['admit', 'is lost'],
    ['admit', 'is closed by the server'],
  ] as const)('[retry.disposition] leaves an operation whose %s is pending to a waiter of another session, when it %s', async (stage, how) => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    peers.store.hold(stage);
    const [one, other] = await peers.connectTwo();
    one.ask('volatile', 'x');
    await peers.settle();
    const waiter = other.ask('volatile', 'x');
    await peers.settle();
    if (how === 'is lost') one.cut();
    else await one.served.close();
    await peers.settle();
    peers.store.letGo(stage);
    await peers.settle();
    peers.run.returns('done');
    expect(await waiter.ended).toEqual({ value: 'done' });
  });

  it.each(['lookup', 'admit', 'seal'] as const)('[retry.disposition] does not stop a persist operation whose %s is pending', async (stage) => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    peers.store.hold(stage);
    const one = await peers.connect();
    one.ask('persist', 'x');
    await peers.settle();
    if (stage === 'seal') peers.run.returns('done');
    await peers.settle();
    one.cut();
    await peers.settle();
    expect(peers.server.sessions.size).toBe(0);
    peers.store.letGo(stage);
    await peers.settle();
    peers.run.returns('done');
    await peers.settle();
    const later = await peers.connect({ scope: one.scope });
    expect(await later.ask('persist', 'x').ended).toEqual({ value: 'done' });
    expect(peers.runs).toHaveLength(1);
  });

  it('[retry.disposition] leaves a persist operation to whoever joins it next, or to nobody', async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    const one = await peers.connect();
    one.ask('persist', 'x');
    await peers.settle();
    one.cut();
    await peers.settle();
    const two = await peers.connect({ scope: one.scope });
    const joined = two.ask('persist', 'x');
    await peers.settle();
    two.cut();
    expect(await joined.ended).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
    const three = await peers.connect({ scope: one.scope });
    const last = three.ask('persist', 'x');
    await peers.settle();
    peers.run.fails('no money');
    expect(await last.ended).toMatchObject({ kind: 'user', data: 'no money' });
    expect(peers.runs).toHaveLength(1);
  });

  it('[retry.disposition] says so to the handler of a volatile operation, and counts what it does later', async () => {
    await using peers = await operationPeers({ client: ENDS_WITH_LINK });
    const one = await peers.connect();
    one.ask('volatile', 'x');
    await peers.settle();
    const { signal } = peers.run.call;
    one.cut();
    await peers.settle();
    expect(signal.aborted).toBe(true);
    expect(one.counters.zombies).toBe(1);
    peers.run.returns('too late');
    await peers.settle();
    expect(one.counters).toMatchObject({ zombies: 0, lateResults: 1 });
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'release']);
  });
});

describe('a handler that is aborted', () => {
  const lateEndings: [string, (peers: OperationPeers) => void][] = [
    ['returns', (peers) => peers.run.returns('too late')],
    ['throws', (peers) => peers.run.throws(new Error('too late'))],
    ['fails', (peers) => peers.run.fails('too late')],
  ];

  it.each(lateEndings)('[cancel.abort] is answered for at that moment; that it later %s is ignored and counted', async (_what, end) => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    expect(peer.counters).toMatchObject({ zombies: 1, lateResults: 0 });
    end(peers);
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    expect(peer.counters).toMatchObject({ zombies: 0, lateResults: 1 });
    expect(peers.store.asked).toEqual(['lookup', 'admit', 'release']);
    expect(await peer.ask('volatile', 'x').ended).toMatchObject({ kind: 'indeterminate', reason: 'released' });
  });

  it('[cancel.abort] has its signal fired once, with an AbortError', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    const { signal } = peers.run.call;
    const fired: unknown[] = [];
    signal.addEventListener('abort', () => fired.push(signal.reason));
    asked.cancel();
    peer.say({ type: 'cancel', connectionId: 0, requestId: 1, operationId: 'x' });
    await peers.settle();
    expect(fired).toMatchObject([{ name: 'AbortError' }]);
  });

  it('[cancel.abort] finds its signal aborted when it first looks at it afterwards', async () => {
    await using peers = await operationPeers();
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    expect(peers.run.call.signal.aborted).toBe(true);
  });

  it('[cancel.abort] by overrunning is answered for at that moment as well', async () => {
    await using peers = await operationPeers({ server: { handlerTimeoutMs: 1_000 } });
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.clock.advance(1_000);
    expect(await asked.ended).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(peer.counters).toMatchObject({ zombies: 1, lateResults: 0 });
    peers.run.returns('too late');
    await peers.settle();
    expect(peer.counters).toMatchObject({ zombies: 0, lateResults: 1 });
  });

  it('[cancel.abort] may throw out of its abort listener without harm', async () => {
    await using peers = await operationPeers({
      handlers: {
        volatile: (_input, call) => new Promise((_, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error))),
      },
    });
    const peer = await peers.connect();
    const asked = peer.ask('volatile', 'x');
    await peers.settle();
    asked.cancel();
    await peers.settle();
    expect(peers.answers).toEqual(['1: cancelled']);
    expect(peer.counters).toMatchObject({ zombies: 0, lateResults: 1 });
    expect(peers.accidents).toEqual([]);
  });
});
