/**
 * Reads the demo's CSV files. Every line is a record of its own, so that a broken quote spoils one line and not the rest of the file;
 * csv-parse reads the line, and the bank's own schemas say whether it makes sense. What is wrong is told by line, never thrown for one line.
 */
import { open } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import type { StandardSchemaV1 } from '../index.ts';
import { openingSchema, orderSchema } from './bank-contract.ts';
import type { Opening, Order } from './bank-contract.ts';
import { InputError } from './exit.ts';

/** A line that was skipped, and why. */
export interface MalformedLine {
  readonly line: number;
  readonly reason: string;
}

export interface Lines<T> {
  readonly records: readonly T[];
  readonly malformed: readonly MalformedLine[];
}

/** What a file holds: its columns in order, which of them are numbers, the one that no two lines share, and what a line must be. */
interface Format<T> {
  readonly columns: readonly (keyof T & string)[];
  readonly numbers: ReadonlySet<string>;
  readonly key: keyof T & string;
  readonly schema: StandardSchemaV1<T, T>;
}

const ORDERS: Format<Order> = { columns: ['order', 'account', 'cents'], numbers: new Set(['cents']), key: 'order', schema: orderSchema };
const ACCOUNTS: Format<Opening> = { columns: ['account', 'cents'], numbers: new Set(['cents']), key: 'account', schema: openingSchema };

/**
 * The orders of a file with the header `order,account,cents`. A line that cannot be, and one that repeats an order's name, is malformed.
 * @throws InputError when the file cannot be read, has another header, or has no lines below it.
 */
export function readOrders(path: string): Promise<Lines<Order>> {
  return read(path, ORDERS);
}

/** Opening balances by account, of a file with the header `account,cents`. @throws InputError, also for a malformed line. */
export async function readOpenings(path: string): Promise<ReadonlyMap<string, number>> {
  const { records, malformed } = await read(path, ACCOUNTS);
  const first = malformed[0];
  if (first !== undefined) throw new InputError(`${path}:${first.line}: ${first.reason}`);
  return new Map(records.map(({ account, cents }) => [account, cents]));
}

async function read<T extends object>(path: string, format: Format<T>): Promise<Lines<T>> {
  const records: T[] = [];
  const malformed: MalformedLine[] = [];
  const firstLines = new Map<unknown, number>();
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
    const { record, reason } = readLine(format, text);
    if (reason !== undefined) {
      malformed.push({ line, reason });
      continue;
    }
    const name = record[format.key];
    const earlier = firstLines.get(name);
    if (earlier !== undefined) {
      malformed.push({ line, reason: `${format.key} ${String(name)} is on line ${earlier} already` });
      continue;
    }
    firstLines.set(name, line);
    records.push(record);
  }
  if (header === undefined) throw new InputError(`${path} is empty: its first line must be ${format.columns.join(',')}`);
  if (records.length + malformed.length === 0) throw new InputError(`${path} has a header and nothing below it`);
  return { records, malformed };
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
  const { fields } = split(text);
  if (fields?.length === columns.length && columns.every((column, at) => fields[at] === column)) return;
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  throw new InputError(`${path} begins with ${JSON.stringify(shown)}: its first line must be ${columns.join(',')}`);
}

type ReadLine<T> = { readonly record: T; readonly reason?: undefined } | { readonly record?: undefined; readonly reason: string };

function readLine<T extends object>({ columns, numbers, schema }: Format<T>, text: string): ReadLine<T> {
  const { fields, reason } = split(text);
  if (fields === undefined) return { reason };
  if (fields.length !== columns.length) return { reason: `has ${fields.length} fields, not the ${columns.length} of ${columns.join(',')}` };
  const given = Object.fromEntries(columns.map((column, at) => [column, numbers.has(column) ? toNumber(fields[at]) : fields[at]]));
  const result = schema['~standard'].validate(given);
  if ('then' in result) throw new Error('the schemas of the demo answer at once');
  if (result.issues === undefined) return { record: result.value };
  const issue = result.issues[0];
  const column = String(issue?.path?.[0] ?? 'line');
  const value = fields[columns.findIndex((other) => other === column)];
  return { reason: `${column} ${issue?.message ?? 'is wrong'}, not ${JSON.stringify(value)}` };
}

/** Digits alone: `Number` would also take `1e3`, ` 5 ` and the empty field. */
function toNumber(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

type Split = { readonly fields: readonly string[]; readonly reason?: undefined } | { readonly fields?: undefined; readonly reason: string };

/** The fields of one line, or what is wrong with it. */
function split(line: string): Split {
  try {
    return { fields: parse(line, { bom: true, trim: true, relax_column_count: true })[0] ?? [] };
  } catch (error) {
    // Always "at line 1" to a parser that is shown one line.
    return { reason: (error as Error).message.replace(/ at line 1\b/, '') };
  }
}
