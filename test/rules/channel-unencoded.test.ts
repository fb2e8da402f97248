/**
 * Calls that end before their argument was encoded: who waits on the end that stays is woken, and the other end was not passed. And what a raw peer may not make
 * of channels that are not bound.
 */
import { describe, expect, it } from 'vitest';
import { channel, defineService, method, release } from 'statewire';
import type { Client, Rx, Session, StandardSchemaV1, Tx } from 'statewire';
import { attackServer, call } from '../support/hostile-peer.ts';
import { leavesNothing } from '../support/channel-leaks.ts';
import { connectPeers, failureOf, lab } from '../support/peers.ts';

leavesNothing();

const never: StandardSchemaV1<unknown> = {
  '~standard': { version: 1, vendor: 'test', validate: () => ({ issues: [{ message: 'never fits' }] }) },
};
const Pipes = defineService('Lab', {
  run: method<unknown, unknown>(),
  persist: method<unknown, unknown>({ persist: true }),
  checked: method({ input: never }),
});
type Make = (client: Client<typeof Pipes>, end: unknown, session: Session) => Promise<unknown>;

const FAILURES: [string, Make][] = [
  ['is aborted before it is made', (client, end) => client.run({ end }, { signal: AbortSignal.abort() })],
  [
    'has a value beside the end that has no encoding',
    (client, end) => client.run({ bad: () => {}, nested: [new Map([['end', end]]), new Set([end])] }),
  ],
  ['has an argument that is too large', (client, end) => client.run({ end, large: new Uint8Array(20 * 1024 * 1024) })],
  ['does not fit its schema', (client, end) => client.checked({ end })],
  ['has metadata that is none', (client, end) => client.run({ end }, { metadata: { no: {} as never } })],
  ['has an option that is none', (client, end) => client.run({ end }, { timeout: 5 } as never)],
  ['is of a persist method', (client, end) => client.persist([end])],
  [
    'is made by a client that was released',
    (client, end) => {
      release(client);
      return client.run(end);
    },
  ],
  [
    'is made when the session is closed',
    async (client, end, session) => {
      await session.close();
      await client.run({ end });
    },
  ],
];

describe.each(FAILURES)('when a call %s,', (_what, make) => {
  it('[credit.wake] [conn.closed] who waits on the other end is told', async () => {
    const { session } = await connectPeers({ server: { services: [lab()] } });
    const client = session.client(Pipes);
    const [tx, rx] = channel<number>();
    const [out, back] = channel<number>();
    const waiting = [failureOf(tx.send(1)), failureOf(back.recv())];
    const failed = make(client, [rx, out], session).catch((error: unknown) => error);
    expect(await failed).toBeInstanceOf(Error);
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ kind: 'channel-reset', reason: 'not-sent' });
  });
});

it('[credit.wake] however large the argument of a call that was not sent, the call rejects and who waits is told', async () => {
  const { session } = await connectPeers({ server: { services: [lab()] } });
  const [tx, rx] = channel<number>();
  const waiting = failureOf(tx.send(1));
  const large = [...Array.from({ length: 300_000 }, (_, index) => index), { rx }];
  expect(await failureOf(session.client(Pipes).run(large, { signal: AbortSignal.abort() }))).toMatchObject({ kind: 'cancelled' });
  expect(await waiting).toMatchObject({ kind: 'channel-reset', reason: 'not-sent' });
});

it('[channel.one-owner] an end whose call was not sent may be passed again', async () => {
  const { session } = await connectPeers({
    server: {
      services: [
        lab(async (input) => {
          let sum = 0;
          for await (const number of input as Rx<number>) sum += number;
          return sum;
        }),
      ],
    },
  });
  const client = session.client(Pipes);
  const [tx, rx] = channel<number>();
  await failureOf(client.run([rx, () => {}]));
  expect([tx.status, rx.status]).toEqual(['unbound', 'unbound']);
  const total = client.run(rx);
  for (const number of [1, 2, 3]) await tx.send(number);
  tx.close();
  expect(await total).toBe(6);
});

it('[channel.reset] a loop that was left gives no more items, and no error', async () => {
  const { session } = await connectPeers({
    server: {
      services: [
        lab(async (input) => {
          for (let index = 0; index < 3; index++) await (input as Tx<number>).send(index);
        }),
      ],
    },
  });
  const [out, rx] = channel<number>();
  const running = session.client(Pipes).run(out);
  const loop = rx[Symbol.asyncIterator]();
  expect(await loop.next()).toEqual({ done: false, value: 0 });
  expect(await loop.return?.()).toEqual({ done: true, value: undefined });
  expect(await loop.next()).toEqual({ done: true, value: undefined });
  expect(await failureOf(rx.recv())).toMatchObject({ kind: 'channel-reset' });
  await running;
});

const mark = (ordinal: number): Uint8Array => Uint8Array.of(0xd7, 0x43, 0, 0, 0, ordinal, 0, 0, 0, 16);

it('[id.unique] a call may not carry a channel id that was used before', async () => {
  const { peer } = await attackServer();
  peer.send(call(1, { channels: [5], args: mark(0) }), { type: 'end', connectionId: 0, channelId: 5 });
  await peer.next('response');
  peer.send(call(3, { channels: [3], args: mark(0) }));
  expect(await peer.next('protocol-error')).toMatchObject({ rule: 'id.violation', message: 'channel id 3 was used before' });
});

it('[channel.early] the reasons of resets that come early are counted', async () => {
  const { peer } = await attackServer();
  const reason = 'r'.repeat(60_000);
  for (const channelId of [1, 3, 5]) peer.send({ type: 'reset', connectionId: 0, channelId, reason });
  expect(await peer.next('protocol-error')).toMatchObject({ rule: 'channel.early' });
});
