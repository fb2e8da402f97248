/** What is past its time goes (op.expiry): the order of the sweep is an index, of which only what has expired is walked. */
import type { Database } from './database.ts';
import { EXPIRY, expiryKey, FENCE, readExpiryKey, readRecordKey, readSeriesKey, RECORD } from './keys.ts';
import { decodeFence, decodeRecord } from './records.ts';
import { silenceOf } from './series.ts';
import type { SeriesShelf } from './series.ts';
import type { Writes } from './writes.ts';

/** Entries taken from the index at a time: so few that their removal gets through where the disk is nearly full. */
const PORTION = 250;

export interface Sweep {
  readonly database: Database;
  readonly writes: Writes;
  readonly series: SeriesShelf;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly retentionMs: number;
}

/** Gives how many records went. */
export async function sweepExpired(sweep: Sweep): Promise<number> {
  const { database, writes, now, retentionMs } = sweep;
  const to = expiryKey(now - retentionMs + 1, '');
  let swept = 0;
  let from = EXPIRY;
  for (;;) {
    const portion = [...database.range({ from, to, limit: PORTION })];
    for (const { key } of portion) swept += sweepOne(sweep, key);
    await writes.idle();
    const last = portion.at(-1)?.key;
    if (last === undefined || portion.length < PORTION) return swept;
    from = `${last}\0`;
  }
}

function sweepOne(sweep: Sweep, entry: string): number {
  const { key } = readExpiryKey(entry);
  if (key.startsWith(RECORD)) return sweepRecord(sweep, entry, key);
  if (key.startsWith(FENCE)) sweepFence(sweep, entry, key);
  else sweepSeries(sweep, entry, key);
  return 0;
}

function sweepRecord({ writes, series }: Sweep, entry: string, key: string): number {
  const stored = writes.get(key);
  const record = stored === undefined ? undefined : decodeRecord(stored);
  writes.remove(entry);
  // Its entry may be of a state before, if it was taken over since.
  if (record === undefined || record.state === 'admitted' || entry !== expiryKey(record.since, key)) return 0;
  writes.remove(key);
  const { scope, caller, series: name, id } = readRecordKey(key);
  if (typeof id === 'number' && name !== undefined) series.evict({ scope, caller, series: name }, id);
  return 1;
}

/** Looked at since it was put into the order, or not empty: it comes up again. */
function sweepSeries({ series, writes, now, retentionMs }: Sweep, entry: string, key: string): void {
  const since = series.since(key);
  writes.remove(entry);
  if (since === undefined) return;
  if (since + silenceOf(retentionMs) > now) series.watch(key, since);
  else if (series.hasRecords(readSeriesKey(key))) series.watch(key, now);
  else series.drop(key);
}

function sweepFence({ series, writes, now, retentionMs }: Sweep, entry: string, key: string): void {
  const stored = writes.get(key);
  writes.remove(entry);
  if (stored === undefined) return;
  const { since } = decodeFence(stored);
  if (since + silenceOf(retentionMs) > now) series.watch(key, since);
  else writes.remove(key);
}
