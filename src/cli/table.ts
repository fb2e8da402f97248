/** A table of figures as people read them: names, values to the right, a note. */

export type Row = readonly [name: string, value: string, note: string];

export const count = (value: number): string => value.toLocaleString('en-US');

export const megabytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MB`;

export function layOut(rows: readonly Row[]): string {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map(([name, value, note]) => `${name.padEnd(widths[0] ?? 0)}  ${value.padStart(widths[1] ?? 0)}  ${note}`.trimEnd()).join('\n');
}
