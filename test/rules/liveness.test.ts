/** liveness.refcount and liveness.last-drop: who holds a connection, what holding and releasing mean, and what the last release does. */
import { describe, expect, it } from 'vitest';
import { channel, release, retain } from 'statewire';
import type { Client, Connection, Session } from 'statewire';
import { connectionPeers, Flow, flowing, SIDES } from '../support/connection-peers.ts';
import type { ConnectionEnds, ConnectionPeers } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { connectPeers, deferred, failureOf, gated, isSettled, Lab, lab } from '../support/peers.ts';

leavesNothing();

const RELEASED = { kind: 'connection-closed', reason: 'released' };

async function expectOpen(peers: ConnectionPeers, { opened, taken }: ConnectionEnds): Promise<void> {
  await peers.settle();
  expect([opened.isConnected, taken.isConnected]).toEqual([true, true]);
}

async function expectGone(peers: ConnectionPeers, { opened, taken }: ConnectionEnds): Promise<void> {
  await Promise.all([opened.closed, taken.closed]);
  expect([opened.isConnected, taken.isConnected]).toEqual([false, false]);
  expect([peers.session.status, peers.accepted.status]).toEqual(['connected', 'connected']);
}

describe.each(SIDES)('a virtual connection that the %s opened', (by) => {
  it('[liveness.last-drop] closes by itself with the last release, and nothing else ends', async () => {
    const peers = await connectionPeers({ server: { services: [lab()] } });
    const ends = await peers.open(by);
    const client = ends.opened.client(Lab);
    expect(await client.run('works')).toBe('works');
    release(client);
    await expectOpen(peers, ends);
    release(ends.opened);
    await expectGone(peers, ends);
    expect(peers.sent(by, 'close')).toHaveLength(1);
    expect(await peers.session.client(Lab).run('root')).toBe('root');
  });

  it('[liveness.refcount] is not closed by a temporary client, because its Connection holds it', async () => {
    const peers = await connectionPeers();
    const ends = await peers.open(by);
    {
      using client = ends.opened.client(Lab);
      expect(await client.run('a')).toBe('a');
    }
    await expectOpen(peers, ends);
    expect(await ends.opened.client(Lab).run('b')).toBe('b');
  });

  it('[liveness.refcount] is held by each client by itself, however they are released', async () => {
    const peers = await connectionPeers();
    const ends = await peers.open(by);
    const clients = [ends.opened.client(Lab), ends.opened.client(Lab), ends.opened.client(Flow)];
    release(ends.opened);
    release(clients[2] as object);
    clients[0]?.[Symbol.dispose]();
    await expectOpen(peers, ends);
    expect(await (clients[1] as Client<typeof Lab>).run('the last one')).toBe('the last one');
    release(clients[1] as object);
    await expectGone(peers, ends);
  });

  it('[liveness.refcount] is held by a pending call until that has its outcome', async () => {
    const peers = await connectionPeers();
    const { handler, calls } = gated();
    const ends = await peers.open(by, {}, { services: [lab(handler)] });
    const client = ends.opened.client(Lab);
    const pending = [client.run(1), client.idem(2)];
    release(client);
    release(ends.opened);
    await expectOpen(peers, ends);
    calls[0]?.resolve('one');
    expect(await pending[0]).toBe('one');
    await expectOpen(peers, ends);
    calls[1]?.reject(new Error('two'));
    expect((await failureOf(pending[1] as Promise<unknown>)).kind).toBe('cancelled');
    await expectGone(peers, ends);
  });

  it('[liveness.refcount] is held by a call that waits for its turn, and by one that is cancelled until it is', async () => {
    const peers = await connectionPeers();
    const { handler, calls } = gated();
    const ends = await peers.open(by, {}, { services: [lab(handler)], maxConcurrentRequests: 1 });
    const client = ends.opened.client(Lab);
    const given = new AbortController();
    const cancelled = failureOf(client.run(1, { signal: given.signal }));
    const waiting = client.run(2);
    release(client);
    release(ends.opened);
    await peers.settle();
    given.abort();
    expect((await cancelled).kind).toBe('cancelled');
    await expectOpen(peers, ends);
    calls[1]?.resolve('its turn came');
    expect(await waiting).toBe('its turn came');
    await expectGone(peers, ends);
  });

  it.each<[string, (rx: AsyncIterator<unknown>, tx: { close(): void; reset(): void }) => unknown]>([
    ['ended', (_loop, tx) => tx.close()],
    ['been reset by the peer', (_loop, tx) => tx.reset()],
    ['been left early', (loop) => loop.return?.()],
  ])('[liveness.refcount] is held by a bound receiver until it has %s', async (_how, end) => {
    const peers = await connectionPeers();
    const { service, giving } = flowing();
    const ends = await peers.open(by, {}, { services: [service] });
    const client = ends.opened.client(Flow);
    const [theirTx, rx] = channel();
    const call = client.give({ items: theirTx });
    await peers.settle();
    giving[0]?.gate.resolve('returned');
    await call;
    const loop = rx[Symbol.asyncIterator]();
    const tx = giving[0]?.items;
    await tx?.send('first');
    expect((await loop.next()).value).toBe('first');
    release(client);
    release(ends.opened);
    await expectOpen(peers, ends);
    await tx?.send('more');
    expect((await loop.next()).value).toBe('more');
    const last = loop.next().catch((error: unknown) => error);
    if (tx !== undefined) await end(loop, tx);
    await last;
    await expectGone(peers, ends);
  });

  it('[liveness.refcount] is not held by a bound sender, which is lost with it', async () => {
    const peers = await connectionPeers();
    const { service, taking } = flowing();
    const ends = await peers.open(by, {}, { services: [service] });
    const client = ends.opened.client(Flow);
    const [tx, theirRx] = channel({ credit: 1 });
    const call = client.take({ items: theirRx });
    await peers.settle();
    taking[0]?.gate.resolve('returned');
    await call;
    await tx.send('fits');
    release(client);
    release(ends.opened);
    await expectGone(peers, ends);
    expect(await failureOf(tx.send('late'))).toMatchObject({ kind: 'connection-closed' });
  });

  it('[liveness.refcount] is open for its taker until that lets go, which may release it too', async () => {
    const peers = await connectionPeers();
    const ends = await peers.open(by, { services: [lab()] });
    const client = ends.taken.client(Lab);
    release(client);
    await expectOpen(peers, ends);
    release(ends.taken);
    await expectGone(peers, ends);
  });
});

