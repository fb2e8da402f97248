/**
 * What a peer may not say of virtual connections, and what is only late: conn.unknown, conn.limit, id.parity and id.violation of opens, and requests on
 * a connection that break a rule.
 */
import { describe, expect, it } from 'vitest';
import type { ConnectionRequest } from 'statewire';
import type { Message } from 'statewire/wire';
import { acceptMessage, callOn, connectionPeers, everythingOn, openMessage, resultOn, SIDES } from '../support/connection-peers.ts';
import { attackClient, attackServer } from '../support/hostile-peer.ts';
import type { ScriptedPeer } from '../support/hostile-peer.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { connectPeers, deferred, failureOf, isSettled, Lab, lab } from '../support/peers.ts';

leavesNothing();

const takeAll = (request: ConnectionRequest) => void request.accept({ services: [lab()] });

/** A server that takes every connection, and a scripted peer that has opened one. */
async function attackConnection(onConnection = takeAll, parity: 'odd' | 'even' = 'odd') {
  const attacked = await attackServer({ services: [lab()], onConnection });
  attacked.peer.send(openMessage(1, { parity }));
  await attacked.peer.next('accept');
  return attacked;
}

/** The peer is told which rule it broke, and its session ends. */
async function expectOffence(peer: ScriptedPeer, closed: Promise<void>, rule: string): Promise<void> {
  expect(await peer.next('protocol-error')).toMatchObject({ rule });
  await closed;
}

const kindsOf = (messages: Message[]): [string, number][] => messages.map(({ type }, index) => [type, index]);

describe('conn.unknown', () => {
  it.each([...kindsOf(everythingOn(1)), ['close', 8] as [string, number]])(
    '[conn.unknown] a late %s for a connection that the peer closed is dropped and counted',
    async (_type, index) => {
      const { peer, accepted, settle, started } = await attackConnection();
      peer.send({ type: 'close', connectionId: 1 });
      await settle();
      expect(accepted.counters.lateMessages).toBe(0);
      peer.send([...everythingOn(1), { type: 'close', connectionId: 1 } as const][index] as Message, { type: 'ping', nonce: 5 });
      expect(await peer.next('pong')).toEqual({ type: 'pong', nonce: 5 });
      expect([accepted.counters.lateMessages, accepted.status, started]).toEqual([1, 'connected', []]);
      expect(peer.all('response')).toEqual([]);
    },
  );

  it('[conn.unknown] so is all that comes after we closed it, until the peer has heard of it and later', async () => {
    const { peer, session } = await attackClient();
    const opening = session.open();
    await peer.next('open');
    peer.send(acceptMessage(1));
    const opened = await opening;
    const failing = failureOf(opened.client(Lab).run());
    await peer.next('call');
    await opened.close();
    await failing;
    expect(await peer.next('close')).toMatchObject({ connectionId: 1 });
    peer.send(...everythingOn(1, 'even'), resultOn(1, 1), { type: 'close', connectionId: 1 }, { type: 'ping', nonce: 1 });
    await peer.next('pong');
    expect([session.counters.lateMessages, session.status]).toEqual([10, 'connected']);
  });

  it.each([
    ['its own', 3],
    ['ours', 2],
  ])('[conn.unknown] [session.protocol-error] each kind of message for a connection that never was, by an id of %s', async (_whose, id) => {
    for (const message of [...everythingOn(id), { type: 'close', connectionId: id } as const]) {
      const { peer, accepted } = await attackConnection();
      peer.send(message);
      await expectOffence(peer, accepted.closed, 'conn.unknown');
      expect(accepted.counters).toMatchObject({ lateMessages: 0, protocolErrors: 1 });
    }
  });

  it.each<[string, Message]>([
    ['accept', acceptMessage(2)],
    ['reject', { type: 'reject', connectionId: 2, reason: 'no' }],
    ['accept', acceptMessage(1)],
    ['reject', { type: 'reject', connectionId: 1, reason: 'no' }],
  ])('[conn.unknown] [session.protocol-error] an %s of what nobody opened', async (_type, message) => {
    const { peer, accepted } = await attackConnection();
    peer.send(message);
    await expectOffence(peer, accepted.closed, 'conn.unknown');
  });

  it.each<[string, Message]>([
    ['accept', acceptMessage(1)],
    ['reject', { type: 'reject', connectionId: 1, reason: 'no' }],
  ])('[conn.unknown] [session.protocol-error] a second answer to an open, an %s', async (_type, message) => {
    const { peer, session } = await attackClient();
    const opening = session.open();
    await peer.next('open');
    peer.send(acceptMessage(1));
    await opening;
    peer.send(message);
    await expectOffence(peer, session.closed, 'conn.unknown');
  });

  it('[conn.close] an open that its opener closes before it is answered comes to nothing', async () => {
    const gate = deferred();
    const thrown = deferred<unknown>();
    const { peer, accepted, settle } = await attackServer({
      onConnection: async (request) => {
        await gate.promise;
        try {
          const { isConnected } = request.accept();
          thrown.resolve(isConnected);
        } catch (error) {
          thrown.resolve(error);
        }
      },
    });
    peer.send(openMessage(1), { type: 'close', connectionId: 1 });
    await settle();
    gate.resolve();
    expect([false, expect.any(Error)]).toContainEqual(await thrown.promise);
    await settle();
    expect([accepted.status, peer.all('accept')]).toEqual(['connected', []]);
  });
});

