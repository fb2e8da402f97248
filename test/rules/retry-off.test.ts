/** retry.off: where either side is without retry, calls have no operation ids, nothing is stored, and a lost link ends what is pending. */
import { describe, expect, it } from 'vitest';
import type { OperationStore } from 'statewire';
import { memoryStore } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import { connectPeers, failureOf, gated, lab, Lab } from '../support/peers.ts';
import type { LabHandler } from '../support/peers.ts';

/** A store that nobody may ask anything. */
function untouchable(): { store: OperationStore; asked: string[] } {
  const asked: string[] = [];
  const store = memoryStore();
  for (const name of ['lookup', 'admit', 'seal', 'release', 'forget', 'settled', 'fence'] as const) {
    Object.assign(store, {
      [name]: () => {
        asked.push(name);
        throw new Error(`asked to ${name}`);
      },
    });
  }
  return { store, asked };
}

const withoutRetry = { features: { retry: false, resume: false } };

describe.each([
  ['the initiator', { retry: false }, {}],
  ['the acceptor', {}, { retry: false }],
  ['both', { retry: false }, { retry: false }],
] as const)('retry.off at %s', (_who, client, server) => {
  it('[retry.off] no message in either direction carries an operation id, a series or an acknowledgement', async () => {
    const { store, asked } = untouchable();
    const seen: unknown[] = [];
    const keep: LabHandler = (input, { operationId }) => {
      seen.push(operationId);
      return input;
    };
    const { session, accepted, sent, clock } = await connectPeers({
      client: { ...client, services: [lab(keep)], store },
      server: { ...server, services: [lab(keep)], store },
    });
    for (const caller of [session, accepted]) {
      const { run, idem, persist } = caller.client(Lab);
      expect(await Promise.all([run(1), idem(2), persist(3), run(4, { operationId: 'mine' })])).toEqual([1, 2, 3, 4]);
    }
    await clock.advance(1_000);
    const calls = [...sent('initiator', 'call'), ...sent('acceptor', 'call')];
    expect(calls.map(({ operationId, series, ack }) => [operationId, series, ack])).toEqual(calls.map(() => [undefined, undefined, undefined]));
    expect([...sent('initiator', 'ack'), ...sent('acceptor', 'ack'), ...asked]).toEqual([]);
    expect(seen).toEqual(Array.from({ length: 8 }, () => undefined));
  });

  it('[retry.off] the same string id twice is two calls, and both run', async () => {
    const { session, accepted } = await connectPeers({ client, server: { ...server, services: [lab()] } });
    const { run } = session.client(Lab);
    expect(await Promise.all([run(1, { operationId: 'same' }), run(2, { operationId: 'same' })])).toEqual([1, 2]);
    expect(await run(3, { operationId: 'same' })).toBe(3);
    expect(accepted.counters).toMatchObject({ started: 3, attached: 0, replayed: 0 });
  });
});

