/**
 * What the LMDB store costs by itself: durable operations (admit, then seal, each on disk before the next step) one at a time against 64 in flight, which share
 * commits; and admit, seal and forget of volatile ones, which nobody waits for. Both in the same process as the store, in turn.
 *
 *   npm run bench:store -- [--rounds 5] [--folder DIR] [--json]
 *
 * `--folder`: where its temporary folder is made, since disks differ. Exits non-zero outside the bound.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { lmdbStore } from 'statewire/lmdb';
import { machine, median, round } from './lib/figures.ts';
import { atLeast } from './lib/report.ts';

const IN_FLIGHT = 64;
const ROUND_MS = 2_000;
/** Volatile operations between two turns of the event loop, and in a round. */
const RUN = 64;
const VOLATILE = 64_000;
/** Group commit, as a multiple of operations one at a time. */
const LEAST_GAIN = 20;

const SCOPE = '5c'.repeat(32);
const ARGS = new Uint8Array(64).fill(1);
const OUTCOME = new Uint8Array(64).fill(2);
const signature = { methodId: 1, args: ARGS };

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, folder: { type: 'string', default: tmpdir() }, json: { type: 'boolean', default: false } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds must be a whole number above 0, not ${values.rounds}`);

const path = mkdtempSync(join(values.folder, 'statewire-bench-'));
const store = lmdbStore({ path });
let seriesMade = 0;

function newSeries() {
  const series = `bench-${++seriesMade}`;
  return {
    keyOf: (id: number) => ({ scope: SCOPE, caller: 'initiator' as const, series, id }),
    forget: (upTo: number) => store.forget(SCOPE, 'initiator', series, upTo),
  };
}

/** Operations a second, with so many in flight. */
async function durableRate(inFlight: number): Promise<number> {
  const { keyOf, forget } = newSeries();
  const began = performance.now();
  let started = 0;
  const loop = async (): Promise<void> => {
    while (performance.now() - began < ROUND_MS) {
      const key = keyOf(++started);
      await store.admit(key, signature, { takeOver: false });
      await store.seal(key, signature, OUTCOME);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const rate = (started * 1_000) / (performance.now() - began);
  // So that all rounds meet a store of one size.
  await forget(started);
  await store.sweep(0);
  return rate;
}

/** Microseconds an operation; `wall` is all of it, with the turns in which the store may commit. */
interface VolatileMicros {
  readonly admit: number;
  readonly seal: number;
  readonly forget: number;
  readonly wall: number;
}

async function volatileMicros(): Promise<VolatileMicros> {
  const { keyOf, forget } = newSeries();
  const ms = { admit: 0, seal: 0, forget: 0 };
  const began = performance.now();
  for (let first = 1; first <= VOLATILE; first += RUN) {
    const keys = Array.from({ length: RUN }, (_, at) => keyOf(first + at));
    const start = performance.now();
    for (const key of keys) void store.admit(key, signature, { takeOver: false, durable: false });
    const admitted = performance.now();
    for (const key of keys) void store.seal(key, signature, OUTCOME, { durable: false });
    const sealed = performance.now();
    for (const { id } of keys) void forget(id);
    ms.admit += admitted - start;
    ms.seal += sealed - admitted;
    ms.forget += performance.now() - sealed;
    await turn();
  }
  const micros = (spentMs: number): number => (spentMs * 1_000) / VOLATILE;
  return { admit: micros(ms.admit), seal: micros(ms.seal), forget: micros(ms.forget), wall: micros(performance.now() - began) };
}

interface Figures {
  readonly oneAtATime: number;
  readonly grouped: number;
  readonly volatile: VolatileMicros;
}

const measure = async (): Promise<Figures> => ({
  oneAtATime: await durableRate(1),
  grouped: await durableRate(IN_FLIGHT),
  volatile: await volatileMicros(),
});

const figures: Figures[] = [];
try {
  await store.open();
  await measure();
  for (let at = 0; at < rounds; at++) figures.push(await measure());
} finally {
  await store.close();
  rmSync(path, { recursive: true, force: true });
}

const of = (pick: (figure: Figures) => number): number => median(figures.map(pick));
const rows = [
  { what: 'durable admit and seal, one at a time', 'operations/s': round(of(({ oneAtATime }) => oneAtATime)) },
  { what: `durable admit and seal, ${IN_FLIGHT} in flight`, 'operations/s': round(of(({ grouped }) => grouped)) },
  ...(['admit', 'seal', 'forget', 'wall'] as const).map((step) => ({
    what: step === 'wall' ? 'volatile, all three and the turns between' : `volatile ${step}`,
    'µs each': round(
      of(({ volatile }) => volatile[step]),
      2,
    ),
  })),
];
const ratios = figures.map(({ grouped, oneAtATime }) => round(grouped / oneAtATime, 1));
const bounds = [
  atLeast(
    `durable: ${IN_FLIGHT} in flight / one at a time`,
    of(({ grouped, oneAtATime }) => grouped / oneAtATime),
    LEAST_GAIN,
  ),
];
if (values.json) {
  console.log(JSON.stringify({ machine: machine(), rounds, rows, ratios, bounds }));
} else {
  console.log(`the LMDB store by itself, ${ARGS.length} bytes of arguments and of outcome, median of ${rounds} · ${machine()}`);
  console.table(rows);
  console.table(bounds);
  console.log(`round by round: ${ratios.join(', ')}`);
}
if (bounds.some(({ holds }) => !holds)) process.exitCode = 1;