describe('ids', () => {
  it('[id.parity] [id.violation] an open with an id of our parity', async () => {
    const { peer, accepted } = await attackServer({ onConnection: takeAll });
    peer.send(openMessage(2));
    await expectOffence(peer, accepted.closed, 'id.violation');
    const client = await attackClient({ onConnection: takeAll });
    client.peer.send(openMessage(1));
    await expectOffence(client.peer, client.session.closed, 'id.violation');
  });

  it('[id.violation] an open with the id of a connection that is open', async () => {
    const { peer, accepted } = await attackConnection();
    peer.send(openMessage(1));
    await expectOffence(peer, accepted.closed, 'id.violation');
  });

  it('[id.violation] an open with the id of a connection that is being opened', async () => {
    const { peer, accepted } = await attackServer({ onConnection: () => new Promise(() => {}) });
    peer.send(openMessage(1), openMessage(1));
    await expectOffence(peer, accepted.closed, 'id.violation');
  });

  it('[id.unique] an open with the id of a connection that was closed', async () => {
    const { peer, accepted } = await attackConnection();
    peer.send({ type: 'close', connectionId: 1 }, openMessage(1));
    await expectOffence(peer, accepted.closed, 'id.violation');
  });

  it.each([
    ['odd', 2],
    ['even', 1],
  ] as const)('[id.parity] [id.violation] a call of the opener with an id of our parity, where it has chosen %s', async (parity, wrong) => {
    const { peer, accepted } = await attackConnection(takeAll, parity);
    peer.send(callOn(1, 3 - wrong));
    await peer.next('response');
    peer.send(callOn(1, wrong));
    await expectOffence(peer, accepted.closed, 'id.violation');
  });

  it.each([
    ['odd', 1],
    ['even', 2],
  ] as const)('[id.parity] [id.violation] a call of the acceptor with an id of ours, where we have chosen %s', async (parity, wrong) => {
    const { peer, session } = await attackClient();
    const opening = session.open({ parity, services: [lab()] });
    await peer.next('open');
    peer.send(acceptMessage(1));
    await opening;
    peer.send(callOn(1, 3 - wrong));
    await peer.next('response');
    peer.send(callOn(1, wrong));
    await expectOffence(peer, session.closed, 'id.violation');
  });

  it('[id.parity] the same request and channel ids may be in use on every connection', async () => {
    const onConnection = (request: ConnectionRequest) => void request.accept({ services: [lab(() => new Promise(() => {}))] });
    const { peer, accepted, settle } = await attackServer({ onConnection, services: [lab(() => new Promise(() => {}))] });
    peer.send(openMessage(1), openMessage(3), callOn(0, 1), callOn(1, 1), callOn(3, 1));
    await settle();
    expect([accepted.counters.started, accepted.status]).toEqual([3, 'connected']);
  });

  it('[attempt.limit-in] calls count on each connection by itself, against the limit it was accepted with', async () => {
    const hang = lab(() => new Promise(() => {}));
    const { peer, accepted, settle } = await attackServer({
      maxConcurrentRequests: 4,
      services: [hang],
      onConnection: (request) => void request.accept({ services: [hang], maxConcurrentRequests: 2 }),
    });
    peer.send(openMessage(1), openMessage(3));
    for (const id of [1, 3]) peer.send(callOn(id, 1), callOn(id, 3));
    for (const requestId of [1, 3, 5, 7]) peer.send(callOn(0, requestId));
    await settle();
    expect([accepted.counters.started, accepted.status]).toEqual([8, 'connected']);
    peer.send(callOn(3, 5));
    await expectOffence(peer, accepted.closed, 'attempt.limit-in');
  });
});

