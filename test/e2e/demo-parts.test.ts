import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { AuditResult } from '../../src/cli/audit.ts';
import type { BankCounts, LedgerView, Order } from '../../src/cli/bank-contract.ts';
import type { ChaosResult } from '../../src/cli/demo-run.ts';
import { expectLedger, expectOpenings, ledgerFaults, UNLISTED_OPENING_CENTS } from '../../src/cli/expected.ts';
import { figuresOf, tableOf } from '../../src/cli/figures.ts';
import { dealAccounts, planOrders } from '../../src/cli/plan.ts';
import { watchWith } from '../../src/cli/progress.ts';
import type { SlowReading } from '../../src/cli/slow-reader.ts';
import { Tally, UnexpectedEndingError } from '../../src/cli/tally.ts';

const ORDERS: readonly Order[] = [
  { order: 'o1', account: 'ada', cents: 60 },
  { order: 'o2', account: 'bob', cents: 10 },
  { order: 'o3', account: 'ada', cents: 50 },
  { order: 'o4', account: 'ada', cents: 40 },
  { order: 'o5', account: 'eve', cents: 1 },
];
const openings = expectOpenings(
  ORDERS,
  new Map([
    ['ada', 100],
    ['bob', 10],
    ['unused', 7],
  ]),
);
const expected = expectLedger(ORDERS, openings);
const viewOf = ({ balances, entries, checksum }: typeof expected): LedgerView => ({
  balances: Object.fromEntries(balances),
  entries,
  checksum,
  refused: [],
});
const right = viewOf(expected);

describe('what the ledger must say', () => {
  it('charges an account in the order of the file, and refuses what it cannot pay without changing it', () => {
    expect(Object.fromEntries(expected.balances)).toEqual({ ada: 0, bob: 0, eve: UNLISTED_OPENING_CENTS - 1 });
    expect(expected).toMatchObject({ entries: 5, insufficient: 1 });
  });

  it('finds nothing wrong with a ledger that is right', () => {
    expect(ledgerFaults(expected, right)).toEqual([]);
  });

  it('lacks the orders that are known not to be booked, and no others', () => {
    const without = expectLedger(ORDERS, openings, new Set(['o1']));
    expect(Object.fromEntries(without.balances)).toEqual({ ada: 10, bob: 0, eve: UNLISTED_OPENING_CENTS - 1 });
    expect(without).toMatchObject({ entries: 4, insufficient: 0 });
    expect(ledgerFaults(without, viewOf(without))).toEqual([]);
    expect(ledgerFaults(expected, viewOf(without))).toHaveLength(3);
    expect(ledgerFaults(without, right)).toHaveLength(3);
  });

  it.each<{ wrong: string; ledger: LedgerView; says: string }>([
    { wrong: 'one cent too few', ledger: { ...right, balances: { ...right.balances, ada: -1 } }, says: 'account ada must have 0 cents and has -1' },
    { wrong: 'one cent too many', ledger: { ...right, balances: { ...right.balances, bob: 1 } }, says: 'account bob must have 0 cents and has 1' },
    { wrong: 'a missing account', ledger: { ...right, balances: { ada: 0, bob: 0 } }, says: 'account eve must have 99999 cents and has none' },
    { wrong: 'an account too many', ledger: { ...right, balances: { ...right.balances, mallory: 5 } }, says: 'the bank has an account mallory' },
    { wrong: 'a charge that ran twice', ledger: { ...right, entries: 6 }, says: '5 orders must be charged once each, and 6 charges ran' },
    { wrong: 'an order that came twice where once is promised', ledger: { ...right, refused: ['o2'] }, says: 'runs once only: o2' },
    { wrong: 'another history with the same balances', ledger: { ...right, checksum: 'abc' }, says: "the ledger's checksum must be" },
  ])('finds $wrong', ({ ledger, says }) => {
    expect(ledgerFaults(expected, ledger)).toEqual([expect.stringContaining(says)]);
  });

  it('has a checksum that depends on the order within an account and not between accounts', () => {
    const [o1, o2, o3, o4, o5] = ORDERS as [Order, Order, Order, Order, Order];
    const sumOf = (...orders: Order[]) => expectLedger(orders, expectOpenings(orders, new Map([['ada', 1_000]]))).checksum;
    expect(sumOf(o2, o1, o5, o3, o4)).toBe(sumOf(...ORDERS));
    expect(sumOf(o3, o2, o1, o4, o5)).not.toBe(sumOf(...ORDERS));
  });
});

