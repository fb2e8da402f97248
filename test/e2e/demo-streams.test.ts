/** The demo's streams against the real books of a bank, and against banks that do one thing wrong; and what makes a run's streams a fault. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect, implement, listen } from 'statewire';
import type { Client, Handlers } from 'statewire';
import { memoryNetwork } from 'statewire/memory';
import { auditFile, MOST_UNANSWERED } from '../../src/cli/audit.ts';
import type { AuditResult } from '../../src/cli/audit.ts';
import type { Order } from '../../src/cli/bank-contract.ts';
import { Books } from '../../src/cli/books-contract.ts';
import type { LineReceipt } from '../../src/cli/books-contract.ts';
import { makeBooks } from '../../src/cli/books.ts';
import { heldBytes } from '../../src/cli/held-bytes.ts';
import { Ledger } from '../../src/cli/ledger.ts';
import type { RecordFile } from '../../src/cli/orders.ts';
import { keptText, ORDER_LINES, RecordReader } from '../../src/cli/record-lines.ts';
import type { FileLine } from '../../src/cli/record-lines.ts';
import { readSlowly, WINDOW } from '../../src/cli/slow-reader.ts';
import type { SlowReading } from '../../src/cli/slow-reader.ts';
import { auditFaults, MOST_GROWTH_BYTES, slowReaderFaults } from '../../src/cli/stream-faults.ts';
import { streamFigures, streamRows } from '../../src/cli/stream-figures.ts';

/** Longer than both windows together. */
const COUNT = 200;
const MALFORMED_EVERY = 50;

const orders = Array.from({ length: COUNT }, (_, at): Order => ({ order: `o${at}`, account: 'ada', cents: at + 1 }));
const text = ({ order, account, cents }: Order): string => `${order},${account},${cents}`;

/** The orders as a file, with malformed lines between them, read as the demo reads it. */
function readFile(): RecordFile<Order> {
  const texts = orders.flatMap((order, at) => (at % MALFORMED_EVERY === 0 ? [text(order), 'no order'] : [text(order)]));
  const lines = texts.map((line, at): FileLine => ({ line: at + 2, text: line }));
  const reader = new RecordReader(ORDER_LINES);
  const read = lines.map((line) => ({ line: line.line, ...reader.read(line) }));
  return {
    lines,
    records: read.flatMap(({ record }) => (record === undefined ? [] : [record])),
    malformed: read.flatMap(({ line, reason }) => (reason === undefined ? [] : [{ line, reason }])),
  };
}

const file = readFile();

/** The ledger with all orders charged, the later ones insufficient; and each order's outcome. */
async function charged(): Promise<{ ledger: Ledger; outcomes: Map<string, unknown> }> {
  const settled = () => Promise.resolve();
  const ledger = new Ledger({ append: settled, synced: settled });
  await ledger.open({ account: 'ada', cents: 10_000 });
  const outcomes = await Promise.all(orders.map(async (order): Promise<[string, unknown]> => [order.order, await ledger.charge(order)]));
  return { ledger, outcomes: new Map(outcomes) };
}

async function bookkeeper(handlers: Handlers<typeof Books> | Ledger): Promise<Client<typeof Books>> {
  const network = memoryNetwork();
  const server = await listen(network.listener('bank'), {
    services: [handlers instanceof Ledger ? makeBooks(handlers) : implement(Books, handlers)],
  });
  onTestFinished(() => server.close());
  const session = await connect(network.connector('bank'));
  onTestFinished(() => session.close());
  return session.client(Books);
}

/** A bank's books that answer each line as they should, unless told otherwise. */
function booksWith(change: Partial<Handlers<typeof Books>>): Handlers<typeof Books> {
  return {
    audit: () => ({ lines: 0, found: 0, skipped: 0 }),
    journal: () => ({ sent: 0, readerLeft: false }),
    journalSent: () => 0,
    heldBytes: () => heldBytes(),
    ...change,
  };
}

