/** What `parseArgs` leaves as text, read and checked. */
import { UsageError } from './exit.ts';

/** Throws UsageError for what is no whole number within the bounds. */
export function wholeNumber(name: string, text: string, { least, most }: { readonly least: number; readonly most: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
  return value;
}
