/** What handlers and callers get around the rules: both sides serve, middleware, timeouts, schemas, inspection (api.md, "Serving"). */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineService, implement, method } from 'statewire';
import type { CallContext, Middleware } from 'statewire';
import { decodeValue } from 'statewire/wire';
import { connectPeers, failureOf, gated, isSettled, lab, Lab } from '../support/peers.ts';
import type { LabHandler } from '../support/peers.ts';

describe('both peers serve and call', () => {
  it('a handler calls back over the connection that its call came by, and so on, there and back', async () => {
    const bounce: LabHandler = (input, context) => ((input as number) === 0 ? [context.session.id] : context.client(Lab).run((input as number) - 1));
    const { session, accepted, sent } = await connectPeers({ server: { services: [lab(bounce)] }, client: { services: [lab(bounce)] } });
    expect(await session.client(Lab).run(10)).toEqual([session.id]);
    expect([sent('initiator', 'call').length, sent('acceptor', 'call').length]).toEqual([6, 5]);
    expect(await accepted.client(Lab).run(3)).toEqual([session.id]);
  });

  it('a handler is told of its call', async () => {
    const seen: unknown[] = [];
    const tell: LabHandler = (_input, { service, method: name, requestId, connectionId, operationId, principal, session }) => {
      seen.push({ service, name, requestId, connectionId, operationId, principal, session: session.id });
    };
    const { session } = await connectPeers({ server: { services: [lab(tell)] } });
    await session.client(Lab).run();
    await session.client(Lab).idem(undefined, { operationId: 'order-42' });
    const shared = { service: 'Lab', connectionId: 0, principal: '', session: session.id };
    expect(seen).toEqual([
      { ...shared, name: 'run', requestId: 1, operationId: 1 },
      { ...shared, name: 'idem', requestId: 3, operationId: 'order-42' },
    ]);
  });

  it('several services are served beside each other, and their methods may have one name', async () => {
    const [One, Two] = ['One', 'Two'].map((name) => defineService(name, { who: method<undefined, string>() }));
    const { session } = await connectPeers({ server: { services: [implement(One!, { who: () => 'one' }), implement(Two!, { who: () => 'two' })] } });
    expect([await session.client(One!).who(), await session.client(Two!).who()]).toEqual(['one', 'two']);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['numbers', [0, -1, 1.5, NaN, Infinity, 2 ** 53 - 1, -(2 ** 31)]],
    ['bigints', [0n, 2n ** 64n, -(2n ** 200n)]],
    ['text', ['', 'ÿ💶', 'x'.repeat(70_000)]],
    ['bytes', new Uint8Array([0, 255])],
    ['dates', new Date(1_700_000_000_123)],
    [
      'maps',
      new Map<unknown, unknown>([
        [{ a: 1 }, 'object'],
        [5, new Map()],
      ]),
    ],
    ['sets', new Set([1, 'a', new Set()])],
    ['objects', { a: undefined, b: { c: [undefined, { d: false }] } }],
  ])('a call carries %s there and back', async (_what, value) => {
    const { session } = await connectPeers({ server: { services: [lab()] } });
    expect(await session.client(Lab).run(value)).toEqual(value);
  });
});

