/** Attempts that come to own an operation they did not bring: when its owner is lost, or when it has none any more. */
import { expect, it } from 'vitest';
import type { CallOptions } from 'statewire';
import { operationPeers } from '../support/operation-peers.ts';
import type { OperationPeers } from '../support/operation-peers.ts';

/** What the server's response actors are told from here on: `id event`. */
function watchResponses(peers: OperationPeers): string[] {
  const seen: string[] = [];
  peers.server.actor.system.inspect((event) => {
    const { id } = event.actorRef as { id?: string };
    if (event.type !== '@xstate.event' || id?.startsWith('response:') !== true) return;
    if (event.event.type !== 'xstate.init') seen.push(`${id} ${event.event.type}`);
  });
  return seen;
}

it('[cancel.callee] an attempt that waits for a live operation runs it when the owner is lost', async () => {
  await using peers = await operationPeers();
  const [one, two] = await peers.connectTwo();
  one.ask('volatile', 'a');
  await peers.settle();
  const heir = two.ask('volatile', 'a');
  await peers.settle();
  const seen = watchResponses(peers);
  one.cut();
  await peers.settle();
  expect(seen).toEqual(['response:1 linkLost', 'response:1 started']);
  peers.run.returns('done');
  expect(await heir.ended).toEqual({ value: 'done' });
});

it('[cancel.callee] an attempt that joins a persist operation without an owner runs it', async () => {
  await using peers = await operationPeers();
  const [one, two] = await peers.connectTwo();
  one.ask('persist', 'a');
  await peers.settle();
  one.cut();
  await peers.settle();
  const seen = watchResponses(peers);
  const late = two.ask('persist', 'a');
  await peers.settle();
  expect(seen).toEqual(['response:1 admit', 'response:1 started']);
  peers.run.returns('done');
  expect(await late.ended).toEqual({ value: 'done' });
});

it.each(['volatile', 'persist'] as const)(
  '[cancel.callee] the heir of a %s operation that is not admitted yet runs it once it is',
  async (policy) => {
    await using peers = await operationPeers();
    const [one, two] = await peers.connectTwo();
    peers.store.hold('admit');
    one.ask(policy, 'a');
    await peers.settle();
    const heir = two.ask(policy, 'a');
    await peers.settle();
    const seen = watchResponses(peers);
    one.cut();
    await peers.settle();
    expect(seen).toEqual(['response:1 linkLost']);
    peers.store.letGo('admit');
    await peers.settle();
    expect(seen).toEqual(['response:1 linkLost', 'response:1 started']);
    peers.run.returns('done');
    expect(await heir.ended).toEqual({ value: 'done' });
  },
);

it.each([
  ['returns', { value: 5 }],
  ['fails', { kind: 'user', data: 5 }],
] as const)('[meta.entries] an heir is told the metadata that the handler has set, before and after: it %s', async (end, expected) => {
  await using peers = await operationPeers();
  const [one, two] = await peers.connectTwo();
  one.ask('volatile', 'a');
  await peers.settle();
  const told: unknown[] = [];
  const onResponseMetadata: CallOptions['onResponseMetadata'] = (view) => told.push([view.get('before'), view.get('after')]);
  const heir = two.ask('volatile', 'a', undefined, { onResponseMetadata });
  await peers.settle();
  peers.run.call.responseMetadata.set('before', 'b');
  await one.session.close();
  await peers.settle();
  peers.run.call.responseMetadata.set('after', 'a');
  peers.run[end](5);
  expect(await heir.ended).toMatchObject(expected);
  expect(told).toEqual([['b', 'a']]);
});
