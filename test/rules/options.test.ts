/** What `connect` and `listen` refuse before they touch anything, each with the path of what is wrong. */
import { describe, expect, it } from 'vitest';
import { connect, defineService, implement, listen, memoryStore, method } from 'statewire';
import type { ConnectOptions } from 'statewire';
import { lab, makeWorld, PLACE } from '../support/peers.ts';

const clock = { now: () => 0, setTimeout: () => 0, clearTimeout: () => {} };

/** What either side may say: the path, and values that make no sense there. */
const wrong: [string, unknown[]][] = [
  ['maxConcurrentRequests', [0, -1, 1.5, '5', NaN, null, 2 ** 31]],
  ['maxQueuedRequests', [-1, 0.5, Infinity, true]],
  ['maxConnections', [-1, 2 ** 40]],
  ['maxInitialCredit', [-1, 'many']],
  ['maxPayload', [65_535, 0, 2 ** 31, '1MB']],
  ['handshakeTimeoutMs', [0, -5, 2 ** 31, '10s', null]],
  ['handlerTimeoutMs', [0, -1, NaN, Infinity, 2 ** 31, '1s', null]],
  ['retry', ['yes', 1, null]],
  ['exposeErrors', ['no', 0]],
  ['authenticate', [{}, 'alice', null]],
  ['onHandlerError', [{}, null]],
  ['onConnection', [{}, null, 'accept']],
  ['keepAlive', [true, 5, null, 'never']],
  ['keepAlive.intervalMs', [{ intervalMs: 0 }, { intervalMs: 0.5 }, { intervalMs: 2 ** 31 }, { intervalMs: '5' }]],
  ['keepAlive.timeoutMs', [{ timeoutMs: -1 }, { timeoutMs: null }]],
  ['keepAlive.interval', [{ interval: 5 }]],
  ['log', [console, null]],
  ['store', ['memory', 5, null]],
  ['credentials', [() => {}, Symbol('s'), { deep: [() => {}] }, new Uint8Array(70_000)]],
  ['services', [{}, 'Bank', null]],
  ['services[0]', [[{}], [null], [defineService('S', { m: method() })], ['Bank']]],
  ['services[1]', [[lab(), { methods: {} }]]],
  ['middleware', [() => {}, {}]],
  ['middleware[0]', [[5], [null], [{}]]],
  ['middleware[1]', [[() => {}, 'log']]],
  ['clock', [5, null, Date]],
  ['clock.now', [{ ...clock, now: 0 }]],
  ['clock.setTimeout', [{ ...clock, setTimeout: undefined }]],
  ['clock.clearTimeout', [{ now: () => 0, setTimeout: () => 0 }]],
  ['store.open', [{}]],
  ['store.settled', [Object.assign(memoryStore(), { settled: 5 })]],
  ['random', ['dice', null]],
  ['random.number', [{ bytes: () => new Uint8Array(0) }]],
  ['random.bytes', [{ number: () => 0 }]],
  ['inspect', [5, 'yes', null, { next: 5 }]],
];

/** What each side alone may say (session.reconnect, session.initial-wait, session.outlives-link). */
const wrongForOne: Readonly<Record<'connect' | 'listen', [string, unknown[]][]>> = {
  connect: [
    ['resume', ['yes', 1, null, {}, { ttlMs: 5 }]],
    ['reconnect', [true, 5, null, 'never']],
    ['reconnect.baseMs', [{ baseMs: -1 }, { baseMs: 0.5 }, { baseMs: 2 ** 31 }, { baseMs: '5' }, { baseMs: null }]],
    ['reconnect.factor', [{ factor: 0.9 }, { factor: 1_001 }, { factor: NaN }, { factor: '2' }, { factor: null }]],
    ['reconnect.maxMs', [{ maxMs: -1 }, { maxMs: 2 ** 31 }, { maxMs: Infinity }]],
    ['reconnect.jitter', [{ jitter: -0.1 }, { jitter: 1.1 }, { jitter: NaN }, { jitter: true }]],
    ['reconnect.deadlineMs', [{ deadlineMs: 0 }, { deadlineMs: 2 ** 31 }, { deadlineMs: '2m' }]],
    ['reconnect.base', [{ base: 5 }]],
    ['waitForPeerMs', [-1, 0.5, NaN, 2 ** 31, '10s', true, null]],
  ],
  listen: [
    ['resume', [true, 5, null, 'always']],
    ['resume.ttlMs', [{ ttlMs: 0 }, { ttlMs: 0.5 }, { ttlMs: 2 ** 31 }, { ttlMs: '5' }, { ttlMs: null }]],
    ['resume.maxSessions', [{ maxSessions: -1 }, { maxSessions: 0.5 }, { maxSessions: Infinity }]],
    ['resume.ttl', [{ ttl: 5 }]],
  ],
};

