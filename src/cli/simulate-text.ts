/** What `statewire simulate` prints: a broken rule with its seed and the last messages, and the sums of all seeds. */
import type { SimulationResult } from '../testing.ts';
import { count, layOut } from './table.ts';
import type { Row } from './table.ts';

/** What several runs came to. */
export class Sums {
  seeds = 0;
  calls = 0;
  steps = 0;
  /** Seeds in which a rule was broken. */
  broken = 0;
  readonly brokenSeeds: number[] = [];
  readonly outcomes: Record<string, number> = {};
  readonly faults: Record<string, number> = {};
  seconds = 0;
  readonly #startedMs = performance.now();

  add({ seed, calls, steps, violations, outcomes, faults }: SimulationResult): void {
    this.seeds++;
    this.calls += calls;
    this.steps += steps;
    if (violations.length > 0) this.#noteBroken(seed);
    for (const [outcome, times] of Object.entries(outcomes)) this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + times;
    for (const fault of faults) this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  /** The sums of another process. */
  merge(other: Pick<Sums, 'seeds' | 'calls' | 'steps' | 'brokenSeeds' | 'outcomes' | 'faults'>): void {
    this.seeds += other.seeds;
    this.calls += other.calls;
    this.steps += other.steps;
    for (const seed of other.brokenSeeds) this.#noteBroken(seed);
    for (const [outcome, times] of Object.entries(other.outcomes)) this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + times;
    for (const [fault, times] of Object.entries(other.faults)) this.faults[fault] = (this.faults[fault] ?? 0) + times;
  }

  end(): this {
    this.seconds = (performance.now() - this.#startedMs) / 1_000;
    return this;
  }

  #noteBroken(seed: number): void {
    this.broken++;
    this.brokenSeeds.push(seed);
  }
}

/** More of one seed say little more. */
const MOST_VIOLATIONS = 5;

/** A run in which a rule was broken. */
export interface BrokenRun extends Pick<SimulationResult, 'seed' | 'violations'> {
  readonly mode: string;
}

/** Which rules were broken, and how to see it again. */
export function violationHead({ seed, violations, mode }: BrokenRun, calls: number): string {
  const lines = violations.slice(0, MOST_VIOLATIONS).map(({ atMs, rule, message }) => `  ${atMs} ms  [${rule}] ${message}`);
  const more = violations.length > MOST_VIOLATIONS ? [`  … ${violations.length - MOST_VIOLATIONS} more`] : [];
  const again = `  again: statewire simulate --seed ${seed} --calls ${calls} --mode ${mode} --trace trace.txt`;
  return `${[`seed ${seed} breaks ${[...new Set(violations.map(({ rule }) => rule))].join(', ')}`, ...lines, ...more, again].join('\n')}\n`;
}

export function violationText(result: SimulationResult, calls: number, mode: string): string {
  return `${violationHead({ ...result, mode }, calls)}  the last messages:\n${result.diagram()}\n\n`;
}

export function summaryText(sums: Sums): string {
  const perSecond = sums.seconds > 0 ? `${count(Math.round(sums.calls / sums.seconds))} simulated calls a second` : '';
  const rows: Row[] = [
    ['seeds', count(sums.seeds), `${sums.seconds.toFixed(1)} s`],
    ['calls', count(sums.calls), perSecond],
    ['steps', count(sums.steps), ''],
    ...Object.entries(sums.outcomes).map(([outcome, times]): Row => [`  ${outcome}`, count(times), '']),
    ...Object.entries(sums.faults).map(([fault, times]): Row => [`  with ${fault}`, count(times), 'seeds']),
    ['seeds that broke a rule', count(sums.broken), sums.brokenSeeds.slice(0, 20).join(', ')],
  ];
  return `${layOut(rows)}\n`;
}
