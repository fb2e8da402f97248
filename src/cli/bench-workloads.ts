/** What `statewire bench` measures: each a step that is repeated by so many at a time, and that looks at what it got. How it is timed is bench-measure.ts's. */
import { channel } from '../index.ts';
import type { Client, Rx, Tx } from '../index.ts';
import { Bench, isSmall, receiptOf, small } from './bench-contract.ts';
import type { Small } from './bench-contract.ts';
import { count } from './table.ts';

export interface Workload {
  readonly id: string;
  /** As the table says it. */
  readonly title: string;
  /** Steps at a time. */
  readonly inFlight: number;
  /** The same while it warms up: of one at a time too few come together for the code to be compiled. */
  readonly warmUpInFlight: number;
  /** What one step does, in `unit`. */
  readonly amount: number;
  readonly unit: 'calls' | 'items' | 'MB';
  /** What CPU time is told for, and how many of it are in a step. */
  readonly cpuPer: { readonly name: 'call' | 'item' | 'blob'; readonly inStep: number };
  /** Whether the time of each step is told too. */
  readonly isLatency: boolean;
  /** Does it once; true: all that came was right. `turn` is another one each time. */
  readonly step: (turn: number) => Promise<boolean>;
}

/** Items that may be sent and not consumed. */
const CREDIT = 1_024;
/** Of one stream: enough that its beginning and end do not count. */
const STREAM_ITEMS = 10_000;
const BLOB_BYTES = 64 * 1_024;
const BLOBS_IN_FLIGHT = 8;
const PERSISTS_IN_FLIGHT = 64;
const CALLS_IN_FLIGHT = [1, 64, 1_000];
const WARM_UP_IN_FLIGHT = 64;

export interface BenchClients {
  /** Of the server with a store in memory. */
  readonly memory: Client<typeof Bench>;
  /** Of the one with a store on disk. */
  readonly disk: Client<typeof Bench>;
}

export function workloadsOf({ memory, disk }: BenchClients): readonly Workload[] {
  return [
    ...CALLS_IN_FLIGHT.map((inFlight) => callsOf(memory, inFlight)),
    streamOf('items-to-client', 'channel items, to the client', () => download(memory)),
    streamOf('items-to-server', 'channel items, to the server', () => upload(memory)),
    blobsOf(memory),
    {
      ...callsOf(disk, PERSISTS_IN_FLIGHT),
      id: 'persist',
      title: `persist calls on LMDB, ${PERSISTS_IN_FLIGHT} in flight`,
      step: async (turn) => isSmall(await disk.keep(small(turn)), turn),
    },
  ];
}

const callsOf = (client: Client<typeof Bench>, inFlight: number): Workload => ({
  id: `calls-${inFlight}`,
  title: `calls, ${count(inFlight)} in flight`,
  inFlight,
  warmUpInFlight: Math.max(inFlight, WARM_UP_IN_FLIGHT),
  amount: 1,
  unit: 'calls',
  cpuPer: { name: 'call', inStep: 1 },
  isLatency: inFlight === 1,
  step: async (turn) => isSmall(await client.echo(small(turn)), turn),
});

const streamOf = (id: string, title: string, stream: () => Promise<boolean>): Workload => ({
  id,
  title,
  inFlight: 1,
  warmUpInFlight: 1,
  amount: STREAM_ITEMS,
  unit: 'items',
  cpuPer: { name: 'item', inStep: STREAM_ITEMS },
  isLatency: false,
  step: stream,
});

async function download(client: Client<typeof Bench>): Promise<boolean> {
  const [there, items] = channel<Small>({ credit: CREDIT });
  const [areRight] = await Promise.all([readAll(items), client.download({ count: STREAM_ITEMS, items: there })]);
  return areRight;
}

async function readAll(items: Rx<Small>): Promise<boolean> {
  let taken = 0;
  let misplaced = 0;
  for await (const item of items) if (!isSmall(item, taken++)) misplaced++;
  return taken === STREAM_ITEMS && misplaced === 0;
}

async function upload(client: Client<typeof Bench>): Promise<boolean> {
  const [out, items] = channel<Small>({ credit: CREDIT });
  const [receipt] = await Promise.all([client.upload({ items }), sendAll(out)]);
  return receipt.items === STREAM_ITEMS && receipt.misplaced === 0;
}

async function sendAll(out: Tx<Small>): Promise<void> {
  for (let id = 0; id < STREAM_ITEMS; id++) await out.send(small(id));
  out.close();
}

function blobsOf(client: Client<typeof Bench>): Workload {
  // Twice as many as are in flight, of which no two are the same: an answer to another one would be noticed.
  const blobs = Array.from({ length: 2 * BLOBS_IN_FLIGHT }, (_, index) => {
    const blob = new Uint8Array(BLOB_BYTES).map((__, at) => (at * 31) & 0xff);
    blob[0] = index;
    return { blob, expected: receiptOf(blob) };
  });
  return {
    id: 'blobs',
    title: `64 KiB blobs, ${BLOBS_IN_FLIGHT} in flight`,
    inFlight: BLOBS_IN_FLIGHT,
    warmUpInFlight: BLOBS_IN_FLIGHT,
    amount: BLOB_BYTES / 1e6,
    unit: 'MB',
    cpuPer: { name: 'blob', inStep: 1 },
    isLatency: false,
    async step(turn) {
      const { blob, expected } = blobs[turn % blobs.length] as (typeof blobs)[number];
      const receipt = await client.blob(blob);
      return receipt.bytes === expected.bytes && receipt.probe === expected.probe;
    },
  };
}
