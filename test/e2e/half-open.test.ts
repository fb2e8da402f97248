/** session.keepalive on real sockets: a link that is half open, since whatever is between the peers swallows all bytes and tells nobody. */
import { expect, it } from 'vitest';
import { channel, connect, listen } from 'statewire';
import type { Session } from 'statewire';
import { tcp } from 'statewire/tcp';
import { Flow, flowing } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { deferred, ENDS_WITH_LINK, failureOf, gated, lab, Lab } from '../support/peers.ts';
import { swallowingProxy } from '../support/swallowing-proxy.ts';

leavesNothing();

const KEEP_ALIVE = { intervalMs: 50, timeoutMs: 50 };
/** Far more than the two together, on a machine that is busy; far less than TCP itself would take to notice, if it ever did. */
const BOUND_MS = 5_000;

it('[session.keepalive] [outcome.closing] [conn.closed] both sides end a session that ends with its link when that swallows all, and judge what waits on it', async () => {
  const arrived = deferred<Session>();
  const { handler, calls } = gated();
  const flow = flowing();
  const services = [lab({ run: handler, persist: handler, idem: (input) => input }), flow.service];
  await using server = await listen(tcp({ port: 0 }), {
    services,
    keepAlive: KEEP_ALIVE,
    onConnection: (request) => void request.accept({ services }),
    onSession: arrived.resolve,
  });
  await using proxy = await swallowingProxy(server.address);
  await using session = await connect(tcp(proxy.address), { keepAlive: KEEP_ALIVE, ...ENDS_WITH_LINK });
  const accepted = await arrived.promise;
  const virtual = await session.open();

  // Nobody calls, and it lives: by pings and pongs alone.
  await proxy.passing(10);
  expect([session.status, accepted.status]).toEqual(['connected', 'connected']);

  const [, theirRx] = channel();
  const outcomes = [session.client(Lab).run(), virtual.client(Lab).persist(), virtual.client(Flow).take({ items: theirRx })].map(failureOf);
  expect(await virtual.client(Lab).idem('still through')).toBe('still through');
  expect([calls.length, flow.taking.length]).toEqual([2, 1]);

  proxy.swallow();
  const startMs = performance.now();
  const late = failureOf(session.client(Lab).idem('swallowed'));
  await Promise.all([session.closed, accepted.closed, virtual.closed]);
  expect(performance.now() - startMs).toBeLessThan(BOUND_MS);
  expect(proxy.swallowed).toBeGreaterThan(0);
  for (const failure of await Promise.all(outcomes)) expect(failure).toMatchObject({ kind: 'indeterminate', reason: 'closed' });
  expect(await late).toMatchObject({ kind: 'connection-closed', reason: 'closed', retryable: true });
  expect([server.sessions.size, virtual.isConnected]).toEqual([0, false]);
  expect(new Set(calls.map(({ call }) => call.signal.aborted))).toEqual(new Set([false, true]));
  expect(flow.taking[0]?.signal.aborted).toBe(true);
  for (const gate of calls) gate.resolve('late');
});
