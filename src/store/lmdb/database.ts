/** The LMDB environment of one folder, as the store uses it: bytes under bytes, read at once, written in transactions. */
import { open } from 'lmdb';
import type { RootDatabase } from 'lmdb';

export interface RangeOptions {
  /** The first key, and the key behind the last. */
  readonly from: string;
  readonly to: string;
  readonly limit?: number;
}

const bytesOf = (key: string): Buffer => Buffer.from(key, 'latin1');

export class Database {
  readonly #root: RootDatabase<Buffer, Buffer>;

  /** `isReadOnly`: beside whoever has the folder in use. Throws what LMDB throws. */
  constructor(path: string, { isReadOnly = false } = {}) {
    this.#root = open<Buffer, Buffer>({ path, encoding: 'binary', keyEncoding: 'binary', cache: false, readOnly: isReadOnly });
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
  async commit(batch: ReadonlyMap<string, Uint8Array | undefined>, isDurable: boolean): Promise<void> {
    await this.#root.batch(() => {
      for (const [key, value] of batch) {
        if (value === undefined) void this.#root.remove(bytesOf(key));
        else void this.#root.put(bytesOf(key), value as Buffer);
      }
    });
    if (isDurable) await this.#root.flushed;
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}
