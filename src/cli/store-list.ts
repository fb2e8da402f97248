/** `statewire store <path> ls`: what is kept, a line each. */
import { parseArgs } from 'node:util';
import { ExitCode, UsageError } from './exit.ts';
import { checkFilter, isMeant } from './store-filter.ts';
import { withBrowser } from './store-open.ts';
import { recordJson, recordTable } from './store-text.ts';
import type { BrowsedRecord } from '../store/lmdb/browse.ts';

const DEFAULT_LIMIT = 100;

function readArguments(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      state: { type: 'string' },
      scope: { type: 'string' },
      caller: { type: 'string' },
      limit: { type: 'string', default: String(DEFAULT_LIMIT) },
      full: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  checkFilter(values);
  if (!/^\d+$/.test(values.limit)) throw new UsageError(`--limit must be a whole number, not ${JSON.stringify(values.limit)}`);
  return { ...values, limit: Number(values.limit) };
}

export function listRecords(path: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const given = readArguments(args);
  return withBrowser(path, async (browser) => {
    const shown: BrowsedRecord[] = [];
    let more = 0;
    for await (const browsed of browser.records()) {
      signal.throwIfAborted();
      if (!isMeant(browsed, given)) continue;
      if (shown.length < given.limit) shown.push(browsed);
      else more++;
    }
    const now = Date.now();
    if (given.json) for (const browsed of shown) process.stdout.write(`${JSON.stringify(recordJson(browsed, now))}\n`);
    else if (shown.length > 0) process.stdout.write(recordTable(shown, { now, isFull: given.full }));
    if (more > 0) process.stderr.write(`${more} more; --limit shows more of them\n`);
    else if (shown.length === 0) process.stderr.write('no such operations\n');
    return ExitCode.ok;
  });
}
