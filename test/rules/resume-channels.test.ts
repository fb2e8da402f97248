/** What a lost link means to channels and to the calls that carry them: resume.order, resume.rebind, resume.stale-close, the row 'aborted by a resume'. */
import { describe, expect, it } from 'vitest';
import { channel, connect, defineService, implement, method } from 'statewire';
import type { CallContext, Rx, Tx } from 'statewire';
import { leavesNothing } from '../support/nothing-left.ts';
import { readAll } from '../support/channel-peers.ts';
import { failureOf, isSettled, PLACE } from '../support/peers.ts';
import { resumePeers, SIDES } from '../support/resume-peers.ts';
import type { ResumePeers, Side } from '../support/resume-peers.ts';

leavesNothing();

const Streams = defineService('Streams', {
  /** The handler receives. */
  take: method<{ items: Rx<number> }, unknown>(),
  takeIdem: method<{ items: Rx<number> }, unknown>({ idem: true }),
  /** The handler sends. */
  give: method<{ items: Tx<number> }, unknown>(),
  giveIdem: method<{ items: Tx<number> }, unknown>({ idem: true }),
});

interface Run<E> {
  readonly items: E;
  readonly call: CallContext;
  returns(value: unknown): void;
  throws(error: unknown): void;
}

/** `Streams` whose handlers stay until told, with their ends in the test's hand. */
function streams() {
  const taking: Run<Rx<number>>[] = [];
  const giving: Run<Tx<number>>[] = [];
  const into =
    <E>(runs: Run<E>[]) =>
    ({ items }: { items: E }, call: CallContext) =>
      new Promise((resolve, reject) => runs.push({ items, call, returns: resolve, throws: reject }));
  const service = implement(Streams, { take: into(taking), takeIdem: into(taking), give: into(giving), giveIdem: into(giving) });
  return { service, taking, giving };
}

const other = (side: Side): Side => (side === 'initiator' ? 'acceptor' : 'initiator');

/** Both sides serve the same; the runs are those of the callee. */
async function scene(side: Side) {
  const served = streams();
  const services = [served.service];
  const peers: ResumePeers = await resumePeers({ client: { services }, server: { services } });
  return { ...served, peers, client: peers.sessionOf(side).client(Streams), callee: peers.sessionOf(other(side)) };
}

