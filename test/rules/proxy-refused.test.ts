/** conn.proxy: which connections cannot be joined, that nothing is harmed by trying, and what a joined connection is to the middle itself. */
import { describe, expect, it } from 'vitest';
import { joinConnections } from 'statewire';
import type { Connection } from 'statewire';
import { connectionPeers } from '../support/connection-peers.ts';
import type { ConnectionPeers } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { failureOf, gated, Lab, lab, makeWorld } from '../support/peers.ts';
import { proxyScene } from '../support/proxy-peers.ts';

leavesNothing();

/** What a middle may have: connections it took, where its ids are even, and connections it opened, where they are odd. */
interface Middle {
  readonly peers: ConnectionPeers;
  /** One of each; the peers' ends serve. */
  readonly taken: Connection;
  readonly opened: Connection;
  /** The other ends of the same. */
  readonly beyondTaken: Connection;
  readonly beyondOpened: Connection;
}

/** The acceptor of one session is the middle: it has taken a connection from the initiator, and opened one with it. */
async function makeMiddle(limits: { taken?: number; beyondTaken?: number; opened?: number; beyondOpened?: number } = {}): Promise<Middle> {
  const peers = await connectionPeers();
  const services = [lab()];
  const inwards = await peers.open('initiator', { services, maxConcurrentRequests: limits.beyondTaken }, { maxConcurrentRequests: limits.taken });
  const outwards = await peers.open('acceptor', { maxConcurrentRequests: limits.opened }, { services, maxConcurrentRequests: limits.beyondOpened });
  return { peers, taken: inwards.taken, beyondTaken: inwards.opened, opened: outwards.opened, beyondOpened: outwards.taken };
}

