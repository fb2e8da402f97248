/** attempt.*: how calls and answers find each other. One answer for each call: responses.test.ts; how many in flight: attempt-limits.test.ts. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect } from 'statewire';
import type { Link, LinkHandler } from 'statewire';
import { decodeMessages, encodeMessages, encodeValue } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { attackClient, attackServer, call, result, welcome } from '../support/hostile-peer.ts';
import { connectPeers, failureOf, gated, isSettled, lab, Lab } from '../support/peers.ts';
import type { LabHandler } from '../support/peers.ts';

describe('attempt.slot-first', () => {
  /** A link whose peer answers before `send` returns. */
  class HastyLink implements Link {
    readonly facts = {};
    #handler: LinkHandler | undefined;

    open(handler: LinkHandler): void {
      this.#handler = handler;
    }

    send(payload: Uint8Array): boolean {
      const answers = decodeMessages(payload).flatMap((message): Message[] => {
        if (message.type === 'hello') return [welcome()];
        return message.type === 'call' ? [result(message.requestId, `answer ${message.requestId}`)] : [];
      });
      if (answers.length > 0) this.#handler?.message(encodeMessages(answers));
      return true;
    }

    close(): void {
      this.abort();
    }

    abort(): void {
      queueMicrotask(() => this.#handler?.close());
    }
  }

  it('[attempt.slot-first] a response that comes while its call is still being sent finds its caller', async () => {
    const session = await connect({ connect: async () => new HastyLink() });
    onTestFinished(() => session.close());
    const { run } = session.client(Lab);
    expect(await Promise.all([run(1), run(2)])).toEqual(['answer 1', 'answer 3']);
    expect(session.counters.unmatched).toBe(0);
  });
});

describe('attempt.unmatched', () => {
  it('[attempt.unmatched] a response that nobody asked for is dropped and counted, and nothing else is disturbed', async () => {
    const { peer, session, settle } = await attackClient();
    const pending = session.client(Lab).run('x');
    await peer.next('call');
    peer.send(result(3), result(99), result(2), result(1, 'mine'), result(1, 'again'));
    expect(await pending).toBe('mine');
    await settle();
    expect(session.counters.unmatched).toBe(4);
    expect(session.status).toBe('connected');
  });

  it("[attempt.unmatched] a response to a call that still waits in our queue is nobody's", async () => {
    const { peer, session, settle } = await attackClient(
      {},
      { limits: { maxConcurrentRequests: 1, maxPayload: 65_536, maxConnections: 0, maxInitialCredit: 0 } },
    );
    const { run } = session.client(Lab);
    const [first, queued] = [run(1), run(2)];
    await peer.next('call');
    peer.send(result(3, 'made up'));
    await settle();
    expect(await isSettled(queued)).toBe(false);
    expect(session.counters.unmatched).toBe(1);
    peer.send(result(1, 'one'));
    expect(await first).toBe('one');
    expect(await peer.next('call')).toMatchObject({ requestId: 3 });
    peer.send(result(3, 'three'));
    expect(await queued).toBe('three');
  });

  it('[attempt.unmatched] a cancel for an unknown request is dropped and counted, and gets no answer', async () => {
    const { peer, accepted, settle } = await attackServer({ services: [lab()] });
    peer.send({ type: 'cancel', connectionId: 0, requestId: 7 }, { type: 'cancel', connectionId: 0, operationId: 'nobody' }, call(1));
    expect(await peer.next('response')).toMatchObject({ requestId: 1, ok: true });
    peer.send({ type: 'cancel', connectionId: 0, requestId: 1 });
    await settle();
    expect(accepted.counters.unmatched).toBe(3);
    expect(peer.all('response')).toHaveLength(1);
  });

  it('[attempt.unmatched] a late response to a call whose caller gave up is expected, not counted', async () => {
    const { peer, session, settle } = await attackClient();
    const given = new AbortController();
    const failure = failureOf(session.client(Lab).run('x', { signal: given.signal }));
    await peer.next('call');
    given.abort();
    expect((await failure).kind).toBe('cancelled');
    await peer.next('cancel');
    peer.send(result(1, 'late'));
    await settle();
    expect(session.counters.unmatched).toBe(0);
    peer.send(result(1, 'and again'));
    await settle();
    expect(session.counters.unmatched).toBe(1);
  });
});

describe('attempt.pipelined', () => {
  it('[attempt.pipelined] calls are answered in the order they end, not the order they came', async () => {
    const { handler, calls } = gated();
    const { session, settle, sent } = await connectPeers({ server: { services: [lab(handler)] } });
    const { run } = session.client(Lab);
    const pending = ['a', 'b', 'c'].map((input) => run(input));
    await settle();
    expect(calls.map(({ input }) => input)).toEqual(['a', 'b', 'c']);
    for (const index of [2, 0, 1]) {
      calls[index]?.resolve(index);
      await settle();
    }
    expect(await Promise.all(pending)).toEqual([0, 1, 2]);
    expect(sent('acceptor', 'response').map(({ requestId }) => requestId)).toEqual([5, 1, 3]);
  });

  it.each<[string, LabHandler]>([
    ['never ends', () => new Promise(() => {})],
    [
      'throws at once',
      () => {
        throw new Error('oh');
      },
    ],
    ['fails at once', (_input, context) => context.fail('no')],
    ['closes nothing and returns what cannot be sent', () => () => {}],
  ])('[attempt.pipelined] a handler that %s delays no call in the same payload', async (_what, run) => {
    const { peer } = await attackServer({ services: [lab({ run })] });
    peer.send(call(1), call(3, { methodId: Lab.methods.idem.id, args: encodeValue('through') }));
    for (;;) {
      const response = await peer.next('response');
      if (response.requestId !== 3) continue;
      expect(response).toMatchObject({ ok: true, result: encodeValue('through') });
      return;
    }
  });
});

