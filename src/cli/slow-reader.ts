/**
 * A fast sender meets a slow reader: the bank sends its ledger round and round as fast as it may, and the demo takes one entry every
 * millisecond or two, then leaves early. Measured, not believed: after each entry the bank is asked how many it has sent, and now and then
 * both processes what they hold.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { channel } from '../index.ts';
import type { Client, Rx } from '../index.ts';
import type { Books, JournalEnd, JournalEntry } from './books-contract.ts';
import { heldBytes } from './held-bytes.ts';

/** Entries that may be sent and not read. */
export const WINDOW = 64;
/** So many that a sender that is not held back is noticed in megabytes. */
const OFFERED = 250_000;
/** Where the reader leaves. */
const READS = 300;
const READ_EVERY_MS = 1;
const WEIGH_EVERY_READS = 50;

export interface Weight {
  readonly beforeBytes: number;
  /** Meanwhile, at most. */
  readonly mostBytes: number;
}

export interface SlowReading {
  readonly offered: number;
  readonly read: number;
  /** Entries that came out of order. */
  readonly misplaced: number;
  readonly end: JournalEnd;
  /** The most entries that were sent and not read, at any time. */
  readonly mostUnread: number;
  /** What each process held. */
  readonly bank: Weight;
  readonly demo: Weight;
  readonly seconds: number;
}

export async function readSlowly(books: Client<typeof Books>): Promise<SlowReading> {
  const bank = new Scale(() => books.heldBytes());
  const demo = new Scale(heldBytes);
  const weigh = async (): Promise<void> => {
    await bank.weigh();
    await demo.weigh();
  };
  // Twice: what earlier work left and finalizers hold goes with the second collection only.
  heldBytes();
  await books.heldBytes();
  await weigh();
  const startedMs = performance.now();
  const [there, entries] = channel<JournalEntry>({ credit: WINDOW });
  const [end, reading] = await Promise.all([books.journal({ entries: there, most: OFFERED }), readSome(books, entries, weigh)]);
  const seconds = (performance.now() - startedMs) / 1_000;
  await weigh();
  return {
    ...reading,
    offered: OFFERED,
    end,
    // What it sent before it noticed that the reader had left was not read either.
    mostUnread: Math.max(reading.mostUnread, end.sent - reading.read),
    bank: bank.weight,
    demo: demo.weight,
    seconds,
  };
}

async function readSome(books: Client<typeof Books>, entries: Rx<JournalEntry>, weigh: () => Promise<void>) {
  let read = 0;
  let misplaced = 0;
  let mostUnread = 0;
  for await (const entry of entries) {
    read++;
    if (entry.number !== read) misplaced++;
    await wait(READ_EVERY_MS);
    // Nothing is read meanwhile, and all that the reader granted so far is at the bank before the question: the difference is exact.
    mostUnread = Math.max(mostUnread, (await books.journalSent(undefined)) - read);
    if (read % WEIGH_EVERY_READS === 0) await weigh();
    // Leaving the loop resets the channel; the bank's next `send` rejects.
    if (read === READS) break;
  }
  return { read, misplaced, mostUnread };
}

/** Weighs one process: the first time before all, then meanwhile. */
class Scale {
  readonly #weighed: number[] = [];
  readonly #bytes: () => number | Promise<number>;

  constructor(bytes: () => number | Promise<number>) {
    this.#bytes = bytes;
  }

  async weigh(): Promise<void> {
    this.#weighed.push(await this.#bytes());
  }

  get weight(): Weight {
    const [beforeBytes = 0, ...meanwhile] = this.#weighed;
    return { beforeBytes, mostBytes: Math.max(...meanwhile) };
  }
}
