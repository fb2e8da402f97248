/** The books of the simulation notice what must never be. Each test tells them of one thing that a broken runtime would do. */
import { describe, expect, it } from 'vitest';
import { SimulatedClock, SeededRandom } from 'statewire/testing';
import { encodeValue } from '../../src/wire/index.ts';
import { CreditWatch } from '../../src/testing/simulation/credit-watch.ts';
import type { Asking, Intent } from '../../src/testing/simulation/intents.ts';
import { Ledger } from '../../src/testing/simulation/ledger.ts';
import type { Told } from '../../src/testing/simulation/ledger.ts';
import { SimulatedProcess } from '../../src/testing/simulation/process.ts';
import { sequenceDiagram } from '../../src/testing/simulation/trace.ts';
import { expectedValue } from '../../src/testing/trial/contract.ts';
import type { Message } from '../../src/wire/index.ts';

const process = new SimulatedProcess('c1', new SimulatedClock(), new SeededRandom(1));

interface Books {
  readonly ledger: Ledger;
  readonly intent: Intent;
  readonly asking: Asking;
  /** An outcome of the handler's own, of the given run. */
  value(run: number): Told;
}

/** An operation that is asked for once, by a client that waits. */
function booksOf(changes: Partial<Intent> = {}): Books {
  const ledger = new Ledger({ now: () => 7, isKept: () => true });
  const intent: Intent = {
    ...{ n: 0, method: 'persist', does: 'returns', handlerMs: 0, items: 0, credit: 1 },
    ...{ scope: '0', caller: 'initiator', operationId: undefined, askings: [], runs: [], disks: [], forgotten: 0 },
    ...changes,
  };
  ledger.intents.push(intent);
  const asking = addAsking(ledger, intent);
  return { ledger, intent, asking, value: (run) => ({ outcome: 'value', answer: { value: expectedValue(intent), run } }) };
}

function addAsking(ledger: Ledger, intent: Intent): Asking {
  const asking: Asking = { index: intent.askings.length, process, place: 'root', givingUp: 'never', givingUpMs: 0, closesUnder: false };
  intent.askings.push(asking);
  ledger.ask(asking);
  return asking;
}

const rulesOf = ({ ledger }: Books): string[] => ledger.violations.map(({ rule }) => rule);

