/**
 * The bank's own database: a file of JSON lines, one for each decision, that only grows. A decision counts once its line is on disk, and what is not on
 * disk was told to nobody. It shares nothing with the operation store: that knows which calls were made, this knows what they did.
 */
import { open, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Opening, Order } from './bank-contract.ts';

export type JournalLine =
  | { readonly opened: Opening }
  | { readonly charged: Order; readonly granted: boolean }
  /** An order that may run once only came again, and was refused. */
  | { readonly refused: string };

/** Where decisions are written down. */
export interface DecisionLog {
  /** Settles once the line, and all before it, are on disk. */
  append(line: JournalLine): Promise<void>;
  /** Settles once all that was appended is on disk. */
  synced(): Promise<void>;
}

export interface OpenedJournal {
  readonly journal: Journal;
  readonly lines: readonly JournalLine[];
  /** Of a last line that was cut off in the middle of its writing: nobody was told of it, and it is dropped. */
  readonly tornBytes: number;
}

/** Opens the journal, which need not be there yet. @throws when a line that is whole makes no sense: that is damage. */
export async function openJournal(path: string): Promise<OpenedJournal> {
  // Appending, whatever the position: whoever else looks into the file disturbs nothing.
  const file = await open(path, 'a');
  try {
    const bytes = await readFile(path);
    const wholeBytes = bytes.lastIndexOf('\n') + 1;
    const lines = linesOf(path, bytes.toString('utf8', 0, wholeBytes));
    const tornBytes = bytes.byteLength - wholeBytes;
    if (tornBytes > 0) await file.truncate(wholeBytes);
    return { journal: new Journal(file), lines, tornBytes };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function linesOf(path: string, text: string): readonly JournalLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line, at) => {
      const read = parsed(line);
      if (read === undefined) throw new Error(`${path}:${at + 1} is no line of a journal: ${JSON.stringify(line.slice(0, 80))}`);
      return read;
    });
}

function parsed(line: string): JournalLine | undefined {
  try {
    const read = JSON.parse(line) as object | null;
    const isKnown = typeof read === 'object' && read !== null && ('opened' in read || 'charged' in read || 'refused' in read);
    return isKnown ? (read as JournalLine) : undefined;
  } catch {
    return undefined;
  }
}

/** Made by `openJournal`. */
export class Journal implements DecisionLog {
  readonly #file: FileHandle;
  #gathered: string[] = [];
  /** The group that is being written, or the last one. Once one fails, so do all after it. */
  #written: Promise<void> = Promise.resolve();
  /** The group that gathers meanwhile. */
  #next: Promise<void> | undefined = undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  append(line: JournalLine): Promise<void> {
    this.#gathered.push(`${JSON.stringify(line)}\n`);
    return this.synced();
  }

  synced(): Promise<void> {
    if (this.#gathered.length === 0) return this.#written;
    this.#next ??= this.#written.then(() => this.#writeGroup());
    return this.#next;
  }

  async close(): Promise<void> {
    await this.synced();
    await this.#file.close();
  }

  /** One write and one sync for all that gathered while the group before was under way. */
  async #writeGroup(): Promise<void> {
    const text = this.#gathered.join('');
    this.#gathered = [];
    this.#written = this.#next ?? this.#written;
    this.#next = undefined;
    await this.#file.appendFile(text);
    await this.#file.datasync();
  }
}
