/** A payload that takes longer than the keep-alive to come whole: its parts are signs of life (session.keepalive). */
import { connect as tcpSocket, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import { tcp } from 'statewire/tcp';
import { SimulatedClock } from 'statewire/testing';
import { ENDS_WITH_LINK, lab, Lab } from '../support/peers.ts';
import { until } from '../support/raw-socket.ts';

const KEEP_ALIVE = { intervalMs: 1_000, timeoutMs: 1_000 };

it('[session.keepalive] a link on which a large payload comes bit by bit is alive', async () => {
  const clock = new SimulatedClock();
  const server = await listen(tcp({ port: 0 }), { services: [lab()], keepAlive: false });
  onTestFinished(() => server.close());
  // Between them: hands on what the server says piece by piece, when the test says so.
  const held: Buffer[] = [];
  let isHolding = false;
  let toClient: Socket | undefined;
  const between = createServer((client) => {
    toClient = client;
    const upstream = tcpSocket(server.address.port);
    client.pipe(upstream);
    upstream.on('data', (bytes: Buffer) => (isHolding ? held.push(bytes) : client.write(bytes)));
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('close', () => upstream.destroy());
  });
  between.listen(0, '127.0.0.1');
  await until(() => between.listening);
  onTestFinished(() => void between.close());
  const session = await connect(tcp({ port: (between.address() as AddressInfo).port }), { clock, keepAlive: KEEP_ALIVE, ...ENDS_WITH_LINK });
  onTestFinished(() => session.close());
  isHolding = true;
  const answer = session.client(Lab).run('x'.repeat(2_000_000));
  await until(() => held.reduce((bytes, { byteLength }) => bytes + byteLength, 0) > 2_000_000);
  const whole = Buffer.concat(held);
  for (let part = 0; part < 10; part++) {
    // One part, and a little less than the keep-alive bears.
    toClient?.write(whole.subarray((part * whole.byteLength) / 10, ((part + 1) * whole.byteLength) / 10));
    for (let index = 0; index < 20; index++) await turn();
    await clock.advance(900);
    expect(session.status).toBe('connected');
  }
  expect(await answer).toHaveLength(2_000_000);
  // And without a sign it is not.
  await clock.advance(2_000);
  expect(session.status).toBe('closed');
});