describe('conn.limit', () => {
  it('[conn.limit] an open beyond what we take is rejected, until another one has closed', async () => {
    const { session, requests, accepted } = await connectionPeers({ server: { maxConnections: 2 } });
    const opened = [await session.open(), await session.open()];
    expect(await failureOf(session.open())).toMatchObject({ kind: 'rejected', reason: expect.any(String) as string });
    expect(requests.acceptor).toHaveLength(2);
    await opened[0]?.close();
    expect((await session.open()).isConnected).toBe(true);
    expect((await failureOf(session.open())).kind).toBe('rejected');
    expect(accepted.status).toBe('connected');
  });

  it('[conn.limit] it holds for a peer that does not care, which may try again', async () => {
    const { peer, accepted } = await attackServer({ maxConnections: 1, onConnection: takeAll });
    peer.send(openMessage(1), openMessage(3));
    expect(await peer.next('reject')).toMatchObject({ connectionId: 3 });
    peer.send({ type: 'close', connectionId: 1 }, openMessage(5));
    expect(await peer.next('accept')).toMatchObject({ connectionId: 5 });
    expect(accepted.status).toBe('connected');
  });

  it('[conn.limit] those count, too, that nobody has answered yet; a rejected one does not', async () => {
    const gate = deferred();
    const asked: number[] = [];
    const onConnection = async (request: ConnectionRequest) => {
      if (asked.push(asked.length) === 1) return request.reject('not the first');
      await gate.promise;
      request.accept();
    };
    const { session, settle } = await connectPeers({ server: { maxConnections: 2, onConnection } });
    expect((await failureOf(session.open())).reason).toBe('not the first');
    const opening = [session.open(), session.open()];
    await settle();
    expect((await failureOf(session.open())).kind).toBe('rejected');
    expect([asked.length, await isSettled(Promise.race(opening))]).toEqual([3, false]);
    gate.resolve();
    await Promise.all(opening);
  });

  it.each(SIDES)('[conn.limit] zero takes none, opened by the %s', async (by) => {
    const peers = await connectionPeers({ server: { maxConnections: 0 }, client: { maxConnections: 0 } });
    expect((await failureOf(peers.sessionOf(by).open())).kind).toBe('rejected');
    expect([...peers.requests.initiator, ...peers.requests.acceptor]).toEqual([]);
  });

  it('[conn.limit] it does not count those that we opened', async () => {
    const peers = await connectionPeers({ server: { maxConnections: 1 } });
    await peers.open('acceptor');
    await peers.open('acceptor');
    await peers.open('initiator');
    expect((await failureOf(peers.session.open())).kind).toBe('rejected');
  });
});
