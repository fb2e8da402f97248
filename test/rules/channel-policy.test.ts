/**
 * Channels and the policy of a method: `persist` refuses them (retry.persist-no-channels), and a handler that ends without an outcome means something else
 * where channels were (retry.disposition, the rows "with channels").
 */
import { describe, expect, it } from 'vitest';
import { channel, defineService, method } from 'statewire';
import type { Rx, Tx } from 'statewire';
import { channelPeers, EVERYWHERE, readAll, watched } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing, tidyAfterwards } from '../support/channel-leaks.ts';
import { carrying, end, item, rxEnd, txEnd } from '../support/channel-script.ts';
import { attackServer } from '../support/hostile-peer.ts';
import { operationPeers } from '../support/operation-peers.ts';
import type { Asked, OperationPeers, Peer } from '../support/operation-peers.ts';
import { ENDS_WITH_LINK, failureOf, gated, lab, Lab } from '../support/peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

leavesNothing();

describe.each(EVERYWHERE)('over $transport, where the $sends would send,', ({ transport, sends }) => {
  const passed = (): { own: Tx<number> | Rx<number>; end: Tx<number> | Rx<number> } => {
    const [tx, rx] = channel<number>();
    return sends === 'caller' ? { own: tx, end: rx } : { own: rx, end: tx };
  };

  it('[retry.persist-no-channels] a caller that knows the method as persist refuses at the call, by the path', async () => {
    const peers = await channelPeers({ transport });
    const { end: given } = passed();
    const error = await failureOf(peers.client.persist({ deep: [1, given] }));
    expect(error).toMatchObject({ kind: 'invalid-payload', retryable: false });
    expect(error.message).toMatch(/\$\.deep\[1\]/);
    await peers.settle();
    expect(peers.runs).toEqual([]);
    expect(peers.sent('call').filter(({ channels }) => channels.length > 0)).toEqual([]);
    await expectNoChannels();
    // The end was not passed: another method may have it.
    void watched(peers.client.volatile({ given }));
    await peers.nextRun();
    given[Symbol.dispose]();
    for (const { input } of peers.runs) (input as { given: Disposable }).given[Symbol.dispose]();
  });

  it('[retry.persist-no-channels] a callee refuses whoever does not know, and admits nothing', async () => {
    const store = new ScriptedStore();
    const peers = await channelPeers({ transport, server: { store } });
    const Ignorant = defineService('Flow', { persist: method<unknown, unknown>() });
    const { own, end: given } = passed();
    const error = await failureOf(peers.session.client(Ignorant).persist({ given }, { operationId: 'x' }));
    expect(error).toMatchObject({ kind: 'invalid-payload', retryable: false });
    expect(peers.runs).toEqual([]);
    expect(store.count('admit')).toBe(0);
    await peers.settle();
    const told = sends === 'caller' ? await failureOf((own as Tx<number>).send(1)) : (await readAll(own as Rx<number>)).error;
    expect(told?.kind).toBe('channel-reset');
    await expectNoChannels();
    // The id is not used up by that.
    const again = watched(peers.session.client(Ignorant).persist({}, { operationId: 'x' }));
    (await peers.nextRun()).returns('fine');
    expect(await again).toBe('fine');
  });
});

describe('a scripted caller of a persist method', () => {
  it.each<[string, number[], unknown]>([
    ['a receiving end', [1], { end: rxEnd() }],
    ['a sending end', [1], { end: txEnd() }],
    ['channels in its envelope alone', [1, 3], { end: 1 }],
    ['ends that its envelope does not list', [], { end: rxEnd() }],
  ])('[retry.persist-no-channels] that passes %s is refused, and its channels are reset', async (_what, channels, argument) => {
    const { handler, calls } = gated();
    const { peer, settle, accepted } = await attackServer({ services: [lab(handler)] });
    peer.send(carrying(1, channels, argument, { methodId: Lab.methods.persist.id }));
    for (const id of channels) peer.send(item(id, 'x'), end(id));
    expect(await peer.next('response')).toMatchObject({ requestId: 1, ok: false, error: { kind: 'invalid-payload' } });
    await settle();
    expect(peer.all('reset').map(({ channelId }) => channelId)).toEqual(channels);
    expect(calls).toEqual([]);
    expect(accepted.status).toBe('connected');
    await expectNoChannels();
  });
});

