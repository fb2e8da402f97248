/** conn.open: how a virtual connection comes to be, or does not, and what each side gives and may say on it (api.md, "Calling" and "Serving"). */
import { describe, expect, it } from 'vitest';
import type { Connection, ConnectionRequest, ConnectionTerms, ListenOptions, LogEntry, OpenOptions } from 'statewire';
import { acceptMessage, callOn, connectionPeers, openMessage, otherSide, SIDES } from '../support/connection-peers.ts';
import { attackClient, attackServer } from '../support/hostile-peer.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { connectPeers, deferred, ENDS_WITH_LINK, failureOf, gated, isSettled, Lab, lab } from '../support/peers.ts';

leavesNothing();

describe.each(SIDES)('the %s opens', (by) => {
  it('[conn.open] a connection on which both sides call, besides the root', async () => {
    const peers = await connectionPeers();
    const { opened, taken } = await peers.open(by, { services: [lab(() => 'of the opener')] }, { services: [lab(() => 'of the taker')] });
    expect([opened.isConnected, taken.isConnected, opened.id === taken.id]).toEqual([true, true, true]);
    expect(await opened.client(Lab).run()).toBe('of the taker');
    expect(await taken.client(Lab).run()).toBe('of the opener');
    expect((await failureOf(peers.session.client(Lab).run())).kind).toBe('unknown-method');
    expect(await isSettled(Promise.race([opened.closed, taken.closed]))).toBe(false);
  });

  it('[id.parity] [id.unique] connections whose ids are of its parity and used once', async () => {
    const peers = await connectionPeers();
    const ids: number[] = [];
    for (let count = 0; count < 3; count++) {
      const { opened, taken } = await peers.open(by);
      ids.push(opened.id);
      await opened.close();
      await taken.closed;
    }
    expect(ids).toEqual(by === 'initiator' ? [1, 3, 5] : [2, 4, 6]);
  });

  it.each([
    [undefined, [1, 3], [2, 4]],
    ['odd', [1, 3], [2, 4]],
    ['even', [2, 4], [1, 3]],
  ] as const)('[id.parity] a connection on which it has chosen the parity %s', async (parity, ofOpener, ofTaker) => {
    const peers = await connectionPeers();
    const { opened, taken } = await peers.open(by, { parity, services: [lab()] });
    for (const client of [opened.client(Lab), taken.client(Lab)]) await Promise.all([client.run(), client.run()]);
    const ids = (side: typeof by) => peers.sent(side, 'call').map(({ requestId }) => requestId);
    expect([ids(by), ids(otherSide(by))]).toEqual([ofOpener, ofTaker]);
  });

  it('[conn.open] with metadata, which the other side reads before it answers', async () => {
    const peers = await connectionPeers({ server: { credentials: 's', authenticate: () => 'ida' }, client: { authenticate: () => 'sven' } });
    await peers.open(by, {
      metadata: [
        ['room', 'blue'],
        ['room', 'red'],
        ['ticket', 'swordfish', { sensitive: true }],
      ],
    });
    const [request] = peers.requests[otherSide(by)] as [ConnectionRequest];
    expect(request.metadata.getAll('room')).toEqual(['blue', 'red']);
    expect(request.metadata.get('ticket')).toBe('swordfish');
    expect(JSON.stringify(request.metadata)).not.toContain('swordfish');
    expect(request.session).toBe(peers.sessionOf(otherSide(by)));
    expect(request.principal).toBe(by === 'initiator' ? 'ida' : 'sven');
  });

  it('[conn.open] [attempt.limit-out] with a limit each way, to which the other side keeps', async () => {
    const peers = await connectionPeers();
    const ofOpener = gated();
    const ofTaker = gated();
    const { opened, taken } = await peers.open(
      by,
      { maxConcurrentRequests: 1, services: [lab(ofOpener.handler)] },
      { maxConcurrentRequests: 2, services: [lab(ofTaker.handler)] },
    );
    expect(peers.sent(by, 'open')[0]?.limits).toEqual({ maxConcurrentRequests: 1 });
    expect(peers.sent(otherSide(by), 'accept')[0]?.limits).toEqual({ maxConcurrentRequests: 2 });
    const pending = [opened, taken].flatMap((connection) => [1, 2, 3].map((input) => connection.client(Lab).run(input)));
    await peers.settle();
    expect([ofOpener.calls.length, ofTaker.calls.length]).toEqual([1, 2]);
    for (let done = 0; done < 3; done++) {
      for (const { calls } of [ofOpener, ofTaker]) calls[done]?.resolve('done');
      await peers.settle();
    }
    expect(await Promise.all(pending)).toEqual(pending.map(() => 'done'));
  });

  it('[conn.open] where it serves nothing, the other side finds nothing', async () => {
    const peers = await connectionPeers({ server: { services: [lab()] }, client: { services: [lab()] } });
    const { opened, taken } = await peers.open(by, {}, {});
    for (const connection of [opened, taken]) expect((await failureOf(connection.client(Lab).run())).kind).toBe('unknown-method');
    for (const session of [peers.session, peers.accepted]) expect(await session.client(Lab).run('root')).toBe('root');
  });
});

