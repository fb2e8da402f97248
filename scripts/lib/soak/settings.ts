/** What both processes of the soak are set to, and what one asks of the other. */
import type { StoreKind } from './stores.ts';

/** Few attempts at a time, so that calls also wait for their turn; a link that only swallows is given up soon. */
export const LIMITS = { maxConcurrentRequests: 48, keepAlive: { intervalMs: 2_000, timeoutMs: 2_000 } } as const;

export const RECONNECT = { baseMs: 10, factor: 1.5, maxMs: 50, jitter: 0.5, deadlineMs: 120_000 } as const;

/** What the listening process is started with. */
export interface AcceptorArguments {
  readonly seed: number;
  readonly intents: number;
  readonly atOnce: number;
  readonly storeKind: StoreKind;
}

export type Question =
  | { readonly ask: 'peers' | 'rest' | 'report' | 'sessions' | 'close' }
  | { readonly ask: 'run'; readonly from: number; readonly to: number };