describe('attempt.send-failed', () => {
  it('[attempt.send-failed] a call that is too large for the peer fails at once, for good, and leaves nothing behind', async () => {
    const { session, sent } = await connectPeers({ server: { services: [lab()], maxPayload: 65_536, maxConcurrentRequests: 1 } });
    const { run } = session.client(Lab);
    const failure = await failureOf(run(new Uint8Array(65_536)));
    expect(failure).toMatchObject({ kind: 'send-failed', reason: 'too-large', retryable: false, requestId: 1 });
    expect(failure.message).toContain('65536');
    expect(await run('fits')).toBe('fits');
    expect(sent('initiator', 'call')).toHaveLength(1);
    await session.close({ graceMs: 60_000 });
  });

  it('[attempt.send-failed] a call that is too large fails also when it had to wait, and those behind it go on', async () => {
    const { handler, calls } = gated();
    const { session, settle } = await connectPeers({ server: { services: [lab({ run: handler })], maxPayload: 65_536, maxConcurrentRequests: 1 } });
    const { run, idem } = session.client(Lab);
    const running = run();
    const large = failureOf(run(new Uint8Array(65_536)));
    const behind = idem('behind');
    await settle();
    calls[0]?.resolve('done');
    expect(await running).toBe('done');
    expect(await large).toMatchObject({ kind: 'send-failed', reason: 'too-large', retryable: false });
    expect(await behind).toBe('behind');
  });

  it.each([
    ['the peer takes more than we do', { maxPayload: 65_536 }, { maxPayload: 1_000_000 }],
    ['we take more than the peer does', { maxPayload: 1_000_000 }, { maxPayload: 65_536 }],
  ])('[attempt.send-failed] a call or result of any size ends one call and not the session, where %s', async (_what, client, server) => {
    const sized: LabHandler = (input) => (input instanceof Uint8Array ? input.byteLength : new Uint8Array(input as number));
    const { session } = await connectPeers({ client, server: { ...server, services: [lab({ run: sized })] } });
    const { run, idem } = session.client(Lab);
    for (const size of [60_000, 65_400, 65_500, 65_536, 100_000, 999_990, 1_000_001, 3_000_000]) {
      const outcomes = await Promise.allSettled([run(new Uint8Array(size)), run(size), idem('small')]);
      expect(outcomes[2]).toMatchObject({ value: 'small' });
    }
    expect(session.status).toBe('connected');
  });

  it('[attempt.send-failed] calls that do not fit one payload together go in several', async () => {
    const { session, network } = await connectPeers({ server: { services: [lab((input) => (input as Uint8Array).byteLength)], maxPayload: 65_536 } });
    const sizes: number[] = [];
    network.tap(({ direction, payload }) => {
      if (direction.startsWith('initiator')) sizes.push(payload.byteLength);
    });
    const { run } = session.client(Lab);
    expect(await Promise.all(Array.from({ length: 10 }, () => run(new Uint8Array(30_000))))).toEqual(Array.from({ length: 10 }, () => 30_000));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
  });

  it('[attempt.send-failed] what has no encoding fails at the call, naming its path, and is never sent', async () => {
    const { session, sent } = await connectPeers({ server: { services: [lab()], maxConcurrentRequests: 1 } });
    const { run } = session.client(Lab);
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const failures = await Promise.all(
      [
        { list: [1, () => {}] },
        cycle,
        new Map([['key', Symbol('s')]]),
        {
          get trap() {
            throw new Error('caught you');
          },
        },
        new (class Point {})(),
      ].map((input) => failureOf(run(input))),
    );
    expect(failures.map(({ kind, retryable }) => [kind, retryable])).toEqual(failures.map(() => ['invalid-payload', false]));
    expect(failures.map(({ message }) => message)).toEqual([
      expect.stringContaining('$.list[1]'),
      expect.stringContaining('$.self'),
      expect.stringContaining('$<value'),
      expect.stringContaining('caught you'),
      expect.stringContaining('$:'),
    ]);
    expect(await run('fine')).toBe('fine');
    expect(sent('initiator', 'call')).toHaveLength(1);
  });

  it('what a call is given is taken at the call: to change it afterwards changes nothing, also in the queue', async () => {
    const { handler, calls } = gated();
    const { session, settle } = await connectPeers({ server: { services: [lab({ run: handler })], maxConcurrentRequests: 1 } });
    const { run, idem } = session.client(Lab);
    const given = { value: 'before' };
    const bytes = new Uint8Array([1]);
    const running = run(given);
    const waiting = idem({ given, bytes });
    given.value = 'after';
    bytes[0] = 9;
    await settle();
    expect(calls[0]?.input).toEqual({ value: 'before' });
    calls[0]?.resolve(undefined);
    await running;
    expect(await waiting).toEqual({ given: { value: 'before' }, bytes: new Uint8Array([1]) });
  });
});
