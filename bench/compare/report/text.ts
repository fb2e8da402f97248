/** A run for a terminal. */
import { gridsOf, headOf, notesOf, remarksOf } from './grid.ts';
import type { Grid } from './grid.ts';
import type { Run } from '../results.ts';

function aligned({ title, header, rows }: Grid): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells.map((text, column) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0))).join('   ');
  const rule = '─'.repeat(widths.reduce((sum, width) => sum + width + 3, -3));
  return [title, line(header), rule, ...rows.map(line)].join('\n');
}

const list = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [[title, ...lines.map((line) => `  ${line}`)].join('\n')];

export const textOf = (run: Run): string =>
  [headOf(run), ...gridsOf(run).map(aligned), ...list('– and how many', notesOf(run)), ...list('who', remarksOf(run))].join('\n\n');