describe('middleware', () => {
  const told: string[] = [];
  const noting =
    (name: string): Middleware =>
    async (call, next) => {
      told.push(`${name} in ${call.method}`);
      try {
        return await next();
      } finally {
        told.push(`${name} out`);
      }
    };

  async function through(
    middleware: readonly Middleware[],
    handler: LabHandler = (input) => {
      told.push('handler');
      return input;
    },
  ) {
    told.length = 0;
    return connectPeers({ server: { services: [lab(handler)], middleware } });
  }

  it('runs from the first to the last around the handler', async () => {
    const { session } = await through([noting('a'), noting('b')]);
    expect(await session.client(Lab).run('x')).toBe('x');
    expect(told).toEqual(['a in run', 'b in run', 'handler', 'b out', 'a out']);
  });

  it('may answer itself: then nothing behind it runs', async () => {
    const { session } = await through([noting('a'), () => 'short cut', noting('b')]);
    expect(await session.client(Lab).run('x')).toBe('short cut');
    expect(told).toEqual(['a in run', 'a out']);
  });

  it('may change the result, and turn an error into one', async () => {
    const { session } = await through([async (_call, next) => [await next().catch((error: unknown) => String(error))]], () => {
      throw new Error('oh');
    });
    expect(await session.client(Lab).run()).toEqual(['Error: oh']);
  });

  it.each<[string, Middleware]>([
    [
      'throws before',
      () => {
        throw new Error('mine');
      },
    ],
    [
      'throws after',
      async (_call, next) => {
        await next();
        throw new Error('mine');
      },
    ],
  ])('that %s the handler fails the call as the handler would', async (_what, middleware) => {
    const { session, handlerErrors } = await through([middleware]);
    expect(await failureOf(session.client(Lab).run())).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(handlerErrors.map(String)).toEqual(['Error: mine']);
  });

  it("may fail as the method declares, and lets the handler's own failure through", async () => {
    const deny: Middleware = (call, next) => (call.operationId === 'denied' ? (call as CallContext<unknown>).fail('denied') : next());
    const { session, handlerErrors } = await through([noting('a'), deny], (_input, context) => context.fail('handler'));
    expect(await failureOf(session.client(Lab).run(1, { operationId: 'denied' }))).toMatchObject({ kind: 'user', data: 'denied' });
    expect(await failureOf(session.client(Lab).run(1))).toMatchObject({ kind: 'user', data: 'handler' });
    expect([told, handlerErrors]).toEqual([['a in run', 'a out', 'a in run', 'a out'], []]);
  });

  it('[attempt.one-response] that swallows a failure and answers has answered twice: the failure stands', async () => {
    const { session, handlerErrors } = await through([(_call, next) => next().catch(() => 'all is well')], (_input, context) => context.fail('no'));
    expect(await failureOf(session.client(Lab).run())).toMatchObject({ kind: 'user', data: 'no' });
    expect(handlerErrors.map(String)).toEqual([expect.stringContaining('returned after fail()')]);
  });

  it('that calls next twice is at fault: the handler runs once', async () => {
    const { session, accepted, handlerErrors } = await through([
      async (_call, next) => {
        await next();
        return next();
      },
    ]);
    expect(await failureOf(session.client(Lab).run())).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(told).toEqual(['handler']);
    expect(handlerErrors.map(String)).toEqual([expect.stringContaining('next() twice')]);
    expect(accepted.counters.started).toBe(1);
  });

  it('does not run for what never reaches a handler', async () => {
    const { session } = await through([noting('a')]);
    await failureOf(session.client(defineService('Unknown', { m: method() })).m());
    expect(told).toEqual([]);
  });
});

