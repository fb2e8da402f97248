/** The LMDB environment of one folder, as the store uses it: bytes under bytes, read at once, written in transactions. */
import { statfsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { open } from 'lmdb';
import type { RootDatabase } from 'lmdb';
import { roomFor } from './room.ts';
import type { Batch } from './room.ts';

export interface RangeOptions {
  /** The first key, and the key behind the last. */
  readonly from: string;
  readonly to: string;
  readonly limit?: number;
}

const CLOSE_AFTER_FAILURE_MS = 500;

const bytesOf = (key: string): Buffer => Buffer.from(key, 'latin1');

export class Database {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #path: string;
  #hasFailed = false;

  /** `isReadOnly`: beside whoever has the folder in use. Throws what LMDB throws. */
  constructor(path: string, { isReadOnly = false } = {}) {
    this.#path = path;
    // What is written together is put into one transaction here; LMDB's own grouping by turn would leave a promise that nobody can hear fail.
    this.#root = open<Buffer, Buffer>({
      path,
      encoding: 'binary',
      keyEncoding: 'binary',
      cache: false,
      eventTurnBatching: false,
      readOnly: isReadOnly,
    });
  }

  get(key: string): Uint8Array | undefined {
    return this.#root.get(bytesOf(key));
  }

  /** In the order of the keys; what is read is copied. */
  *range({ from, to, limit }: RangeOptions): Iterable<{ readonly key: string; readonly value: Uint8Array }> {
    const options = { start: bytesOf(from), end: bytesOf(to), ...(limit !== undefined && { limit }) };
    for (const { key, value } of this.#root.getRange(options)) yield { key: key.toString('latin1'), value };
  }

  /** Writes all of it or nothing; undefined removes. `isDurable`: settles when it is on disk, not when it is committed. */
  async commit(batch: Batch, isDurable: boolean): Promise<void> {
    this.#checkRoom(batch);
    try {
      await this.#root.batch(() => {
        for (const [key, value] of batch) {
          const written = value === undefined ? this.#root.remove(bytesOf(key)) : this.#root.put(bytesOf(key), value as Buffer);
          // Each hears of a failed commit; so does the batch, which is waited for.
          written.catch(ignore);
        }
      });
      if (isDurable) await this.#root.flushed;
    } catch (error) {
      this.#hasFailed = true;
      throw await reasonOf(error);
    }
  }

  /** What the disk has left for this process. */
  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#path);
    return bavail * bsize;
  }

  /** Throws where the disk is as good as full. */
  #checkRoom(batch: Batch): void {
    const needed = roomFor(batch);
    const free = this.freeBytes();
    if (free < needed) throw new Error(`no space left on device: ${this.#path} has ${free} bytes left, and ${needed} are kept free for a commit`);
  }

  async close(): Promise<void> {
    const closed = this.#root.close();
    // After a commit that failed LMDB waits for a flush that never comes; what is left goes with the process.
    await (this.#hasFailed ? Promise.race([closed, delay(CLOSE_AFTER_FAILURE_MS)]) : closed);
  }
}

const ignore = (): void => {};

/** LMDB has the reason of a failed commit in a promise of its own. */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  );
}
