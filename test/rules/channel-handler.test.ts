/**
 * What becomes of a call's channels when its handler ends without an outcome, runs at all or not, or is cancelled (channel.handler-end,
 * channel.no-handler, cancel.channels). On both transports, in both directions.
 */
import { describe, expect, it } from 'vitest';
import { channel, defineService, implement, method } from 'statewire';
import type { Rx, StandardSchemaV1, Tx } from 'statewire';
import { methodId } from 'statewire/wire';
import { channelPeers, EVERYWHERE, readAll, watched } from '../support/channel-peers.ts';
import type { ChannelPeers, Pipe } from '../support/channel-peers.ts';
import { expectNoChannels, leavesNothing, tidyAfterwards } from '../support/channel-leaks.ts';
import { attackClient } from '../support/hostile-peer.ts';
import { failureOf, Lab } from '../support/peers.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

leavesNothing();

const HANDLER_TIMEOUT_MS = 1_000;

/** What the caller sees of its channel when the callee's end was reset. */
async function expectReset(pipe: Pick<Pipe<number>, 'tx' | 'rx'>, sends: 'caller' | 'callee', reason: string): Promise<void> {
  const error = sends === 'caller' ? await failureOf(pipe.tx.send(9)) : (await readAll(pipe.rx)).error;
  expect(error).toMatchObject({ kind: 'channel-reset', reason, data: reason });
}

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  const endings: readonly [string, (peers: ChannelPeers, pipe: Pipe<number>, abort: AbortController) => unknown, string][] = [
    ['throws', (_peers, { run }) => run.throws(new Error('oops')), 'handler-failed'],
    ['overruns its time', (peers) => peers.clock.advance(HANDLER_TIMEOUT_MS), 'handler-failed'],
    ['returns what cannot be encoded', (_peers, { run }) => run.returns(() => {}), 'handler-failed'],
    ['is cancelled by the caller', (_peers, _pipe, abort) => abort.abort(), 'aborted'],
  ];

  it.each(endings)('[channel.handler-end] a handler that %s leaves no end open', async (_how, end, reason) => {
    const peers = await channelPeers({ transport, server: { handlerTimeoutMs: HANDLER_TIMEOUT_MS } });
    const abort = new AbortController();
    const pipe = await peers.pipe({ sends, signal: abort.signal });
    await pipe.tx.send(1);
    if (sends === 'caller') expect(await pipe.rx.recv()).toEqual({ done: false, value: 1 });
    await peers.settle();
    await end(peers, pipe, abort);
    await failureOf(pipe.outcome);
    await peers.settle();
    await expectReset(pipe, sends, reason);
    // The handler's own end is of no use either.
    const there: Promise<unknown> = sends === 'caller' ? pipe.rx.recv() : pipe.tx.send(2);
    expect((await failureOf(there)).kind).toMatch(/^(channel-reset|connection-closed)$/);
    await expectNoChannels();
  });

  it('[channel.handler-end] what a handler sent before it threw is still read', async () => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends: 'callee' });
    await pipe.tx.send(1);
    await pipe.tx.send(2);
    pipe.run.throws(new Error('oops'));
    const { items, error } = await readAll(pipe.rx);
    expect(items).toEqual([1, 2]);
    expect(error).toMatchObject({ kind: 'channel-reset', data: 'handler-failed' });
  });

  it('[channel.handler-end] ends that its user has closed before stay closed when the handler throws', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx, run, outcome } = await peers.pipe({ sends });
    await tx.send(1);
    tx.close();
    await peers.settle();
    if (sends === 'caller') expect(await readAll(rx)).toEqual({ items: [1] });
    run.throws(new Error('oops'));
    await failureOf(outcome);
    if (sends === 'callee') expect(await readAll(rx)).toEqual({ items: [1] });
    expect([tx.status, rx.status]).toEqual(['closed', 'ended']);
  });

  it('[channel.handler-end] a handler that throws ends the channels of its own call alone', async () => {
    const peers = await channelPeers({ transport });
    const other = await peers.pipe({ sends });
    const pipe = await peers.pipe({ sends });
    pipe.run.throws(new Error('oops'));
    await failureOf(pipe.outcome);
    await peers.settle();
    await other.tx.send(1);
    expect(await other.rx.recv()).toEqual({ done: false, value: 1 });
  });

  it.each<[string, (pipe: Pipe<number>) => void]>([
    ['returns', ({ run }) => run.returns('done')],
    ['fails as it has declared', ({ run }) => run.fails('declared')],
  ])('[channel.handler-end] when a handler %s, its ends live on', async (_how, end) => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends });
    end(pipe);
    await Promise.allSettled([pipe.outcome]);
    await peers.settle();
    await pipe.tx.send(1);
    pipe.tx.close();
    expect(await readAll(pipe.rx)).toEqual({ items: [1] });
  });

  it('[cancel.channels] cancelling a call that was answered meanwhile touches no channel', async () => {
    const peers = await channelPeers({ transport });
    const abort = new AbortController();
    const pipe = await peers.pipe({ sends, signal: abort.signal });
    // The response and the cancel cross.
    pipe.run.returns('done');
    await Promise.resolve();
    abort.abort();
    await Promise.allSettled([pipe.outcome]);
    await peers.settle();
    await pipe.tx.send(1);
    pipe.tx.close();
    expect(await readAll(pipe.rx)).toEqual({ items: [1] });
  });

  it('[cancel.channels] cancelling one call leaves the channels of another alone', async () => {
    const peers = await channelPeers({ transport });
    const abort = new AbortController();
    const other = await peers.pipe({ sends });
    const pipe = await peers.pipe({ sends, signal: abort.signal });
    abort.abort();
    expect(await failureOf(pipe.outcome)).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
    await peers.settle();
    await other.tx.send(1);
    expect(await other.rx.recv()).toEqual({ done: false, value: 1 });
  });

  /** Passes one end in a call that will run no handler, and gives the caller's own. */
  const call = (make: (argument: { end: Tx<number> | Rx<number> }) => Promise<unknown>) => {
    const [tx, rx] = channel<number>();
    const outcome = watched(make({ end: sends === 'caller' ? rx : tx }));
    return { tx, rx, outcome };
  };

  it('[channel.no-handler] the ends of a call for an unknown method are reset', async () => {
    const peers = await channelPeers({ transport });
    const Gone = defineService('Gone', { gone: method<unknown, unknown>() });
    const given = call((argument) => peers.session.client(Gone).gone(argument));
    expect(await failureOf(given.outcome)).toMatchObject({ kind: 'unknown-method' });
    await expectReset(given, sends, 'unknown-method');
    await expectNoChannels();
  });

  it('[channel.no-handler] the ends of a call whose argument does not fit the schema are reset', async () => {
    const never: StandardSchemaV1<unknown> = {
      '~standard': { version: 1, vendor: 'test', validate: async () => ({ issues: [{ message: 'never fits' }] }) },
    };
    const Strict = defineService('Strict', { take: method({ input: never }) });
    const Loose = defineService('Strict', { take: method<unknown>() });
    const peers = await channelPeers({ transport, server: { services: [implement(Strict, { take: () => {} })] } });
    const given = call((argument) => peers.session.client(Loose).take(argument));
    const { kind, reason } = await failureOf(given.outcome);
    expect(kind).toBe('invalid-payload');
    await expectReset(given, sends, reason ?? kind);
    await expectNoChannels();
  });

  it('[channel.no-handler] the ends of a call that the store cannot admit are reset', async () => {
    const store = new ScriptedStore();
    store.fail('lookup');
    const peers = await channelPeers({ transport, server: { store } });
    const given = call((argument) => peers.client.volatile(argument, { operationId: 'x' }));
    expect(await failureOf(given.outcome)).toMatchObject({ kind: 'unavailable' });
    const error = sends === 'caller' ? await failureOf(given.tx.send(1)) : (await readAll(given.rx)).error;
    expect(error?.kind).toBe('channel-reset');
    await expectNoChannels();
  });

  it('[channel.no-handler] [op.attach] the ends of a duplicate that joins a live operation are reset, those of the first work on', async () => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends, operationId: 'one' });
    const given = call((argument) => peers.client.volatile(argument, { operationId: 'one' }));
    await peers.settle();
    await expectReset(given, sends, 'attached');
    await pipe.tx.send(1);
    expect(await pipe.rx.recv()).toEqual({ done: false, value: 1 });
    pipe.run.returns('shared');
    expect(await Promise.all([pipe.outcome, given.outcome])).toEqual(['shared', 'shared']);
    expect(peers.runs).toHaveLength(1);
  });

  it('[channel.no-handler] [op.replay] the ends of a call that gets a sealed outcome are reset', async () => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends, operationId: 'one' });
    pipe.run.returns('sealed');
    await pipe.outcome;
    const given = call((argument) => peers.client.volatile(argument, { operationId: 'one' }));
    expect(await given.outcome).toBe('sealed');
    await expectReset(given, sends, 'replayed');
    await pipe.tx.send(1);
    expect(await pipe.rx.recv()).toEqual({ done: false, value: 1 });
    expect(peers.runs).toHaveLength(1);
  });

  it('[channel.no-handler] [op.conflict] the ends of another call under a known id are reset', async () => {
    const peers = await channelPeers({ transport });
    await peers.pipe({ sends, operationId: 'one' });
    const given = call((argument) => peers.client.volatile({ ...argument, more: 1 }, { operationId: 'one' }));
    expect(await failureOf(given.outcome)).toMatchObject({ kind: 'invalid-payload' });
    const error = sends === 'caller' ? await failureOf(given.tx.send(1)) : (await readAll(given.rx)).error;
    expect(error?.kind).toBe('channel-reset');
  });

  it('[channel.no-handler] the ends that stay are woken when their call never left', async () => {
    const peers = await channelPeers({ transport, server: { maxConcurrentRequests: 1 } });
    const first = watched(peers.client.volatile('occupies the only place'));
    const run = await peers.nextRun();
    const abort = new AbortController();
    const given = call((argument) => peers.client.volatile(argument, { signal: abort.signal }));
    const waiting: Promise<unknown> = watched<unknown>(sends === 'caller' ? given.tx.send(1) : given.rx.recv());
    abort.abort();
    expect(await failureOf(given.outcome)).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
    expect((await failureOf(waiting)).kind).toMatch(/^(connection-closed|channel-reset)$/);
    run.returns('free again');
    await first;
    await expectNoChannels();
  });

  it('[channel.handler-end] the ends of a call whose session ends are lost for the handler, too', async () => {
    const peers = await channelPeers({ transport });
    const pipe = await peers.pipe({ sends });
    await peers.session.close();
    await peers.accepted.closed;
    expect(pipe.run.aborted).toBe(true);
    const there: Promise<unknown> = sends === 'caller' ? pipe.rx.recv() : pipe.tx.send(1);
    expect((await failureOf(there)).kind).toMatch(/^(connection-closed|channel-reset)$/);
  });
});

