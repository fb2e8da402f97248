import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { connect, listen } from 'statewire';
import { messagePort } from 'statewire/memory';
import type { MessagePortLike } from 'statewire/memory';
import type { Link } from '../../src/transport/link.ts';
import { connectPair, expectSame, linkConformance, pattern, record, turns } from '../support/links.ts';
import { deferred, lab, Lab } from '../support/peers.ts';

linkConformance(
  'message port',
  async (limits) => {
    const { port1, port2 } = new MessageChannel();
    const pair = await connectPair(messagePort(port1), () => messagePort(port2), limits);
    return {
      ...pair,
      async dispose() {
        await pair.dispose();
        port1.close();
        port2.close();
      },
    };
  },
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);

const never = new AbortController().signal;

const WORKER = new URL('../support/port-worker.ts', import.meta.url).href;

/** A thread does not inherit what loads TypeScript. */
function startWorker(): Worker {
  return new Worker(`import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(WORKER)}); })`, { eval: true });
}

describe('messagePort', () => {
  it('connects to a worker thread, one link after another over the same port, and lets the thread end', async () => {
    const worker = startWorker();
    const exited = once(worker, 'exit');
    for (const size of [10, 100_000]) {
      const link = await messagePort(worker).connect(never);
      const recorder = record(link);
      link.send(pattern(size));
      expectSame(await recorder.received(1), [pattern(size)], { expect });
      link.close();
      expect(await recorder.closed()).toEqual([undefined]);
    }
    worker.postMessage('stop listening');
    expect(await exited).toEqual([0]);
  });

  it('[link.close] the death of the thread is told once, and connecting fails for good', async () => {
    const worker = startWorker();
    const recorder = record(await messagePort(worker).connect(never));
    worker.postMessage('stop listening');
    const unanswered = expect(messagePort(worker).connect(never)).rejects.toMatchObject({ final: true });
    await worker.terminate();
    expect(await recorder.closed()).toEqual([expect.objectContaining({ message: expect.stringContaining('thread has ended') as string })]);
    await unanswered;
  });

  it('[link.close] a closed port is told to the link at the other end', async () => {
    const { port1, port2 } = new MessageChannel();
    const pair = await connectPair(messagePort(port1), () => messagePort(port2));
    const recorders = [record(pair.initiator), record(pair.acceptor)];
    port1.close();
    for (const recorder of recorders) expect(await recorder.closed()).toEqual([expect.any(Error)]);
  });

  it("[link.ownership] never transfers the sender's own buffer, but a copy of just the payload", () => {
    const posted: [envelope: unknown, transfer: ArrayBuffer[]][] = [];
    const listeners = new Map<string, (event: { data?: unknown }) => void>();
    const port: MessagePortLike = {
      postMessage: (envelope, transfer) => posted.push([envelope, transfer]),
      addEventListener: (type, listener) => void listeners.set(type, listener),
      removeEventListener: (type) => void listeners.delete(type),
    };
    let link: Link | undefined;
    void messagePort(port).listen((made) => (link = made));
    listeners.get('message')?.({ data: ['statewire', 'connect', 1, true, undefined] });
    const whole = pattern(1_000);
    const view = pattern(1_000).subarray(10, 20);
    for (const payload of [whole, view]) {
      link?.send(payload);
      const [envelope, [transferred]] = posted.at(-1) as [unknown[], ArrayBuffer[]];
      expect(transferred).not.toBe(payload.buffer);
      expect(transferred).toEqual(payload.slice().buffer);
      expect(envelope.at(-1)).toEqual(payload);
    }
  });

  it('[link.ownership] [op.waiters] a large result gets whole to its owner, to who joined, and to who comes later', async () => {
    const { port1, port2 } = new MessageChannel();
    const answer = deferred<unknown>();
    const server = await listen(messagePort(port1), { services: [lab({ run: () => answer.promise })] });
    const session = await connect(messagePort(port2));
    const { run, idem } = session.client(Lab);
    const waiting = [run(1, { operationId: 'a' }), run(1, { operationId: 'a' })];
    // Answered behind them: both have been served by then.
    await idem(1);
    const text = 'x'.repeat(300_000);
    answer.resolve(text);
    for (const result of waiting) expect(await result).toBe(text);
    expect(await run(1, { operationId: 'a' })).toBe(text);
    await session.close();
    await server.close();
    port1.close();
  });

  it('leaves messages alone that are not its own, and refuses payloads that are none', async () => {
    const { port1, port2 } = new MessageChannel();
    const pair = await connectPair(messagePort(port1), () => messagePort(port2));
    const recorder = record(pair.initiator);
    for (const foreign of ['hello', null, 7, { type: 'other' }, [], ['statewire'], ['other', 'payload', 1, false, 1]]) port1.postMessage(foreign);
    pair.acceptor.send(pattern(3));
    expect(await recorder.received(1)).toEqual([pattern(3)]);
    port1.postMessage(['statewire', 'payload', 1, false, 'text']);
    expect(await recorder.closed()).toEqual([expect.objectContaining({ message: expect.stringContaining('no payload') as string })]);
    port1.close();
  });

  it('connects both ways over one port, also to a side that listens only later; an aborted connect makes no link', async () => {
    const { port1, port2 } = new MessageChannel();
    const [left, right] = [messagePort(port1), messagePort(port2)];
    const accepted: Link[] = [];
    const controller = new AbortController();
    const aborted = left.connect(controller.signal);
    const leftToRight = left.connect(never);
    const rightToLeft = right.connect(never);
    controller.abort(new Error('too slow'));
    await expect(aborted).rejects.toThrow('too slow');
    await turns(5);
    for (const side of [left, right]) await side.listen((link) => accepted.push(link));
    const initiated = await Promise.all([leftToRight, rightToLeft]);
    await turns(5);
    expect(accepted).toHaveLength(2);
    for (const [index, link] of initiated.entries()) record(link).onMessage = () => expect.unreachable(`message on the initiating end ${index}`);
    const recorders = accepted.map((link) => record(link));
    initiated[0].send(Uint8Array.of(1));
    initiated[1].send(Uint8Array.of(2));
    const received = await Promise.all(recorders.map((recorder) => recorder.received(1)));
    expect(received.map(([payload]) => payload?.[0])).toEqual(expect.arrayContaining([1, 2]));
    port1.close();
  });
});