describe('conn.open', () => {
  it('[conn.open] both sides may open at the same moment', async () => {
    const peers = await connectionPeers();
    peers.network.hold();
    const opening = SIDES.map((by) => peers.open(by, { services: [lab(() => by)] }, {}));
    await peers.settle();
    peers.network.release();
    const [one, other] = await Promise.all(opening);
    expect([one?.opened.id, other?.opened.id]).toEqual([1, 2]);
    expect(await one?.taken.client(Lab).run()).toBe('initiator');
    expect(await other?.taken.client(Lab).run()).toBe('acceptor');
  });

  it('[conn.open] the same method is served by each connection in its own way, and a handler calls back over its own', async () => {
    const peers = await connectionPeers();
    const back = lab((input, call) => call.client(Lab).run(`${call.connectionId}: ${String(input)}`));
    for (const name of ['first', 'second']) {
      const { opened } = await peers.open('initiator', { services: [lab((input) => `${name} heard ${String(input)}`)] }, { services: [back] });
      expect(await opened.client(Lab).idem('hello')).toBe(`${name} heard ${opened.id}: hello`);
    }
  });

  it('[conn.open] services of one connection may not have two methods of one id', async () => {
    const { session, accepted } = await connectionPeers();
    await expect(session.open({ services: [lab(), lab()] })).rejects.toThrow(/Lab/);
    expect([session.status, accepted.status]).toEqual(['connected', 'connected']);
  });

  it.each<[string, unknown]>([
    ['parity', { parity: 'both' }],
    ['maxConcurrentRequests', { maxConcurrentRequests: 0 }],
    ['maxConcurrentRequests', { maxConcurrentRequests: 1.5 }],
    ['services', { services: [Lab] }],
    ['metadata', { metadata: { a: null } }],
    ['maxConcurrent', { maxConcurrent: 1 }],
  ])('refuses an option that makes no sense, by its name: %s', async (name, options) => {
    const { session, sent } = await connectionPeers();
    await expect(session.open(options as OpenOptions)).rejects.toThrow(TypeError);
    await expect(session.open(options as OpenOptions)).rejects.toThrow(name);
    expect(sent('initiator', 'open')).toEqual([]);
  });

  it('[conn.open] an open on a session that has ended fails', async () => {
    const { session, accepted } = await connectionPeers();
    await session.close();
    for (const one of [session, accepted]) expect(await failureOf(one.open())).toMatchObject({ kind: 'connection-closed', reason: 'closed' });
  });

  it('[conn.open] an open that nobody has answered when the session ends fails', async () => {
    const { session, network, settle } = await connectPeers({ server: { onConnection: () => new Promise(() => {}) }, client: ENDS_WITH_LINK });
    const failing = failureOf(session.open());
    await settle();
    expect(await isSettled(failing)).toBe(false);
    network.cut();
    expect(await failing).toMatchObject({ kind: 'connection-closed' });
  });
});

