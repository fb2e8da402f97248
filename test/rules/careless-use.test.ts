/** What users do by mistake, and what they are told: at once, by name, and without harm to anybody else. */
import { expect, it } from 'vitest';
import { connect, defineService, implement, listen, method } from 'statewire';
import type { ConnectOptions, ListenOptions } from 'statewire';
import { memoryNetwork } from 'statewire/memory';
import { unix } from 'statewire/tcp';
import { SimulatedClock } from 'statewire/testing';
import { websocket } from 'statewire/websocket';
import { connectPeers, failureOf, lab, Lab } from '../support/peers.ts';

it('refuses an option that does not exist, by name', async () => {
  const network = memoryNetwork();
  const slip = { handlerTimeout: 5 } as unknown as ListenOptions;
  await expect(listen(network.listener('a'), slip)).rejects.toThrow('options.handlerTimeout is not an option');
  await expect(connect(network.connector('a'), { maxPayloads: 1 } as unknown as ConnectOptions)).rejects.toThrow('options.maxPayloads');
  await expect(listen(network.listener('a'), 5 as unknown as ListenOptions)).rejects.toThrow('options must be an object');
  await expect(connect(network.connector('a'), null as unknown as ConnectOptions)).rejects.toThrow('options must be an object');
});

it('refuses a call option that does not exist, by name', async () => {
  const { session } = await connectPeers({ server: { services: [lab()] } });
  const call = session.client(Lab).run(1, { timeout: 5 } as never);
  await expect(call).rejects.toThrow('options.timeout is not a call option');
});

it('[session.handshake-limits] gives up a dial that nobody answers', async () => {
  const clock = new SimulatedClock();
  const mute = { connect: () => new Promise<never>(() => {}) };
  const connecting = failureOf(connect(mute, { clock, handshakeTimeoutMs: 300 }));
  await clock.advance(300);
  expect(await connecting).toMatchObject({ kind: 'connection-closed', reason: 'handshake-timeout', retryable: true });
});

it('[session.handshake-limits] aborts a link that comes after the dial was given up', async () => {
  const clock = new SimulatedClock();
  const network = memoryNetwork({ clock });
  await using _server = await listen(network.listener('late'), { clock });
  let dialled: () => void = () => {};
  const gate = new Promise<void>((resolve) => (dialled = resolve));
  const aborted: unknown[] = [];
  const late = {
    async connect(signal: AbortSignal) {
      const link = await network.connector('late').connect(new AbortController().signal);
      await gate;
      expect(signal.aborted).toBe(true);
      const abort = link.abort.bind(link);
      link.abort = (reason) => {
        aborted.push(reason);
        abort(reason);
      };
      return link;
    },
  };
  const connecting = failureOf(connect(late, { clock, handshakeTimeoutMs: 300 }));
  await clock.advance(300);
  await connecting;
  dialled();
  await clock.advance(0);
  expect(aborted).toHaveLength(1);
});

it.each<[what: string, Parameters<typeof connectPeers>[0]]>([
  ['awaits the rest late', { server: { middleware: [(_call, next) => lateAwait(next)] } }],
  ['calls next() twice', { server: { middleware: [(_call, next) => Promise.any([next(), next()])] } }],
])('[attempt.one-response] a middleware that %s costs its own call only', async (_what, options) => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  const throws = () => {
    throw new Error('oh');
  };
  const { session, settle } = await connectPeers({ server: { ...options?.server, services: [lab(throws)] } });
  const failure = failureOf(session.client(Lab).run(1));
  await settle();
  expect(await failure).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

async function lateAwait(next: () => Promise<unknown>): Promise<unknown> {
  const rest = next();
  await new Promise((resolve) => setImmediate(resolve));
  return rest;
}

it('[link.boundaries] refuses a socket path that the kernel would cut', () => {
  expect(() => unix({ path: `/tmp/${'x'.repeat(200)}` })).toThrow(/205 bytes/);
  expect(() => unix({ path: '' })).toThrow('path must be a string');
});

it('refuses a WebSocket path that no request can have', async () => {
  await expect(listen(websocket({ port: 0, path: 'rpc' }))).rejects.toThrow('path must begin with /');
});

it('[meta.entries] response metadata ends at what a response carries, in the handler that adds to it', async () => {
  const Notes = defineService('Notes', { many: method<number, string>() });
  const many = implement(Notes, {
    many(count, call) {
      for (let index = 0; index < count; index++) call.responseMetadata.set(`key-${index}`, index);
      return 'done';
    },
  });
  const errors: unknown[] = [];
  const { session } = await connectPeers({ server: { services: [many], onHandlerError: (error) => errors.push(error) } });
  await expect(session.client(Notes).many(1_024)).resolves.toBe('done');
  expect(await failureOf(session.client(Notes).many(1_025))).toMatchObject({ kind: 'cancelled', reason: 'handler-failed' });
  expect(errors).toMatchObject([{ name: 'RangeError', message: expect.stringContaining('1024 entries') }]);
});
