/** What `statewire bench` asks of its server (bench-process.ts), and how both sides know that what came is what was sent. */
import { defineService, method } from '../index.ts';
import type { Rx, Tx } from '../index.ts';

/** A small object, as most calls carry one. */
export interface Small {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
}

/** One is like another but for its id. */
export const small = (id: number): Small => ({ id, name: 'Ada Lovelace', tags: ['a', 'b'] });

export const isSmall = ({ id, name, tags }: Small, expectedId: number): boolean =>
  id === expectedId && name === 'Ada Lovelace' && tags.length === 2 && tags[0] === 'a' && tags[1] === 'b';

/** What the server says of a blob, so that its sender knows that it came whole. */
export interface BlobReceipt {
  readonly bytes: number;
  /** A sum of bytes of all its parts. */
  readonly probe: number;
}

/** Odd, so that it falls on every place of a page in turn. Far apart: adding up every byte would take longer than the call. */
const PROBE_EVERY_BYTES = 1_021;

export function receiptOf(blob: Uint8Array): BlobReceipt {
  let probe = blob.at(-1) ?? 0;
  for (let at = 0; at < blob.length; at += PROBE_EVERY_BYTES) probe += blob[at] ?? 0;
  return { bytes: blob.length, probe };
}

/** What the server says of a stream that it took. */
export interface StreamReceipt {
  readonly items: number;
  /** Items that were not those expected, or not in their place. */
  readonly misplaced: number;
}

export const Bench = defineService('Bench', {
  echo: method<Small, Small>(),
  /** The same, kept: on disk before it runs, its outcome before it is told. */
  keep: method<Small, Small>({ persist: true }),
  blob: method<Uint8Array, BlobReceipt>(),
  /** The server sends `small(0)` … `small(count - 1)`, one by one. */
  download: method<{ readonly count: number; readonly items: Tx<Small> }, void>(),
  /** The client does. */
  upload: method<{ readonly items: Rx<Small> }, StreamReceipt>(),
  /** What the server's process has used so far, in all its threads. */
  cpuMicros: method<undefined, number>({ idem: true }),
});

/** What this process has used so far, in all its threads. */
export function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** More than are ever in flight: by default 256 run at a time and the rest wait their turn, which would be measured instead. Of both sides. */
export const LIMITS = { maxConcurrentRequests: 1_024 };
