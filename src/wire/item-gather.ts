/**
 * The items that a turn writes, channel by channel: what one channel sends in a turn leaves in one message, however many channels take turns meanwhile. An item
 * is packed once, into an arena that is used again and again; when the turn is over the batch copies each channel's items behind one header.
 *
 *   arena   a a a b a b b c …        a's run: three items, one item · b's: one, two · c's: one
 */

import type { MessageBatch } from './batch.ts';
import { MAX_ITEMS } from './limits.ts';
import { allocate } from './platform.ts';
import { encodeValue, packInto, PACKING_MARGIN_BYTES } from './value-pack.ts';
import * as writer from './writer.ts';

/** What one channel has in the arena. Made once for each sending end, by its owner. */
export class ItemRun {
  readonly connectionId: number;
  readonly channelId: number;
  count = 0;
  /** Bytes of all its pieces. */
  byteLength = 0;
  /** Where its pieces are: begin, end, begin, end … Items that follow each other are one piece. */
  readonly pieces: number[] = [];

  constructor(connectionId: number, channelId: number) {
    this.connectionId = connectionId;
    this.channelId = channelId;
  }

  clear(): void {
    this.count = 0;
    this.byteLength = 0;
    this.pieces.length = 0;
  }
}

const ARENA_BYTES = 128 * 1024;
/** A run leaves before it is larger than this: as much as a reader is handed at once, and every peer takes it. */
const RUN_BYTES = 32 * 1024;
/** An item that may be larger than this goes straight into the batch. */
export const LARGE_ITEM_BYTES = 8 * 1024;
/** Below this a binary's length is one byte. */
const SHORT_BINARY_BYTES = 0x100;

export class ItemGather {
  readonly #batch: MessageBatch;
  #arena: Uint8Array | undefined = undefined;
  #used = 0;
  /** Runs with items, in the order of their first one. */
  #runs: ItemRun[] = [];

  constructor(batch: MessageBatch) {
    this.#batch = batch;
  }

  /** Bytes that wait. */
  get byteLength(): number {
    return this.#used;
  }

  /**
   * Adds an item of at most `valueBytes` bytes, at most LARGE_ITEM_BYTES, which has just been measured.
   * Throws MessageTooLargeError where it comes out too large for the peer, and then nothing was added.
   */
  add(run: ItemRun, value: unknown, valueBytes: number): void {
    if (run.count === MAX_ITEMS || run.byteLength + valueBytes > RUN_BYTES || this.#used + valueBytes + PACKING_MARGIN_BYTES + 8 > ARENA_BYTES)
      this.flush();
    const arena = (this.#arena ??= allocate(ARENA_BYTES));
    const start = this.#used;
    // A value that came out larger than it was measured (a getter) is not there: it goes by itself.
    const end = valueBytes < SHORT_BINARY_BYTES ? this.#packShort(arena, start, value) : this.#packLong(arena, start, value);
    if (end < 0) {
      this.flush();
      this.#batch.add({ type: 'item', connectionId: run.connectionId, channelId: run.channelId, value: encodeValue(value) });
      return;
    }
    this.#used = end;
    const { pieces } = run;
    if (run.count === 0) this.#runs.push(run);
    run.count++;
    run.byteLength += end - start;
    const last = pieces.length - 1;
    if (last > 0 && pieces[last] === start) pieces[last] = end;
    else pieces.push(start, end);
  }

  #packShort(arena: Uint8Array, start: number, value: unknown): number {
    const contents = start + 2;
    const end = packInto(arena, contents, value);
    arena[start] = 0xc4;
    arena[start + 1] = end - contents;
    return end - contents < SHORT_BINARY_BYTES ? end : -1;
  }

  #packLong(arena: Uint8Array, start: number, value: unknown): number {
    writer.begin(arena, start);
    const contents = writer.beginBinary();
    const end = packInto(arena, contents, value);
    if (end >= 0) writer.endBinary(contents, end);
    return end;
  }

  /** Puts every channel's items into the batch. */
  flush(): void {
    const arena = this.#arena;
    if (this.#used === 0 || arena === undefined) return;
    const runs = this.#runs;
    this.#runs = [];
    this.#used = 0;
    for (const run of runs) {
      this.#batch.addItems(run, arena);
      run.clear();
    }
  }

  /** Drops what waits: there is nobody to send it to. */
  clear(): void {
    for (const run of this.#runs.splice(0)) run.clear();
    this.#used = 0;
  }
}
