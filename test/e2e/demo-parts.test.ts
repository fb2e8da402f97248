import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { AuditResult } from '../../src/cli/audit.ts';
import type { LedgerView, Order } from '../../src/cli/bank-contract.ts';
import { expectLedger, ledgerFaults, UNLISTED_OPENING_CENTS } from '../../src/cli/expected.ts';
import { figuresOf, tableOf } from '../../src/cli/figures.ts';
import { dealAccounts, planOrders } from '../../src/cli/plan.ts';
import { watchWith } from '../../src/cli/progress.ts';
import { Counters } from '../../src/driver/counters.ts';
import type { SlowReading } from '../../src/cli/slow-reader.ts';
import { Tally, UnexpectedEndingError } from '../../src/cli/tally.ts';

const ORDERS: readonly Order[] = [
  { order: 'o1', account: 'ada', cents: 60 },
  { order: 'o2', account: 'bob', cents: 10 },
  { order: 'o3', account: 'ada', cents: 50 },
  { order: 'o4', account: 'ada', cents: 40 },
  { order: 'o5', account: 'eve', cents: 1 },
];
const expected = expectLedger(
  ORDERS,
  new Map([
    ['ada', 100],
    ['bob', 10],
    ['unused', 7],
  ]),
);
const right: LedgerView = { balances: Object.fromEntries(expected.balances), entries: expected.entries, checksum: expected.checksum };

describe('what the ledger must say', () => {
  it('charges an account in the order of the file, and refuses what it cannot pay without changing it', () => {
    expect(Object.fromEntries(expected.balances)).toEqual({ ada: 0, bob: 0, eve: UNLISTED_OPENING_CENTS - 1 });
    expect(expected).toMatchObject({ entries: 5, insufficient: 1 });
  });

  it('finds nothing wrong with a ledger that is right', () => {
    expect(ledgerFaults(expected, right)).toEqual([]);
  });

  it.each<{ wrong: string; ledger: LedgerView; says: string }>([
    { wrong: 'one cent too few', ledger: { ...right, balances: { ...right.balances, ada: -1 } }, says: 'account ada must have 0 cents and has -1' },
    { wrong: 'one cent too many', ledger: { ...right, balances: { ...right.balances, bob: 1 } }, says: 'account bob must have 0 cents and has 1' },
    { wrong: 'a missing account', ledger: { ...right, balances: { ada: 0, bob: 0 } }, says: 'account eve must have 99999 cents and has none' },
    { wrong: 'an account too many', ledger: { ...right, balances: { ...right.balances, mallory: 5 } }, says: 'the bank has an account mallory' },
    { wrong: 'a charge that ran twice', ledger: { ...right, entries: 6 }, says: '5 orders must be charged once each, and 6 charges ran' },
    { wrong: 'another history with the same balances', ledger: { ...right, checksum: 'abc' }, says: "the ledger's checksum must be" },
  ])('finds $wrong', ({ ledger, says }) => {
    expect(ledgerFaults(expected, ledger)).toEqual([expect.stringContaining(says)]);
  });

  it('has a checksum that depends on the order within an account and not between accounts', () => {
    const [o1, o2, o3, o4, o5] = ORDERS as [Order, Order, Order, Order, Order];
    const sumOf = (...orders: Order[]) => expectLedger(orders, new Map([['ada', 1_000]])).checksum;
    expect(sumOf(o2, o1, o5, o3, o4)).toBe(sumOf(...ORDERS));
    expect(sumOf(o3, o2, o1, o4, o5)).not.toBe(sumOf(...ORDERS));
  });
});