describe('retry.off', () => {
  const limits = { maxConcurrentRequests: 3, maxPayload: 65_536, maxConnections: 0, maxInitialCredit: 0 };

  it.each(['the link is lost', 'we close', 'the peer closes', 'the peer is gone without a word'] as const)(
    '[retry.off] [outcome.retryable] pending calls fail connection-closed when %s, retryable only where that is harmless',
    async (end) => {
      const { session, peer, network } = await attackClient({}, { ...withoutRetry, limits });
      const client = session.client(Lab);
      const failing = [client.run(), client.persist(), client.idem(), client.run('never sent'), client.persist('never sent')].map(failureOf);
      for (let sent = 0; sent < 3; sent++) await peer.next('call');
      if (end === 'the link is lost') network.cut();
      else if (end === 'we close') await session.close();
      else if (end === 'the peer closes') peer.send({ type: 'close', connectionId: 0 });
      else peer.link.close();
      const failures = await Promise.all(failing);
      expect(failures.map(({ kind }) => kind)).toEqual(failing.map(() => 'connection-closed'));
      expect(failures.map(({ retryable }) => retryable)).toEqual([false, false, true, true, true]);
      expect(failures.map(({ operationId }) => operationId)).toEqual(failing.map(() => undefined));
      await session.closed;
    },
  );

  it('[retry.off] handlers are aborted when the link is lost, persist ones too, and what they say later is counted', async () => {
    const { handler, calls } = gated();
    const { session, accepted, network, settle } = await connectPeers({ server: { services: [lab(handler)], retry: false } });
    const client = session.client(Lab);
    const failing = [client.run(), client.idem(), client.persist()].map(failureOf);
    await settle();
    const signals = calls.map(({ call: { signal } }) => signal);
    network.cut();
    const failures = await Promise.all(failing);
    expect(failures.map(({ kind, reason }) => `${kind} ${reason}`)).toEqual(failing.map(() => 'connection-closed link-lost'));
    await settle();
    expect([session.status, accepted.status]).toEqual(['disconnected', 'disconnected']);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
    expect(accepted.counters.zombies).toBe(3);
    calls.forEach(({ resolve }) => resolve('late'));
    await settle();
    expect(accepted.counters).toMatchObject({ zombies: 0, lateResults: 3 });
  });

  it.each(['run', 'idem', 'persist'] as const)(
    '[retry.off] a cancel aborts the handler of %s: there is no operation that could run on',
    async (name) => {
      const { handler, calls } = gated();
      const { session, settle, sent } = await connectPeers({ client: { retry: false }, server: { services: [lab(handler)] } });
      const given = new AbortController();
      const failing = failureOf(session.client(Lab)[name](1, { signal: given.signal }));
      await settle();
      given.abort();
      expect((await failing).kind).toBe('cancelled');
      await settle();
      expect(calls[0]?.call.signal.aborted).toBe(true);
      expect(sent('acceptor', 'response')).toEqual([
        expect.objectContaining({ ok: false, error: expect.objectContaining({ kind: 'cancelled' }) as unknown }),
      ]);
      expect(sent('initiator', 'cancel').map(({ operationId }) => operationId)).toEqual([undefined]);
    },
  );

  it("[retry.off] a handler's value, failure or throw is told as ever", async () => {
    const { session } = await connectPeers({
      client: { retry: false },
      server: {
        services: [
          lab({
            idem: (input, context) => context.fail(input),
            run: (input) => {
              if (input === 'throw') throw new Error('oh');
              return input;
            },
          }),
        ],
      },
    });
    const client = session.client(Lab);
    expect(await client.run('value')).toBe('value');
    expect(await failureOf(client.idem({ code: 5 }))).toMatchObject({ kind: 'user', data: { code: 5 } });
    expect(await failureOf(client.run('throw'))).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
  });

  it('[retry.off] a peer that sends an operation id all the same commits a protocol error', async () => {
    const { peer } = await attackServer({ retry: false });
    peer.send(call(1, { operationId: 1 }));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'op.id' });
  });

  it.each<[string, { retry?: boolean }, object]>([
    ['we have it off', { retry: false }, {}],
    ['the peer has', {}, withoutRetry],
  ])('[retry.off] an acknowledgement touches no store where %s, in a message of its own or with a call', async (_who, options, change) => {
    const { store, asked } = untouchable();
    const { peer, settle, serverLog } = await attackServer({ ...options, store, services: [lab()] }, change);
    peer.send({ type: 'ack', series: '00112233445566ff', upTo: 5 }, call(1, { operationId: undefined, ack: 5 }));
    await settle();
    expect(peer.all('response')).toHaveLength(1);
    expect([asked, serverLog]).toEqual([[], []]);
  });

  it('[retry.off] a peer without retry is served without ids', async () => {
    const { peer } = await attackServer({ services: [lab()] }, withoutRetry);
    peer.send(call(1, { operationId: undefined, args: encodeValue('plain') }));
    expect(await peer.next('response')).toMatchObject(result(1, 'plain'));
  });

  it('[retry.off] where both support it, a call without an operation id is a protocol error', async () => {
    const { peer } = await attackServer();
    peer.send(call(1, { operationId: undefined }));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: 'op.id' });
  });
});
