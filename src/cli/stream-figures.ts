/** The figures of a run's streams, for people and for programs. What is wrong with them is stream-faults.ts's. */
import { MOST_UNANSWERED } from './audit.ts';
import type { AuditResult } from './audit.ts';
import { WINDOW } from './slow-reader.ts';
import type { SlowReading, Weight } from './slow-reader.ts';
import { MOST_GROWTH_BYTES } from './stream-faults.ts';
import { count, megabytes } from './table.ts';
import type { Row } from './table.ts';

export interface StreamFigures {
  /** The file on its way to the bank through one channel, and the receipts on their way back through another. */
  readonly fileStream: {
    readonly lines: number;
    readonly receipts: number;
    readonly skipped: number;
    /** High-water mark: the most lines sent whose receipt was not there yet. */
    readonly mostUnanswered: number;
    readonly mostUnansweredAllowed: number;
    readonly seconds: number;
    readonly linesPerSecond: number;
  };
  /** The bank's journal on its way to a slow reader, who leaves early. */
  readonly slowReader: {
    readonly offered: number;
    readonly read: number;
    readonly sent: number;
    /** High-water mark: the most entries sent and not read. */
    readonly mostUnread: number;
    readonly window: number;
    /** What each process held before, and at most meanwhile, garbage not counted. */
    readonly bank: Weight;
    readonly demo: Weight;
    readonly growthAllowedBytes: number;
    /** The bank noticed that its reader had left, and stopped. */
    readonly leavingNoticed: boolean;
    readonly seconds: number;
  };
}

export function streamFigures(audit: AuditResult, reading: SlowReading): StreamFigures {
  return {
    fileStream: {
      lines: audit.lines,
      receipts: audit.receipts,
      skipped: audit.summary.skipped,
      mostUnanswered: audit.mostUnanswered,
      mostUnansweredAllowed: MOST_UNANSWERED,
      seconds: Number(audit.seconds.toFixed(3)),
      linesPerSecond: Math.round(audit.lines / audit.seconds),
    },
    slowReader: {
      offered: reading.offered,
      read: reading.read,
      sent: reading.end.sent,
      mostUnread: reading.mostUnread,
      window: WINDOW,
      bank: reading.bank,
      demo: reading.demo,
      growthAllowedBytes: MOST_GROWTH_BYTES,
      leavingNoticed: reading.end.readerLeft,
      seconds: Number(reading.seconds.toFixed(3)),
    },
  };
}

export function streamRows({ fileStream, slowReader }: StreamFigures): readonly Row[] {
  const { lines, receipts, mostUnanswered, mostUnansweredAllowed } = fileStream;
  const { offered, read, sent, mostUnread, window, bank, demo, growthAllowedBytes, leavingNoticed } = slowReader;
  return [
    [
      'lines streamed',
      count(lines),
      `${count(receipts)} receipts streamed back; never more than ${count(mostUnanswered)} lines without one, ${mostUnansweredAllowed} allowed; ${fileStream.seconds.toFixed(2)} s`,
    ],
    [
      'slow reader',
      count(read),
      `entries read, ${slowReader.seconds.toFixed(2)} s; the fast bank never more than ${count(mostUnread)} ahead, ${window} allowed`,
    ],
    [
      'memory held',
      megabytes(bank.mostBytes),
      `in the bank at most meanwhile, ${megabytes(bank.beforeBytes)} before; here ${megabytes(demo.mostBytes)} and ${megabytes(demo.beforeBytes)}; ${megabytes(growthAllowedBytes)} more allowed`,
    ],
    [
      'reader left',
      count(sent),
      `entries of ${count(offered)} sent ${leavingNoticed ? 'when the bank noticed, and stopped' : 'and THE BANK DID NOT NOTICE'}`,
    ],
  ];
}