/** Answers lines rightly, but for what `distort` makes of all receipts. */
function auditing(ledger: Ledger, distort: (receipts: readonly LineReceipt[]) => readonly LineReceipt[]): Handlers<typeof Books>['audit'] {
  return async ({ lines, receipts }) => {
    const reader = new RecordReader(ORDER_LINES);
    const answers: LineReceipt[] = [];
    for await (const line of lines) {
      const { record, reason } = reader.read(line);
      answers.push(
        reason === undefined ? { line: line.line, order: record.order, outcome: ledger.find(record) } : { line: line.line, skipped: reason },
      );
    }
    for (const answer of distort(answers)) await receipts.send(answer);
    receipts.close();
    return { lines: answers.length, found: file.records.length, skipped: file.malformed.length };
  };
}

describe('the audit', () => {
  it('gets the receipt that the caller got for every order, a reason for every malformed line, and is never ahead by more than the windows', async () => {
    const { ledger, outcomes } = await charged();
    const audit = await auditFile(await bookkeeper(ledger), file, (order) => outcomes.get(order));
    expect(auditFaults(audit)).toEqual([]);
    expect(audit).toMatchObject({ lines: 204, malformed: 4, receipts: 204, summary: { lines: 204, found: 200, skipped: 4 } });
    expect(audit.mostUnanswered).toBeGreaterThan(1);
    expect(audit.mostUnanswered).toBeLessThanOrEqual(MOST_UNANSWERED);
  });

  it('changes nothing in the ledger', async () => {
    const { ledger, outcomes } = await charged();
    const before = structuredClone({ entries: ledger.entries, balances: ledger.balances });
    await auditFile(await bookkeeper(ledger), file, (order) => outcomes.get(order));
    expect({ entries: ledger.entries, balances: ledger.balances }).toEqual(before);
  });

  it('measures a bank that keeps all lines before it answers the first', async () => {
    const { ledger, outcomes } = await charged();
    const books = await bookkeeper(booksWith({ audit: auditing(ledger, (receipts) => receipts) }));
    const audit = await auditFile(books, file, (order) => outcomes.get(order));
    expect(audit.mostUnanswered).toBe(204);
    expect(auditFaults(audit)).toEqual([`at most ${MOST_UNANSWERED} lines may wait for their receipts, and 204 did`]);
  });

  it.each<{ wrong: string; distort: (receipts: readonly LineReceipt[]) => readonly LineReceipt[]; says: RegExp }>([
    {
      wrong: 'a receipt that is missing',
      distort: (all) => all.slice(0, -1),
      says: /^204 lines were streamed to the bank, and 203 receipts came back$/,
    },
    { wrong: 'a receipt too many', distort: (all) => [...all, ...all.slice(-1)], says: /^1 receipts .* the first was .*"o199".* instead of none$/ },
    {
      wrong: 'two receipts in the wrong order',
      distort: ([first, second, ...others]) => [second, first, ...others] as LineReceipt[],
      says: /^2 receipts were not what they must be, or not in their place; the first was \{"line":3,"skipped".* instead of \{"line":2,/,
    },
    {
      wrong: 'the receipt of another charge',
      distort: ([first, ...others]) => [{ ...first, outcome: { receipt: 'R7', balanceCents: 1 } } as LineReceipt, ...others],
      says: /^1 receipts .* the first was .*"receipt":"R7".* instead of .*"receipt":"R1"/,
    },
    {
      wrong: 'an order that the bank does not know',
      distort: ([first, ...others]) => [{ ...first, outcome: undefined } as LineReceipt, ...others],
      says: /^1 receipts .* the first was \{"line":2,"order":"o0"\} instead of/,
    },
    {
      wrong: 'a malformed line that the bank takes',
      distort: (all) => all.map((receipt) => ('skipped' in receipt ? { line: receipt.line, order: 'no order', outcome: undefined } : receipt)),
      says: /^4 receipts .* the first was \{"line":3,"order":"no order"\} instead of \{"line":3,"skipped"/,
    },
  ])('finds $wrong', async ({ distort, says }) => {
    const { ledger, outcomes } = await charged();
    const books = await bookkeeper(booksWith({ audit: auditing(ledger, distort) }));
    const faults = auditFaults(await auditFile(books, file, (order) => outcomes.get(order)));
    expect(faults).toContainEqual(expect.stringMatching(says));
  });

  it('finds an amount that is not the one charged', async () => {
    const { ledger, outcomes } = await charged();
    const lines = file.lines.map((line, at) => (at === 0 ? { ...line, text: 'o0,ada,9' } : line));
    const audit = await auditFile(await bookkeeper(ledger), { ...file, lines }, (order) => outcomes.get(order));
    expect(audit.summary.found).toBe(199);
    expect(auditFaults(audit)).toHaveLength(2);
  });
});

describe('the slow reader', () => {
  it('is never more than the window behind a sender that is as fast as it may be, and is missed when it leaves', async () => {
    const reading = await readSlowly(await bookkeeper((await charged()).ledger));
    expect(slowReaderFaults(reading)).toEqual([]);
    expect(reading).toMatchObject({ read: 300, offered: 250_000, misplaced: 0, end: { readerLeft: true } });
    expect(reading.mostUnread).toBe(WINDOW);
    expect(reading.end.sent).toBeLessThanOrEqual(300 + WINDOW);
  });

  it('measures a bank that says that it is further ahead', async () => {
    const { ledger } = await charged();
    const real = await bookkeeper(ledger);
    const lying = new Proxy(real, {
      get: (target, name) => (name === 'journalSent' ? async () => (await target.journalSent()) + 1 : (Reflect.get(target, name, target) as unknown)),
    });
    expect(slowReaderFaults(await readSlowly(lying))).toEqual([`at most ${WINDOW} entries may be sent and not read, and ${WINDOW + 1} were`]);
  });

  it('measures what the sending process holds', async () => {
    const { ledger } = await charged();
    const real = await bookkeeper(ledger);
    const hoard: Uint8Array[] = [];
    const hoarding = new Proxy(real, {
      get: (target, name) => {
        if (name === 'heldBytes') hoard.push(new Uint8Array(MOST_GROWTH_BYTES));
        return Reflect.get(target, name, target) as unknown;
      },
    });
    const reading = await readSlowly(hoarding);
    expect(reading.bank.mostBytes - reading.bank.beforeBytes).toBeGreaterThan(MOST_GROWTH_BYTES);
    expect(slowReaderFaults(reading)).toContainEqual(expect.stringMatching(/^the bank's process came to hold \d+ bytes more/));
    expect(hoard.length).toBeGreaterThan(2);
  });

  it('finds a journal that is out of order and ends', async () => {
    const books = booksWith({
      async journal({ entries }) {
        for (const number of [1, 3, 2]) await entries.send({ number, order: 'o', account: 'ada', cents: 1, granted: true });
        entries.close();
        return { sent: 3, readerLeft: false };
      },
      journalSent: () => 3,
    });
    expect(slowReaderFaults(await readSlowly(await bookkeeper(books)))).toEqual([
      '2 entries of the journal came out of order',
      `the bank was never more than 2 entries ahead of its slow reader, where ${WINDOW} are allowed`,
      'the reader left after 3 entries, and the bank did not notice: it sent 3 of 250000',
    ]);
  });
});

describe('the faults of the streams', () => {
  const audit: AuditResult = {
    lines: 3,
    malformed: 1,
    unbooked: 0,
    receipts: 3,
    summary: { lines: 3, found: 2, skipped: 1 },
    wrong: 0,
    firstWrong: undefined,
    mostUnanswered: MOST_UNANSWERED,
    seconds: 0.5,
  };
  const still = { beforeBytes: 10_000_000, mostBytes: 10_000_000 + MOST_GROWTH_BYTES };
  const reading: SlowReading = {
    offered: 1_000,
    read: 10,
    misplaced: 0,
    end: { sent: 10 + WINDOW, readerLeft: true },
    mostUnread: WINDOW,
    bank: still,
    demo: still,
    seconds: 0.5,
  };
  const grown = { ...still, mostBytes: still.mostBytes + 1 };

  it('are none when all is just what is allowed', () => {
    expect([...auditFaults(audit), ...slowReaderFaults(reading)]).toEqual([]);
  });

  it.each<{ wrong: Partial<AuditResult>; says: string }>([
    { wrong: { receipts: 2 }, says: '3 lines were streamed to the bank, and 2 receipts came back' },
    {
      wrong: { wrong: 2, firstWrong: 'x instead of y' },
      says: '2 receipts were not what they must be, or not in their place; the first was x instead of y',
    },
    { wrong: { summary: { lines: 2, found: 2, skipped: 1 } }, says: "the bank's summary of the lines must be" },
    { wrong: { summary: { lines: 3, found: 1, skipped: 1 } }, says: "the bank's summary of the lines must be" },
    { wrong: { unbooked: 1 }, says: "the bank's summary of the lines must be" },
    { wrong: { summary: { lines: 3, found: 2, skipped: 0 } }, says: "the bank's summary of the lines must be" },
    {
      wrong: { mostUnanswered: MOST_UNANSWERED + 1 },
      says: `at most ${MOST_UNANSWERED} lines may wait for their receipts, and ${MOST_UNANSWERED + 1} did`,
    },
  ])('tell $wrong', ({ wrong, says }) => {
    expect(auditFaults({ ...audit, ...wrong })).toEqual([expect.stringContaining(says)]);
  });

  it.each<{ wrong: Partial<SlowReading>; says: string }>([
    { wrong: { misplaced: 1 }, says: '1 entries of the journal came out of order' },
    { wrong: { mostUnread: WINDOW + 1 }, says: `at most ${WINDOW} entries may be sent and not read, and ${WINDOW + 1} were` },
    { wrong: { mostUnread: 1 }, says: 'the bank was never more than 1 entries ahead of its slow reader' },
    { wrong: { end: { sent: 1_000, readerLeft: false } }, says: 'the bank did not notice: it sent 1000 of 1000' },
    { wrong: { bank: grown }, says: "the bank's process came to hold" },
    { wrong: { demo: grown }, says: "the demo's process came to hold" },
  ])('tell $wrong', ({ wrong, says }) => {
    expect(slowReaderFaults({ ...reading, ...wrong })).toEqual([expect.stringContaining(says)]);
  });

  it('stand in the table too when the bank did not notice that its reader left', () => {
    const rows = (end: SlowReading['end']) => streamRows(streamFigures(audit, { ...reading, end }));
    expect(rows(reading.end).at(-1)).toEqual(['reader left', '74', 'entries of 1,000 sent when the bank noticed, and stopped']);
    expect(rows({ sent: 1_000, readerLeft: false }).at(-1)).toEqual(['reader left', '1,000', 'entries of 1,000 sent and THE BANK DID NOT NOTICE']);
  });
});

describe('a line of the file', () => {
  const read = (line: string) => new RecordReader(ORDER_LINES).read({ line: 2, text: keptText(line) });

  it('is malformed when it is too long, and what is kept of it can be sent', () => {
    const reason = 'is longer than 4000 characters';
    expect(read(`o1,ada,${'1'.repeat(4_000)}`)).toEqual({ reason });
    // The cut goes through the middle of a character here: half a character has no UTF-8.
    const halved = `${'x'.repeat(4_001)}😀😀`;
    expect(keptText(halved)).not.toMatch(/\p{Surrogate}/u);
    expect(read(halved)).toEqual({ reason });
  });

  it('may have names of the longest', () => {
    const longest = 'é'.repeat(300);
    expect(read(`"${longest}","${longest}",1`)).toEqual({ record: { order: longest, account: longest, cents: 1 } });
  });
});
