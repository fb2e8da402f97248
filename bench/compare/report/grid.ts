/** A run as tables, whatever prints them: which figures stand in which column. */
import { figureOf, resultOf } from '../results.ts';
import type { Result, Run } from '../results.ts';

export interface Grid {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

interface Column {
  readonly label: string;
  readonly id: string;
  readonly show: (result: Result) => string;
}

const DASH = '–';

const whole = (value: number): string => (Number.isFinite(value) ? Math.round(value).toLocaleString('en') : DASH);

/** Three digits that count. */
function short(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return DASH;
  if (Math.abs(value) >= 100) return whole(value);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

const rate = (figure: string) => (result: Result) => {
  const value = whole(result.medians[figure] ?? Number.NaN);
  return result.ratioToRaw === undefined ? value : `${value} (${result.ratioToRaw.toFixed(2)})`;
};

/** Figures side by side: a client's and a server's, percentiles. */
const plain =
  (...figures: string[]) =>
  ({ medians }: Result) =>
    figures.map((figure) => short(medians[figure])).join(' / ');

const cpu = plain('clientCpuMicros', 'serverCpuMicros');
const percentiles = plain('p50Ms', 'p99Ms', 'p999Ms');
const kilobytes = plain('clientKilobytes', 'serverKilobytes');

const TABLES: readonly { readonly title: string; readonly columns: readonly Column[] }[] = [
  {
    title: 'Calls a second (of raw), by calls in flight',
    columns: [1, 64, 1_000, 10_000].map((inFlight) => ({ label: inFlight.toLocaleString('en'), id: `unary-${inFlight}`, show: rate('perSecond') })),
  },
  {
    title: 'CPU µs per call, client / server, by calls in flight',
    columns: [1, 64, 1_000, 10_000].map((inFlight) => ({ label: inFlight.toLocaleString('en'), id: `unary-${inFlight}`, show: cpu })),
  },
  {
    title: 'Latency: one call at a time on one CPU, p50 / p99 µs; calls at a fixed rate from when they were due, p50 / p99 / p99.9 ms',
    columns: [
      { label: '1 in flight', id: 'latency', show: plain('p50Micros', 'p99Micros') },
      { label: '5,000/s', id: 'open-5000', show: percentiles },
      { label: '20,000/s', id: 'open-20000', show: percentiles },
    ],
  },
  {
    title: 'Streams: items a second (of raw), CPU µs per item of both processes; 64 KiB blobs: MB/s (of raw), CPU µs per blob, client / server',
    columns: [
      { label: 'download', id: 'stream-download', show: rate('perSecond') },
      { label: 'CPU', id: 'stream-download', show: plain('cpuMicros') },
      { label: 'upload', id: 'stream-upload', show: rate('perSecond') },
      { label: 'CPU', id: 'stream-upload', show: plain('cpuMicros') },
      { label: 'blobs', id: 'blobs', show: rate('megabytesPerSecond') },
      { label: 'CPU', id: 'blobs', show: cpu },
    ],
  },
  {
    title: 'Memory: kB of heap, client / server. Start: ms. Size: kB, minified and gzipped',
    columns: [
      { label: 'a waiting call', id: 'held-call', show: kilobytes },
      { label: 'an idle session', id: 'idle-session', show: kilobytes },
      { label: 'import', id: 'import', show: plain('ms') },
      { label: 'start to answer', id: 'cold-start', show: plain('ms') },
      { label: 'client', id: 'bundle', show: plain('kilobytes') },
    ],
  },
];

function cell(run: Run, { id, show }: Column, peer: string): string {
  const result = resultOf(run, id, peer);
  if (result === undefined) return '';
  return result.rounds.length === 0 ? DASH : show(result);
}

/** Nothing that was not measured: no columns of other workloads, no rows of peers that took no part. */
export function gridsOf(run: Run): Grid[] {
  return TABLES.flatMap(({ title, columns }) => {
    const measured = columns.filter(({ id }) => run.cases[id] !== undefined);
    if (measured.length === 0) return [];
    const rows = Object.entries(run.peers)
      .map(([name, { title: peer }]) => [peer, ...measured.map((column) => cell(run, column, name))])
      .filter(([, ...cells]) => cells.some((each) => each !== ''));
    return [{ title, header: ['', ...measured.map(({ label }) => label)], rows }];
  });
}

/** Why there are dashes, and what was measured otherwise than of others. */
export function notesOf(run: Run): string[] {
  const reasons = new Map<string, string[]>();
  for (const [id, { peers }] of Object.entries(run.cases)) {
    for (const [peer, { missing, failed }] of Object.entries(peers)) {
      if (missing === undefined) continue;
      const reason = `${run.peers[peer]?.title ?? peer}: ${failed === true ? 'failed: ' : ''}${missing}`;
      reasons.set(reason, [...(reasons.get(reason) ?? []), id]);
    }
  }
  const dashes = [...reasons].map(([reason, ids]) => `${reason} (${ids.join(', ')})`);
  const counts = new Map<number, string[]>();
  for (const peer of Object.keys(run.peers)) {
    const count = figureOf(run, 'idle-session', peer, 'sessions');
    if (count !== undefined) counts.set(count, [...(counts.get(count) ?? []), run.peers[peer]?.title ?? peer]);
  }
  const sessions = [...counts].map(([count, peers]) => `${count.toLocaleString('en')} idle sessions: ${peers.join(', ')}`);
  return [...dashes, ...sessions];
}

/** Which versions, and how each was set up. */
export function remarksOf(run: Run): string[] {
  return Object.values(run.peers).map(({ title, remark, versions }) => {
    const made = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
    return `${title} (${made.join(', ')}): ${remark}`;
  });
}

export function headOf({ machine, plan, seconds, date }: Run): string {
  const rounds = `${plan.quick ? 'quick, ' : ''}median of ${plan.rounds} round${plan.rounds === 1 ? '' : 's'} of ${plan.roundMs} ms, in ${seconds} s`;
  return `two processes on loopback · ${rounds} · ${machine.cpu} (${machine.cores} cores), Node ${machine.node} --initial-heap-size=256 · ${date.slice(0, 10)}`;
}
