/** What has gone wrong in a simulation so far: what a caller may be told depends on it. */

/** The kinds of faults. */
export const FAULTS = [
  /** All links of a path break, and dialling fails for a while. */
  'cut',
  /** As cut, for longer than sessions wait. */
  'blackout',
  /** A direction of a link falls silent, and nobody is told. */
  'half-open',
  /** A path is slow for a while. */
  'lag',
  /** An end of a link reads nothing for a while. */
  'slow-reader',
  /** A hello arrives again on a link behind which there is nobody. */
  'duplicate-connect',
  /** A server process is killed, and another one started. */
  'server-crash',
  'client-crash',
  /** A server is closed with a grace, and another one started. */
  'drain',
  /** A client's path leads to another server from now on. */
  'failover',
  /** A store fails now and then, for a while. */
  'store-errors',
  /** A process's wall clock jumps. */
  'clock-jump',
] as const;

export type Fault = (typeof FAULTS)[number];

/** After these a side may not know a session any more, or has ended it (resume.unknown). */
export const FORGETTING: readonly Fault[] = ['server-crash', 'client-crash', 'drain', 'failover', 'blackout'];

/** See the top of the file. */
export class Circumstances {
  readonly #happened = new Set<Fault>();

  note(fault: Fault): void {
    this.#happened.add(fault);
  }

  /** Whether any of these has happened. */
  any(...faults: readonly Fault[]): boolean {
    return faults.some((fault) => this.#happened.has(fault));
  }
}

/** Any of these takes links away. */
export const LOSSES: readonly Fault[] = FAULTS.filter((fault) => fault !== 'store-errors' && fault !== 'clock-jump');