describe('the ledger notices', () => {
  it('nothing where all is well', () => {
    const books = booksOf();
    const run = books.ledger.begin(0, 'disk');
    books.ledger.tell(books.intent, books.asking, books.value(run));
    books.ledger.close(true);
    expect(books.ledger.violations).toEqual([]);
  });

  it.each(['volatile', 'persist', 'sum', 'ticks'] as const)('a second run of a %s operation', (method) => {
    const books = booksOf({ method });
    books.ledger.begin(0, 'disk');
    books.ledger.begin(0, 'disk');
    expect(rulesOf(books)).toEqual(['op.attach']);
    expect(books.ledger.violations[0]?.message).toContain(`intent 0 (${method}, returns, by the initiator of scope 0, asked 1×)`);
  });

  it.each(['idem', 'persistIdem', 'sumIdem', 'ticksIdem'] as const)('no second run of a %s operation', (method) => {
    const books = booksOf({ method });
    books.ledger.begin(0, 'disk');
    books.ledger.begin(0, 'disk');
    expect(rulesOf(books)).toEqual([]);
  });

  it('a second run on another disk, unless it was asked for twice', () => {
    const once = booksOf({ operationId: 'job' });
    once.ledger.begin(0, 'disk');
    once.ledger.begin(0, 'disk-2');
    expect(rulesOf(once)).toEqual(['op.attach']);
    const twice = booksOf({ operationId: 'job' });
    addAsking(twice.ledger, twice.intent);
    twice.ledger.begin(0, 'disk');
    twice.ledger.begin(0, 'disk-2');
    expect(rulesOf(twice)).toEqual([]);
  });

  it('a second run of what a store has forgotten only where it has a name of its own', () => {
    const args = encodeValue({ n: 0, does: 'returns', ms: 0 });
    const [named, numbered] = [booksOf({ operationId: 'job' }), booksOf()];
    for (const books of [named, numbered]) {
      books.ledger.begin(0, 'disk');
      books.ledger.forgotten(args);
      books.ledger.begin(0, 'disk');
    }
    expect(rulesOf(named)).toEqual([]);
    expect(rulesOf(numbered)).toEqual(['op.attach']);
  });

  it('a call that settles twice', () => {
    const books = booksOf();
    const run = books.ledger.begin(0, 'disk');
    books.ledger.tell(books.intent, books.asking, books.value(run));
    books.ledger.tell(books.intent, books.asking, books.value(run));
    expect(rulesOf(books)).toEqual(['attempt.one-response']);
  });

  it('two outcomes of one operation', () => {
    const books = booksOf({ operationId: 'job' });
    const other = addAsking(books.ledger, books.intent);
    const run = books.ledger.begin(0, 'disk');
    books.ledger.tell(books.intent, books.asking, books.value(run));
    books.ledger.tell(books.intent, other, books.value(run + 1));
    expect(rulesOf(books)).toEqual(['op.seal', 'op.replay']);
  });

  it('a value of another call', () => {
    const books = booksOf();
    const run = books.ledger.begin(0, 'disk');
    books.ledger.tell(books.intent, books.asking, { outcome: 'value', answer: { value: 1, run } });
    expect(rulesOf(books)).toEqual(['op.scope']);
  });

  it.each<[string, string]>([
    ['invalid-payload:conflict', 'outcome.reason'],
    ['protocol-error:id.violation', 'outcome.reason'],
    ['send-failed', 'outcome.reason'],
    ['user', 'op.seal'],
    ['cancelled:aborted', 'cancel.callee'],
    ['cancelled:timeout', 'cancel.caller'],
    ['indeterminate:abandoned', 'op.indeterminate'],
    ['indeterminate:store-lost', 'resume.unknown'],
    ['indeterminate:expired', 'op.expiry'],
    ['indeterminate:deadline', 'outcome.closing'],
    ['session-shutdown:deadline', 'outcome.closing'],
    ['unavailable:store', 'op.store-failure'],
    ['unavailable:draining', 'session.drain'],
  ])('%s, where nothing has happened that explains it', (outcome, rule) => {
    const books = booksOf();
    books.ledger.tell(books.intent, books.asking, { outcome });
    expect(rulesOf(books)).toEqual([rule]);
  });

  it.each<[string, Parameters<Ledger['circumstances']['note']>[0]]>([
    ['indeterminate:abandoned', 'server-crash'],
    ['indeterminate:store-lost', 'failover'],
    ['indeterminate:expired', 'clock-jump'],
    ['session-shutdown:deadline', 'blackout'],
    ['unavailable:store', 'store-errors'],
    ['unavailable:draining', 'drain'],
  ])('no %s after %s', (outcome, fault) => {
    const books = booksOf();
    books.ledger.circumstances.note(fault);
    books.ledger.tell(books.intent, books.asking, { outcome });
    expect(rulesOf(books)).toEqual([]);
  });

  it('an abort of a handler that nothing explains, and any of a persist one', () => {
    const [persist, volatile, explained] = [booksOf(), booksOf({ method: 'volatile' }), booksOf({ method: 'volatile' })];
    explained.ledger.circumstances.note('drain');
    for (const { ledger } of [persist, volatile, explained]) ledger.aborted(0);
    expect([persist, volatile, explained].map(rulesOf)).toEqual([['resume.live', 'cancel.callee'], ['resume.live'], []]);
  });

  it.each(['indeterminate:abandoned', 'indeterminate:released', 'indeterminate:handler-failed'])(
    'that a persist operation whose outcome somebody has been told is said to have none: %s',
    (outcome) => {
      const books = booksOf({ operationId: 'job', does: 'returns' });
      for (const fault of ['server-crash', 'cut'] as const) books.ledger.circumstances.note(fault);
      const other = addAsking(books.ledger, books.intent);
      const run = books.ledger.begin(0, 'disk');
      books.ledger.tell(books.intent, books.asking, books.value(run));
      books.ledger.tell(books.intent, other, { outcome });
      expect(rulesOf(books)).toContain('op.seal-durable');
    },
  );

  it('a failure that is called retryable though the handler has run, also if it runs later', () => {
    const books = booksOf();
    books.ledger.circumstances.note('store-errors');
    books.ledger.tell(books.intent, books.asking, { outcome: 'unavailable:store', retryable: true });
    books.ledger.begin(0, 'disk');
    books.ledger.close(true);
    expect(rulesOf(books)).toEqual(['outcome.retryable']);
  });

  it('a persist call with a value whose handler ran on no disk', () => {
    const books = booksOf();
    books.ledger.tell(books.intent, books.asking, books.value(1));
    books.ledger.close(true);
    expect(rulesOf(books)).toEqual(['op.seal', 'op.seal-durable']);
  });

  it('a call that never settles, once faults have stopped, unless its caller is dead', () => {
    const books = booksOf();
    expect(books.ledger.isWaiting).toBe(true);
    books.ledger.close(false);
    expect(rulesOf(books)).toEqual([]);
    books.ledger.close(true);
    expect(rulesOf(books)).toEqual(['attempt.never-parked']);
  });
});

