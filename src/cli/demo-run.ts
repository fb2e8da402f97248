/**
 * The demo's work, without its arguments and its looks: starts the bank, opens the accounts, lets the clients work, streams the file past the
 * bank's books and its books past a slow reader, and asks the bank what it did. What the runtime did is what the server's counters say; what
 * callers saw is the tally's.
 */
import { randomBytes } from 'node:crypto';
import { connect } from '../index.ts';
import type { Session } from '../index.ts';
import { tcp } from '../tcp.ts';
import { auditFile } from './audit.ts';
import type { AuditResult } from './audit.ts';
import { startBank } from './bank-child.ts';
import type { BankDiedError } from './bank-child.ts';
import { Bank } from './bank-contract.ts';
import type { BankCounts, LedgerView, Order } from './bank-contract.ts';
import { Books } from './books-contract.ts';
import { expectLedger } from './expected.ts';
import type { ExpectedLedger } from './expected.ts';
import type { RecordFile } from './orders.ts';
import { dealAccounts, planOrders } from './plan.ts';
import { readSlowly } from './slow-reader.ts';
import type { SlowReading } from './slow-reader.ts';
import { Tally } from './tally.ts';
import type { Ending } from './tally.ts';
import { Teller } from './teller.ts';

export interface DemoInput {
  readonly file: RecordFile<Order>;
  readonly openings: ReadonlyMap<string, number>;
  readonly clients: number;
  readonly seed: number;
}

/** Told how far it got. */
export interface DemoWatcher {
  started(bank: { readonly pid: number; readonly port: number }): void;
  charged(orders: number): void;
  /** All orders are charged, and the streams begin. */
  streaming(lines: number): void;
  /** The work is over, well or not. */
  ended(): void;
}

export interface DemoResult {
  readonly tally: Tally;
  readonly counts: BankCounts;
  readonly ledger: LedgerView;
  readonly expected: ExpectedLedger;
  /** What the clients took. */
  readonly seconds: number;
  readonly audit: AuditResult;
  readonly slowReading: SlowReading;
}

/** No demo hangs: it is given up after this long, and a little more for each order. */
const PATIENCE_MS = 60_000;
const PATIENCE_MS_PER_ORDER = 20;

/**
 * Runs the demo; no process and no socket is left when it settles, well or not.
 * @throws BankDiedError, UnexpectedEndingError, the signal's reason, or an Error that says that it takes far too long.
 */
export async function runDemo(input: DemoInput, watcher: DemoWatcher, signal: AbortSignal): Promise<DemoResult> {
  const hopeless = new AbortController();
  const patienceMs = PATIENCE_MS + input.file.records.length * PATIENCE_MS_PER_ORDER;
  const patience = setTimeout(() => hopeless.abort(new Error(`the demo is not done after ${patienceMs / 1_000} s and was given up`)), patienceMs);
  try {
    return await withBank(input, watcher, { signal: AbortSignal.any([signal, hopeless.signal]), onDied: (error) => hopeless.abort(error) });
  } finally {
    clearTimeout(patience);
  }
}

interface Limits {
  readonly signal: AbortSignal;
  readonly onDied: (error: BankDiedError) => void;
}

async function withBank(input: DemoInput, watcher: DemoWatcher, { signal, onDied }: Limits): Promise<DemoResult> {
  const sessions: Session[] = [];
  const bank = await startBank({ signal, onDied });
  const end = async (): Promise<void> => {
    watcher.ended();
    await Promise.all(sessions.map((session) => session.close()));
    // Its death is the cause of whatever else was seen.
    const death = await bank.stop();
    if (death !== undefined) throw death;
  };
  let result: DemoResult;
  try {
    watcher.started(bank);
    const dial = async (scope: Uint8Array): Promise<Session> => {
      const session = await connect(tcp({ port: bank.port }), { scope });
      sessions.push(session);
      return session;
    };
    result = await unlessAborted(signal, work(input, dial, watcher));
  } catch (error) {
    await end();
    throw error;
  }
  await end();
  return result;
}

async function work(input: DemoInput, dial: (scope: Uint8Array) => Promise<Session>, watcher: DemoWatcher): Promise<DemoResult> {
  const { file, openings, clients, seed } = input;
  const { records: orders } = file;
  const expected = expectLedger(orders, openings);
  // The server's counters leave this session out: what it asks is no part of the clients' work.
  const auditing = await dial(randomBytes(32));
  const auditor = auditing.client(Bank);
  await Promise.all(Array.from(expected.openings, ([account, cents]) => auditor.open({ account, cents }, { operationId: `open/${account}` })));
  const tally = new Tally();
  const outcomes = new Map<string, unknown>();
  const charged = ({ order }: Order, ending: Ending): void => {
    outcomes.set(order, ending.kind === 'value' ? ending.value : ending.data);
    watcher.charged(outcomes.size);
  };
  const tellers = await Promise.all(
    Array.from({ length: clients }, async () => {
      const scope = randomBytes(32);
      const [main, twin] = await Promise.all([dial(scope), dial(scope)]);
      return new Teller({ main, twin, tally, onCharged: charged });
    }),
  );
  const startedMs = performance.now();
  const hands = dealAccounts(planOrders(orders, seed), clients);
  await Promise.all(tellers.map((teller, at) => teller.work(hands[at] ?? [])));
  const seconds = (performance.now() - startedMs) / 1_000;
  watcher.streaming(file.lines.length);
  const books = auditing.client(Books);
  const audit = await auditFile(books, file, (order) => outcomes.get(order));
  const slowReading = await readSlowly(books);
  // Asked for last: streaming has changed nothing.
  const [ledger, counts] = await Promise.all([auditor.ledger(), auditor.counts()]);
  return { tally, counts, ledger, expected, seconds, audit, slowReading };
}

/** Rejects with the signal's reason as soon as that aborts; what then becomes of the work is nobody's concern. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
