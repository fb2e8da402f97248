/** A run for a page. */
import { gridsOf, headOf, notesOf, remarksOf } from './grid.ts';
import type { Grid } from './grid.ts';
import type { Run } from '../results.ts';

const line = (cells: readonly string[]): string => `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;

function table({ title, header, rows }: Grid): string {
  const rule = line(header.map((_, column) => (column === 0 ? '---' : '---:')));
  return [`**${title}**`, '', line(header), rule, ...rows.map(line)].join('\n');
}

const list = (lines: readonly string[]): string[] => (lines.length === 0 ? [] : [lines.map((text) => `- ${text}`).join('\n')]);

export const markdownOf = (run: Run): string =>
  [headOf(run), ...gridsOf(run).map(table), ...list(notesOf(run)), ...list(remarksOf(run))].join('\n\n');
