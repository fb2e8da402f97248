/** Reads the demo's CSV files. What is wrong with a line is told by its number, never thrown; a file that is of no use as a whole is. */
import { open } from 'node:fs/promises';
import type { Order } from './bank-contract.ts';
import { InputError } from './exit.ts';
import { ACCOUNT_LINES, keptText, ORDER_LINES, RecordReader, splitLine } from './record-lines.ts';
import type { FileLine, Format, MalformedLine } from './record-lines.ts';

/** A file as it was read: once, so that it may be a pipe. */
export interface RecordFile<T> {
  /** All lines below the header but blank ones; each is a record or malformed. */
  readonly lines: readonly FileLine[];
  readonly records: readonly T[];
  readonly malformed: readonly MalformedLine[];
}

/**
 * The orders of a file with the header `order,account,cents`. A line that cannot be, and one that repeats an order's name, is malformed.
 * @throws InputError when the file cannot be read, has another header, or has no lines below it.
 */
export function readOrders(path: string): Promise<RecordFile<Order>> {
  return read(path, ORDER_LINES);
}

/** Opening balances by account, of a file with the header `account,cents`. @throws InputError, also for a malformed line. */
export async function readOpenings(path: string): Promise<ReadonlyMap<string, number>> {
  const { records, malformed } = await read(path, ACCOUNT_LINES);
  const first = malformed[0];
  if (first !== undefined) throw new InputError(`${path}:${first.line}: ${first.reason}`);
  return new Map(records.map(({ account, cents }) => [account, cents]));
}

async function read<T extends object>(path: string, format: Format<T>): Promise<RecordFile<T>> {
  const lines: FileLine[] = [];
  const records: T[] = [];
  const malformed: MalformedLine[] = [];
  const reader = new RecordReader(format);
  let line = 0;
  let header: string | undefined;
  for await (const text of linesOf(path)) {
    line++;
    if (text.trim() === '') continue;
    if (header === undefined) {
      header = text;
      checkHeader(path, format, text);
      continue;
    }
    const kept = { line, text: keptText(text) };
    lines.push(kept);
    const { record, reason } = reader.read(kept);
    if (reason === undefined) records.push(record);
    else malformed.push({ line, reason });
  }
  if (header === undefined) throw new InputError(`${path} is empty: its first line must be ${format.columns.join(',')}`);
  if (lines.length === 0) throw new InputError(`${path} has a header and nothing below it`);
  return { lines, records, malformed };
}

async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    await using file = await open(path);
    yield* file.readLines();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new InputError(code === 'ENOENT' ? `${path} does not exist` : `${path} cannot be read: ${message}`, { cause: error });
  }
}

function checkHeader<T>(path: string, { columns }: Format<T>, text: string): void {
  const { fields } = splitLine(text);
  if (fields?.length === columns.length && columns.every((column, at) => fields[at] === column)) return;
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  throw new InputError(`${path} begins with ${JSON.stringify(shown)}: its first line must be ${columns.join(',')}`);
}
