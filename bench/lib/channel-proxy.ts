/** What a middle process adds that joins connections (conn.proxy): calls and items through it, against straight to the server. */
import { connect } from 'statewire';
import type { Connection } from 'statewire';
import { tcp } from 'statewire/tcp';
import { push } from './channel-rates.ts';
import { startServer } from './child.ts';
import type { Child } from './child.ts';
import { Echo, SMALL, Streams } from './contract.ts';
import { round } from './figures.ts';
import type { Report, Settings } from './report.ts';
import { compare, cpuColumns, cpuTotal, ratio } from './rounds.ts';
import type { Contender } from './rounds.ts';

const IN_FLIGHT = 64;
const CALLS = 40_000;
const ITEMS_EACH = 300_000;

async function call(connection: Connection): Promise<void> {
  const client = connection.client(Echo);
  let started = 0;
  const loop = async () => {
    while (started < CALLS) {
      started++;
      await client.echo(SMALL);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
}

function contendersOf(name: string, connection: Connection, others: Readonly<Record<string, Child>>): [Contender, Contender] {
  const client = connection.client(Streams);
  return [
    { name: `calls, ${name}`, count: CALLS, others, work: () => call(connection) },
    { name: `items, ${name}`, count: ITEMS_EACH, others, work: () => push(client, 'small', ITEMS_EACH) },
  ];
}

export async function proxy({ rounds }: Settings): Promise<Report> {
  const server = await startServer('streams');
  const middle = await startServer('proxy', String(server.port));
  const straight = await connect(tcp({ port: server.port }));
  const around = await connect(tcp({ port: middle.port }));
  const [directCalls, directItems] = contendersOf('direct', await straight.open(), { server });
  const [proxiedCalls, proxiedItems] = contendersOf('through the proxy', await around.open(), { server, proxy: middle });
  const contenders = [directCalls, proxiedCalls, directItems, proxiedItems];
  const results = await compare(contenders, rounds);
  await Promise.all([straight.close(), around.close()]);
  await middle.stop();
  await server.stop();
  return {
    title: `through a proxy, ${IN_FLIGHT} calls in flight or one channel of small items`,
    rows: results.map((result, index) => {
      const direct = results[index - (index % 2)] ?? result;
      return {
        what: result.name,
        'per second': round(result.cost.perSecond),
        'of direct': round(
          ratio(result, direct, ({ perSecond }) => perSecond),
          2,
        ),
        'CPU of direct': round(ratio(result, direct, cpuTotal), 2),
        ...cpuColumns(result.cost),
      };
    }),
    bounds: [],
  };
}
