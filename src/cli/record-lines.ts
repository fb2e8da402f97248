/**
 * Makes records of the lines of a CSV file. Every line is a record of its own, so that a broken quote spoils one line and not the rest of the
 * file; csv-parse reads the line, and the bank's own schemas say whether it makes sense. Both sides read this way: the demo what is in the
 * file, the bank what streams in. Neither files nor channels are known here.
 */
import { parse } from 'csv-parse/sync';
import type { StandardSchemaV1 } from '../index.ts';
import { openingSchema, orderSchema } from './bank-contract.ts';
import type { Opening, Order } from './bank-contract.ts';

/** A line below the header that is not blank. */
export interface FileLine {
  /** From 1, the header's. */
  readonly line: number;
  readonly text: string;
}

/** A line that was skipped, and why. */
export interface MalformedLine {
  readonly line: number;
  readonly reason: string;
}

/** What a file holds: its columns in order, which of them are numbers, the one that no two lines share, and what a line must be. */
export interface Format<T> {
  readonly columns: readonly (keyof T & string)[];
  readonly numbers: ReadonlySet<string>;
  readonly key: keyof T & string;
  readonly schema: StandardSchemaV1<T, T>;
}

export const ORDER_LINES: Format<Order> = {
  columns: ['order', 'account', 'cents'],
  numbers: new Set(['cents']),
  key: 'order',
  schema: orderSchema,
};
export const ACCOUNT_LINES: Format<Opening> = { columns: ['account', 'cents'], numbers: new Set(['cents']), key: 'account', schema: openingSchema };

/** Longer lines are malformed, whatever they say: two names of the longest, the cents and their quotes take less. */
const MOST_CHARACTERS = 4_000;

export type ReadLine<T> = { readonly record: T; readonly reason?: undefined } | { readonly record?: undefined; readonly reason: string };

/** Reads one file, line by line: it remembers the names that were there already. */
export class RecordReader<T extends object> {
  readonly #format: Format<T>;
  readonly #firstLines = new Map<unknown, number>();

  constructor(format: Format<T>) {
    this.#format = format;
  }

  read({ line, text }: FileLine): ReadLine<T> {
    const read = readLine(this.#format, text);
    if (read.reason !== undefined) return read;
    const { key } = this.#format;
    const name = read.record[key];
    const earlier = this.#firstLines.get(name);
    if (earlier !== undefined) return { reason: `${key} ${String(name)} is on line ${earlier} already` };
    this.#firstLines.set(name, line);
    return read;
  }
}

/** A line as it is kept and streamed: of one that is too long, enough to see that it is. */
export function keptText(text: string): string {
  // Two more than are taken, so that half a character cut off at the end leaves one too many; half a character cannot be sent.
  return text.length <= MOST_CHARACTERS ? text : text.slice(0, MOST_CHARACTERS + 2).replace(/\p{Surrogate}$/u, '');
}

type Split = { readonly fields: readonly string[]; readonly reason?: undefined } | { readonly fields?: undefined; readonly reason: string };

/** The fields of one line, or what is wrong with it. */
export function splitLine(line: string): Split {
  try {
    return { fields: parse(line, { bom: true, trim: true, relax_column_count: true })[0] ?? [] };
  } catch (error) {
    // Always "at line 1" to a parser that is shown one line.
    return { reason: (error as Error).message.replace(/ at line 1\b/, '') };
  }
}

function readLine<T extends object>({ columns, numbers, schema }: Format<T>, text: string): ReadLine<T> {
  if (text.length > MOST_CHARACTERS) return { reason: `is longer than ${MOST_CHARACTERS} characters` };
  const { fields, reason } = splitLine(text);
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
