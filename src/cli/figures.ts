/** The demo's result for people and for programs: the figures, what is wrong with them, the table. */
import { chaosFaults, chaosFigures, chaosRows } from './chaos-figures.ts';
import type { ChaosFigures } from './chaos-figures.ts';
import type { DemoResult } from './demo-run.ts';
import { ledgerFaults } from './expected.ts';
import type { MalformedLine } from './record-lines.ts';
import { auditFaults, slowReaderFaults } from './stream-faults.ts';
import { streamFigures, streamRows } from './stream-figures.ts';
import type { StreamFigures } from './stream-figures.ts';
import { count, layOut } from './table.ts';
import type { Row } from './table.ts';

export interface Figures extends StreamFigures, ChaosFigures {
  readonly orders: number;
  readonly skippedLines: readonly MalformedLine[];
  readonly clients: number;
  readonly sessions: number;
  readonly seed: number;
  /** Calls that the clients made. */
  readonly calls: number;
  readonly succeeded: number;
  /** True: the bank was killed, and what it had counted since it last told is missing in `executions`, `duplicatesJoined`, `replays`, `found` and `handlersAborted`. */
  readonly atLeast: boolean;
  /** Handlers that the server started for them. */
  readonly executions: number;
  /** Of these, charges that the ledger decided. */
  readonly charges: number;
  readonly duplicatesJoined: number;
  readonly replays: number;
  /** Calls whose caller gave up, and what became of them at the bank. */
  readonly cancelled: number;
  readonly handlersAborted: number;
  readonly failed: number;
  readonly failures: { readonly insufficient: number; readonly unknownMethod: number; readonly invalidInput: number; readonly idConflict: number };
  readonly seconds: number;
  readonly callsPerSecond: number;
  readonly checksum: string;
  readonly balances: Readonly<Record<string, { readonly cents: number | undefined; readonly expectedCents: number }>>;
  /** In which the run was not exactly what it must be. */
  readonly faults: readonly string[];
}

export interface DemoFacts {
  readonly clients: number;
  readonly seed: number;
  readonly skippedLines: readonly MalformedLine[];
}

export function figuresOf(result: DemoResult, { clients, seed, skippedLines }: DemoFacts): Figures {
  const { tally, counts, ledger, expected, chaos, seconds, audit, slowReading } = result;
  const figures = {
    orders: expected.entries + audit.unbooked,
    skippedLines,
    clients,
    sessions: 2 * clients,
    seed,
    calls: tally.calls,
    succeeded: tally.succeeded,
    atLeast: chaos.kills > 0,
    executions: counts.started,
    charges: ledger.entries,
    duplicatesJoined: counts.attached,
    replays: counts.replayed,
    cancelled: tally.cancelled,
    handlersAborted: counts.quotesAborted,
    failed: tally.failed,
    failures: { insufficient: tally.insufficient, unknownMethod: tally.unknownMethod, invalidInput: tally.invalidInput, idConflict: tally.conflicts },
    seconds: Number(seconds.toFixed(3)),
    callsPerSecond: Math.round(tally.calls / seconds),
    checksum: ledger.checksum,
    balances: Object.fromEntries(
      Array.from(expected.balances, ([account, expectedCents]) => [account, { cents: ledger.balances[account], expectedCents }]),
    ),
    ...chaosFigures(chaos, tally, { found: counts.found, indeterminateBooked: tally.indeterminateOrders.length - audit.unbooked }),
    ...streamFigures(audit, slowReading),
  };
  const faults = [
    ...ledgerFaults(expected, ledger),
    ...callFaults(figures, tally.quotesGivenUp, counts.quotesThinking),
    ...chaosFaults(chaos, tally),
    ...auditFaults(audit),
    ...slowReaderFaults(slowReading),
  ];
  return { ...figures, faults };
}

/**
 * Both sides' books must agree: every call was run, joined to one that runs, answered from a kept outcome, or refused; every cancel came through. Where calls
 * were sent twice and given up unsent, and counts died with their process, it must still be that no handler runs for nobody.
 */
function callFaults(figures: Omit<Figures, 'faults'>, quotesGivenUp: number, quotesThinking: number): readonly string[] {
  const { calls, executions, duplicatesJoined, replays, handlersAborted, failures, cuts, kills, found } = figures;
  const faults: string[] = [];
  if (quotesThinking > 0) faults.push(`${quotesThinking} handlers of quotes run on, and nobody waits for them`);
  if (handlersAborted > quotesGivenUp) faults.push(`${quotesGivenUp} quotes were given up, and ${handlersAborted} of their handlers were aborted`);
  if (kills === 0 && found > 0) faults.push(`${found} charges ran again, and the bank never died`);
  if (cuts + kills > 0) return faults;
  const accounted = executions + duplicatesJoined + replays + failures.unknownMethod + failures.invalidInput + failures.idConflict;
  if (accounted !== calls) faults.push(`the clients made ${calls} calls, and the server accounts for ${accounted}`);
  if (handlersAborted < quotesGivenUp) faults.push(`${quotesGivenUp} quotes were given up, and ${handlersAborted} of their handlers were aborted`);
  return faults;
}

function exactness({ indeterminateOrders }: Figures): string {
  return indeterminateOrders.length === 0
    ? 'exactly what the file says'
    : 'exactly what the file says, the indeterminate orders as the bank has them';
}

/** The table at the end, without the faults. */
export function tableOf(figures: Figures): string {
  const { failures } = figures;
  const balances = Object.values(figures.balances);
  const least = (value: number): string => `${figures.atLeast ? '≥ ' : ''}${count(value)}`;
  const right = balances.filter(({ cents, expectedCents }) => cents === expectedCents).length;
  const rows: readonly Row[] = [
    ['calls', count(figures.calls), `${figures.clients} clients, ${figures.sessions} sessions, ${figures.seconds.toFixed(2)} s`],
    [
      'executions',
      least(figures.executions),
      `${count(figures.charges)} charges of ${count(figures.orders)} orders; the rest quotes${figures.kills > 0 ? ', balances and charges that ran again' : ' and balances'}`,
    ],
    ['duplicates joined', least(figures.duplicatesJoined), 'asked while the first was live'],
    ['replays', least(figures.replays), 'asked when it was done'],
    ['cancelled', count(figures.cancelled), `${least(figures.handlersAborted)} quotes aborted; the others were charges, which run on`],
    [
      'failed',
      count(figures.failed),
      `${count(failures.insufficient)} insufficient, ${count(failures.unknownMethod)} unknown method, ${count(failures.invalidInput)} invalid input, ${count(failures.idConflict)} id taken`,
    ],
    ['calls/s', count(figures.callsPerSecond), ''],
    ...chaosRows(figures),
    ...streamRows(figures),
    ['balances', `${right} of ${balances.length}`, right === balances.length ? exactness(figures) : 'NOT WHAT THE FILE SAYS'],
    ['ledger checksum', figures.checksum.slice(0, 16), ''],
  ];
  return layOut(rows);
}
