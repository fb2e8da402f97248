/**
 * The demo's work, without its arguments and its looks: starts the bank, opens the accounts, lets the clients work while links are cut and the bank is
 * killed, streams the file past the bank's books and its books past a slow reader, and asks the bank what it did. What the runtime did is what the
 * counters of both sides say; what callers saw is the tally's.
 */
import { randomBytes } from 'node:crypto';
import type { Client } from '../index.ts';
import { tcp } from '../tcp.ts';
import { auditFile } from './audit.ts';
import type { AuditResult } from './audit.ts';
import type { BankDiedError } from './bank-child.ts';
import { Bank } from './bank-contract.ts';
import type { BankCounts, LedgerView, Order } from './bank-contract.ts';
import { AUDITOR } from './bank-counts.ts';
import { BankLives } from './bank-lives.ts';
import type { Rebirth } from './bank-lives.ts';
import { Books } from './books-contract.ts';
import { planChaos } from './chaos-plan.ts';
import { Chaos } from './chaos.ts';
import { Clients } from './clients.ts';
import type { Recovery } from './clients.ts';
import { CuttableLinks } from './cuttable-links.ts';
import { openDataFolder } from './data-folder.ts';
import { expectLedger, expectOpenings } from './expected.ts';
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
  /** As listed; see expected.ts. */
  readonly openings: ReadonlyMap<string, number>;
  readonly clients: number;
  readonly seed: number;
  readonly cuts: number;
  readonly kills: number;
  /** A folder that stays; undefined: one that does not. */
  readonly data: string | undefined;
}

/** Told how far it got. */
export interface DemoWatcher {
  started(bank: { readonly pid: number; readonly port: number }): void;
  charged(orders: number): void;
  /** The bank was killed, and is back. */
  reborn(rebirth: Rebirth): void;
  /** All orders are charged, and the streams begin. */
  streaming(lines: number): void;
  /** The work is over, well or not. */
  ended(): void;
}

export interface ChaosResult extends Recovery {
  readonly plannedCuts: number;
  readonly plannedKills: number;
  readonly cuts: number;
  readonly kills: number;
  /** Last lines of the journal that the bank found torn, and dropped. */
  readonly tornLines: number;
}

export interface DemoResult {
  readonly tally: Tally;
  readonly counts: BankCounts;
  readonly ledger: LedgerView;
  readonly expected: ExpectedLedger;
  readonly chaos: ChaosResult;
  /** What the clients took. */
  readonly seconds: number;
  readonly audit: AuditResult;
  readonly slowReading: SlowReading;
}

/** No demo hangs: it is given up after this long, and a little more for each order and each kill. */
const PATIENCE_MS = 60_000;
const PATIENCE_MS_PER_ORDER = 20;
const PATIENCE_MS_PER_KILL = 2_000;

/**
 * Runs the demo; no process, no socket and no folder is left when it settles, well or not.
 * @throws BankDiedError, UnexpectedEndingError, InputError, the signal's reason, or an Error that says that it takes far too long.
 */
export async function runDemo(input: DemoInput, watcher: DemoWatcher, signal: AbortSignal): Promise<DemoResult> {
  const folder = await openDataFolder(input.data);
  const hopeless = new AbortController();
  const patienceMs = PATIENCE_MS + input.file.records.length * PATIENCE_MS_PER_ORDER + input.kills * PATIENCE_MS_PER_KILL;
  const patience = setTimeout(() => hopeless.abort(new Error(`the demo is not done after ${patienceMs / 1_000} s and was given up`)), patienceMs);
  const limits: Limits = {
    folder: folder.path,
    signal: AbortSignal.any([signal, hopeless.signal]),
    onDied: (error) => hopeless.abort(error),
  };
  try {
    return await withBank(input, watcher, limits);
  } finally {
    clearTimeout(patience);
    await folder.remove();
  }
}

interface Limits {
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onDied: (error: BankDiedError) => void;
}

