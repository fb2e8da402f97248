/**
 * What happened in a simulation, in order: messages on their way, faults, and what the books say. The same seed gives the same bytes. Nothing that is
 * not decided by the seed gets in: no wall clock, no ids of XState.
 */

/** One line. Without `to` it is something that happened at `from` alone. */
export interface TraceEvent {
  readonly atMs: number;
  readonly from: string;
  readonly to?: string | undefined;
  readonly text: string;
}

/** What is kept of a long run: its end is what a failure is explained by. */
const MOST_EVENTS = 200_000;

export class Trace {
  #events: TraceEvent[] = [];
  #dropped = 0;

  add(event: TraceEvent): void {
    this.#events.push(event);
    if (this.#events.length < 2 * MOST_EVENTS) return;
    this.#dropped += MOST_EVENTS;
    this.#events = this.#events.slice(MOST_EVENTS);
  }

  /** The last events up to a moment. */
  last(count: number, untilMs: number): readonly TraceEvent[] {
    const later = this.#events.findIndex(({ atMs }) => atMs > untilMs);
    const end = later === -1 ? this.#events.length : later;
    return this.#events.slice(Math.max(0, end - count), end);
  }

  /** One line each. */
  get text(): string {
    const lines = this.#events.map(({ atMs, from, to, text }) => `${atMs} ${to === undefined ? from : `${from}→${to}`} ${text}`);
    if (this.#dropped > 0) lines.unshift(`… ${this.#dropped} events before`);
    return lines.join('\n');
  }
}

const COLUMN = 26;
const TIME = 8;

/**
 * The events as a sequence diagram in text: a column for each who sends or gets, an arrow for each message.
 *
 *      12 ms  │                         │
 *             │── call 5 op 7 ─────────▶│
 */
export function sequenceDiagram(events: readonly TraceEvent[]): string {
  const actors = [...new Set(events.flatMap(({ from, to }) => (to === undefined ? [from] : [from, to])))].toSorted();
  const header = `${' '.repeat(TIME)}  ${actors.map((name) => name.padEnd(COLUMN)).join('')}`.trimEnd();
  return [header, ...events.map((event) => row(actors, event))].join('\n');
}

function row(actors: readonly string[], { atMs, from, to, text }: TraceEvent): string {
  const time = `${atMs}`.padStart(TIME);
  const start = actors.indexOf(from);
  const end = to === undefined ? start : actors.indexOf(to);
  const [left, right] = [Math.min(start, end), Math.max(start, end)];
  const idle = (count: number): string => `│${' '.repeat(COLUMN - 1)}`.repeat(count);
  if (left === right) return `${time}  ${idle(left)}● ${text}`;
  const width = (right - left) * COLUMN - 1;
  const label = ` ${text.slice(0, width - 4)} `;
  const rest = idle(actors.length - right);
  // To the right it ends before the bar of whom it is for, to the left it begins on the bar of whom it is from.
  const line = start < end ? `├${label.padEnd(width - 1, '─')}▶${rest}` : `◀${label.padEnd(width, '─')}┤${rest.slice(1)}`;
  return `${time}  ${idle(left)}${line}`.trimEnd();
}