describe('the answer', () => {
  interface Answer {
    readonly onConnection: ListenOptions['onConnection'];
    readonly reason: string | RegExp;
  }

  const boom = () => {
    throw new Error('swordfish');
  };

  it.each<[string, Answer]>([
    ['it says so', { onConnection: (request) => request.reject('the house is full'), reason: 'the house is full' }],
    [
      'it says so after a while',
      {
        onConnection: async (request) => {
          await Promise.resolve();
          request.reject('not you');
        },
        reason: 'not you',
      },
    ],
    ['nobody would answer', { onConnection: undefined, reason: /./ }],
    ['it throws', { onConnection: boom, reason: /^(?!.*swordfish)./ }],
    ['it fails after a while', { onConnection: () => Promise.reject(new Error('swordfish')), reason: /^(?!.*swordfish)./ }],
    ['it gives no answer', { onConnection: () => {}, reason: /./ }],
    ['it gives no answer, after a while', { onConnection: async () => {}, reason: /./ }],
  ])('[conn.open] the connection is rejected with a reason where %s', async (_why, { onConnection, reason }) => {
    const peers = await connectPeers({ server: { onConnection, services: [lab()] } });
    const failure = await failureOf(peers.session.open());
    expect(failure).toMatchObject({ kind: 'rejected', reason: expect.stringMatching(reason) as string, retryable: false });
    expect(peers.sent('acceptor', 'reject')).toHaveLength(1);
    expect(peers.sent('acceptor', 'accept')).toEqual([]);
    expect(await peers.session.client(Lab).run('the root goes on')).toBe('the root goes on');
  });

  it.each([boom, () => Promise.reject(new Error('swordfish'))])('[conn.open] what onConnection throws is told at home', async (onConnection) => {
    const { session, serverLog } = await connectPeers({ server: { onConnection } });
    await failureOf(session.open());
    expect(serverLog).toContainEqual(expect.objectContaining({ error: new Error('swordfish') }) as LogEntry);
  });

  it('[conn.open] an accept may take its time, and other calls and opens do not wait for it', async () => {
    const gates = [deferred(), deferred()];
    let asked = 0;
    const onConnection = async (request: ConnectionRequest) => {
      await gates[asked++]?.promise;
      request.accept({ services: [lab()] });
    };
    const { session, settle } = await connectPeers({ server: { onConnection, services: [lab()] } });
    const [first, second] = [session.open(), session.open()];
    await settle();
    expect(await session.client(Lab).run('meanwhile')).toBe('meanwhile');
    gates[1]?.resolve();
    expect((await second).id).toBe(3);
    expect(await isSettled(first)).toBe(false);
    gates[0]?.resolve();
    expect(await (await first).client(Lab).run('late')).toBe('late');
  });

  it.each<[string, (request: ConnectionRequest) => void, 'accept' | 'reject']>([
    ['accepted twice', (request) => void [request.accept(), request.accept()], 'accept'],
    ['accepted, then rejected', (request) => void [request.accept(), request.reject('no')], 'accept'],
    ['rejected, then accepted', (request) => void [request.reject('no'), request.accept()], 'reject'],
    ['rejected twice', (request) => void [request.reject('no'), request.reject('never')], 'reject'],
  ])('[conn.open] the first word counts where it is %s', async (_what, answer, expected) => {
    const kept: ConnectionRequest[] = [];
    const thrown: unknown[] = [];
    const onConnection = (request: ConnectionRequest) => {
      kept.push(request);
      try {
        answer(request);
      } catch (error) {
        thrown.push(error);
      }
    };
    const peers = await connectPeers({ server: { onConnection } });
    const opened = await peers.session.open().catch((error: unknown) => error);
    expect(opened).toMatchObject(expected === 'accept' ? { isConnected: true } : { kind: 'rejected', reason: 'no' });
    await peers.settle();
    expect(peers.traffic.filter(({ message }) => message.type === 'accept' || message.type === 'reject')).toHaveLength(1);
    expect(thrown).toEqual([expect.any(Error)]);
  });

  it('[conn.open] an answer after onConnection has ended without one comes too late', async () => {
    const kept: ConnectionRequest[] = [];
    const { session, sent, settle } = await connectPeers({ server: { onConnection: (request) => void kept.push(request) } });
    expect((await failureOf(session.open())).kind).toBe('rejected');
    expect(() => kept[0]?.accept()).toThrow(Error);
    await settle();
    expect([sent('acceptor', 'accept').length, sent('acceptor', 'reject').length]).toEqual([0, 1]);
  });

  it.each(['closes the session', 'is lost'] as const)('[conn.open] an accept after the peer %s gives nothing that lives', async (how) => {
    const gate = deferred();
    const outcome = deferred<Connection | Error>();
    const onConnection = async (request: ConnectionRequest) => {
      await gate.promise;
      try {
        outcome.resolve(request.accept());
      } catch (error) {
        outcome.resolve(error as Error);
      }
    };
    const { session, accepted, network, sent, settle } = await connectPeers({ server: { onConnection }, client: ENDS_WITH_LINK });
    const failing = failureOf(session.open());
    await settle();
    if (how === 'is lost') network.cut();
    else void session.close();
    await Promise.all([failing, accepted.closed]);
    gate.resolve();
    const given = await outcome.promise;
    if (!(given instanceof Error)) {
      await given.closed;
      expect(given.isConnected).toBe(false);
    }
    expect(sent('acceptor', 'accept')).toEqual([]);
  });

  it('[conn.open] refuses terms that make no sense, and the peer is told no', async () => {
    const thrown: unknown[] = [];
    const onConnection = (request: ConnectionRequest) => {
      for (const terms of [{ maxConcurrentRequests: -1 }, { services: [Lab] }, { parity: 'odd' }]) {
        try {
          request.accept(terms as unknown as ConnectionTerms);
        } catch (error) {
          thrown.push(error);
        }
      }
    };
    const { session } = await connectPeers({ server: { onConnection } });
    expect((await failureOf(session.open())).kind).toBe('rejected');
    expect(thrown).toEqual([expect.any(TypeError), expect.any(TypeError), expect.any(TypeError)]);
  });
});

