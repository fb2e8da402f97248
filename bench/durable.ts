/**
 * What durability costs end to end: `persist` calls over TCP to a server with an LMDB store, one at a time against 64 in flight (group commit), and whether the
 * flushes of a persist load hold up volatile calls beside it. `--json` for programs. Exits non-zero outside the bounds.
 */
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
const VOLATILE_IN_FLIGHT = 16;

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

function p99(latencies: number[]): number {
  latencies.sort((one, other) => one - other);
  return latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN;
}

interface Figures {
  readonly oneAtATime: number;
  readonly grouped: number;
  readonly aloneMs: number;
  readonly besideMs: number;
  readonly besidePerSecond: number;
}

async function measure(persist: Call, volatile: Call): Promise<Figures> {
  const oneAtATime = await rate(persist, 1);
  const grouped = await rate(persist, IN_FLIGHT);
  const alone: number[] = [];
  await rate(volatile, VOLATILE_IN_FLIGHT, alone);
  const beside: number[] = [];
  const [, besidePerSecond] = await Promise.all([rate(volatile, VOLATILE_IN_FLIGHT, beside), rate(persist, IN_FLIGHT)]);
  return { oneAtATime, grouped, aloneMs: p99(alone), besideMs: p99(beside), besidePerSecond };
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
  { what: `volatile, ${VOLATILE_IN_FLIGHT} in flight, alone`, 'p99 ms': round(of(({ aloneMs }) => aloneMs), 2) },
  {
    what: `volatile, ${VOLATILE_IN_FLIGHT} in flight, beside ${IN_FLIGHT} persist ones`,
    'p99 ms': round(of(({ besideMs }) => besideMs), 2),
    'persist calls/s': round(of(({ besidePerSecond }) => besidePerSecond)),
  },
];
const bounds = [
  atLeast('persist: in flight / one at a time', of(({ grouped, oneAtATime }) => grouped / oneAtATime), LEAST_GAIN),
  atMost('volatile p99: beside persist / alone', of(({ besideMs, aloneMs }) => besideMs / aloneMs), MOST_P99),
];
if (wantsJson()) {
  console.log(JSON.stringify({ machine: machine(), rows, bounds }));
} else {
  console.log(`persist and volatile calls, two processes over TCP, LMDB store, median of ${ROUNDS} · ${machine()}`);
  console.table(rows);
  console.table(bounds);
}
if (bounds.some(({ holds }) => !holds)) process.exitCode = 1;