describe('timeouts and signals', () => {
  it('handlerTimeoutMs aborts a handler that runs longer, and counts what it says later', async () => {
    const { handler, calls } = gated();
    const { session, accepted, clock, settle } = await connectPeers({ server: { services: [lab(handler)], handlerTimeoutMs: 100 } });
    const failing = failureOf(session.client(Lab).run());
    await clock.advance(99);
    const [running] = calls;
    expect([running?.call.signal.aborted, await isSettled(failing)]).toEqual([false, false]);
    await clock.advance(1);
    expect(await failing).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(running?.call.signal.aborted).toBe(true);
    expect(accepted.counters).toMatchObject({ zombies: 1, lateResults: 0 });
    running?.reject(new Error('late'));
    await settle();
    expect(accepted.counters).toMatchObject({ zombies: 0, lateResults: 1 });
  });

  it('a signal that a handler first asks for after its abort is aborted', async () => {
    const { handler, calls } = gated();
    const { session, clock } = await connectPeers({ server: { services: [lab(handler)], handlerTimeoutMs: 100 } });
    const failing = failureOf(session.client(Lab).run());
    await clock.advance(100);
    await failing;
    expect(calls[0]?.call.signal).toMatchObject({ aborted: true, reason: { name: 'AbortError' } });
  });

  it('a call that has ended leaves no timer and no listener behind, however it ended', async () => {
    const { session, clock } = await connectPeers({ server: { services: [lab({ run: () => new Promise(() => {}) })], handlerTimeoutMs: 5_000 } });
    await clock.advance(100);
    const before = clock.pending;
    const client = session.client(Lab);
    const given = new AbortController();
    const { signal } = given;
    await client.idem(1, { signal, timeoutMs: 1_000 });
    await failureOf(client.idem(() => {}, { signal, timeoutMs: 1_000 }));
    const timedOut = failureOf(client.run(1, { signal, timeoutMs: 10 }));
    await clock.advance(10);
    expect((await timedOut).reason).toBe('timeout');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    await clock.advance(100);
    expect(clock.pending).toBe(before);
  });

  it('a signal that is aborted after the call has ended does nothing', async () => {
    const { session, sent } = await connectPeers({ server: { services: [lab()] } });
    const given = new AbortController();
    expect(await session.client(Lab).run(1, { signal: given.signal })).toBe(1);
    given.abort();
    expect(sent('initiator', 'cancel')).toEqual([]);
  });

  it('one signal ends many calls', async () => {
    const { session, settle, accepted } = await connectPeers({ server: { services: [lab(() => new Promise(() => {}))] } });
    const given = new AbortController();
    const failing = Array.from({ length: 10 }, () => failureOf(session.client(Lab).run(1, { signal: given.signal })));
    await settle();
    given.abort();
    expect((await Promise.all(failing)).map(({ reason }) => reason)).toEqual(failing.map(() => 'aborted'));
    await settle();
    expect(accepted.counters.zombies).toBe(10);
  });
});

describe('schemas', () => {
  const cents = z.string().regex(/^\d+$/).transform(Number);
  const Shop = defineService('Shop', {
    quote: method({
      input: z.object({ sku: z.string().trim(), count: z.number().default(1), paid: cents.optional() }),
      output: z.object({ price: cents, at: z.number().default(7) }),
      error: z.object({ code: z.string().toUpperCase(), left: z.number().default(0) }),
    }),
  });

  it('the handler gets the parsed input, the caller the parsed output: each side parses what it receives', async () => {
    const seen: unknown[] = [];
    const { session, sent } = await connectPeers({
      server: {
        services: [
          implement(Shop, {
            quote: (input) => {
              seen.push(input);
              return { price: '250' };
            },
          }),
        ],
      },
    });
    expect(await session.client(Shop).quote({ sku: ' a ', paid: '5' })).toEqual({ price: 250, at: 7 });
    expect(seen).toEqual([{ sku: 'a', count: 1, paid: 5 }]);
    expect(decodeValue(sent('initiator', 'call')[0]!.args)).toEqual({ sku: ' a ', paid: '5' });
  });

  it('a declared failure is parsed by its schema too', async () => {
    const { session } = await connectPeers({ server: { services: [implement(Shop, { quote: (_input, call) => call.fail({ code: 'sold-out' }) })] } });
    expect(await failureOf(session.client(Shop).quote({ sku: 'a' }))).toMatchObject({ kind: 'user', data: { code: 'SOLD-OUT', left: 0 } });
  });

  it('schemas may take their time, on both sides, and hold up nobody else', async () => {
    const slow = z.string().refine(async (text) => {
      await new Promise((resolve) => setImmediate(resolve));
      return text !== 'bad';
    }, 'is bad');
    const Slow = defineService('Slow', { m: method({ input: slow, output: slow, error: slow }) });
    const services = [
      lab(),
      implement(Slow, {
        m: (input, call) => {
          if (input === 'fail') call.fail('declared');
          return input === 'worse' ? 'bad' : input;
        },
      }),
    ];
    const { session, sent } = await connectPeers({ server: { services } });
    const { m } = session.client(Slow);
    const order: unknown[] = [];
    const slowly = m('good').then((value) => order.push(value));
    order.push(await session.client(Lab).run('quick'));
    await slowly;
    expect(order).toEqual(['quick', 'good']);
    expect(await failureOf(m('bad'))).toMatchObject({
      kind: 'invalid-payload',
      reason: 'input',
      message: expect.stringContaining('is bad') as string,
    });
    expect(await failureOf(m('worse'))).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
    expect(await failureOf(m('fail'))).toMatchObject({ kind: 'user', data: 'declared' });
    expect(sent('initiator', 'call')).toHaveLength(4);
  });

  it('a call that is cancelled while its input is validated at the server never runs', async () => {
    let validating: () => void = () => {};
    const gate = new Promise<void>((resolve) => (validating = resolve));
    let runs = 0;
    const Both = ['client', 'server'].map((side) =>
      defineService('Gated', {
        m: method({
          input:
            side === 'client'
              ? z.string()
              : z.string().refine(async () => {
                  await gate;
                  return true;
                }),
        }),
      }),
    );
    const { session, settle, sent } = await connectPeers({
      server: {
        services: [
          implement(Both[1]!, {
            m: () => {
              runs++;
            },
          }),
        ],
      },
    });
    const given = new AbortController();
    const failing = failureOf(session.client(Both[0]!).m('x', { signal: given.signal }));
    await settle();
    given.abort();
    expect((await failing).kind).toBe('cancelled');
    await settle();
    validating();
    await settle();
    expect(runs).toBe(0);
    expect(sent('acceptor', 'response')).toHaveLength(1);
  });
});

