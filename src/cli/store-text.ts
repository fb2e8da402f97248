/** Records of a store as people and as programs read them. Ids come from peers: what would do something to a terminal is shown as its number. */
import { recordState } from './store-filter.ts';
import type { BrowsedRecord, OperationKey } from '../store/lmdb/browse.ts';

const SHORT_SCOPE = 12;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Control characters, and those that turn the direction of what follows, by their numbers. */
export const printable = (text: string): string => text.replaceAll(/\p{C}/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/** A text in quotes, a number with its series: they cannot be taken for each other. */
export function idText({ series, id }: OperationKey): string {
  return printable(typeof id === 'string' ? JSON.stringify(id) : `${series}/${id}`);
}

export function scopeText(scope: string, isFull: boolean): string {
  return printable(isFull || scope.length <= SHORT_SCOPE ? scope : `${scope.slice(0, SHORT_SCOPE)}…`);
}

/** In the largest unit that has one. */
export function ageText(ageMs: number): string {
  // A clock that was put back.
  if (ageMs < 0) return 'in the future';
  if (ageMs >= DAY_MS) return `${Math.floor(ageMs / DAY_MS)} d`;
  if (ageMs >= HOUR_MS) return `${Math.floor(ageMs / HOUR_MS)} h`;
  if (ageMs >= MINUTE_MS) return `${Math.floor(ageMs / MINUTE_MS)} min`;
  return `${Math.floor(ageMs / SECOND_MS)} s`;
}

/** One record in a listing for programs; times in milliseconds. */
export function recordJson(browsed: BrowsedRecord, now: number): Record<string, unknown> {
  const { caller, scope, series, id } = browsed.key;
  const since = browsed.record?.since;
  return {
    state: recordState(browsed),
    caller,
    scope,
    ...(series !== undefined && { series }),
    id,
    ...(since !== undefined && { since, ageMs: now - since }),
    bytes: browsed.bytes,
  };
}

export interface TableOptions {
  readonly now: number;
  readonly isFull: boolean;
}

/** Many records, a line each; the id is last, because it may be long. */
export function recordTable(records: readonly BrowsedRecord[], { now, isFull }: TableOptions): string {
  const rows = records.map((browsed) => [
    recordState(browsed),
    browsed.key.caller,
    scopeText(browsed.key.scope, isFull),
    browsed.record === undefined ? '' : ageText(now - browsed.record.since),
    String(browsed.bytes),
    idText(browsed.key),
  ]);
  return layOutColumns([['state', 'caller', 'scope', 'age', 'bytes', 'id'], ...rows], new Set([3, 4]));
}

/** Lines with their columns under each other; those named stand to the right. */
export function layOutColumns(rows: readonly (readonly string[])[], right: ReadonlySet<number> = new Set()): string {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  const pad = (cell: string, column: number): string => (right.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0));
  return rows.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
}
