/** How fast one channel carries items, in both directions, beside a bare socket with MessagePack frames in the same run. */
import { channel, connect } from 'statewire';
import type { Client } from 'statewire';
import { tcp } from 'statewire/tcp';
import { RawStream } from './channel-raw.ts';
import { startServer } from './child.ts';
import { BINARY_BYTES, ITEMS, Streams } from './contract.ts';
import type { ItemKind } from './contract.ts';
import { round } from './figures.ts';
import { atLeast } from './report.ts';
import type { Report, Row, Settings } from './report.ts';
import { compare, cpuColumns, cpuTotal, ratio, together } from './rounds.ts';
import type { Contender, Cost, Result } from './rounds.ts';

/** Items the sender may have on their way: what a user who wants throughput asks for. */
export const CREDIT = { small: 4_096, binary: 64 } as const;
const COUNT = { small: 400_000, binary: 8_192 } as const;
/**
 * How often the other processes are started anew. How fast a process handles large buffers depends, for all its life and by a factor of two, on how its
 * memory came to lie: of binaries one life of each contender says little.
 */
const LIVES = { small: 1, binary: 3 } as const;
/** What stage 2 promises, as parts of the bare socket's rate. */
const BOUND = { small: 0.3, binary: 0.7 } as const;

/** Client to server; settles with what the receiver counted. */
export async function push(client: Client<typeof Streams>, kind: ItemKind, count: number): Promise<void> {
  const [tx, items] = channel<unknown>({ credit: CREDIT[kind] });
  const taken = client.sink({ items });
  const item = ITEMS[kind];
  for (let sent = 0; sent < count; sent++) await tx.send(item);
  tx.close();
  const arrived = await taken;
  if (arrived !== count) throw new Error(`${count} items were sent and ${arrived} arrived`);
}

/** Server to client. */
async function pull(client: Client<typeof Streams>, kind: ItemKind, count: number): Promise<void> {
  const [items, rx] = channel<unknown>({ credit: CREDIT[kind] });
  const sent = client.source({ kind, count, items });
  let arrived = 0;
  for await (const _ of rx) arrived++;
  await sent;
  if (arrived !== count) throw new Error(`${count} items were sent and ${arrived} arrived`);
}

const DIRECTIONS = ['client → server', 'server → client'] as const;

export async function rates(kind: ItemKind, { rounds }: Settings): Promise<Report> {
  const lives: Result[][] = [];
  for (let life = 0; life < LIVES[kind]; life++) lives.push(await live(kind, rounds));
  return reportOf(kind, together(lives));
}

/** One life of the servers: every contender's rounds. */
async function live(kind: ItemKind, rounds: number): Promise<Result[]> {
  const count = COUNT[kind];
  const rawServer = await startServer(`raw-${kind}`);
  const server = await startServer('streams');
  const raw = await RawStream.connect(rawServer.port, kind);
  const session = await connect(tcp({ port: server.port }));
  const client = session.client(Streams);
  const uncopied = kind === 'binary' ? await uncopiedContender(count) : undefined;
  const contenders: Contender[] = DIRECTIONS.flatMap((direction) => {
    const isPush = direction === 'client → server';
    return [
      { name: 'raw socket + msgpackr', count, others: { server: rawServer }, work: () => (isPush ? raw.push(count) : raw.pull(count)) },
      ...(uncopied === undefined ? [] : [{ ...uncopied.contender, work: () => (isPush ? uncopied.raw.push(count) : uncopied.raw.pull(count)) }]),
      { name: 'statewire', count, others: { server }, work: () => (isPush ? push(client, kind, count) : pull(client, kind, count)) },
    ];
  });
  const results = await compare(contenders, rounds);
  raw.close();
  await session.close();
  await Promise.all([rawServer.stop(), server.stop(), uncopied?.stop()]);
  return results;
}

async function uncopiedContender(count: number) {
  const server = await startServer('raw-uncopied');
  const raw = await RawStream.connect(server.port, 'binary', 'uncopied');
  const stop = async (): Promise<void> => {
    raw.close();
    await server.stop();
  };
  return { raw, contender: { name: 'raw, uncopied', count, others: { server } }, stop };
}

function reportOf(kind: ItemKind, results: readonly Result[]): Report {
  const perDirection = results.length / DIRECTIONS.length;
  return {
    title: `${kind === 'small' ? 'small items' : '64 KiB binaries'}, one channel, credit ${CREDIT[kind]}, ${COUNT[kind]} a round`,
    rows: results.map((result, index) => {
      const raw = results[index - (index % perDirection)] ?? result;
      return rowOf(kind, result.cost, {
        direction: DIRECTIONS[Math.floor(index / perDirection)] ?? '',
        name: result.name,
        'of raw': round(
          ratio(result, raw, ({ perSecond }) => perSecond),
          2,
        ),
        'CPU of raw': round(ratio(result, raw, cpuTotal), 2),
      });
    }),
    bounds: DIRECTIONS.map((direction, at) => {
      const group = results.slice(perDirection * at, perDirection * (at + 1));
      const [theirs, ours] = [group[0], group.at(-1)] as [Result, Result];
      return atLeast(
        `${direction}, statewire / raw`,
        ratio(ours, theirs, ({ perSecond }) => perSecond),
        BOUND[kind],
      );
    }),
  };
}

function rowOf(kind: ItemKind, cost: Cost, labels: Row): Row {
  const rate: Row =
    kind === 'small'
      ? { 'items/s': round(cost.perSecond) }
      : { 'items/s': round(cost.perSecond), 'MB/s': round((cost.perSecond * BINARY_BYTES) / 1e6) };
  return { ...labels, ...rate, ...cpuColumns(cost) };
}
