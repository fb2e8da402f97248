/**
 * What durability costs end to end: `persist` calls over TCP to a server with an LMDB store, one at a time against 64 in flight (group commit), and whether the
 * flushes of a persist load hold up volatile calls beside it: at a load that leaves both processes time, and at one that leaves none, where calls that flush
 * nothing hold each other up as well. `--json` for programs. Exits non-zero outside the bounds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'statewire';
import type { Session } from 'statewire';
import { tcp } from 'statewire/tcp';
import { SMALL, Durable } from './lib/contract.ts';
import { startServer } from './lib/child.ts';
import { machine, median, round, wantsJson } from './lib/figures.ts';
import { atLeast, atMost } from './lib/report.ts';

const IN_FLIGHT = 64;
const ROUNDS = 5;
const ROUND_MS = 2_000;
/** Group commit end to end, as a multiple of calls one at a time; and the p99 of volatile calls beside persist ones, as a multiple of theirs alone. */
const LEAST_GAIN = 10;
const MOST_P99 = 2;
/** The same where there is no time left, as a multiple of the p99 beside as many volatile calls. */
const MOST_P99_OF_VOLATILE = 1;
const VOLATILE_IN_FLIGHT = 16;
/** A load that leaves time: so many persist calls a second, in groups of as many as are in flight at most. */
const PACED_PER_SECOND = 2_000;

type Call = () => Promise<unknown>;

/** Calls a second, with so many in flight; `latencies` gets how long each took, in milliseconds. */
async function rate(call: Call, inFlight: number, latencies: number[] = []): Promise<number> {
  const began = performance.now();
  const endMs = began + ROUND_MS;
  let calls = 0;
  const loop = async (): Promise<void> => {
    for (let started = performance.now(); started < endMs; started = performance.now()) {
      await call();
      latencies.push(performance.now() - started);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return (calls * 1_000) / (performance.now() - began);
}

/** Groups of calls at a steady pace; none is left out, however late it gets. */
async function paced(call: Call): Promise<void> {
  const began = performance.now();
  const everyMs = (IN_FLIGHT * 1_000) / PACED_PER_SECOND;
  const calls: Promise<unknown>[] = [];
  for (let group = 0; group * everyMs < ROUND_MS; group++) {
    await delay(Math.max(0, began + group * everyMs - performance.now()));
    for (let one = 0; one < IN_FLIGHT; one++) calls.push(call());
  }
  await Promise.all(calls);
}

function p99(latencies: number[]): number {
  latencies.sort((one, other) => one - other);
  return latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN;
}

interface Figures {
  readonly oneAtATime: number;
  readonly grouped: number;
  /** p99 of volatile calls. */
  readonly aloneMs: number;
  readonly besidePacedMs: number;
  readonly besidePersistMs: number;
  readonly besideVolatileMs: number;
}

async function measure(persist: Call, volatile: Call): Promise<Figures> {
  const oneAtATime = await rate(persist, 1);
  const grouped = await rate(persist, IN_FLIGHT);
  const beside = async (load: () => Promise<unknown>): Promise<number> => {
    const latencies: number[] = [];
    await Promise.all([rate(volatile, VOLATILE_IN_FLIGHT, latencies), load()]);
    return p99(latencies);
  };
  return {
    oneAtATime,
    grouped,
    aloneMs: await beside(async () => {}),
    besidePacedMs: await beside(() => paced(persist)),
    besidePersistMs: await beside(() => rate(persist, IN_FLIGHT)),
    besideVolatileMs: await beside(() => rate(volatile, IN_FLIGHT)),
  };
}

const server = await startServer('durable');
const sessions: Session[] = await Promise.all([0, 1].map(() => connect(tcp({ port: server.port }))));
const [persist, volatile] = sessions.map((session) => session.client(Durable));
if (persist === undefined || volatile === undefined) throw new Error('no session');
const calls = [() => persist.keep(SMALL), () => volatile.echo(SMALL)] as const;
await measure(...calls);
const figures: Figures[] = [];
for (let at = 0; at < ROUNDS; at++) figures.push(await measure(...calls));
await Promise.all(sessions.map((session) => session.close()));
await server.stop();

const of = (pick: (figure: Figures) => number): number => median(figures.map(pick));
const rows = [
  { what: 'persist, one at a time', 'calls/s': round(of(({ oneAtATime }) => oneAtATime)) },
  { what: `persist, ${IN_FLIGHT} in flight`, 'calls/s': round(of(({ grouped }) => grouped)) },
  {
    what: `volatile, ${VOLATILE_IN_FLIGHT} in flight, alone`,
    'p99 ms': round(
      of(({ aloneMs }) => aloneMs),
      2,
    ),
  },
  {
    what: `… beside ${PACED_PER_SECOND} persist calls a second`,
    'p99 ms': round(
      of(({ besidePacedMs }) => besidePacedMs),
      2,
    ),
  },
  {
    what: `… beside ${IN_FLIGHT} persist calls in flight`,
    'p99 ms': round(
      of(({ besidePersistMs }) => besidePersistMs),
      2,
    ),
  },
  {
    what: `… beside ${IN_FLIGHT} more volatile ones`,
    'p99 ms': round(
      of(({ besideVolatileMs }) => besideVolatileMs),
      2,
    ),
  },
];
const bounds = [
  atLeast(
    'persist: in flight / one at a time',
    of(({ grouped, oneAtATime }) => grouped / oneAtATime),
    LEAST_GAIN,
  ),
  atMost(
    `volatile p99: beside ${PACED_PER_SECOND}/s persist / alone`,
    of(({ besidePacedMs, aloneMs }) => besidePacedMs / aloneMs),
    MOST_P99,
  ),
  atMost(
    `volatile p99: beside ${IN_FLIGHT} persist / beside ${IN_FLIGHT} volatile`,
    of(({ besidePersistMs, besideVolatileMs }) => besidePersistMs / besideVolatileMs),
    MOST_P99_OF_VOLATILE,
  ),
];
if (wantsJson()) {
  console.log(JSON.stringify({ machine: machine(), rows, bounds }));
} else {
  console.log(`persist and volatile calls, two processes over TCP, LMDB store, median of ${ROUNDS} · ${machine()}`);
  console.table(rows);
  console.table(bounds);
}
if (bounds.some(({ holds }) => !holds)) process.exitCode = 1;