const casesOf = (paths: readonly [string, unknown[]][]) => paths.flatMap(([path, values]) => values.map((value) => [path, value] as const));

/** The option itself, of the path of a part of it. */
const optionOf = (path: string) => path.split(/[.[]/)[0] as string;

describe.each(['connect', 'listen'] as const)('%s', (verb) => {
  const attempt = (options: unknown) => {
    const { network } = makeWorld();
    return verb === 'connect' ? connect(network.connector(PLACE), options as never) : listen(network.listener(PLACE), options as never);
  };

  it.each(casesOf([...wrong, ...wrongForOne[verb]]))('refuses options.%s: %o', async (path, value) => {
    const error = await attempt({ [optionOf(path)]: value }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain(`options.${path} `);
  });

  it('refuses two methods of one id, naming both', async () => {
    // Found by trying m0, m1, m2 …
    const [One, Two] = [defineService('S', { m68609: method() }), defineService('S', { m629026: method() })];
    const services = [implement(One, { m68609: () => {} }), implement(Two, { m629026: () => {} })];
    await expect(attempt({ services })).rejects.toThrow(/S\.m68609 and S\.m629026 have the same id/);
    await expect(attempt({ services: [lab(), lab()] })).rejects.toThrow(TypeError);
  });

  it('takes every option as undefined', async () => {
    const options = Object.fromEntries(
      [...new Set([...wrong, ...wrongForOne[verb]].map(([path]) => optionOf(path))), 'scope', 'onSession'].map((name) => [name, undefined]),
    );
    const { network } = makeWorld();
    const server = await listen(network.listener(PLACE), options);
    await (await connect(network.connector(PLACE), options)).close();
    await server.close();
  });
});

it.each<ConnectOptions>([
  { resume: false },
  { resume: true, reconnect: {}, waitForPeerMs: 0 },
  { reconnect: false, waitForPeerMs: 2 ** 31 - 1 },
  { reconnect: { baseMs: 0, factor: 1, maxMs: 0, jitter: 0, deadlineMs: 1 } },
  { reconnect: { baseMs: undefined, factor: 1.5, jitter: 1, deadlineMs: 2 ** 31 - 1 } },
])('[session.reconnect] [session.initial-wait] connect takes %o', async (options) => {
  const { network } = makeWorld();
  const server = await listen(network.listener(PLACE));
  const session = await connect(network.connector(PLACE), options);
  expect(session.status).toBe('connected');
  await session.close();
  await server.close();
});

it.each([{ resume: false as const }, { resume: {} }, { resume: { ttlMs: 1, maxSessions: 0 } }, { resume: { ttlMs: undefined, maxSessions: 1 } }])(
  '[session.outlives-link] listen takes %o',
  async (options) => {
    const { network } = makeWorld();
    const server = await listen(network.listener(PLACE), options);
    const session = await connect(network.connector(PLACE));
    expect(session.status).toBe('connected');
    await session.close();
    await server.close();
  },
);

it.each([null, 5, {}, { connect: 5 }])('connect refuses %o for a connector, listen for a listener', async (given) => {
  await expect(connect(given as never)).rejects.toThrow(/connector/);
  await expect(listen(given as never)).rejects.toThrow(/listener/);
});

it.each([[new Uint8Array(15)], ['a secret of many characters'], [[1, 2, 3]], [new Uint8Array(1_025)], [null]])(
  'connect refuses a scope of %o',
  async (scope) => {
    const { network } = makeWorld();
    const error = await connect(network.connector(PLACE), { scope: scope as never }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain('options.scope ');
  },
);

it.each([5, {}, null])('listen refuses an onSession of %o', async (onSession) => {
  const { network } = makeWorld();
  await expect(listen(network.listener(PLACE), { onSession: onSession as never })).rejects.toThrow(/options\.onSession /);
});