const HANDLER_TIMEOUT_MS = 1_000;

type Why = 'throws' | 'overruns' | 'is cancelled by the caller' | 'loses its connection';

interface Cell {
  readonly policy: 'volatile' | 'idem';
  readonly why: Why;
  /** What the call is told whose attempt owns the operation; and the waiter of another session. */
  readonly caller: object;
  readonly waiter: object;
  /** Whether the handler's signal fires. */
  readonly aborted: boolean;
  /** What a later attempt under the same id gets. */
  readonly later: object;
  /** What the channel of the owner is told. */
  readonly channel: object;
}

const UNSURE = { kind: 'indeterminate', reason: 'handler-failed', retryable: false };
const FAILED = { kind: 'cancelled', reason: 'handler-failed', retryable: false };
const ABORTED = { kind: 'cancelled', reason: 'aborted', retryable: false };
const RELEASED = { kind: 'indeterminate', reason: 'released' };
const AGAIN = { value: 'again' };
const LOST = { kind: 'connection-closed', reason: 'link-lost' };
const channelReset = (reason: string) => ({ kind: 'channel-reset', data: reason });

const CELLS: readonly Cell[] = [
  { policy: 'volatile', why: 'throws', caller: UNSURE, waiter: UNSURE, aborted: false, later: UNSURE, channel: channelReset('handler-failed') },
  { policy: 'idem', why: 'throws', caller: FAILED, waiter: FAILED, aborted: false, later: AGAIN, channel: channelReset('handler-failed') },
  { policy: 'volatile', why: 'overruns', caller: UNSURE, waiter: UNSURE, aborted: true, later: UNSURE, channel: channelReset('handler-failed') },
  { policy: 'idem', why: 'overruns', caller: FAILED, waiter: FAILED, aborted: true, later: AGAIN, channel: channelReset('handler-failed') },
  {
    policy: 'volatile',
    why: 'is cancelled by the caller',
    caller: ABORTED,
    waiter: ABORTED,
    aborted: true,
    later: RELEASED,
    channel: channelReset('aborted'),
  },
  {
    policy: 'idem',
    why: 'is cancelled by the caller',
    caller: ABORTED,
    waiter: ABORTED,
    aborted: true,
    later: AGAIN,
    channel: channelReset('aborted'),
  },
  {
    policy: 'volatile',
    why: 'loses its connection',
    caller: { kind: 'indeterminate', retryable: false },
    waiter: { kind: 'indeterminate', reason: 'channels', retryable: false },
    aborted: true,
    later: { kind: 'indeterminate' },
    channel: LOST,
  },
  {
    policy: 'idem',
    why: 'loses its connection',
    caller: { kind: 'connection-closed', retryable: true },
    waiter: ABORTED,
    aborted: true,
    later: AGAIN,
    channel: LOST,
  },
];

async function happen(peers: OperationPeers, why: Why, { owner, call }: { owner: Peer; call: Asked }): Promise<void> {
  if (why === 'throws') peers.run.throws(new Error('oops'));
  else if (why === 'overruns') await peers.clock.advance(HANDLER_TIMEOUT_MS);
  else if (why === 'is cancelled by the caller') call.cancel();
  else owner.cut();
  await peers.settle();
}

