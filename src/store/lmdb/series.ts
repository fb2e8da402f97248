/**
 * The series of an LMDB store: which of their numbers are forgotten, and the order in which records, series and fences come up for the sweep. The series in use
 * are kept decoded.
 */
import type { OperationKey } from '../store.ts';
import type { Database } from './database.ts';
import { after, expiryKey, numberedKey, readRecordKey, seriesKey, seriesPrefix } from './keys.ts';
import type { SeriesName } from './keys.ts';
import { decodeRecord, decodeSeries, encodeSeries } from './records.ts';
import type { StoredRecord, StoredSeries } from './records.ts';
import { ForgottenNumbers } from '../forgotten-numbers.ts';
import type { Writes } from './writes.ts';

/** Series kept decoded: more are read anew. */
const MOST_DECODED = 4_096;
/** A peer may forget any number of numbers it never had: then it is looked for what there is. */
const MOST_TRIED = 64;
const NOTHING = new Uint8Array(0);

/**
 * A series without records is dropped after it was silent for this long: 8 retentions, at least 2 hours. Its numbers are then unknown instead of expired, so no call
 * may be pending that long; the default recovery deadline is 2 minutes. Fences are kept as long.
 */
export const silenceOf = (retentionMs: number): number => Math.max(8 * retentionMs, 2 * 60 * 60_000);

export interface SeriesShelfOptions {
  readonly database: Database;
  readonly writes: Writes;
  readonly now: () => number;
  readonly retentionMs: number;
}

export class SeriesShelf {
  readonly #database: Database;
  readonly #writes: Writes;
  readonly #now: () => number;
  readonly #sweptAfterMs: number;
  readonly #decoded = new Map<string, StoredSeries>();

  constructor({ database, writes, now, retentionMs }: SeriesShelfOptions) {
    this.#database = database;
    this.#writes = writes;
    this.#now = now;
    this.#sweptAfterMs = silenceOf(retentionMs) - retentionMs;
  }

  isForgotten(name: SeriesName, id: number): boolean {
    return this.#find(keyOf(name))?.forgotten.has(id) === true;
  }

  /** A record of this key is about to be: its series is known from now on. */
  note({ scope, caller, series }: OperationKey): void {
    if (series !== undefined) this.#make(keyOf({ scope, caller, series }));
  }

  /** Every number up to there is acknowledged (op.ack): what there is goes, also what is live. */
  forget(name: SeriesName, upTo: number): void {
    // Above the safe integers counting stands still.
    const mark = Math.min(upTo, Number.MAX_SAFE_INTEGER);
    if (!(mark > 0)) return;
    const key = keyOf(name);
    const series = this.#make(key);
    if (mark <= series.forgotten.mark) return;
    this.#dropUpTo(name, series.forgotten.mark + 1, mark);
    series.forgotten.raise(mark);
    this.#save(key, series);
  }

  /** A settled record was kept long enough: its number is not forgotten with it (op.expiry). */
  evict(name: SeriesName, id: number): void {
    const key = keyOf(name);
    const series = this.#make(key);
    series.forgotten.add(id);
    const { excess } = series.forgotten;
    if (excess !== undefined) {
      this.#dropUpTo(name, series.forgotten.mark + 1, excess);
      series.forgotten.raise(excess);
    }
    this.#save(key, series);
  }

  /** When it was last looked at; undefined: there is none. */
  since(key: string): number | undefined {
    const decoded = this.#decoded.get(key);
    if (decoded !== undefined) return decoded.since;
    const stored = this.#writes.get(key);
    return stored === undefined ? undefined : decodeSeries(stored).since;
  }

  hasRecords({ scope, caller, series }: SeriesName): boolean {
    const prefix = seriesPrefix(scope, caller, series);
    for (const recent of this.#writes.recent(prefix)) if (this.#writes.get(recent) !== undefined) return true;
    for (const _record of this.#database.range({ from: prefix, to: after(prefix), limit: 1 })) return true;
    return false;
  }

  drop(key: string): void {
    this.#decoded.delete(key);
    this.#writes.remove(key);
  }

  // ---- the order of the sweep

  /** A record came into another state: settled ones are swept when they have been kept long enough. */
  moved(key: string, before: StoredRecord | undefined, record: StoredRecord | undefined): void {
    if (before !== undefined && before.state !== 'admitted') this.#writes.remove(expiryKey(before.since, key));
    if (record !== undefined && record.state !== 'admitted') this.#writes.set(expiryKey(record.since, key), NOTHING);
  }

  /** The sweep comes by a series or a fence when it may have been silent for long enough. */
  watch(key: string, since: number): void {
    this.#writes.set(expiryKey(since + this.#sweptAfterMs, key), NOTHING);
  }

  #find(key: string): StoredSeries | undefined {
    const decoded = this.#decoded.get(key);
    if (decoded !== undefined) {
      decoded.since = this.#now();
      return decoded;
    }
    const stored = this.#writes.get(key);
    return stored === undefined ? undefined : this.#keep(key, decodeSeries(stored));
  }

  #make(key: string): StoredSeries {
    const found = this.#find(key);
    if (found !== undefined) return found;
    const series = this.#keep(key, { forgotten: new ForgottenNumbers(), since: this.#now() });
    this.#save(key, series);
    this.watch(key, series.since);
    return series;
  }

  #keep(key: string, series: StoredSeries): StoredSeries {
    if (this.#decoded.size >= MOST_DECODED) this.#letGoOfOldest();
    this.#decoded.set(key, series);
    return series;
  }

  /** When it was last looked at is known here alone. */
  #letGoOfOldest(): void {
    for (const [key, series] of this.#decoded) {
      this.#decoded.delete(key);
      this.#save(key, series);
      return;
    }
  }

  #save(key: string, series: StoredSeries): void {
    this.#writes.set(key, encodeSeries(series));
  }

  #dropUpTo({ scope, caller, series }: SeriesName, first: number, last: number): void {
    const prefix = seriesPrefix(scope, caller, series);
    if (last - first < MOST_TRIED) {
      for (let id = first; id <= last; id++) this.#dropRecord(numberedKey(prefix, id));
      return;
    }
    const recent = [...this.#writes.recent(prefix)].filter((key) => Number(readRecordKey(key).id) <= last);
    for (const key of recent) this.#dropRecord(key);
    const stored = [...this.#database.range({ from: numberedKey(prefix, first), to: numberedKey(prefix, last + 1) })];
    for (const { key } of stored) this.#dropRecord(key);
  }

  #dropRecord(key: string): void {
    const stored = this.#writes.get(key);
    if (stored === undefined) return;
    this.#writes.remove(key);
    this.moved(key, decodeRecord(stored), undefined);
  }
}

const keyOf = ({ scope, caller, series }: SeriesName): string => seriesKey(scope, caller, series);
