/**
 * Makes a session's links: the first one, and after each loss the next, with longer and longer waits between the tries (session.reconnect,
 * session.initial-wait). Each dial has a number, which tells the acceptor which of two hellos is the later one (resume.supersedes).
 */
import type { Clock, Random } from '../options.ts';
import type { ResolvedDialing } from '../recovery-options.ts';
import type { Connector, Link, LinkLimits } from '../transport/link.ts';

export interface DialerOptions {
  readonly connector: Connector;
  readonly reconnect: ResolvedDialing['reconnect'];
  readonly limits: LinkLimits;
  readonly clock: Clock;
  readonly random: Random;
}

export interface DialResult {
  readonly linked: (link: Link) => void;
  /** `final`: another try would fail too. */
  readonly failed: (error: unknown, final: boolean) => void;
}

export class Dialer {
  readonly #options: DialerOptions;
  #number = 0;
  /** Tries since there was a session on a link. */
  #tries = 0;
  /** The dial that has not come to anything yet. */
  #attempt: AbortController | undefined = undefined;
  #timer: unknown = undefined;
  #due: (() => void) | undefined = undefined;

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  /** The number of the present dial, or the last one. */
  get number(): number {
    return this.#number;
  }

  dial({ linked, failed }: DialResult): void {
    const { connector, limits } = this.#options;
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#number++;
    this.#tries++;
    const late = (link: Link) => link.abort(new Error('this dial was given up'));
    // A connector may throw where it should reject.
    new Promise<Link>((resolve) => resolve(connector.connect(attempt.signal, limits))).then(
      (link) => {
        if (attempt.signal.aborted) {
          late(link);
          return;
        }
        this.#attempt = undefined;
        linked(link);
      },
      (error: unknown) => {
        if (attempt.signal.aborted) return;
        this.#attempt = undefined;
        failed(error, (error as { final?: unknown } | null)?.final === true);
      },
    );
  }

  /** Gives up the present dial, if any, and the wait for the next one. */
  giveUp(): void {
    this.#attempt?.abort(new Error('this dial was given up'));
    this.#attempt = undefined;
    if (this.#due !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#due = undefined;
  }

  /** The session is on a link: the next loss begins with the shortest wait. */
  succeeded(): void {
    this.#tries = 0;
  }

  /** Calls `due` when it is time for the next try. */
  await(due: () => void): void {
    this.giveUp();
    this.#due = due;
    this.#timer = this.#options.clock.setTimeout(() => this.now(), this.#delayMs());
  }

  /** The next try is due now, if one is waited for. */
  now(): void {
    const due = this.#due;
    if (due === undefined) return;
    this.#options.clock.clearTimeout(this.#timer);
    this.#due = undefined;
    due();
  }

  #delayMs(): number {
    const { reconnect, random } = this.#options;
    const { baseMs, factor, maxMs, jitter } = reconnect;
    const share = random.number();
    // The first try comes within the base delay; the later ones about as long after each other as they should.
    const delayMs = this.#tries === 0 ? baseMs * (1 - jitter * share) : baseMs * factor ** this.#tries * (1 - jitter + 2 * jitter * share);
    return Math.round(Math.min(maxMs, delayMs));
  }
}