describe.each(SIDES)('channels of calls of the %s', (side) => {
  it('[resume.order] a loss errors both ends at once, before there is another link', async () => {
    const { peers, client, taking } = await scene(side);
    const [tx, rx] = channel<number>();
    const failure = failureOf(client.take({ items: rx }));
    await peers.settle();
    const received = taking[0]?.items.recv();
    const [sending] = [failureOf(received as Promise<unknown>)];
    await peers.cut();
    expect(await sending).toMatchObject({ kind: 'connection-closed', reason: 'link-lost' });
    await expect(tx.send(1)).rejects.toMatchObject({ kind: 'connection-closed', reason: 'link-lost' });
    expect(tx.status).toBe('lost');
    expect(taking[0]?.items.status).toBe('lost');
    await peers.comeBack();
    await failure;
  });

  it('[credit.wake] a loss wakes a sender that waits for credit', async () => {
    const { peers, client } = await scene(side);
    const [tx, rx] = channel<number>({ credit: 1 });
    void client.take({ items: rx }).catch(() => {});
    await peers.settle();
    await tx.send(1);
    const waiting = failureOf(tx.send(2));
    await peers.cut();
    expect(await waiting).toMatchObject({ kind: 'connection-closed', reason: 'link-lost' });
  });

  it('[resume.resend] a volatile call with channels that was handed to a link is indeterminate after it, and is not sent again', async () => {
    const { peers, client, taking, giving } = await scene(side);
    const [, rx] = channel<number>();
    const [tx] = channel<number>();
    const failures = [failureOf(client.take({ items: rx })), failureOf(client.give({ items: tx }))];
    await peers.settle();
    await peers.blink();
    for (const failure of await Promise.all(failures)) expect(failure).toMatchObject({ kind: 'indeterminate', reason: 'channels', retryable: false });
    expect([taking.length, giving.length]).toEqual([1, 1]);
    expect([taking[0]?.call.signal.aborted, giving[0]?.call.signal.aborted]).toEqual([true, true]);
    expect(peers.sent(side, 'call')).toHaveLength(2);
  });

  it('[resume.order] handlers of calls with channels are aborted before any call of the new link is taken', async () => {
    const { peers, client, taking } = await scene(side);
    const [, rx] = channel<number>();
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    const order: string[] = [];
    taking[0]?.call.signal.addEventListener('abort', () => order.push('abort'));
    const untap = peers.network.tap(({ message }) => message.type === 'call' && order.push('call'));
    await peers.blink();
    untap();
    expect(order[0]).toBe('abort');
    expect(taking).toHaveLength(2);
    taking[1]?.returns('second');
    expect(await outcome).toBe('second');
  });

  it('[cancel.abort] an aborted handler that returns or sends later is ignored', async () => {
    const { peers, client, giving, callee } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.giveIdem({ items: tx });
    await peers.settle();
    await peers.blink();
    expect(callee.counters.zombies).toBe(1);
    await expect(giving[0]?.items.send(99)).rejects.toMatchObject({ kind: 'connection-closed' });
    giving[0]?.returns('too late');
    await peers.settle();
    expect([callee.counters.zombies, callee.counters.lateResults]).toEqual([0, 1]);
    void giving[1]?.items.send(1);
    giving[1]?.returns('right');
    expect(await outcome).toBe('right');
    await expect(rx.recv()).rejects.toMatchObject({ reason: 'restarted' });
    expect(await rx.recv()).toEqual({ done: false, value: 1 });
  });

  it('[resume.rebind] a kept receiver gives what it has unread, then throws once, then begins again', async () => {
    const { peers, client, giving } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.giveIdem({ items: tx });
    await peers.settle();
    for (const item of [0, 1, 2]) await giving[0]?.items.send(item);
    await peers.settle();
    expect(await rx.recv()).toEqual({ done: false, value: 0 });
    await peers.blink();
    expect(giving).toHaveLength(2);
    for (const item of [0, 1, 2]) await giving[1]?.items.send(item);
    giving[1]?.items.close();
    giving[1]?.returns('done');
    expect(await outcome).toBe('done');
    const first = await readAll(rx);
    expect([first.items, first.error?.kind, first.error?.reason]).toEqual([[1, 2], 'connection-closed', 'restarted']);
    expect(await readAll(rx)).toEqual({ items: [0, 1, 2] });
  });

  it('[resume.rebind] a loop that waits is woken with restarted, and the next loop gets the second beginning', async () => {
    const { peers, client, giving } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.giveIdem({ items: tx });
    await peers.settle();
    const waiting = readAll(rx);
    await peers.blink();
    expect((await waiting).error).toMatchObject({ kind: 'connection-closed', reason: 'restarted' });
    await giving[1]?.items.send(5);
    giving[1]?.items.close();
    giving[1]?.returns('done');
    const items: number[] = [];
    for await (const item of rx) items.push(item);
    expect([items, await outcome]).toEqual([[5], 'done']);
  });

  it('[resume.rebind] a kept sender throws once, and sends on the new channel then', async () => {
    const { peers, client, taking } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    await tx.send(1);
    await peers.blink();
    await expect(tx.send(2)).rejects.toMatchObject({ kind: 'connection-closed', reason: 'restarted' });
    await tx.send(3);
    tx.close();
    expect(await readAll(taking[1]?.items as Rx<number>)).toEqual({ items: [3] });
    taking[1]?.returns('done');
    expect(await outcome).toBe('done');
  });

  it('[resume.rebind] a sender that waits for credit is woken with an error, and the new channel has its initial credit', async () => {
    const { peers, client, taking } = await scene(side);
    const [tx, rx] = channel<number>({ credit: 2 });
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    await tx.send(1);
    await tx.send(2);
    const waiting = failureOf(tx.send(3));
    await peers.blink();
    expect(await waiting).toMatchObject({ kind: 'connection-closed' });
    // It has thrown: whoever was told, need not be told again, or once more at the most.
    await tx.send(10).catch((error: { reason: string }) => expect(error.reason).toBe('restarted'));
    void tx.send(11);
    tx.close();
    const { items, error } = await readAll(taking[1]?.items as Rx<number>);
    expect(error).toBeUndefined();
    expect(items.at(-1)).toBe(11);
    taking[1]?.returns('done');
    await outcome;
  });

  it('[resume.rebind] one error for several losses in a row, when nobody used the handle in between', async () => {
    const { peers, client, taking } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    await peers.blink(3);
    expect(taking).toHaveLength(4);
    expect(taking.slice(0, 3).map(({ call }) => call.signal.aborted)).toEqual([true, true, true]);
    await expect(tx.send(2)).rejects.toMatchObject({ kind: 'connection-closed', reason: 'restarted' });
    await tx.send(3);
    tx.close();
    expect(await readAll(taking[3]?.items as Rx<number>)).toEqual({ items: [3] });
    taking[3]?.returns('done');
    expect(await outcome).toBe('done');
  });

  it('[resume.rebind] a second loss after the first was told is told again', async () => {
    const { peers, client, taking } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    for (let loss = 1; loss <= 2; loss++) {
      await peers.blink();
      await expect(tx.send(loss)).rejects.toMatchObject({ reason: 'restarted' });
      await tx.send(loss);
    }
    tx.close();
    expect(await readAll(taking[2]?.items as Rx<number>)).toEqual({ items: [2] });
    taking[2]?.returns('done');
    await outcome;
  });

  it('[resume.rebind] a receiver that was given up stays so: the new channel is reset', async () => {
    const { peers, client, giving } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.giveIdem({ items: tx });
    await peers.settle();
    rx.reset('enough');
    await peers.blink();
    await peers.settle();
    expect(giving).toHaveLength(2);
    await peers.settle();
    await expect(giving[1]?.items.send(1)).rejects.toMatchObject({ kind: 'channel-reset' });
    giving[1]?.returns('done');
    expect(await outcome).toBe('done');
  });

  it('[resume.rebind] never a complete stream that is not: a sender closed after its second beginning only', async () => {
    const { peers, client, taking } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    await tx.send(1);
    await tx.send(2);
    tx.close();
    await peers.settle();
    await peers.blink();
    // What was sent is gone with the run it was for: the second one must not see an empty stream that ended well.
    const read = readAll(taking[1]?.items as Rx<number>);
    await peers.settle();
    expect(await isSettled(read)).toBe(true);
    expect((await read).error).toMatchObject({ kind: 'channel-reset' });
    taking[1]?.returns('done');
    await outcome;
  });

  it('[resume.rebind] items of before the loss never reach the second run', async () => {
    const { peers, client, taking } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    peers.network.hold();
    await tx.send(1);
    await tx.send(2);
    await peers.cut();
    peers.network.release();
    await peers.comeBack();
    await expect(tx.send(0)).rejects.toMatchObject({ reason: 'restarted' });
    await tx.send(7);
    tx.close();
    expect(await readAll(taking[1]?.items as Rx<number>)).toEqual({ items: [7] });
    taking[1]?.returns('done');
    await outcome;
  });

  it('[resume.rebind] the new channel has an id of its own', async () => {
    const { peers, client, taking } = await scene(side);
    const [, rx] = channel<number>();
    const outcome = client.takeIdem({ items: rx });
    await peers.settle();
    await peers.blink();
    const ids = peers.sent(side, 'call').flatMap(({ channels }) => channels);
    expect(ids).toHaveLength(2);
    expect(ids[1]).toBeGreaterThan(ids[0] as number);
    taking[1]?.returns('done');
    await outcome;
  });

  it('[resume.resend] a call with channels that never left is sent on the next link, whatever its policy, and its channel works', async () => {
    const { peers, client, taking, giving } = await scene(side);
    await peers.cut();
    const [tx, rx] = channel<number>();
    const [out, results] = channel<number>();
    const outcomes = [client.take({ items: rx }), client.give({ items: out })];
    await peers.comeBack();
    expect([taking.length, giving.length]).toEqual([1, 1]);
    await tx.send(1);
    tx.close();
    expect(await readAll(taking[0]?.items as Rx<number>)).toEqual({ items: [1] });
    await giving[0]?.items.send(2);
    giving[0]?.items.close();
    expect(await readAll(results)).toEqual({ items: [2] });
    taking[0]?.returns('a');
    giving[0]?.returns('b');
    expect(await Promise.all(outcomes)).toEqual(['a', 'b']);
  });

  it('[channel.terminal] channels of a call that was answered are lost with the link, and nothing is sent again', async () => {
    const { peers, client, giving } = await scene(side);
    const [tx, rx] = channel<number>();
    const outcome = client.giveIdem({ items: tx });
    await peers.settle();
    giving[0]?.returns('answered');
    expect(await outcome).toBe('answered');
    const reading = readAll(rx);
    await peers.blink();
    expect((await reading).error).toMatchObject({ kind: 'connection-closed', reason: 'link-lost' });
    expect(giving).toHaveLength(1);
  });

  it('[resume.stale-close] handles of the old link, closed, reset or released afterwards, send nothing', async () => {
    const { peers, client, taking, giving, callee } = await scene(side);
    const [tx, rx] = channel<number>();
    const [out, results] = channel<number>();
    const calls = [failureOf(client.take({ items: rx })), failureOf(client.give({ items: out }))];
    await peers.settle();
    await peers.blink();
    await Promise.all(calls);
    tx.close();
    results.reset('late');
    taking[0]?.items.reset('late');
    giving[0]?.items.close();
    taking[0]?.returns(0);
    giving[0]?.returns(0);
    await peers.settle();
    const types = [...peers.saidOnLastLink('initiator'), ...peers.saidOnLastLink('acceptor')];
    expect(types.filter((type) => ['item', 'items', 'end', 'reset', 'grant'].includes(type))).toEqual([]);
    expect([callee.counters.lateSignals, peers.sessionOf(side).counters.lateSignals]).toEqual([0, 0]);
  });
});