describe('the watch over credit notices', () => {
  const rules: string[] = [];
  const watch = (): CreditWatch => {
    rules.length = 0;
    return new CreditWatch((rule) => rules.push(rule));
  };
  const items = (count: number, channelId = 1): Message => ({
    type: 'items',
    connectionId: 0,
    channelId,
    values: Array.from({ length: count }, () => new Uint8Array(1)),
  });
  const grant = (credit: number): Message => ({ type: 'grant', connectionId: 0, channelId: 1, credit });
  /** A call whose argument is a sender of two credits that the callee gets. */
  const call: Message = {
    ...{ type: 'call', connectionId: 0, requestId: 1, methodId: 1, channels: [1], metadata: [] },
    // Extension 0x43 of eight bytes: the peer receives, place 0, credit 2.
    args: Uint8Array.of(0xd7, 0x43, 0, 0, 0, 0, 0, 0, 0, 2),
  };

  it('nothing of a sender that keeps to its credit', () => {
    const credit = watch();
    credit.see('l', 'initiator', call);
    credit.see('l', 'initiator', items(2));
    credit.see('l', 'acceptor', grant(1));
    credit.see('l', 'initiator', items(1));
    expect(rules).toEqual([]);
  });

  it('an item beyond the credit', () => {
    const credit = watch();
    credit.see('l', 'initiator', call);
    credit.see('l', 'initiator', items(3));
    expect(rules).toEqual(['credit.spend']);
  });

  it('more granted than was sent', () => {
    const credit = watch();
    credit.see('l', 'initiator', call);
    credit.see('l', 'initiator', items(1));
    credit.see('l', 'acceptor', grant(2));
    expect(rules).toEqual(['credit.grant']);
  });

  it('items of a channel nobody has passed, from the wrong end, or of another link', () => {
    const credit = watch();
    credit.see('l', 'initiator', call);
    credit.see('l', 'initiator', items(1, 3));
    credit.see('l', 'acceptor', items(1));
    credit.see('other', 'initiator', items(1));
    expect(rules).toEqual(['channel.early', 'channel.early', 'channel.early']);
  });
});

describe('the sequence diagram', () => {
  it('draws an arrow from column to column for each message, and what happens at one place', () => {
    const drawn = sequenceDiagram([
      { atMs: 1, from: 'c1', to: 's1', text: 'call 0.1 op 1' },
      { atMs: 12, from: 's1', to: 'c1', text: 'response 0.1 value' },
      { atMs: 13, from: 's1', text: 'is killed' },
    ]);
    expect(drawn.split('\n')).toEqual([
      '          c1                        s1',
      '       1  ├ call 0.1 op 1 ─────────▶│',
      '      12  ◀ response 0.1 value ─────┤',
      '      13  │                         ● is killed',
    ]);
  });
});
