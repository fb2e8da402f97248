/** Virtual connections where two things meet: an accept and a throw, an open and a broken rule, a release and a handler's client. */
import { expect, it } from 'vitest';
import { connect, release } from 'statewire';
import { connectPeers, failureOf, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';
import { ScriptedPeer, welcome } from '../support/hostile-peer.ts';

it('[conn.open] a connection that was accepted before onConnection threw is closed again, and the session goes on', async () => {
  const { session, serverLog, settle } = await connectPeers({
    server: {
      services: [lab()],
      onConnection(request) {
        request.accept({ services: [lab()] });
        throw new Error('upstream is not there');
      },
    },
  });
  const connection = await session.open();
  await connection.closed;
  expect(connection.isConnected).toBe(false);
  await settle();
  expect(serverLog).toMatchObject([{ level: 'error', event: 'user-error', message: 'onConnection threw: upstream is not there' }]);
  expect(await session.client(Lab).run('on')).toBe('on');
});

it('[session.protocol-error] an open that waits when the peer breaks a rule rejects with that', async () => {
  const { network, clock } = makeWorld();
  const { arrival } = await ScriptedPeer.listen(network);
  const connecting = connect(network.connector(PLACE), { clock });
  const peer = await arrival;
  await peer.next('hello');
  peer.send(welcome());
  const session = await connecting;
  const opening = failureOf(session.open());
  await peer.next('open');
  peer.send({ type: 'accept', connectionId: 7, limits: { maxConcurrentRequests: 1 } });
  expect(await opening).toMatchObject({ kind: 'protocol-error', reason: 'conn.unknown', retryable: false });
});

it('[liveness.refcount] the client of a handler does not hold the connection: its owner can let go of it', async () => {
  const { session, settle } = await connectPeers({
    server: { onConnection: (request) => request.accept({ services: [lab({ run: (input, call) => call.client(Lab).run(input) })] }) },
  });
  const connection = await session.open({ services: [lab({ run: (input, call) => call.client(Lab).idem(input) })] });
  const client = connection.client(Lab);
  expect(await client.run('there and back')).toBe('there and back');
  release(client);
  expect(connection.isConnected).toBe(true);
  release(connection);
  await connection.closed;
  await settle();
  expect(session.status).toBe('connected');
});
