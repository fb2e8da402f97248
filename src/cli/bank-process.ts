/**
 * The bank's own process, started by bank-child.ts: listens on a free port, tells its parent which, and lives until the parent
 * lets go of it or is gone. It leaves SIGINT to the parent, because a terminal sends that to both.
 */
import { listen } from '../index.ts';
import type { Session } from '../index.ts';
import { tcp } from '../tcp.ts';
import { makeBank } from './bank.ts';
import { makeBooks } from './books.ts';
import { Ledger } from './ledger.ts';

/** What the bank tells its parent. */
export interface BankReady {
  readonly type: 'listening';
  readonly port: number;
}

process.on('SIGINT', () => {});

const ledger = new Ledger();
const sessions = new Set<Session>();
const server = await listen(tcp({ port: 0 }), {
  services: [makeBank(ledger, sessions), makeBooks(ledger)],
  onSession: (session) => sessions.add(session),
  onHandlerError(error, call) {
    // A cancelled quote ends by throwing that it was cancelled.
    if (!call.signal.aborted) console.error(`bank: ${call.service}.${call.method} failed:`, error);
  },
  log: (entry) => {
    if (entry.level === 'error') console.error(`bank: ${entry.message}`, entry.error ?? '');
  },
});

const close = (exitCode = 0): void => {
  void server.close().then(() => process.exit(exitCode));
};
process.once('disconnect', () => close());
// Nobody but its parent may end it: that is a death to be told.
process.once('SIGTERM', () => close(128 + 15));
if (process.connected) process.send?.({ type: 'listening', port: server.address.port } satisfies BankReady);
else close();
