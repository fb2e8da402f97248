/** What the processes of the growth bench say to each other. */
import { defineService, method } from 'statewire';
import type { Rx } from 'statewire';

export interface Small {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
}

export const small = (id: number): Small => ({ id, name: 'Ada Lovelace', tags: ['a', 'b'] });

export const Growing = defineService('Growing', {
  echo: method<Small, Small>(),
  keep: method<Small, Small>({ persist: true }),
  /** Answered at `letGo`. */
  hold: method<Small, void>(),
  letGo: method<undefined, void>(),
  /** Takes items until they end, and says the sum of their ids. */
  sink: method<{ readonly items: Rx<Small> }, number>(),
  /** Keeps a channel open until it ends. */
  idle: method<{ readonly items: Rx<Small> }, void>(),
});

/** Enough for 100,000 calls in flight. */
export const LIMITS = { maxConcurrentRequests: 262_144, maxQueuedRequests: 262_144, maxConnections: 65_536 };

export type Question = { readonly ask: 'cpu' } | { readonly ask: 'fill'; readonly upTo: number } | { readonly ask: 'bytes' };
