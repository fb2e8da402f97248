/** What every bench does with its figures: medians, the machine they were taken on, a table or JSON. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export function machine(): string {
  return `${cpus()[0]?.model ?? 'unknown CPU'} (${cpus().length} cores), Node ${process.version}`;
}

/** `--json`: figures for programs instead of for people. */
export function wantsJson(): boolean {
  return parseArgs({ options: { json: { type: 'boolean', default: false } }, strict: false }).values.json === true;
}

export const round = (value: number, digits = 0): number => Number(value.toFixed(digits));
