/** meta.*: what a call and its response carry beside their values, and where a sensitive value is never seen. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { MetadataInput, MetadataView, MetadataViewEntry } from 'statewire';
import { encodeValue, SENSITIVE } from 'statewire/wire';
import type { MetadataEntry } from 'statewire/wire';
import { attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import { findSecret } from '../support/leaks.ts';
import { connectPeers, failureOf, lab, Lab } from '../support/peers.ts';
import type { LabHandler } from '../support/peers.ts';

const plain = { sensitive: false, noPropagate: false };

/** A handler that keeps what it was given, and answers with what it is told to. */
function witness(answer: readonly MetadataEntry[] = []): { handler: LabHandler; seen: MetadataViewEntry[][] } {
  const seen: MetadataViewEntry[][] = [];
  return {
    seen,
    handler: (input, { metadata, responseMetadata }) => {
      seen.push([...metadata]);
      for (const [key, value, flags] of answer) responseMetadata.set(key, value, { sensitive: (flags & SENSITIVE) !== 0 });
      return input;
    },
  };
}

describe('meta.entries', () => {
  it('[meta.entries] a call carries its entries in order, duplicates, kinds and flags kept', async () => {
    const { handler, seen } = witness();
    const { session } = await connectPeers({ server: { services: [lab(handler)] } });
    const entries: [string, string | number | bigint | Uint8Array, { sensitive?: boolean; noPropagate?: boolean }?][] = [
      ['b', 'last'],
      ['a', 'text ÿ 💶'],
      ['b', 1],
      ['a', -5],
      ['', ''],
      ['large', 2n ** 63n],
      ['safe', Number.MAX_SAFE_INTEGER],
      ['bytes', new Uint8Array([0, 255])],
      ['a', 'text ÿ 💶'],
      ['x', 'y', { noPropagate: true }],
      ['x', 'z', { sensitive: true, noPropagate: true }],
    ];
    await session.client(Lab).run(1, { metadata: entries });
    expect(seen).toEqual([entries.map(([key, value, flags]) => ({ key, value, ...plain, ...flags }))]);
  });

  it.each<[string, MetadataInput | undefined, MetadataViewEntry[]]>([
    [
      'a record',
      { a: 1, b: 'x' },
      [
        { key: 'a', value: 1, ...plain },
        { key: 'b', value: 'x', ...plain },
      ],
    ],
    ['a Map', new Map([['a', 1n]]), [{ key: 'a', value: 1n, ...plain }]],
    ['nothing', {}, []],
    ['undefined', undefined, []],
  ])('[meta.entries] a call takes %s', async (_what, metadata, expected) => {
    const { handler, seen } = witness();
    const { session } = await connectPeers({ server: { services: [lab(handler)] } });
    await session.client(Lab).run(1, { metadata });
    expect(seen).toEqual([expected]);
  });

  it('[meta.entries] a handler reads by key, and those who ask for an unknown key get nothing', async () => {
    const read: LabHandler = (_input, { metadata }) => [
      metadata.get('a'),
      metadata.getAll('a'),
      metadata.has('a'),
      metadata.has('b'),
      metadata.getAll('b'),
    ];
    const { session } = await connectPeers({ server: { services: [lab(read)] } });
    expect(
      await session.client(Lab).run(1, {
        metadata: [
          ['a', 1],
          ['a', 2],
        ],
      }),
    ).toEqual([1, [1, 2], true, false, []]);
  });

  it('[meta.entries] a response carries what its handler set, whatever became of the call, before it settles', async () => {
    const { session } = await connectPeers({
      server: {
        services: [
          lab({
            run: (input, { responseMetadata }) => {
              responseMetadata.set('cost', 1);
              responseMetadata.set('cost', 2);
              responseMetadata.set('by', 'x');
              return input;
            },
            idem: (_input, context) => {
              context.responseMetadata.set('cost', 3);
              return context.fail('no');
            },
            persist: (_input, { responseMetadata }) => {
              responseMetadata.set('cost', 4n);
              throw new Error('oh');
            },
          }),
        ],
      },
    });
    const order: unknown[] = [];
    const onResponseMetadata = (view: MetadataView) => order.push([...view].map(({ key, value }) => [key, value]));
    const client = session.client(Lab);
    order.push(await client.run('value', { onResponseMetadata }));
    order.push((await failureOf(client.idem(1, { onResponseMetadata }))).kind);
    order.push((await failureOf(client.persist(1, { onResponseMetadata }))).kind);
    expect(order).toEqual([
      [
        ['cost', 2],
        ['by', 'x'],
      ],
      'value',
      [['cost', 3]],
      'user',
      [['cost', 4n]],
      'indeterminate',
    ]);
  });

  it('[meta.entries] onResponseMetadata is told once, of no entries too, and not of a call that got no response', async () => {
    const { session } = await connectPeers({ server: { services: [lab()] } });
    const sizes: number[] = [];
    const onResponseMetadata = (view: MetadataView) => sizes.push([...view].length);
    await session.client(Lab).run(1, { onResponseMetadata });
    await failureOf(session.client(Lab).run(1, { onResponseMetadata, signal: AbortSignal.abort() }));
    expect(sizes).toEqual([0]);
  });

  it('an onResponseMetadata that throws costs its call nothing, whatever became of that, and is logged', async () => {
    const { session, clientLog } = await connectPeers({ server: { services: [lab({ idem: (input, context) => context.fail(input) })] } });
    const mine = new Error('mine');
    const onResponseMetadata = () => {
      throw mine;
    };
    expect(await session.client(Lab).run(1, { onResponseMetadata })).toBe(1);
    expect(await failureOf(session.client(Lab).idem(2, { onResponseMetadata }))).toMatchObject({ kind: 'user', data: 2 });
    expect(clientLog).toEqual([1, 3].map((requestId) => expect.objectContaining({ event: 'user-error', requestId, error: mine }) as unknown));
  });

  it('[meta.entries] keys and flags that nobody knows are no offence', async () => {
    const { handler, seen } = witness();
    const { peer } = await attackServer({ services: [lab(handler)] });
    peer.send(
      call(1, {
        metadata: [
          ['from-the-future', 'x', 0xf0],
          ['from-the-future', 5, SENSITIVE | 0x80],
        ],
      }),
    );
    expect(await peer.next('response')).toMatchObject({ ok: true });
    expect(seen).toEqual([
      [
        { key: 'from-the-future', value: 'x', ...plain },
        { key: 'from-the-future', value: 5, ...plain, sensitive: true },
      ],
    ]);
  });

  it('[meta.entries] metadata above the bounds of the wire fails its own call, naming the place, and is not sent', async () => {
    const { session, sent } = await connectPeers({ server: { services: [lab()] } });
    const { run } = session.client(Lab);
    for (const metadata of [{ large: 'x'.repeat(65_537) }, { ['x'.repeat(1_025)]: 1 }, Array.from({ length: 1_025 }, () => ['k', 1] as const)]) {
      const error = await run(1, { metadata }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(Error);
      expect(String(error)).toContain('metadata');
    }
    expect(sent('initiator', 'call')).toEqual([]);
    expect(await run(2)).toBe(2);
  });

  it.each([
    ['options.metadata["a"]', { a: 1.5 }],
    ['options.metadata["a"]', { a: {} }],
    ['options.metadata[0]', [['a']]],
  ])('a call whose metadata cannot be rejects with a TypeError naming %s', async (path, metadata) => {
    const { session, sent } = await connectPeers({ server: { services: [lab()] } });
    const error = await session
      .client(Lab)
      .run(1, { metadata: metadata as never })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(path);
    expect(sent('initiator', 'call')).toEqual([]);
  });
});

describe('meta.sensitive', () => {
  const secret = 'S3CRET';
  const bytes = new TextEncoder().encode(secret);
  const metadata = [
    ['token', secret, { sensitive: true }],
    ['raw', bytes, { sensitive: true }],
    ['trace-id', 't-1'],
  ] as const;
  const answer: MetadataEntry[] = [
    ['cookie', secret, SENSITIVE],
    ['cookie-bytes', bytes, SENSITIVE],
    ['cost', 5, 0],
  ];

  /** Handlers that end in every way, each with sensitive metadata in its answer. */
  const services = [
    lab({
      run: (_input, context) => {
        witness(answer).handler(1, context);
        return 'value';
      },
      idem: (_input, context) => {
        witness(answer).handler(1, context);
        return context.fail('no');
      },
      persist: (_input, context) => {
        witness(answer).handler(1, context);
        throw new Error('oh');
      },
    }),
  ];

  async function callAll(options: { inspect?: (event: unknown) => void; onHandlerError?: (error: unknown, call: unknown) => void } = {}) {
    const { onHandlerError = () => {}, ...either } = options;
    const peers = await connectPeers({ server: { services, ...either, onHandlerError }, client: { services, ...either } });
    const failures: unknown[] = [];
    for (const caller of [peers.session, peers.accepted]) {
      const client = caller.client(Lab);
      const given = new AbortController();
      await client.run(1, { metadata });
      failures.push(await failureOf(client.idem(1, { metadata })), await failureOf(client.persist(1, { metadata })));
      failures.push(await failureOf(client.run(() => {}, { metadata })), await failureOf(client.run(new Uint8Array(17_000_000), { metadata })));
      const aborted = failureOf(client.run(1, { metadata, signal: given.signal }));
      given.abort();
      failures.push(await aborted);
      failures.push(await client.run(1, { metadata: [...metadata, ['wrong', {} as never, { sensitive: true }]] }).catch((error: unknown) => error));
    }
    return { ...peers, failures };
  }

  it('[meta.sensitive] the handler and the caller have the value, with its flag', async () => {
    const seen: unknown[] = [];
    const { session } = await connectPeers({
      server: {
        services: [
          lab((_input, context) => {
            seen.push(...context.metadata);
            return witness(answer).handler(1, context);
          }),
        ],
      },
    });
    await session.client(Lab).run(1, { metadata, onResponseMetadata: (view) => seen.push(...view) });
    expect(seen).toMatchObject([
      { key: 'token', value: secret, sensitive: true },
      { key: 'raw', value: bytes, sensitive: true },
      { key: 'trace-id', value: 't-1', sensitive: false },
      { key: 'cookie', value: secret, sensitive: true },
      { key: 'cookie-bytes', value: bytes, sensitive: true },
      { key: 'cost', value: 5, sensitive: false },
    ]);
  });

  it('[meta.sensitive] no error and no log entry has the value, on either side', async () => {
    const { failures, serverLog, clientLog } = await callAll();
    expect(failures).toHaveLength(12);
    expect(serverLog.length).toBeGreaterThan(0);
    for (const shown of [failures, serverLog, clientLog]) {
      expect(findSecret(shown, secret)).toBeUndefined();
      expect(inspect(shown, { depth: 10, showHidden: true })).not.toContain(secret);
    }
  });

  it('[meta.sensitive] the call that onHandlerError is given shows no value where it is printed', async () => {
    const told: unknown[] = [];
    await callAll({ onHandlerError: (error, context) => told.push(error, context, (context as { metadata: unknown }).metadata) });
    expect(told).toHaveLength(3);
    expect(inspect(told, { depth: 10, showHidden: true })).not.toContain(secret);
    expect(JSON.stringify(told)).not.toContain(secret);
  });

  it('[meta.sensitive] no inspection event has the value, in any place that can be reached from it', async () => {
    const events: { type: string }[] = [];
    await callAll({ inspect: (event) => events.push(event as { type: string }) });
    expect(new Set(events.map(({ type }) => type))).toContain('@xstate.event');
    expect(events.length).toBeGreaterThan(100);
    expect(findSecret(events, 't-1')).toBeDefined();
    expect(findSecret(events, secret)).toBeUndefined();
  });

  it('[meta.sensitive] a peer that breaks a rule is told why without the value', async () => {
    const { peer, serverLog } = await attackServer();
    peer.send(call(1, { metadata: [['token', secret, SENSITIVE]] }), call(2, { metadata: [['token', secret, SENSITIVE]] }));
    expect(findSecret(await peer.next('protocol-error'), secret)).toBeUndefined();
    expect(findSecret(serverLog, secret)).toBeUndefined();
  });

  it('[meta.sensitive] a response of the peer that fits nothing shows no value', async () => {
    const { session, peer, settle } = await attackClient();
    const failing = failureOf(session.client(Lab).run(1, { metadata }));
    await peer.next('call');
    peer.send({ ...result(1), metadata: [['cookie', secret, SENSITIVE]], result: encodeValue(1).subarray(1) } as never, result(1), result(9));
    const failure = await failing;
    await settle();
    expect(findSecret(failure, secret)).toBeUndefined();
    expect(inspect(session, { depth: 6, showHidden: true })).not.toContain(secret);
  });
});