describe('retain and release', () => {
  /** Everything there is to hold, by itself: what still holds its connection is released before. */
  const HOLDERS: [string, (ends: ConnectionEnds) => object][] = [
    ['a Connection', ({ opened }) => opened],
    [
      'a client',
      ({ opened }) => {
        const client = opened.client(Lab);
        release(opened);
        return client;
      },
    ],
  ];

  it.each(HOLDERS)('[liveness.refcount] %s that was retained takes one more release', async (_what, holderOf) => {
    const peers = await connectionPeers();
    const ends = await peers.open('initiator');
    const holder = holderOf(ends);
    expect(retain(holder)).toBe(holder);
    retain(holder);
    release(holder);
    release(holder);
    await expectOpen(peers, ends);
    release(holder);
    await expectGone(peers, ends);
  });

  it.each(HOLDERS)('[liveness.refcount] %s that was released for good cannot be retained, and releasing it again does nothing', async (_what, of) => {
    const peers = await connectionPeers();
    const ends = await peers.open('initiator');
    const other = ends.opened.client(Lab);
    const holder = of(ends);
    for (let times = 0; times < 3; times++) release(holder);
    expect(() => retain(holder)).toThrow(/released/);
    await expectOpen(peers, ends);
    expect(await other.run('others still hold it')).toBe('others still hold it');
  });

  it('[liveness.refcount] calls through a released client fail and are not sent; those made before go on', async () => {
    const peers = await connectionPeers();
    const { handler, calls } = gated();
    const { opened } = await peers.open('initiator', {}, { services: [lab(handler)] });
    const client = opened.client(Lab);
    const { run } = client;
    const before = client.run('before');
    release(client);
    for (const late of [client.run('late'), run('late, by a function that was kept'), client.persist('late')]) {
      expect(await failureOf(late)).toMatchObject({ ...RELEASED, retryable: true });
    }
    await peers.settle();
    calls[0]?.resolve('done');
    expect(await before).toBe('done');
    expect([calls.length, opened.isConnected]).toEqual([1, true]);
  });

  it('[liveness.refcount] a released Connection gives no client that works', async () => {
    const peers = await connectionPeers();
    const { opened } = await peers.open('initiator');
    const client = opened.client(Lab);
    release(opened);
    const late = await (async () => opened.client(Lab).run())().catch((error: unknown) => error);
    expect(late).toMatchObject({ kind: 'connection-closed' });
    expect(await client.run('the old one does')).toBe('the old one does');
  });

  it('[liveness.refcount] `using` gives a client back where its scope ends, once', async () => {
    const peers = await connectionPeers();
    const ends = await peers.open('initiator');
    {
      using client = ends.opened.client(Lab);
      release(ends.opened);
      retain(client);
      release(client);
      expect(await client.run('inside')).toBe('inside');
    }
    await expectGone(peers, ends);
  });

  it('refuses what is no holder', () => {
    for (const stranger of [{}, Lab, () => {}, null]) {
      expect(() => retain(stranger as object)).toThrow(TypeError);
      expect(() => release(stranger as object)).toThrow(TypeError);
    }
  });

  it('[liveness.refcount] after a close, releasing is harmless', async () => {
    const peers = await connectionPeers();
    const { opened, taken } = await peers.open('initiator');
    const client = opened.client(Lab);
    await opened.close();
    for (const holder of [client, opened, taken]) release(holder);
    await peers.settle();
    expect(peers.sent('initiator', 'close')).toHaveLength(1);
  });
});

