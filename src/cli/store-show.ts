/** `statewire store <path> show <id>`: all that is kept of one operation. */
import { parseArgs } from 'node:util';
import { ExitCode, UsageError } from './exit.ts';
import { checkFilter, isInScope, recordState } from './store-filter.ts';
import type { RecordFilter } from './store-filter.ts';
import { withBrowser } from './store-open.ts';
import { ageText, idText, layOutColumns, printable, recordJson, recordTable } from './store-text.ts';
import { argumentsOf, carriedJson, carriedText, outcomeOf } from './store-values.ts';
import type { BrowsedRecord, OperationKey, StoreBrowser, StoredRecord } from '../store/lmdb/browse.ts';

/** More records with the same id are counted, not listed. */
const MOST_LISTED = 100;

interface Wanted extends RecordFilter {
  readonly id: string | number;
  /** What the series begins with, of a number. */
  readonly series?: string | undefined;
  readonly values: boolean;
  readonly json: boolean;
}

function readArguments(args: readonly string[]): Wanted {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      series: { type: 'string' },
      scope: { type: 'string' },
      caller: { type: 'string' },
      values: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  checkFilter(values);
  const [id, other] = positionals;
  if (id === undefined) throw new UsageError('store show: give the id of an operation');
  if (other !== undefined) throw new UsageError(`store show: one id at a time, and not also ${JSON.stringify(other)}`);
  if (values.series === undefined) return { ...values, id };
  if (!/^\d+$/.test(id) || !Number.isSafeInteger(Number(id)))
    throw new UsageError(`store show: with --series the id must be a whole number, not ${JSON.stringify(id)}`);
  return { ...values, id: Number(id) };
}

function isWanted(key: OperationKey, wanted: Wanted): boolean {
  return key.id === wanted.id && isInScope(key, wanted) && (wanted.series === undefined || key.series?.startsWith(wanted.series) === true);
}

export function showRecord(path: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const wanted = readArguments(args);
  return withBrowser(path, async (browser) => {
    const found: BrowsedRecord[] = [];
    for await (const browsed of browser.records()) {
      signal.throwIfAborted();
      if (isWanted(browsed.key, wanted)) found.push(browsed);
    }
    const [only, ...others] = found;
    if (only === undefined) return tellAbsent(browser, wanted);
    if (others.length > 0) return tellSeveral(found, wanted);
    const now = Date.now();
    process.stdout.write(wanted.json ? `${JSON.stringify(detailsJson(only, wanted, now))}\n` : detailsText(only, wanted, now));
    return ExitCode.ok;
  });
}

async function tellAbsent(browser: StoreBrowser, wanted: Wanted): Promise<number> {
  const { id, series } = wanted;
  const hint = series === undefined && /^\d+$/.test(String(id)) ? '; a number needs its --series' : '';
  process.stderr.write(`statewire store: there is no operation with the id ${printable(JSON.stringify(id))}${hint}\n`);
  if (typeof id === 'number' && series !== undefined) {
    for await (const { scope, caller, series: name, forgotten } of browser.series()) {
      if (!isInScope({ scope, caller }, wanted) || !name.startsWith(series) || !forgotten.has(id)) continue;
      process.stderr.write(`statewire store: ${idText({ scope, caller, series: name, id })} is forgotten: acknowledged, or past its retention\n`);
    }
  }
  return ExitCode.failed;
}

function tellSeveral(found: readonly BrowsedRecord[], { json }: Wanted): number {
  const now = Date.now();
  const listed = found.slice(0, MOST_LISTED);
  if (json) for (const browsed of listed) process.stdout.write(`${JSON.stringify(recordJson(browsed, now))}\n`);
  else process.stdout.write(recordTable(listed, { now, isFull: true }));
  const isOneScope = found.every(({ key }) => key.scope === found[0]?.key.scope);
  const isOneCaller = found.every(({ key }) => key.caller === found[0]?.key.caller);
  const ways = [...(isOneScope ? [] : ['--scope']), ...(isOneCaller ? [] : ['--caller'])];
  const choice = ways.length === 0 ? 'more of its --series' : ways.join(' and ');
  process.stderr.write(`statewire store: ${found.length} operations have this id; say which with ${choice}\n`);
  return ExitCode.usage;
}

const methodText = (methodId: number): string => `0x${methodId.toString(16).padStart(8, '0')}`;

const reasonOf = ({ rest }: StoredRecord): string => Buffer.from(rest).toString();

function detailsText(browsed: BrowsedRecord, { values }: Wanted, now: number): string {
  const { key, record, bytes } = browsed;
  const lines = [
    ['operation', idText(key)],
    ['state', recordState(browsed)],
    ['caller', key.caller],
    ['scope', printable(key.scope)],
    ['record', `${bytes} bytes`],
  ];
  if (record !== undefined) {
    lines.push(
      ['since', `${dateText(record.since)}, ${ageText(now - record.since)}`],
      ['method id', methodText(record.methodId)],
      ['arguments', carriedText(argumentsOf(record), values)],
    );
    if (record.state === 'sealed') lines.push(['outcome', carriedText(outcomeOf(record), values)]);
    if (record.state === 'released') lines.push(['reason', printable(reasonOf(record))]);
  }
  return layOutColumns(lines);
}

/** A clock of a test may say what is no date. */
function dateText(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}

function detailsJson(browsed: BrowsedRecord, { values }: Wanted, now: number): Record<string, unknown> {
  const { record } = browsed;
  if (record === undefined) return recordJson(browsed, now);
  return {
    ...recordJson(browsed, now),
    methodId: methodText(record.methodId),
    arguments: carriedJson(argumentsOf(record), values),
    ...(record.state === 'sealed' && { outcome: carriedJson(outcomeOf(record), values) }),
    ...(record.state === 'released' && { reason: reasonOf(record) }),
  };
}
