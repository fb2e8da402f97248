/** cancel.caller where one signal is given to many calls. */
import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { connect, defineService, implement, listen, method } from 'statewire';
import { memoryNetwork } from 'statewire/memory';

const Waiter = defineService('Waiter', { wait: method<{ long: boolean }, string>() });

async function peers() {
  const network = memoryNetwork();
  const release: (() => void)[] = [];
  const implementation = implement(Waiter, {
    wait: ({ long }) => (long ? new Promise<string>(() => {}) : new Promise((resolve) => release.push(() => resolve('done')))),
  });
  const server = await listen(network.listener('waiter'), { services: [implementation] });
  const session = await connect(network.connector('waiter'));
  return {
    client: session.client(Waiter),
    release,
    async [Symbol.asyncDispose]() {
      await session.close();
      await server.close();
    },
  };
}

it('[cancel.caller] one signal for a hundred calls has one listener, and cancels them all', async () => {
  await using scene = await peers();
  const abort = new AbortController();
  const calls = Array.from({ length: 100 }, () => scene.client.wait({ long: true }, { signal: abort.signal }));
  const outcomes = Promise.allSettled(calls);
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1);
  abort.abort('enough');
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { kind: 'cancelled', reason: 'aborted', cause: 'enough' } });
  }
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
});

it('[cancel.caller] a signal is let go when the last call that had it is through, and not before', async () => {
  await using scene = await peers();
  const abort = new AbortController();
  const short = scene.client.wait({ long: false }, { signal: abort.signal });
  const long = scene.client.wait({ long: true }, { signal: abort.signal });
  const outcome = Promise.allSettled([long]);
  await expect.poll(() => scene.release.length).toBe(1);
  scene.release[0]?.();
  await expect(short).resolves.toBe('done');
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1);
  abort.abort();
  expect(await outcome).toMatchObject([{ reason: { kind: 'cancelled', reason: 'aborted' } }]);
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
});
