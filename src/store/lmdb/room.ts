/**
 * How much room on the disk a commit must find. LMDB's native code does not survive a full disk every time, so it never gets there: what would leave too little is
 * refused before. LMDB writes anew whatever page it touches, so a removal takes room too before it gives some back; it takes the last of the reserve, so that a store
 * which may not grow any more can still forget, and goes on in the pages that it gets back by that.
 */
import { RECORD } from './keys.ts';

/** Kept free for whatever is written, and what of that is kept free for removals alone. */
const RESERVE_BYTES = 4 * 1024 * 1024;
const REMOVALS_RESERVE_BYTES = 1024 * 1024;
/** A commit takes so many times its own bytes. */
const ROOM_PER_BYTE = 4;
/** A removed record may be alone in its page. */
const PAGE_BYTES = 4_096;

/** Undefined: removed. */
export type Batch = ReadonlyMap<string, Uint8Array | undefined>;

export function roomFor(batch: Batch): number {
  let ordinary = RESERVE_BYTES;
  let removals = REMOVALS_RESERVE_BYTES;
  for (const [key, value] of batch) {
    const bytes = ROOM_PER_BYTE * (key.length + (value?.byteLength ?? 0));
    ordinary += bytes;
    removals += bytes + (value === undefined && key.startsWith(RECORD) ? PAGE_BYTES : 0);
  }
  return isRemoval(batch) ? Math.min(ordinary, removals) : ordinary;
}

/** It removes, and keeps no operation: what the sweep and an acknowledgement write are marks besides. */
function isRemoval(batch: Batch): boolean {
  let removes = false;
  for (const [key, value] of batch) {
    if (value === undefined) removes = true;
    else if (key.startsWith(RECORD)) return false;
  }
  return removes;
}
