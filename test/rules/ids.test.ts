/** id.*: who allocates which numbers, and what happens to a peer that does not keep to it. */
import { expect, it } from 'vitest';
import { attackClient, attackServer, call, result } from '../support/hostile-peer.ts';
import { connectPeers, gated, lab, Lab } from '../support/peers.ts';

it('[id.parity] the initiator allocates odd request ids from 1, the acceptor even ones from 2', async () => {
  const { session, accepted, sent } = await connectPeers({ server: { services: [lab()] }, client: { services: [lab()] } });
  for (let count = 0; count < 3; count++) {
    await session.client(Lab).run(count);
    await accepted.client(Lab).run(count);
  }
  expect(sent('initiator', 'call').map(({ requestId }) => requestId)).toEqual([1, 3, 5]);
  expect(sent('acceptor', 'call').map(({ requestId }) => requestId)).toEqual([2, 4, 6]);
});

it("[id.parity] a call made from a handler takes its id from the handler's side", async () => {
  const { session, sent } = await connectPeers({
    server: { services: [lab((input, context) => context.client(Lab).run(input))] },
    client: { services: [lab()] },
  });
  expect(await session.client(Lab).run('there and back')).toBe('there and back');
  expect(sent('acceptor', 'call').map(({ requestId }) => requestId)).toEqual([2]);
});

it('[id.unique] no request id is given twice, whatever became of the calls before', async () => {
  const { handler, calls } = gated();
  const { session, sent, settle } = await connectPeers({ server: { services: [lab({ run: handler })], maxConcurrentRequests: 3 } });
  const client = session.client(Lab);
  const given = new AbortController();
  const aborted = client.run('aborted', { signal: given.signal }).catch(() => {});
  const answered = client.run('answered');
  const unencodable = client.run(() => {}).catch(() => {});
  await settle();
  given.abort();
  calls[1]?.resolve('x');
  await Promise.all([aborted, answered, unencodable]);
  await client.idem('after');
  const ids = sent('initiator', 'call').map(({ requestId }) => requestId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toHaveLength(3);
  expect(ids).toEqual(ids.toSorted((one, other) => one - other));
});

it.each([
  ['a call with our parity', [call(2)]],
  ['a call with an id that is in flight', [call(1), call(1, { operationId: 2 })]],
  ['a call with an id that is in flight, and its operation id too', [call(1), call(1)]],
  ['an open with our parity', [{ type: 'open', connectionId: 2, parity: 'odd', limits: { maxConcurrentRequests: 1 }, metadata: [] }]],
] as const)('[id.violation] %s is a protocol error, and no handler runs for it', async (_what, messages) => {
  const { handler, calls } = gated();
  const { peer } = await attackServer({ services: [lab(handler)] });
  peer.send(...messages);
  expect(await peer.next('protocol-error')).toMatchObject({ rule: 'id.violation' });
  await peer.closed;
  expect(calls).toHaveLength(messages.length - 1);
});

it('[id.violation] the initiator holds the acceptor to even ids', async () => {
  const { peer, session } = await attackClient({ services: [lab()] });
  peer.send(call(1));
  expect(await peer.next('protocol-error')).toMatchObject({ rule: 'id.violation' });
  await session.closed;
});

it('[id.violation] an id whose call was answered may be used again', async () => {
  const { handler, calls } = gated();
  const { peer, settle } = await attackServer({ services: [lab(handler)] });
  peer.send(call(1));
  await settle();
  calls[0]?.resolve('first');
  expect(await peer.next('response')).toMatchObject(result(1, 'first'));
  peer.send(call(1, { operationId: 2 }));
  await settle();
  calls[1]?.resolve('second');
  expect(await peer.next('response')).toMatchObject(result(1, 'second'));
  expect(peer.all('protocol-error')).toEqual([]);
});
