/**
 * Peers on real sockets that are slow on purpose, a byte at a time, or many on purpose: over TCP, inside TLS, and before TLS has begun. A well-behaved client is
 * served all the while.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, listen } from 'statewire';
import type { ListenOptions, LogEntry } from 'statewire';
import { tcp } from 'statewire/tcp';
import { SimulatedClock } from 'statewire/testing';
import { encodeMessage } from 'statewire/wire';
import { hello } from '../support/hostile-peer.ts';
import { lab, Lab } from '../support/peers.ts';
import { frame } from '../support/raw-socket.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url));
const certificate = { cert: fixture('localhost.crt'), key: fixture('localhost.key') };
const trust = { ca: fixture('localhost.crt') };
const HELLO = frame(encodeMessage(hello()));
const TIMEOUT_MS = 30_000;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}

type Transport = 'tcp' | 'tls';
const TRANSPORTS: readonly Transport[] = ['tcp', 'tls'];

/** A server with a well-behaved client, and raw sockets to it. */
async function setUp(transport: Transport, options: ListenOptions = {}, tls: object = {}) {
  const clock = new SimulatedClock();
  const log: LogEntry[] = [];
  const server = await listen(tcp({ port: 0, ...(transport === 'tls' && { tls: { ...certificate, ...tls } }) }), {
    ...{ clock, services: [lab()], keepAlive: false, log: (entry) => void log.push(entry) },
    ...options,
  });
  onTestFinished(() => server.close());
  const witness = await connect(tcp({ ...server.address, ...(transport === 'tls' && { tls: trust }) }), { clock, keepAlive: false });
  onTestFinished(() => witness.close());
  const sockets: Socket[] = [];
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  /** `closed` settles when the other side has ended it. */
  const watch = (socket: Socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.resume();
    let isClosed = false;
    // Not by `once` of node:events, which rejects where the end is a reset.
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve())).then(() => (isClosed = true));
    return { socket, closed, isClosed: () => isClosed };
  };
  const dialPlain = async () => {
    const socket = connectSocket({ ...server.address, noDelay: true });
    await once(socket, 'connect');
    return watch(socket);
  };
  const dialTls = async () => {
    const socket = connectTls({ ...server.address, ...trust });
    await once(socket, 'secureConnect');
    return watch(socket);
  };
  const serves = async (): Promise<void> => expect(await witness.client(Lab).run('served')).toBe('served');
  return { clock, log, server, serves, dialPlain, dial: transport === 'tls' ? dialTls : dialPlain };
}

describe.each(TRANSPORTS)('over %s', (transport) => {
  it(
    '[session.handshake-limits] a hello that comes a byte at a time is cut when its time is over, however lively its link is',
    async () => {
      const { clock, dial, serves, log, server } = await setUp(transport, { handshakeTimeoutMs: 10_000 });
      const before = clock.pending;
      const slow = await dial();
      await until(() => clock.pending > before);
      for (let second = 0; second < 9; second++) {
        slow.socket.write(HELLO.subarray(second, second + 1));
        await clock.advance(1_000);
        await serves();
      }
      await clock.advance(999);
      expect(slow.isClosed()).toBe(false);
      slow.socket.write(HELLO.subarray(9, 10));
      await clock.advance(1);
      await slow.closed;
      expect(log.filter(({ event }) => event === 'handshake-timeout')).toHaveLength(1);
      expect(server.sessions.size).toBe(1);
      await serves();
    },
    TIMEOUT_MS,
  );

  it(
    '[session.capacity] of a flood of silent sockets no more are kept than maxHandshakes says, and their places are free when they are gone',
    async () => {
      const { clock, dial, serves, server } = await setUp(transport, { maxHandshakes: 5, handshakeTimeoutMs: 10_000 });
      const flood = await Promise.all(Array.from({ length: 40 }, () => dial()));
      await until(() => flood.filter(({ isClosed }) => isClosed()).length === 35);
      await serves();
      expect(server.refusedLinks).toBe(35);
      await clock.advance(10_000);
      await Promise.all(flood.map(({ closed }) => closed));
      const late = await connect(tcp({ ...server.address, ...(transport === 'tls' && { tls: trust }) }), { clock, keepAlive: false });
      expect(await late.client(Lab).run('late')).toBe('late');
      await late.close();
    },
    TIMEOUT_MS,
  );
});

it(
  '[session.auth] whom TLS does not vouch for is seen so by authenticate, and is refused with its certificate’s word',
  async () => {
    const seen: unknown[] = [];
    const server = await listen(tcp({ port: 0, tls: { ...certificate, ...trust, requestCert: true, rejectUnauthorized: false } }), {
      services: [lab()],
      authenticate: (_credentials, { authorized }) => {
        seen.push(authorized);
        if (authorized !== true) throw new Error('no certificate');
        return 'known';
      },
    });
    onTestFinished(() => server.close());
    const dial = (tls: object) => connect(tcp({ ...server.address, tls: { ...trust, ...tls } }));
    await expect(dial({})).rejects.toMatchObject({ kind: 'refused' });
    const known = await dial(certificate);
    expect(await known.client(Lab).run(1)).toBe(1);
    await known.close();
    expect(seen).toEqual([false, true]);
  },
  TIMEOUT_MS,
);
it(
  '[session.handshake-limits] a TLS handshake that never ends is cut, said nothing or a byte at a time, and was never a session',
  async () => {
    const { dialPlain, serves, server } = await setUp('tls', {}, { handshakeTimeout: 200 });
    const silent = await dialPlain();
    const slow = await dialPlain();
    // The head of a record that announces a ClientHello of 512 bytes.
    const record = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    let at = 0;
    const drip = setInterval(() => slow.socket.write(record.subarray(at, ++at)), 30);
    await Promise.all([silent.closed, slow.closed]).finally(() => clearInterval(drip));
    expect(at).toBeGreaterThan(0);
    expect(server.sessions.size).toBe(1);
    await serves();
  },
  TIMEOUT_MS,
);

it(
  '[session.capacity] of a flood of sockets before TLS has begun no more are kept than maxHandshakes says, and the well-behaved are served when they are gone',
  async () => {
    const { dialPlain, serves, server } = await setUp('tls', { maxHandshakes: 5 }, { handshakeTimeout: 1_000 });
    const flood = await Promise.all(Array.from({ length: 40 }, () => dialPlain()));
    await until(() => flood.filter(({ isClosed }) => isClosed()).length >= 35);
    await serves();
    expect(flood.filter(({ isClosed }) => isClosed())).toHaveLength(35);
    for (const { socket } of flood) socket.destroy();
    await Promise.all(flood.map(({ closed }) => closed));
    const again = async (): Promise<void> => {
      const late = await connect(tcp({ ...server.address, tls: trust }), { keepAlive: false, waitForPeerMs: 5_000 });
      expect(await late.client(Lab).run('late')).toBe('late');
      await late.close();
    };
    await again();
  },
  TIMEOUT_MS,
);