describe('joinConnections', () => {
  it('[conn.proxy] joins two of one session as well, in either order', async () => {
    for (const order of [0, 1]) {
      const { taken, opened, beyondTaken, beyondOpened } = await makeMiddle();
      if (order === 0) joinConnections(taken, opened);
      else joinConnections(opened, taken);
      for (const end of [beyondTaken, beyondOpened]) expect(await end.client(Lab).run('through')).toBe('through');
    }
  });

  type Spoil = (middle: Middle) => Promise<[Connection, Connection]> | [Connection, Connection];
  const REFUSED: [string, Spoil][] = [
    ['a connection and itself', ({ opened }) => [opened, opened]],
    ['two on which we have the same parity', async ({ peers, opened }) => [opened, (await peers.open('initiator', { parity: 'even' })).taken]],
    [
      'one on which we have called',
      async ({ taken, opened }) => {
        await opened.client(Lab).run();
        return [taken, opened];
      },
    ],
    [
      'one on which the peer has called',
      async ({ taken, beyondTaken, opened }) => {
        await failureOf(beyondTaken.client(Lab).run());
        return [taken, opened];
      },
    ],
    [
      'one on which a call of ours has not left yet',
      ({ taken, opened }) => {
        opened
          .client(Lab)
          .run()
          .catch(() => {});
        return [taken, opened];
      },
    ],
    [
      'one that we have closed',
      async ({ taken, opened }) => {
        await opened.close();
        return [taken, opened];
      },
    ],
    [
      'one that the peer has closed',
      async ({ taken, beyondTaken, opened }) => {
        await beyondTaken.close();
        await taken.closed;
        return [taken, opened];
      },
    ],
    [
      'one that is joined already',
      async ({ peers, taken, opened }) => {
        joinConnections(taken, opened);
        return [(await peers.open('initiator')).taken, opened];
      },
    ],
    [
      'two that are joined already',
      ({ taken, opened }) => {
        joinConnections(taken, opened);
        return [taken, opened];
      },
    ],
  ];

  it.each(REFUSED)('[conn.proxy] refuses %s, whichever is named first', async (_what, spoil) => {
    const middle = await makeMiddle();
    const [one, other] = await spoil(middle);
    expect(() => joinConnections(one, other)).toThrow(TypeError);
    expect(() => joinConnections(other, one)).toThrow(TypeError);
    await middle.peers.settle();
    expect([middle.peers.session.status, middle.peers.accepted.status]).toEqual(['connected', 'connected']);
  });

  it('[conn.proxy] what it refused is as it was', async () => {
    const { peers, taken, opened, beyondTaken } = await makeMiddle();
    const { taken: alike } = await peers.open('initiator', { parity: 'even', services: [lab()] });
    expect(() => joinConnections(opened, alike)).toThrow(/parity/);
    expect(await opened.client(Lab).run('a')).toBe('a');
    expect(await alike.client(Lab).run('b')).toBe('b');
    expect((await failureOf(beyondTaken.client(Lab).run())).kind).toBe('unknown-method');
    expect(taken.isConnected).toBe(true);
  });

  it.each([
    ['the taken side was told more than lies beyond the opened', { taken: 8, beyondOpened: 7 }],
    ['the opened side was told more than lies beyond the taken', { opened: 3, beyondTaken: 2 }],
  ])('[conn.proxy] refuses limits by which a peer may send more than the other takes: %s', async (_what, limits) => {
    const { taken, opened } = await makeMiddle(limits);
    expect(() => joinConnections(taken, opened)).toThrow(TypeError);
    expect(() => joinConnections(opened, taken)).toThrow(TypeError);
  });

  const credit = (server: number, client: number) => ({ server: { maxInitialCredit: server }, client: { maxInitialCredit: client } });

  it.each([
    ['the taken side', credit(9, 9), credit(9, 8)],
    ['the opened side', credit(9, 8), credit(9, 9)],
  ])(
    '[conn.proxy] [credit.cap] refuses two where the peer of %s may begin channels with more than the other takes',
    async (_whose, inwards, outwards) => {
      const [inner, outer] = [await connectionPeers(inwards), await connectionPeers(outwards)];
      const { taken } = await inner.open('initiator');
      const { opened } = await outer.open('acceptor');
      expect(() => joinConnections(taken, opened)).toThrow(/maxInitialCredit/);
    },
  );

  it('[conn.proxy] [attempt.limit-out] takes limits that fit, and they hold through the middle', async () => {
    const peers = await connectionPeers();
    const { handler, calls } = gated();
    const inwards = await peers.open('initiator', { maxConcurrentRequests: 2 }, { maxConcurrentRequests: 1 });
    const outwards = await peers.open('acceptor', { maxConcurrentRequests: 2 }, { services: [lab(handler)], maxConcurrentRequests: 1 });
    joinConnections(inwards.taken, outwards.opened);
    const pending = [1, 2].map((input) => inwards.opened.client(Lab).run(input));
    await peers.settle();
    expect(calls).toHaveLength(1);
    calls[0]?.resolve('one');
    await peers.settle();
    calls[1]?.resolve('two');
    expect(await Promise.all(pending)).toEqual(['one', 'two']);
  });

  it.each([
    [{ retry: false }, {}],
    [{}, { retry: false }],
  ])('[conn.proxy] [retry.off] refuses two of which one session alone has operations', async (front, back) => {
    // Two pairs of peers, of which each has a side in the middle.
    const [inner, outer] = [await connectionPeers({ server: front }), await connectionPeers({ server: back })];
    const { taken } = await inner.open('initiator');
    const { opened } = await outer.open('acceptor');
    expect(() => joinConnections(taken, opened)).toThrow(/retry/);
  });

  it('[conn.proxy] [retry.off] joins two of which neither session has', async () => {
    const { through, traffic } = await proxyScene({ front: { retry: false }, far: { retry: false } });
    const { near, far } = await through({ open: { services: [lab()] } });
    for (const end of [near, far]) expect(await end.client(Lab).run('no ids')).toBe('no ids');
    const ids = traffic.flatMap(({ message }) => (message.type === 'call' ? [[message.operationId, message.series]] : []));
    expect(ids).toEqual(Array.from({ length: 4 }, () => [undefined, undefined]));
  });

  it.each<unknown>([undefined, null, {}, 'connection'])('[conn.proxy] refuses what is no connection: %s', async (stranger) => {
    const { opened } = await makeMiddle();
    expect(() => joinConnections(opened, stranger as Connection)).toThrow(TypeError);
    expect(() => joinConnections(stranger as Connection, opened)).toThrow(TypeError);
  });
});

describe('a joined connection', () => {
  it('[conn.proxy] is not for the calls of the middle any more, nor served by it', async () => {
    const { peers, taken, opened, beyondTaken } = await makeMiddle();
    const clients = [opened.client(Lab), taken.client(Lab)];
    joinConnections(taken, opened);
    const before = peers.traffic.length;
    for (const client of [...clients, opened.client(Lab)]) await expect(client.run()).rejects.toThrow();
    await peers.settle();
    expect(peers.traffic.slice(before).filter(({ message }) => message.type === 'call')).toEqual([]);
    expect(await beyondTaken.client(Lab).run('it is the peers’ own')).toBe('it is the peers’ own');
  });

  it('[conn.proxy] counts as any other connection of its session until it closes', async () => {
    const world = makeWorld();
    const peers = await connectionPeers({ world, server: { maxConnections: 1 } });
    const inwards = await peers.open('initiator');
    const outwards = await peers.open('acceptor');
    joinConnections(inwards.taken, outwards.opened);
    expect((await failureOf(peers.session.open())).kind).toBe('rejected');
    await outwards.taken.close();
    await inwards.opened.closed;
    expect((await peers.session.open()).isConnected).toBe(true);
  });
});