describe('the root', () => {
  interface Root {
    readonly holder: Session;
    readonly other: Session;
  }

  const ROOTS: [string, (peers: ConnectionPeers) => Root][] = [
    ['the initiator', ({ session, accepted }) => ({ holder: session, other: accepted })],
    ['the acceptor', ({ session, accepted }) => ({ holder: accepted, other: session })],
  ];

  describe.each(ROOTS)('of %s', (_side, rootOf) => {
    const both = async () => {
      const gate = gated();
      const peers = await connectionPeers({ server: { services: [lab(gate.handler)] }, client: { services: [lab(gate.handler)] } });
      return { ...peers, ...rootOf(peers), calls: gate.calls };
    };

    it('[liveness.last-drop] with the last release and no virtual connection the session ends, for both sides', async () => {
      const { holder, other } = await both();
      release(holder);
      await Promise.all([holder.closed, other.closed]);
      expect([holder.status, other.status]).toEqual(['closed', 'closed']);
    });

    it.each(SIDES)('[liveness.last-drop] the session goes on until no virtual connection is left, opened by the %s', async (by) => {
      const peers = await both();
      const ends = [await peers.open(by), await peers.open(by)] as [ConnectionEnds, ConnectionEnds];
      release(peers.holder);
      await peers.settle();
      expect(await ends[0].opened.client(Lab).run('still')).toBe('still');
      await ends[0].opened.close();
      await peers.settle();
      expect(peers.holder.status).toBe('connected');
      expect(await ends[1].taken.isConnected).toBe(true);
      await ends[1].taken.close();
      await Promise.all([peers.holder.closed, peers.other.closed]);
    });

    it('[liveness.refcount] its clients and their pending calls hold it', async () => {
      const { holder, other, calls, settle } = await both();
      const client = holder.client(Lab);
      release(holder);
      const pending = client.run('pending');
      release(client);
      await settle();
      expect([holder.status, other.status]).toEqual(['connected', 'connected']);
      calls[0]?.resolve('answered');
      expect(await pending).toBe('answered');
      await Promise.all([holder.closed, other.closed]);
    });

    it('[liveness.refcount] a session that was retained takes one more release', async () => {
      const { holder, settle } = await both();
      retain(holder);
      release(holder);
      await settle();
      expect(holder.status).toBe('connected');
      release(holder);
      await holder.closed;
    });
  });

  it('[liveness.last-drop] once let go, it takes no new calls, though virtual connections keep the session', async () => {
    const peers = await connectionPeers({ server: { services: [lab()] } });
    const { opened } = await peers.open('initiator');
    const client = peers.session.client(Lab);
    release(peers.session);
    release(client);
    await peers.settle();
    expect(await failureOf(client.run())).toMatchObject(RELEASED);
    const late = await (async () => peers.session.client(Lab).run())().catch((error: unknown) => error);
    expect(late).toMatchObject({ kind: 'connection-closed' });
    expect(await opened.client(Lab).run('virtual')).toBe('virtual');
  });

  it('[liveness.last-drop] a connection that is being opened keeps the session until it is answered', async () => {
    const gate = deferred();
    const { session, accepted, settle } = await connectPeers({
      server: {
        onConnection: async (request) => {
          await gate.promise;
          request.accept({ services: [lab()] });
        },
      },
    });
    const opening = session.open();
    release(session);
    await settle();
    expect(await isSettled(session.closed)).toBe(false);
    gate.resolve();
    const opened: Connection = await opening;
    {
      using client = opened.client(Lab);
      expect(await client.run('there')).toBe('there');
    }
    release(opened);
    await Promise.all([session.closed, accepted.closed]);
  });

  it.each(['accepts', 'rejects', 'says nothing of'] as const)(
    '[liveness.last-drop] a side that has let its session go, and then %s a connection it was asked for, ends it after that',
    async (answer) => {
      const gate = deferred();
      const { session, accepted, settle } = await connectPeers({
        server: {
          onConnection: async (request) => {
            await gate.promise;
            if (answer === 'accepts') request.accept({ services: [lab()] });
            if (answer === 'rejects') request.reject('no');
          },
        },
      });
      const opening = session.open();
      const outcome = opening.then(
        () => 'accepts',
        () => 'rejects',
      );
      await settle();
      release(accepted);
      await settle();
      expect(await isSettled(accepted.closed)).toBe(false);
      gate.resolve();
      if (answer === 'accepts') {
        const opened = await opening;
        expect(await opened.client(Lab).run('there')).toBe('there');
        await opened.close();
      }
      await Promise.all([session.closed, accepted.closed]);
      expect(await outcome).toBe(answer === 'accepts' ? 'accepts' : 'rejects');
    },
  );
});