it.each(['tx', 'rx'] as const)(
  '[cancel.channels] a cancel itself closes no channel: the end that stays works on after it (%s was passed)',
  async (passed) => {
    const { peer, session, settle } = await attackClient();
    const [tx, rx] = channel<number>();
    tidyAfterwards(() => {
      tx.close();
      rx.reset();
    });
    const abort = new AbortController();
    const called = watched(session.client(Lab).run({ end: passed === 'tx' ? tx : rx }, { signal: abort.signal }));
    const { channels, methodId: id } = await peer.next('call');
    expect(id).toBe(methodId('Lab', 'run'));
    abort.abort();
    expect(await failureOf(called)).toMatchObject({ kind: 'cancelled' });
    await peer.next('cancel');
    await settle();
    expect([...peer.all('end'), ...peer.all('reset')]).toEqual([]);
    const channelId = channels[0] as number;
    if (passed === 'rx') {
      await tx.send(7);
      await settle();
      expect([...peer.all('item'), ...peer.all('items')]).toMatchObject([{ channelId }]);
    } else {
      peer.send({ type: 'item', connectionId: 0, channelId, value: Uint8Array.of(7) });
      expect(await rx.recv()).toEqual({ done: false, value: 7 });
    }
    peer.send({ type: 'response', connectionId: 0, requestId: 1, ok: false, error: { kind: 'cancelled', message: 'x' }, metadata: [] });
    await settle();
  },
);
