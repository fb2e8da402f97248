/** The demo's sessions with the bank: made, watched for how long they are without a link, and ended together. */
import { filter, firstValueFrom } from 'rxjs';
import { connect } from '../index.ts';
import type { Connector, Session } from '../index.ts';

/** Short waits: the bank is back in less than a second, and shall be found at once. */
const RECONNECT = { baseMs: 20, factor: 1.5, maxMs: 250, deadlineMs: 30_000 };

/** What the sessions went through. */
export interface Recovery {
  readonly linksLost: number;
  /** Sessions that went on, and those that began anew because the bank was another process. */
  readonly resumed: number;
  readonly restarted: number;
  /** Calls that were sent a second time or more. */
  readonly resent: number;
  readonly longestOutageMs: number;
}

export class Clients {
  readonly #connector: Connector;
  readonly #sessions: Session[] = [];
  #longestOutageMs = 0;
  #state: 'open' | 'ended' = 'open';

  constructor(connector: Connector) {
    this.#connector = connector;
  }

  async dial({ scope, name }: { scope: Uint8Array; name?: string }): Promise<Session> {
    const session = await connect(this.#connector, { scope, credentials: name, reconnect: RECONNECT });
    this.#sessions.push(session);
    this.#watch(session);
    // Nobody waits for it any more.
    if (this.#state === 'ended') await session.close();
    return session;
  }

  get recovery(): Recovery {
    const sum = (name: 'linksLost' | 'resumed' | 'restarted' | 'resent'): number =>
      this.#sessions.reduce((total, { counters }) => total + counters[name], 0);
    const longestOutageMs = Math.round(this.#longestOutageMs);
    return { linksLost: sum('linksLost'), resumed: sum('resumed'), restarted: sum('restarted'), resent: sum('resent'), longestOutageMs };
  }

  /** Settles when every session is on a link. */
  async allConnected(): Promise<void> {
    await Promise.all(this.#sessions.map(({ status$ }) => firstValueFrom(status$.pipe(filter((status) => status === 'connected')))));
  }

  async end(): Promise<void> {
    this.#state = 'ended';
    await Promise.all(this.#sessions.map((session) => session.close()));
  }

  #watch({ status$ }: Session): void {
    let lostMs: number | undefined;
    status$.subscribe((status) => {
      if (status === 'disconnected') lostMs ??= performance.now();
      if (status !== 'connected' || lostMs === undefined) return;
      this.#longestOutageMs = Math.max(this.#longestOutageMs, performance.now() - lostMs);
      lostMs = undefined;
    });
  }
}