describe('a handler of a call with channels', () => {
  /** The argument of one attempt, and the sending end that stays. */
  const argument = () => {
    const [tx, rx] = channel<number>();
    return { tx, input: { n: 1, rx } };
  };

  async function twoAttempts(cell: Pick<Cell, 'policy' | 'why'>) {
    const peers = await operationPeers({
      server: { handlerTimeoutMs: cell.why === 'overruns' ? HANDLER_TIMEOUT_MS : undefined },
      client: cell.why === 'loses its connection' ? ENDS_WITH_LINK : {},
    });
    tidyAfterwards(async () => {
      for (const run of peers.runs) run.returns(undefined);
      await peers.settle();
      await peers[Symbol.asyncDispose]();
    });
    const [owner, other] = await peers.connectTwo();
    const first = argument();
    const call = owner.ask(cell.policy, 'x', first.input);
    await peers.settle();
    return { peers, owner, other, first, call };
  }

  it.each(CELLS.map((cell) => [`${cell.policy}: it ${cell.why}`, cell] as const))('[retry.disposition] %s', async (_what, cell) => {
    const { peers, owner, other, first, call } = await twoAttempts(cell);
    const second = argument();
    const waiter = other.ask(cell.policy, 'x', second.input);
    await peers.settle();
    // It joined, and its ends serve nobody.
    expect(await failureOf(second.tx.send(1))).toMatchObject(channelReset('attached'));
    await first.tx.send(1);
    await happen(peers, cell.why, { owner, call });

    expect(await call.ended).toMatchObject(cell.caller);
    expect(await waiter.ended).toMatchObject(cell.waiter);
    expect(peers.run.aborted).toBe(cell.aborted);
    expect(await failureOf(first.tx.send(2))).toMatchObject(cell.channel);
    peers.run.returns('late');
    await peers.settle();

    const later = other.ask(cell.policy, 'x', argument().input);
    await peers.settle();
    peers.runs[1]?.returns('again');
    expect(await later.ended).toMatchObject(cell.later);
    expect(peers.runs).toHaveLength(cell.later === AGAIN ? 2 : 1);
    for (const { input } of peers.runs) (input as { rx: Rx<number> }).rx.reset();
  });

  it.each(['volatile', 'idem'] as const)('[retry.disposition] %s: it loses its connection, and nobody else waits', async (policy) => {
    const { peers, owner, other, call } = await twoAttempts({ policy, why: 'loses its connection' });
    owner.cut();
    await peers.settle();
    expect(peers.run.aborted).toBe(true);
    expect((await call.ended) as object).toMatchObject({ kind: policy === 'idem' ? 'connection-closed' : 'indeterminate' });
    const later = other.ask(policy, 'x', argument().input);
    await peers.settle();
    peers.runs[1]?.returns('again');
    expect(await later.ended).toMatchObject(policy === 'idem' ? AGAIN : { kind: 'indeterminate' });
    for (const { input } of peers.runs) (input as { rx: Rx<number> }).rx.reset();
  });

  it('[retry.disposition] volatile: what it returns after it was aborted is ignored and counted', async () => {
    const { peers, owner, call } = await twoAttempts({ policy: 'volatile', why: 'throws' });
    call.cancel();
    await peers.settle();
    expect(owner.counters).toMatchObject({ zombies: 1, lateResults: 0 });
    peers.run.returns('late');
    await peers.settle();
    expect(owner.counters).toMatchObject({ zombies: 0, lateResults: 1 });
  });

  it('[retry.disposition] volatile: the waiter whose link is lost leaves alone, the handler and its channels go on', async () => {
    const { peers, other, first, call } = await twoAttempts({ policy: 'volatile', why: 'throws' });
    const waiter = other.ask('volatile', 'x', argument().input);
    await peers.settle();
    other.cut();
    await peers.settle();
    expect(waiter.now).toBeUndefined();
    expect(peers.run.aborted).toBe(false);
    await first.tx.send(1);
    expect(await (peers.run.input as { rx: Rx<number> }).rx.recv()).toEqual({ done: false, value: 1 });
    peers.run.returns('done');
    expect(await call.ended).toEqual({ value: 'done' });
    first.tx.close();
    expect(await readAll((peers.run.input as { rx: Rx<number> }).rx)).toEqual({ items: [] });
    // It had channels, so it does not come again.
    other.session.retryNow();
    await peers.settle();
    expect(waiter.now).toMatchObject({ kind: 'indeterminate', reason: 'channels', retryable: false });
    expect(peers.runs).toHaveLength(1);
  });

  it('[op.conflict] channel ids are no part of the comparison, but the place, kind and credit of ends are', async () => {
    const { peers, other, call } = await twoAttempts({ policy: 'volatile', why: 'throws' });
    const same = other.ask('volatile', 'x', argument().input);
    await peers.settle();
    expect(same.now).toBeUndefined();
    const [tx] = channel();
    for (const input of [
      { n: 1, rx: tx },
      { n: 1, rx: [channel()[1]] },
      { n: 1, rx: channel({ credit: 5 })[1] },
    ]) {
      const different = other.ask('volatile', 'x', input);
      expect(await different.ended).toMatchObject({ kind: 'invalid-payload' });
    }
    peers.run.returns('done');
    expect([await call.ended, await same.ended]).toEqual([{ value: 'done' }, { value: 'done' }]);
    (peers.run.input as { rx: Rx<number> }).rx.reset();
  });
});