describe('before the accept', () => {
  it('[conn.open] the opener sends nothing else, and the accept goes before whatever the acceptor says on it', async () => {
    const { session, peer } = await attackClient();
    const opening = session.open();
    await peer.next('open');
    peer.send(acceptMessage(1));
    const opened = await opening;
    const pending = opened.client(Lab).run('first');
    expect((await peer.next('call')).connectionId).toBe(1);
    expect(peer.received.map(({ type }) => type)).toEqual(['hello', 'open', 'call']);
    const failing = failureOf(pending);
    peer.send({ type: 'close', connectionId: 1 });
    await failing;

    const server = await attackServer({
      onConnection: (request) => {
        void request
          .accept()
          .client(Lab)
          .run('at once')
          .catch(() => {});
      },
    });
    server.peer.send(openMessage(1));
    await server.peer.next('call');
    expect(server.peer.received.map(({ type }) => type)).toEqual(['welcome', 'accept', 'call']);
  });

  it('[conn.open] [session.protocol-error] a peer that calls before it is accepted breaks a rule', async () => {
    const gate = deferred();
    const { peer, accepted } = await attackServer({
      onConnection: async (request) => {
        await gate.promise;
        request.accept({ services: [lab()] });
      },
    });
    peer.send(openMessage(1), callOn(1, 1));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: expect.stringMatching(/^conn\./) as string });
    await accepted.closed;
    gate.resolve();
  });

  it('[conn.open] [session.protocol-error] a peer that calls before it accepts breaks a rule', async () => {
    const { peer, session } = await attackClient();
    const failing = failureOf(session.open({ services: [lab()] }));
    await peer.next('open');
    peer.send(callOn(1, 2));
    expect(await peer.next('protocol-error')).toMatchObject({ rule: expect.stringMatching(/^conn\./) as string });
    await Promise.all([failing, session.closed]);
  });
});