describe('inspect', () => {
  it('shows the events of every kind of actor on both sides, by callback or by observer', async () => {
    const seen: { client: string[]; server: string[] } = { client: [], server: [] };
    const note = (list: string[]) => (event: { type: string; actorRef?: { id: string } }) => list.push(`${event.type} ${event.actorRef?.id}`);
    const { session } = await connectPeers({
      client: { inspect: note(seen.client) as never },
      server: { services: [lab()], inspect: { next: note(seen.server) } as never },
    });
    await session.client(Lab).run();
    await session.close();
    for (const kind of ['session:', 'connection:0', 'driver:0', 'request:1']) expect(seen.client.join('\n')).toContain(`@xstate.event ${kind}`);
    for (const kind of ['session:', 'connection:0', 'driver:0', 'response:1', 'operation:1'])
      expect(seen.server.join('\n')).toContain(`@xstate.event ${kind}`);
  });

  it('an inspector that throws disturbs nothing, and is logged', async () => {
    const inspect = () => {
      throw new Error('blind');
    };
    const { session, accepted, serverLog, clientLog } = await connectPeers({
      client: { inspect, services: [lab()] },
      server: {
        inspect,
        services: [
          lab({
            idem: () => {
              throw new Error('oh');
            },
          }),
        ],
      },
    });
    const client = session.client(Lab);
    expect(await Promise.all([client.run(1), client.persist(2), accepted.client(Lab).run(3)])).toEqual([1, 2, 3]);
    expect((await failureOf(client.idem())).kind).toBe('cancelled');
    expect((await failureOf(client.run(1, { signal: AbortSignal.abort() }))).kind).toBe('cancelled');
    for (const log of [serverLog, clientLog])
      expect(log).toContainEqual(expect.objectContaining({ event: 'internal-error', error: new Error('blind') }));
    await session.close({ graceMs: 1_000 });
    await accepted.closed;
  });

  it('whoever looks later sees what is live then, and calls under way go on', async () => {
    const { handler, calls } = gated();
    const { session, server, settle } = await connectPeers({ server: { services: [lab(handler)] } });
    const pending = session.client(Lab).run();
    await settle();
    const seen: string[] = [];
    server.actor.system.inspect((event) => seen.push(`${event.type} ${(event.actorRef as { id?: string }).id}`));
    calls[0]?.resolve('done');
    expect(await pending).toBe('done');
    expect(seen.join('\n')).toContain('@xstate.event operation:1');
  });
});
