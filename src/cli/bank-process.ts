/**
 * The bank's own process, started by bank-child.ts with a port and a folder: reads its journal, listens, tells its parent where and what it counts, and
 * lives until the parent lets go of it, is gone, or kills it.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { listen } from '../index.ts';
import type { Session } from '../index.ts';
import { lmdbStore } from '../lmdb.ts';
import { tcp } from '../tcp.ts';
import { countsOf } from './bank-counts.ts';
import type { BankCounts } from './bank-contract.ts';
import { makeBank } from './bank.ts';
import { makeBooks } from './books.ts';
import { openJournal } from './journal.ts';
import { Ledger } from './ledger.ts';

/** What the bank tells its parent: first that it listens, then now and then what it counted. */
export type BankMessage =
  | { readonly type: 'listening'; readonly port: number; readonly replayed: number; readonly tornBytes: number }
  | { readonly type: 'counts'; readonly counts: BankCounts };

const TELL_EVERY_MS = 20;
/** Less than the parent waits before it kills. */
const CLOSE_GRACE_MS = 1_000;

const [port = '', folder = ''] = process.argv.slice(2);
const { journal, lines, tornBytes } = await openJournal(join(folder, 'journal.jsonl'));
const ledger = new Ledger(journal, lines);
const sessions = new Set<Session>();
const quotes = { thinking: 0, aborted: 0 };
const counts = (): BankCounts => countsOf(sessions, ledger, quotes);
const server = await listen(tcp({ port: Number(port) }), {
  services: [makeBank(ledger, quotes, counts), makeBooks(ledger)],
  store: lmdbStore({ path: join(folder, 'operations') }),
  authenticate: (name) => (typeof name === 'string' ? name : ''),
  onSession: (session) => sessions.add(session),
  onHandlerError(error, call) {
    // A cancelled quote ends by throwing that it was cancelled.
    if (!call.signal.aborted) console.error(`bank: ${call.service}.${call.method} failed:`, error);
  },
  log: (entry) => {
    if (entry.level === 'error') console.error(`bank: ${entry.message}`, entry.error ?? '');
  },
});

const tell = (message: BankMessage): void => {
  // The parent may let go meanwhile: that is told by `disconnect`.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};
let told: BankCounts | undefined;
const telling = setInterval(() => {
  const present = counts();
  if (isDeepStrictEqual(present, told)) return;
  told = present;
  tell({ type: 'counts', counts: present });
}, TELL_EVERY_MS);

const close = async (exitCode = 0): Promise<never> => {
  clearInterval(telling);
  // A charge persists: it runs on when its caller is gone, and is sealed before store and journal close.
  await server.close({ graceMs: CLOSE_GRACE_MS });
  await journal.close();
  process.exit(exitCode);
};
process.once('disconnect', () => void close());
// Nobody but its parent may end it: that is a death to be told.
process.once('SIGTERM', () => void close(128 + 15));
if (process.connected) tell({ type: 'listening', port: server.address.port, replayed: lines.length, tornBytes });
else await close();
