/** What `npm run coverage:machines` prints: how much of every statechart its test model's paths cover, and what they do not. */
import { coverageOf } from '../../src/testing/machine-coverage.ts';
import type { Tally } from '../../src/testing/machine-coverage.ts';
import type { MachineModel } from '../../src/testing/machine-models.ts';
import { shortestPaths, simplePaths } from '../../src/testing/machine-paths.ts';

export interface MachineReport {
  readonly lines: readonly string[];
  /** Everything of every chart is covered. */
  readonly complete: boolean;
}

const WIDTHS = [12, 10, 10, 14, 12];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0))
    .join('')
    .trimEnd();
}

const share = ({ covered, total }: Tally): string => `${covered}/${total}`;

export function reportMachines(models: readonly MachineModel[]): MachineReport {
  const lines = [row(['chart', 'paths', 'states', 'transitions', 'guards'])];
  const tallies: Tally[] = [];
  for (const model of models) {
    const paths = [...shortestPaths(model), ...simplePaths(model)];
    const { states, transitions, guards, uncovered } = coverageOf(model.machine, paths);
    tallies.push(states, transitions, guards);
    lines.push(row([model.name, String(paths.length), share(states), share(transitions), share(guards)]));
    for (const item of uncovered) lines.push(`  not covered: ${item}`);
  }
  const total = tallies.reduce((sum, tally) => sum + tally.total, 0);
  const covered = tallies.reduce((sum, tally) => sum + tally.covered, 0);
  // Rounded down: 100 is said only of everything.
  lines.push(`${Math.floor((1_000 * covered) / total) / 10} % of ${total} states, transitions and ways of guards`);
  return { lines, complete: covered === total };
}
