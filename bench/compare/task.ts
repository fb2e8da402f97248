/** What a client does of a workload, and what every task of them says of the answers it had. */
import type { Peer, PeerClient, Small } from './contender.ts';
import { small } from './contender.ts';

/** What a task works with. */
export interface ClientSide {
  readonly peer: Peer;
  readonly port: number;
  readonly client: PeerClient;
}

export type Task = (side: ClientSide, params: never) => Promise<Checked>;

export interface Checked {
  /** Answers that were not what was asked for. */
  readonly wrong: number;
  /** What was asked and never answered. */
  readonly lost: number;
}

const MODEL = small(0);

export const isRight = (answer: Small, id: number): boolean =>
  answer.id === id && answer.name === MODEL.name && answer.tags.length === MODEL.tags.length && answer.tags[0] === MODEL.tags[0];

/** Waits for `work`, but not for ever: false when the time was up. */
export async function within(timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long a task waits for what is still out when everything was asked. */
export const PATIENCE_MS = 20_000;