async function withBank(input: DemoInput, watcher: DemoWatcher, limits: Limits): Promise<DemoResult> {
  const bank = await BankLives.start(limits);
  const links = new CuttableLinks();
  const clients = new Clients(links.connector(tcp({ port: bank.port })));
  const end = async (): Promise<void> => {
    watcher.ended();
    await clients.end();
    links.close();
    // Its death is the cause of whatever else was seen.
    const death = await bank.stop();
    if (death !== undefined) throw death;
  };
  let result: DemoResult;
  try {
    watcher.started(bank);
    result = await unlessAborted(limits.signal, work(input, { bank, links, clients, watcher }));
  } catch (error) {
    await end();
    throw error;
  }
  await end();
  return result;
}

interface Scene {
  readonly bank: BankLives;
  readonly links: CuttableLinks;
  readonly clients: Clients;
  readonly watcher: DemoWatcher;
}

async function work(input: DemoInput, scene: Scene): Promise<DemoResult> {
  const { file, openings: listed } = input;
  const { bank, clients, watcher } = scene;
  // The server's counters leave this session out: what it asks is no part of the clients' work.
  const auditing = await clients.dial({ scope: randomBytes(32), name: AUDITOR });
  const auditor = auditing.client(Bank);
  const openings = expectOpenings(file.records, listed);
  await Promise.all(Array.from(openings, ([account, cents]) => auditor.open({ account, cents }, { operationId: `open/${account}` })));
  const { tally, outcomes, seconds, ...mishaps } = await chargeAll(input, scene);
  const unbooked = await askForIndeterminate(auditor, tally, outcomes);
  const chaos: ChaosResult = {
    ...clients.recovery,
    ...mishaps,
    plannedCuts: input.cuts,
    plannedKills: input.kills,
    tornLines: bank.rebirths.filter(({ tornBytes }) => tornBytes > 0).length,
  };
  watcher.streaming(file.lines.length);
  const books = auditing.client(Books);
  const audit = await auditFile(books, file, (order) => outcomes.get(order));
  const slowReading = await readSlowly(books);
  // Asked for last: streaming has changed nothing.
  const [ledger, counts] = await Promise.all([auditor.ledger(), auditor.counts()]);
  const expected = expectLedger(file.records, openings, unbooked);
  return { tally, counts: bank.counts(counts), ledger, expected, chaos, seconds, audit, slowReading };
}

/** The clients' work, and what befalls it. */
async function chargeAll({ file, clients: count, seed, cuts, kills }: DemoInput, { bank, links, clients, watcher }: Scene) {
  const { records: orders } = file;
  const plan = planChaos({ seed, cuts, kills, orders: orders.length });
  const chaos = new Chaos({ plan, links, bank, onRebirth: (rebirth) => watcher.reborn(rebirth) });
  const tally = new Tally();
  const outcomes = new Map<string, unknown>();
  const onCharged = ({ order }: Order, ending: Ending): void => {
    outcomes.set(order, ending.kind === 'value' ? ending.value : ending.data);
    watcher.charged(outcomes.size);
    chaos.charged(outcomes.size);
  };
  const tellers = await Promise.all(
    Array.from({ length: count }, async () => {
      const scope = randomBytes(32);
      const [main, twin] = await Promise.all([clients.dial({ scope }), clients.dial({ scope })]);
      return new Teller({ main, twin, tally, onCharged });
    }),
  );
  const startedMs = performance.now();
  const hands = dealAccounts(planOrders(orders, seed), count);
  await Promise.all(tellers.map((teller, at) => teller.work(hands[at] ?? [])));
  const seconds = (performance.now() - startedMs) / 1_000;
  await chaos.over();
  await clients.allConnected();
  return { tally, outcomes, seconds, cuts: chaos.cuts, kills: chaos.kills };
}

/** Asks the bank for the orders of which nobody knows whether they were charged, completes the outcomes, and gives those that were not. */
async function askForIndeterminate(auditor: Client<typeof Bank>, tally: Tally, outcomes: Map<string, unknown>): Promise<ReadonlySet<string>> {
  const named = tally.indeterminateOrders;
  const found = await auditor.outcomes({ orders: named });
  for (const [at, order] of named.entries()) outcomes.set(order, found[at]);
  return new Set(named.filter((_, at) => found[at] === undefined));
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
