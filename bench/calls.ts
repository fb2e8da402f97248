/**
 * Calls per second, two processes over TCP, a small object echoed, memory store and operation ids on, beside a bare socket with
 * MessagePack frames in the same run, in turn. `--json` for programs. Exits non-zero below the bound.
 */
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { Packr } from 'msgpackr';
import { connect } from 'statewire';
import { tcp } from 'statewire/tcp';
import { Echo, SMALL } from './lib/contract.ts';
import { startServer } from './lib/child.ts';
import type { Child } from './lib/child.ts';
import { machine, median, round, wantsJson } from './lib/figures.ts';
import { framesOf, sendFrames } from './lib/raw.ts';

const IN_FLIGHT = 64;
const ROUNDS = 5;
const ROUND_MS = 2_000;
const WARM_UP_MS = 2_500;
/** What stage 1 promises, as a part of the bare socket's rate. */
const BOUND = 0.4;

interface Contender {
  readonly name: string;
  readonly call: () => Promise<unknown>;
  readonly server: Child;
  readonly close: () => unknown;
}

async function rawContender(): Promise<Contender> {
  const server = await startServer('raw');
  const socket: Socket = connectSocket(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setNoDelay(true);
  const packr = new Packr({ useRecords: false });
  const waiting = new Map<number, (value: unknown) => void>();
  let lastId = 0;
  framesOf(socket, (frame) => {
    const [id, value] = packr.unpack(frame) as [number, unknown];
    waiting.get(id)?.(value);
    waiting.delete(id);
  });
  const send = sendFrames(socket);
  const call = () =>
    new Promise((resolve) => {
      const id = ++lastId;
      waiting.set(id, resolve);
      send(packr.pack([id, SMALL]));
    });
  return { name: 'raw socket + msgpackr', call, server, close: () => socket.destroy() };
}

async function statewireContender(): Promise<Contender> {
  const server = await startServer('statewire');
  const session = await connect(tcp({ port: server.port }));
  const client = session.client(Echo);
  return { name: 'statewire', call: () => client.echo(SMALL), server, close: () => session.close() };
}

interface Figures {
  readonly callsPerSecond: number;
  readonly clientMicros: number;
  readonly serverMicros: number;
}

async function measure({ call, server }: Contender, forMs: number): Promise<Figures> {
  const serverBefore = await server.ask<NodeJS.CpuUsage>('cpu');
  const before = process.cpuUsage();
  const began = performance.now();
  let calls = 0;
  const loop = async () => {
    while (performance.now() - began < forMs) {
      await call();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
  const seconds = (performance.now() - began) / 1_000;
  const own = process.cpuUsage(before);
  const after = await server.ask<NodeJS.CpuUsage>('cpu');
  const theirs = after.user + after.system - serverBefore.user - serverBefore.system;
  return { callsPerSecond: calls / seconds, clientMicros: (own.user + own.system) / calls, serverMicros: theirs / calls };
}

const contenders = [await rawContender(), await statewireContender()];
const figures = contenders.map((): Figures[] => []);
for (const contender of contenders) await measure(contender, WARM_UP_MS);
for (let round = 0; round < ROUNDS; round++) {
  for (const [index, contender] of contenders.entries()) figures[index]?.push(await measure(contender, ROUND_MS));
}
const rows = contenders.map(({ name }, index) => {
  const of = (pick: (figure: Figures) => number) => median((figures[index] ?? []).map(pick));
  return {
    name,
    callsPerSecond: round(of((figure) => figure.callsPerSecond)),
    clientMicrosPerCall: round(
      of((figure) => figure.clientMicros),
      1,
    ),
    serverMicrosPerCall: round(
      of((figure) => figure.serverMicros),
      1,
    ),
  };
});
const ratio = round((rows[1]?.callsPerSecond ?? 0) / (rows[0]?.callsPerSecond ?? 1), 3);
for (const { close, server } of contenders) {
  await close();
  await server.stop();
}
if (wantsJson()) {
  console.log(JSON.stringify({ machine: machine(), inFlight: IN_FLIGHT, rows, ratio, bound: BOUND }));
} else {
  console.log(`${IN_FLIGHT} calls in flight, two processes over TCP, small object echo, median of ${ROUNDS} · ${machine()}`);
  console.table(rows);
  console.log(`statewire / raw: ${ratio} (bound ${BOUND})`);
}
if (ratio < BOUND) process.exitCode = 1;
