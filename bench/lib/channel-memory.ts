/** What a producer that never tires does to the memory of both processes: against a slow consumer, which holds it, and at full speed. */
import { setTimeout as delay } from 'node:timers/promises';
import { channel, connect, isRpcError } from 'statewire';
import type { Client, Tx } from 'statewire';
import { tcp } from 'statewire/tcp';
import { CREDIT, push } from './channel-rates.ts';
import { startServer } from './child.ts';
import { ITEMS, Streams } from './contract.ts';
import { round } from './figures.ts';
import { MemoryWatch } from './memory.ts';
import type { Growth } from './memory.ts';
import { atLeast, atMost } from './report.ts';
import type { Report, Row, Settings } from './report.ts';

const WARM_UP = 1_000_000;
/** The slow consumer's part of the full rate. */
const SLOWNESS = 100;
const MEGABYTE = 1024 * 1024;
const MOST_GROWTH_MB = 64;

interface Watched<T> {
  readonly result: T;
  readonly client: Growth;
  readonly server: Growth;
}

/** A server of its own, which starts warm: what the first items cost belongs to the engine. */
async function watched<T>(work: (client: Client<typeof Streams>, fullRate: number) => Promise<T>): Promise<Watched<T>> {
  const server = await startServer('streams');
  const session = await connect(tcp({ port: server.port }));
  const client = session.client(Streams);
  const began = performance.now();
  await push(client, 'small', WARM_UP);
  const fullRate = (WARM_UP * 1_000) / (performance.now() - began);
  const memory = new MemoryWatch();
  await server.ask('watch');
  memory.start();
  const result = await work(client, fullRate);
  const growth = { client: memory.stop(), server: await server.ask<Growth>('growth') };
  await session.close();
  await server.stop();
  return { result, ...growth };
}

const megabytes = (bytes: number): number => round(bytes / MEGABYTE, 1);

function growthRows(watch: Watched<unknown>): Row[] {
  return (['client', 'server'] as const).map((process) => ({
    process,
    'heap MB': megabytes(watch[process].heapBytes),
    'RSS MB': megabytes(watch[process].rssBytes),
    'peak RSS MB': megabytes(watch[process].peakRssBytes),
  }));
}

function growthBounds(watch: Watched<unknown>): Report['bounds'] {
  return (['client', 'server'] as const).flatMap((process) => [
    atMost(`${process}: heap grew by, MB`, watch[process].heapBytes / MEGABYTE, MOST_GROWTH_MB),
    atMost(`${process}: RSS grew at most by, MB`, watch[process].peakRssBytes / MEGABYTE, MOST_GROWTH_MB),
  ]);
}

class Producer {
  sent = 0;

  /** Until it has sent all, or the receiver has gone. */
  async run(tx: Tx<unknown>, items: number): Promise<void> {
    try {
      while (this.sent < items) {
        await tx.send(ITEMS.small);
        this.sent++;
      }
    } catch (error) {
      if (!isRpcError(error) || error.kind !== 'channel-reset') throw error;
    }
  }
}

async function holdBack(client: Client<typeof Streams>, perSecond: number, { slowSeconds, items }: Settings) {
  const [tx, rx] = channel<unknown>({ credit: CREDIT.small });
  const stop = new AbortController();
  const sipping = client.sip({ items: rx, perSecond }, { signal: stop.signal }).catch((error: unknown) => error);
  const producer = new Producer();
  const producing = producer.run(tx, items);
  await delay(slowSeconds * 1_000);
  // In this order: what is taken meanwhile can only make the bound easier by what it lets the producer send later.
  const { sent } = producer;
  const taken = await client.sipped();
  stop.abort();
  await Promise.all([producing, sipping]);
  return { sent, taken, perSecond };
}

export async function slow(settings: Settings): Promise<Report> {
  const watch = await watched((client, fullRate) => holdBack(client, fullRate / SLOWNESS, settings));
  const { sent, taken, perSecond } = watch.result;
  const title =
    `a producer of ${settings.items} items against a consumer of ${round(perSecond)} items/s for ${settings.slowSeconds} s: ` +
    `${sent} sent, ${taken} taken, credit ${CREDIT.small}`;
  return {
    title,
    rows: growthRows(watch),
    bounds: [
      atMost('items sent beyond those taken', sent - taken, CREDIT.small),
      atLeast('items taken, as a part of what the consumer would take', taken / (perSecond * settings.slowSeconds), 0.9),
      ...growthBounds(watch),
    ],
  };
}

export async function flood({ items }: Settings): Promise<Report> {
  const watch = await watched(async (client) => {
    const began = performance.now();
    await push(client, 'small', items);
    return (items * 1_000) / (performance.now() - began);
  });
  return {
    title: `${items} items at full speed: ${round(watch.result)} items/s`,
    rows: growthRows(watch),
    bounds: growthBounds(watch),
  };
}
