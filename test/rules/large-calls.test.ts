/** Calls that are large enough to leave within the turn that made them: each is answered, cancelled and judged as any other. */
import { expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import { tcp } from 'statewire/tcp';
import { connectPeers, failureOf, gated, isSettled, lab, Lab } from '../support/peers.ts';

it('[attempt.slot-first] a call of a million bytes is answered over tcp', async () => {
  const server = await listen(tcp({ port: 0 }), { services: [lab((input) => (input as Uint8Array).byteLength)] });
  onTestFinished(() => server.close());
  const session = await connect(tcp({ port: server.address.port }));
  onTestFinished(() => session.close());
  expect(await session.client(Lab).run(new Uint8Array(1_000_000))).toBe(1_000_000);
  expect(session.counters.unmatched).toBe(0);
});

it.each([
  ['one of 300 KB', 1, 300_000],
  ['a hundred of 5 KB', 100, 5_000],
  ['three of a million', 3, 1_000_000],
])('[attempt.slot-first] calls that fill the batch within one turn are answered: %s', async (_what, count, bytes) => {
  const { session, settle } = await connectPeers({ server: { services: [lab()] } });
  const texts = Array.from({ length: count }, (_, index) => String(index).padEnd(bytes, 'x'));
  const answers = Promise.all(texts.map((text) => session.client(Lab).run(text)));
  await settle();
  await settle();
  expect(await isSettled(answers)).toBe(true);
  expect(await answers).toEqual(texts);
  expect(session.counters.unmatched).toBe(0);
});

it('[cancel.caller] the cancel of a call that filled the batch reaches the peer', async () => {
  const { handler, calls } = gated();
  const { session, settle, sent } = await connectPeers({ server: { services: [lab(handler)] } });
  const controller = new AbortController();
  const failing = failureOf(session.client(Lab).run('x'.repeat(300_000), { signal: controller.signal }));
  await settle();
  controller.abort();
  await settle();
  expect(await failing).toMatchObject({ kind: 'cancelled', reason: 'aborted' });
  expect(sent('initiator', 'cancel')).toEqual([expect.objectContaining({ requestId: 1 })]);
  expect(calls.map(({ call }) => call.signal.aborted)).toEqual([true]);
});

it('[outcome.retryable] [outcome.closing] a call that filled the batch may have run when the server closes', async () => {
  const { handler, calls } = gated();
  const { session, settle, server } = await connectPeers({ server: { services: [lab(handler)] } });
  const failing = failureOf(session.client(Lab).run('x'.repeat(300_000)));
  await settle();
  expect(calls).toHaveLength(1);
  await server.close();
  await settle();
  expect(await failing).toMatchObject({ kind: 'indeterminate', reason: 'closed', retryable: false });
});
