/** What we promise of ourselves, each judged against others of the same run. */
import { isOurs, OURS, YARDSTICK } from './peers/index.ts';
import { faultsOf, figureOf, ratioOf, resultOf } from './results.ts';
import type { Run } from './results.ts';

export interface Verdict {
  readonly says: string;
  readonly bound: string;
  /** Undefined: not judged, for `because`. */
  readonly value: number | undefined;
  readonly holds: boolean | undefined;
  readonly because?: string;
}

interface Bound {
  readonly says: string;
  readonly least?: number;
  readonly most?: number;
  readonly value: (run: Run) => number | undefined;
}

const STREAMS = ['stream-download', 'stream-upload'] as const;

const ofRaw = (run: Run, id: string): number | undefined => resultOf(run, id, OURS)?.ratioToRaw;

const competitors = (run: Run): string[] => Object.keys(run.peers).filter((peer) => peer !== YARDSTICK && !isOurs(peer));

/** Round by round against every other, of which the fastest counts. */
function ofFastest(run: Run, id: string): number | undefined {
  const results = run.cases[id];
  const own = resultOf(run, id, OURS);
  if (results === undefined || own === undefined) return undefined;
  const ratios = competitors(run).map((peer) => ratioOf(own.rounds, resultOf(run, id, peer)?.rounds ?? [], results.compared));
  const known = ratios.filter((each) => each !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** The lower of several; undefined unless all are known. */
function lowest(values: readonly (number | undefined)[]): number | undefined {
  return values.every((value) => value !== undefined) ? Math.min(...values) : undefined;
}

function cpuOfRaw(run: Run, figure: string): number | undefined {
  const own = resultOf(run, 'unary-64', OURS)?.rounds ?? [];
  return ratioOf(own, resultOf(run, 'unary-64', YARDSTICK)?.rounds ?? [], figure);
}

const own =
  (id: string, figure: string, peer = OURS) =>
  (run: Run) =>
    figureOf(run, id, peer, figure);

/** Cases that ask nothing of a server. */
const WITHOUT_CALLS: ReadonlySet<string> = new Set(['bundle', 'import']);

/** Nothing lost where something was asked. */
function faults(run: Run): number | undefined {
  const measured = Object.entries(run.cases).some(
    ([id, { peers }]) => !WITHOUT_CALLS.has(id) && Object.entries(peers).some(([peer, { rounds }]) => isOurs(peer) && rounds.length > 0),
  );
  if (!measured) return undefined;
  return faultsOf(run).reduce((sum, { peer, wrong, lost }) => (isOurs(peer) ? sum + wrong + lost : sum), 0);
}

const BOUNDS: readonly Bound[] = [
  { says: '64 in flight, of raw', least: 0.65, value: (run) => ofRaw(run, 'unary-64') },
  { says: '64 in flight, of the fastest peer', least: 1.3, value: (run) => ofFastest(run, 'unary-64') },
  { says: '1,000 in flight, of raw', least: 0.65, value: (run) => ofRaw(run, 'unary-1000') },
  { says: '1,000 in flight, of the fastest peer', least: 1.3, value: (run) => ofFastest(run, 'unary-1000') },
  { says: '1 in flight on one CPU, p50, of raw', most: 1.25, value: (run) => ofRaw(run, 'latency') },
  { says: 'stream items, the lower direction, of raw', least: 0.5, value: (run) => lowest(STREAMS.map((id) => ofRaw(run, id))) },
  { says: 'stream items, the lower direction, of the fastest peer', least: 1, value: (run) => lowest(STREAMS.map((id) => ofFastest(run, id))) },
  { says: 'blobs, of raw', least: 0.85, value: (run) => ofRaw(run, 'blobs') },
  { says: 'client CPU per call at 64 in flight, of raw', most: 2, value: (run) => cpuOfRaw(run, 'clientCpuMicros') },
  { says: 'server CPU per call at 64 in flight, of raw', most: 2, value: (run) => cpuOfRaw(run, 'serverCpuMicros') },
  { says: 'client heap per waiting call, kB', most: 2.5, value: own('held-call', 'clientKilobytes') },
  { says: 'server heap per waiting call, kB', most: 2.5, value: own('held-call', 'serverKilobytes') },
  { says: 'client heap per idle session, kB', most: 20, value: own('idle-session', 'clientKilobytes') },
  { says: 'server heap per idle session, kB', most: 20, value: own('idle-session', 'serverKilobytes') },
  { says: 'calls/s with an inspector attached', least: 5_000, value: own('unary-64', 'perSecond', `${OURS}-inspected`) },
  { says: 'answers wrong or lost, ours', most: 0, value: faults },
];

const holds = ({ least = -Infinity, most = Infinity }: Bound, value: number): boolean => value >= least && value <= most;

const text = ({ least, most }: Bound): string => (least === undefined ? `at most ${most ?? ''}` : `at least ${least.toLocaleString('en')}`);

/** In a quick run nothing but the answers is judged: its rounds are too short to say anything else. */
export function judge(run: Run): Verdict[] {
  return BOUNDS.map((bound) => {
    const { says } = bound;
    const value = bound.value(run);
    if (value === undefined) return { says, bound: text(bound), value, holds: undefined, because: 'not measured' };
    if (run.plan.quick && bound.value !== faults) return { says, bound: text(bound), value, holds: undefined, because: 'quick' };
    return { says, bound: text(bound), value, holds: holds(bound, value) };
  });
}

function verdictText({ says, bound, value, holds: held }: Verdict): string {
  const figure = value === undefined ? '' : `: ${value >= 100 ? Math.round(value).toLocaleString('en') : Number(value.toFixed(2))}`;
  return `${held === true ? 'holds' : 'fails'}: ${says}${figure} (${bound})`;
}

/** One line each for what was judged, and one for every reason why others were not. */
export function verdictsText(verdicts: readonly Verdict[]): string[] {
  const judged = verdicts.filter(({ holds: held }) => held !== undefined).map(verdictText);
  const unjudged = new Map<string, string[]>();
  for (const { says, because } of verdicts) if (because !== undefined) unjudged.set(because, [...(unjudged.get(because) ?? []), says]);
  return [...judged, ...[...unjudged].map(([because, those]) => `not judged, ${because}: ${those.join('; ')}`)];
}
