/**
 * Growth, two processes over TCP: what a call costs with 64 and with 100,000 in flight, what a waiting call holds on either heap,
 * and where the server's heap is after a million calls. `--json` for programs. Exits non-zero beyond a bound.
 */
import { connect } from 'statewire';
import type { Client } from 'statewire';
import { tcp } from 'statewire/tcp';
import { startServer } from './lib/child.ts';
import type { Child } from './lib/child.ts';
import { Echo, SMALL } from './lib/contract.ts';
import { machine, median, round, wantsJson } from './lib/figures.ts';

const MANY = 100_000;
const FEW = 64;
const ROUNDS = 5;
const CALLS_PER_ROUND = 300_000;
const WINDOW_CALLS = 1_000_000;
/** Bounds: cost at many against few, bytes of heap a waiting call holds, bytes by which a million calls may move the heap. */
const MOST_RATIO = 1.3;
const MOST_BYTES_PER_CALL = 3_000;
const MOST_GROWTH_BYTES = 2 * 1024 * 1024;

type EchoClient = Client<typeof Echo>;

async function costOfCall(client: EchoClient, inFlight: number): Promise<number> {
  let started = 0;
  const began = performance.now();
  const loop = async () => {
    while (started < CALLS_PER_ROUND) {
      started++;
      await client.echo(SMALL);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return ((performance.now() - began) * 1_000) / started;
}

/** Alternates, so that what else the machine does meets both alike. */
async function costs(client: EchoClient): Promise<{ few: number; many: number }> {
  const few: number[] = [];
  const many: number[] = [];
  await costOfCall(client, FEW);
  await costOfCall(client, MANY);
  for (let round = 0; round < ROUNDS; round++) {
    few.push(await costOfCall(client, FEW));
    many.push(await costOfCall(client, MANY));
  }
  return { few: median(few), many: median(many) };
}

function ownHeap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

async function heapOfWaiting(client: EchoClient, server: Child): Promise<{ client: number; server: number }> {
  const serverBefore = await server.ask<number>('heap');
  const before = ownHeap();
  const waiting = Array.from({ length: MANY }, () => client.hold(SMALL));
  // Answered after every `hold` before it has arrived.
  await client.echo(SMALL);
  const figures = { client: (ownHeap() - before) / MANY, server: ((await server.ask<number>('heap')) - serverBefore) / MANY };
  await client.letGo();
  await Promise.all(waiting);
  return figures;
}

async function growthOverWindow(client: EchoClient, server: Child): Promise<number> {
  let started = 0;
  const run = async (until: number) => {
    const loop = async () => {
      while (started < until) {
        started++;
        await client.echo(SMALL);
      }
    };
    await Promise.all(Array.from({ length: FEW }, loop));
    return server.ask<number>('heap');
  };
  const early = await run(10_000);
  return (await run(WINDOW_CALLS)) - early;
}

const server = await startServer('statewire', String(2 * MANY));
const session = await connect(tcp({ port: server.port }), { maxQueuedRequests: 2 * MANY });
const client = session.client(Echo);
const cost = await costs(client);
const heap = await heapOfWaiting(client, server);
const growth = await growthOverWindow(client, server);
await session.close();
await server.stop();

const ratio = cost.many / cost.few;
const figures = {
  microsPerCallAt64: round(cost.few, 2),
  microsPerCallAt100000: round(cost.many, 2),
  ratio: round(ratio, 2),
  clientHeapBytesPerWaitingCall: round(heap.client),
  serverHeapBytesPerWaitingCall: round(heap.server),
  serverHeapGrowthBytesOverMillionCalls: round(growth),
};
if (wantsJson()) {
  console.log(JSON.stringify({ machine: machine(), ...figures, bounds: { MOST_RATIO, MOST_BYTES_PER_CALL, MOST_GROWTH_BYTES } }));
} else {
  console.log(`growth, two processes over TCP, median of ${ROUNDS} · ${machine()}`);
  console.table(figures);
  console.log(`bounds: ratio ${MOST_RATIO}, ${MOST_BYTES_PER_CALL} bytes a waiting call, ${MOST_GROWTH_BYTES} bytes over a million calls`);
}
const holds = ratio <= MOST_RATIO && Math.max(heap.client, heap.server) < MOST_BYTES_PER_CALL && growth < MOST_GROWTH_BYTES;
if (!holds) process.exitCode = 1;