describe('[retry.disposition] aborted by a resume', () => {
  it('[retry.disposition] waiters of another session get cancelled (idem) and indeterminate (volatile)', async () => {
    const { peers, client, taking } = await scene('initiator');
    const kept = await connect(peers.network.connector(PLACE), { clock: peers.world.clock, scope: peers.session.scope });
    const ask = (policy: 'take' | 'takeIdem', by: typeof client) => failureOf(by[policy]({ items: channel<number>()[1] }, { operationId: policy }));
    const first = ask('take', client);
    const own = client.takeIdem({ items: channel<number>()[1] }, { operationId: 'takeIdem' });
    own.catch(() => {});
    await peers.settle();
    const waiting = [ask('take', kept.client(Streams)), ask('takeIdem', kept.client(Streams))];
    await peers.settle();
    expect(taking).toHaveLength(2);
    // Only one of the two loses its link.
    peers.link.abort(new Error('cut'));
    await peers.advance(600);
    expect(await waiting[0]).toMatchObject({ kind: 'indeterminate', reason: 'channels' });
    expect(await waiting[1]).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
    expect(await first).toMatchObject({ kind: 'indeterminate', reason: 'channels' });
    expect(taking).toHaveLength(3);
    taking[2]?.returns('again');
    expect(await own).toBe('again');
    await kept.close();
  });
});
