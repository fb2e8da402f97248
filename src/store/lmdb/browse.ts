/**
 * Reads an LMDB store for those who look into it, beside whoever has it in use: no lock is taken and nothing is written but LMDB's own table of readers. What
 * is seen is what was committed. It is read in portions, so that a long look does not keep the writer from using its pages again.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { OperationKey } from '../store.ts';
import { Database } from './database.ts';
import { LmdbStoreError, storeErrorOf } from './errors.ts';
import { peekIdentity } from './folder.ts';
import { after, readRecordKey, readSeriesKey, RECORD, SERIES } from './keys.ts';
import type { SeriesName } from './keys.ts';
import { decodeRecord, decodeSeries } from './records.ts';
import type { StoredRecord, StoredSeries } from './records.ts';

export type { OperationKey, SeriesName, StoredRecord };
export { LmdbStoreError, peekIdentity };

/** Entries read at a time. */
const PORTION = 1_000;

export interface BrowsedRecord {
  readonly key: OperationKey;
  /** Undefined: it is in no layout that this version knows. */
  readonly record: StoredRecord | undefined;
  /** What is kept under the key. */
  readonly bytes: number;
}

export interface BrowsedSeries extends SeriesName {
  readonly forgotten: Pick<StoredSeries['forgotten'], 'has' | 'mark'>;
}

export class StoreBrowser {
  readonly #database: Database;

  /** Throws LmdbStoreError where there is no store, or none that can be read; makes none. */
  constructor(path: string) {
    peekIdentity(path);
    try {
      this.#database = new Database(path, { isReadOnly: true });
    } catch (error) {
      throw storeErrorOf(path, error);
    }
  }

  /** By caller and scope; in each, those with numbers by series first, then those with string ids by length. */
  async *records(): AsyncGenerator<BrowsedRecord, void> {
    for await (const { key, value } of this.#entries(RECORD)) yield { key: readRecordKey(key), record: tryDecode(value), bytes: value.byteLength };
  }

  async *series(): AsyncGenerator<BrowsedSeries, void> {
    for await (const { key, value } of this.#entries(SERIES)) yield { ...readSeriesKey(key), forgotten: decodeSeries(value).forgotten };
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  async *#entries(prefix: string): AsyncGenerator<{ readonly key: string; readonly value: Uint8Array }, void> {
    let from = prefix;
    for (;;) {
      const portion = [...this.#database.range({ from, to: after(prefix), limit: PORTION })];
      yield* portion;
      const last = portion.at(-1)?.key;
      if (last === undefined || portion.length < PORTION) return;
      from = `${last}\0`;
      await turn();
    }
  }
}

function tryDecode(value: Uint8Array): StoredRecord | undefined {
  try {
    return decodeRecord(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