describe('the figures', () => {
  const runtime = Object.assign(new Counters(), { attached: 2, replayed: 1, started: 5 });
  const facts = { clients: 1, seed: 1, skippedLines: [] };
  const tallyOf = (calls: number) => Object.assign(new Tally(), { calls });
  const audit: AuditResult = {
    lines: 6,
    malformed: 1,
    receipts: 6,
    summary: { lines: 6, found: 5, skipped: 1 },
    wrong: 0,
    firstWrong: undefined,
    mostUnanswered: 4,
    seconds: 0.5,
  };
  const slowReading: SlowReading = {
    offered: 1_000,
    read: 10,
    misplaced: 0,
    end: { sent: 70, readerLeft: true },
    mostUnread: 60,
    bank: { beforeBytes: 10_000_000, mostBytes: 10_500_000 },
    demo: { beforeBytes: 20_000_000, mostBytes: 19_000_000 },
    seconds: 0.25,
  };
  const result = { counts: { sessions: 2, runtime, quotesAborted: 0 }, ledger: right, expected, seconds: 2, audit, slowReading };

  it('are without fault when every call is accounted for', () => {
    const figures = figuresOf({ ...result, tally: tallyOf(8) }, facts);
    expect(figures).toMatchObject({ calls: 8, executions: 5, duplicatesJoined: 2, replays: 1, callsPerSecond: 4, faults: [] });
    expect(figures.fileStream).toMatchObject({ lines: 6, receipts: 6, skipped: 1, mostUnanswered: 4, linesPerSecond: 12 });
    expect(figures.slowReader).toMatchObject({ offered: 1_000, read: 10, sent: 70, mostUnread: 60, leavingNoticed: true });
  });

  it('stand in the table, the high-water marks beside what is allowed', () => {
    const table = tableOf(figuresOf({ ...result, tally: tallyOf(8) }, facts));
    expect(table).toMatch(/^lines streamed +6 {2}6 receipts streamed back; never more than 4 lines without one, 65 allowed; 0\.50 s$/m);
    expect(table).toMatch(/^slow reader +10 {2}entries read, 0\.25 s; the fast bank never more than 60 ahead, 64 allowed$/m);
    expect(table).toMatch(
      /^memory held +10\.0 MB {2}in the bank at most meanwhile, 9\.5 MB before; here 18\.1 MB and 19\.1 MB; 4\.0 MB more allowed$/m,
    );
    expect(table).toMatch(/^reader left +70 {2}entries of 1,000 sent when the bank noticed, and stopped$/m);
  });

  it.each<{ what: string; wrong: Partial<typeof result>; says: string }>([
    { what: 'a receipt is missing', wrong: { audit: { ...audit, receipts: 5 } }, says: '5 receipts came back' },
    { what: 'the bank is too far ahead', wrong: { slowReading: { ...slowReading, mostUnread: 65 } }, says: '65 were' },
  ])('are at fault when $what', ({ wrong, says }) => {
    expect(figuresOf({ ...result, ...wrong, tally: tallyOf(8) }, facts).faults).toEqual([expect.stringContaining(says)]);
  });

  it('are at fault when the server did not account for a call', () => {
    expect(figuresOf({ ...result, tally: tallyOf(9) }, facts).faults).toEqual(['the clients made 9 calls, and the server accounts for 8']);
  });

  it('are at fault when a cancel did not reach its handler', () => {
    const tally = Object.assign(tallyOf(8), { quotesGivenUp: 2 });
    expect(figuresOf({ ...result, tally }, facts).faults).toEqual(['2 quotes were given up, and 0 of their handlers were aborted']);
  });

  it('are at fault when a balance is', () => {
    const ledger = { ...right, balances: { ...right.balances, ada: 60 } };
    expect(figuresOf({ ...result, ledger, tally: tallyOf(8) }, facts).faults).toEqual(['account ada must have 0 cents and has 60']);
  });
});

describe('the plan', () => {
  const orders = Array.from({ length: 132 }, (_, at): Order => ({ order: `o${at}`, account: `a${at % 5}`, cents: 1 }));

  it('is the same for the same seed, and another for another', () => {
    expect(planOrders(orders, 7)).toEqual(planOrders(orders, 7));
    expect(planOrders(orders, 7)).not.toEqual(planOrders(orders, 8));
  });

  it('has every treatment with every aside in a file of 132 orders', () => {
    const pairs = new Set(planOrders(orders, 1).map(({ treatment, aside }) => `${treatment}/${aside}`));
    expect(pairs.size).toBe(7 * 6);
  });

  it('gives every order to one client, and all of an account to the same in the order of the file', () => {
    const hands = dealAccounts(planOrders(orders, 1), 2);
    const dealt = hands.map((accounts) => accounts.map((planned) => planned.map(({ order }) => order)));
    expect(dealt.map((accounts) => accounts.map((of) => of[0]?.account))).toEqual([
      ['a0', 'a2', 'a4'],
      ['a1', 'a3'],
    ]);
    for (const of of dealt.flat()) expect(of).toEqual(orders.filter(({ account }) => account === of[0]?.account));
  });
});

describe('the tally', () => {
  it('throws for a call that ends as nobody meant', async () => {
    await expect(new Tally().ending('a charge', ['cancelled'], Promise.resolve(1))).rejects.toThrow(UnexpectedEndingError);
  });
});

describe('the progress', () => {
  const shown = (isTTY: boolean): string => {
    const output = Object.assign(new PassThrough(), { isTTY });
    const watcher = watchWith(output, 20);
    watcher.started({ pid: 1, port: 2 });
    for (let order = 1; order <= 20; order++) watcher.charged(order);
    watcher.streaming(1_234);
    watcher.ended();
    return String(output.read());
  };

  it('is a bar on a terminal', () => {
    expect(shown(true)).toContain('20/20 orders, 100 %');
    expect(shown(true)).toContain('████');
    expect(shown(true)).toMatch(/20\/20 orders, 100 %[^\n]*\nstreaming: 1,234 lines to the bank[^\n]*\n$/);
  });

  it('is plain lines elsewhere', () => {
    const lines = shown(false).trimEnd().split('\n');
    expect(lines).toHaveLength(12);
    expect(lines[11]).toBe('streaming: 1,234 lines to the bank, receipts back; then its journal to a slow reader');
    expect(lines).toEqual(expect.arrayContaining(['bank: process 1, 127.0.0.1:2', '10 of 20 orders', '20 of 20 orders']));
  });
});