describe('the figures', () => {
  const counts: BankCounts = { attached: 2, replayed: 1, started: 5, found: 0, quotesThinking: 0, quotesAborted: 0 };
  const calm: ChaosResult = {
    plannedCuts: 0,
    plannedKills: 0,
    cuts: 0,
    kills: 0,
    linksLost: 0,
    resumed: 0,
    restarted: 0,
    resent: 0,
    longestOutageMs: 0,
    tornLines: 0,
  };
  const stormy: ChaosResult = {
    ...calm,
    plannedCuts: 3,
    plannedKills: 2,
    cuts: 3,
    kills: 2,
    linksLost: 9,
    resumed: 5,
    restarted: 4,
    resent: 6,
    longestOutageMs: 1_234,
  };
  const facts = { clients: 1, seed: 1, skippedLines: [] };
  const tallyOf = (calls: number) => Object.assign(new Tally(), { calls });
  const audit: AuditResult = {
    lines: 6,
    malformed: 1,
    unbooked: 0,
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
  const result = { counts, ledger: right, expected, chaos: calm, seconds: 2, audit, slowReading };

  it('are without fault when every call is accounted for', () => {
    const figures = figuresOf({ ...result, tally: tallyOf(8) }, facts);
    expect(figures).toMatchObject({ calls: 8, executions: 5, duplicatesJoined: 2, replays: 1, callsPerSecond: 4, faults: [] });
    expect(figures.fileStream).toMatchObject({ lines: 6, receipts: 6, skipped: 1, mostUnanswered: 4, linesPerSecond: 12 });
    expect(figures.slowReader).toMatchObject({ offered: 1_000, read: 10, sent: 70, mostUnread: 60, leavingNoticed: true });
  });

  it('count what befell the run, and name the orders of which nobody knows', () => {
    const tally = Object.assign(tallyOf(20), { indeterminate: 3, indeterminateOrders: ['o1', 'o2'] });
    const figures = figuresOf({ ...result, tally, counts: { ...counts, found: 7 }, chaos: stormy, audit: { ...audit, unbooked: 1 } }, facts);
    expect(figures).toMatchObject({
      orders: 6,
      cuts: 3,
      kills: 2,
      linksLost: 9,
      resumed: 5,
      restarted: 4,
      resent: 6,
      longestOutageMs: 1_234,
      atLeast: true,
    });
    expect(figures).toMatchObject({ indeterminate: 3, indeterminateOrders: ['o1', 'o2'], indeterminateBooked: 1 });
    const table = tableOf(figures);
    expect(table).toMatch(/^executions +≥ 5 {2}/m);
    expect(table).toMatch(/^replays +≥ 1 {2}/m);
    expect(table).toMatch(/^cuts +3 {2}of one link or all; with the kills 9 links were lost$/m);
    expect(table).toMatch(/^kills +2 {2}of the bank, by kill -9, while charges ran$/m);
    expect(table).toMatch(/^sessions resumed +5 {2}4 began anew/m);
    expect(table).toMatch(/^calls re-sent +6$/m);
    expect(table).toMatch(/^charges run again +≥ 7 {2}/m);
    expect(table).toMatch(/^indeterminate +3 {2}orders: o1, o2 \(the bank has 1 of 2\); 1 that charge nothing$/m);
    expect(table).toMatch(/^longest outage +1,234 ms/m);
    expect(table).toMatch(/the indeterminate orders as the bank has them$/m);
  });

  it('show twenty names and count the others', () => {
    const names = Array.from({ length: 22 }, (_, at) => `o${at}`);
    const tally = Object.assign(tallyOf(8), { indeterminate: 22, indeterminateOrders: names });
    expect(tableOf(figuresOf({ ...result, tally, chaos: stormy }, facts))).toContain('o18, o19 and 2 more (the bank has 22 of 22)');
  });

  it.each<{ what: string; chaos: ChaosResult; indeterminate?: number; says: string }>([
    { what: 'a cut did not come', chaos: { ...stormy, cuts: 2 }, says: '3 cuts were planned, and there were 2' },
    { what: 'a kill did not come', chaos: { ...stormy, kills: 1 }, says: 'the bank was to be killed 2 times, and was 1 times' },
    { what: 'a session found no next link', chaos: { ...stormy, resumed: 4 }, says: '9 links were lost, and 8 times a session found a next one' },
    { what: 'no session resumed', chaos: { ...calm, plannedCuts: 1, cuts: 1 }, says: '1 times links were cut, and no session resumed' },
    {
      what: 'no session began anew',
      chaos: { ...stormy, linksLost: 5, restarted: 0 },
      says: 'the bank was killed 2 times, and no session began anew',
    },
    { what: 'a call was lost and no bank', chaos: calm, indeterminate: 1, says: '1 calls ended indeterminate, and the bank never died' },
    {
      what: 'a session was forgotten by a bank that lives',
      chaos: { ...calm, linksLost: 1, restarted: 1 },
      says: '1 sessions began anew, and the bank never died',
    },
  ])('are at fault when $what', ({ chaos, indeterminate = 0, says }) => {
    expect(figuresOf({ ...result, tally: Object.assign(tallyOf(8), { indeterminate }), chaos }, facts).faults).toEqual([says]);
  });

  it('are at fault when a charge runs again in one life of the bank', () => {
    const again = { ...counts, found: 2 };
    expect(figuresOf({ ...result, tally: tallyOf(8), counts: again }, facts).faults).toEqual(['2 charges ran again, and the bank never died']);
  });

  it('are at fault when a handler runs for nobody, whatever befell the run', () => {
    const thinking = { ...counts, quotesThinking: 1 };
    expect(figuresOf({ ...result, tally: tallyOf(20), counts: thinking, chaos: stormy }, facts).faults).toEqual([
      '1 handlers of quotes run on, and nobody waits for them',
    ]);
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
    expect(pairs.size).toBe(8 * 6);
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
    watcher.reborn({ killedPid: 1, pid: 3, afterMs: 456, replayed: 7_000, tornBytes: 5 });
    watcher.streaming(1_234);
    watcher.ended();
    return String(output.read());
  };

  it('is a bar on a terminal', () => {
    expect(shown(true)).toContain('20/20 orders, 100 %, 1 kills');
    expect(shown(true)).toContain('████');
    expect(shown(true)).toMatch(/20\/20 orders, 100 %[^\n]*\nstreaming: 1,234 lines to the bank[^\n]*\n$/);
  });

  it('is plain lines elsewhere', () => {
    const lines = shown(false).trimEnd().split('\n');
    expect(lines).toHaveLength(13);
    expect(lines[11]).toBe(
      'bank: process 1 killed; process 3 listens after 456 ms, 7,000 lines of its journal replayed, a torn one of 5 bytes dropped',
    );
    expect(lines[12]).toBe('streaming: 1,234 lines to the bank, receipts back; then its journal to a slow reader');
    expect(lines).toEqual(expect.arrayContaining(['bank: process 1, 127.0.0.1:2', '10 of 20 orders', '20 of 20 orders']));
  });
});
