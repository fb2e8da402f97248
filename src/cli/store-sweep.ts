/** `statewire store <path> sweep`: removes what is past its retention from a store that nobody has in use. */
import { parseArgs } from 'node:util';
import { ExitCode, UsageError } from './exit.ts';
import { lmdbStore } from '../lmdb.ts';

/** Throws LmdbStoreError where another process has the store in use. */
export async function sweepStore(path: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { 'retention-ms': { type: 'string' } } });
  const given = values['retention-ms'];
  const retentionMs = given === undefined ? undefined : Number(given);
  if (given !== undefined && (!/^\d+$/.test(given) || !Number.isSafeInteger(retentionMs) || retentionMs === 0))
    throw new UsageError(`--retention-ms must be a whole number above 0, not ${JSON.stringify(given)}`);
  signal.throwIfAborted();
  const store = lmdbStore({ path, retentionMs });
  await store.open();
  try {
    const swept = await store.sweep(Date.now());
    process.stdout.write(`${swept} ${swept === 1 ? 'operation' : 'operations'} went\n`);
  } finally {
    await store.close();
  }
  return ExitCode.ok;
}
