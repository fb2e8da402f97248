/** What the benches call. */
import { defineService, method } from 'statewire';
import type { Rx, Tx } from 'statewire';

/** A small object, as most calls carry one. */
export interface Small {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
}

export const SMALL: Small = { id: 12_345, name: 'Ada Lovelace', tags: ['a', 'b'] };

export const Echo = defineService('Echo', {
  echo: method<Small, Small>(),
  /** Answers when somebody calls `letGo`. */
  hold: method<Small, void>(),
  letGo: method<undefined, void>(),
});

/** Beside an LMDB store: what is on disk before it is answered, and what is not. */
export const Durable = defineService('Durable', {
  keep: method<Small, Small>({ persist: true }),
  echo: method<Small, Small>(),
});

/** What the channels of the benches carry. */
export type ItemKind = 'small' | 'binary';

export const BINARY_BYTES = 64 * 1024;

export const ITEMS: Readonly<Record<ItemKind, Small | Uint8Array>> = {
  small: SMALL,
  binary: new Uint8Array(BINARY_BYTES).map((_, index) => index * 31),
};

export const Streams = defineService('Streams', {
  /** Takes all items, and says how many there were. */
  sink: method<{ items: Rx<unknown> }, number>(),
  /** Sends so many items, then the end. */
  source: method<{ kind: ItemKind; count: number; items: Tx<unknown> }, void>(),
  /** Returns at once; the items are taken as they come, from then on. */
  open: method<{ items: Rx<unknown> }, void>(),
  /** Answers when the channels of `open` have taken so many items more than at its last answer. */
  taken: method<number, void>(),
  /** Takes items no faster than that, until it is aborted. */
  sip: method<{ items: Rx<unknown>; perSecond: number }, void>(),
  /** How many `sip` has taken. */
  sipped: method<undefined, number>(),
});
