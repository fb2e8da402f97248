/** What the command says of the mutants, and the table of docs/mutants.md. Pure. */
import { selectionsOf } from './mutant.ts';
import type { Mutant } from './mutant.ts';
import type { MutantResult } from './run.ts';

export function resultLine({ mutant, state, by, file, how, seconds }: MutantResult): string {
  const head = `${state.padEnd(8)} ${mutant.rule.padEnd(26)} ${mutant.name} (${seconds.toFixed(1)} s)`;
  if (state === 'survived')
    return `${head}: no test of ${selectionsOf(mutant)
      .map(({ file: tested }) => tested)
      .join(', ')} that cites the rule has noticed`;
  return `${head}: ${[file, by, how].filter((part) => part !== '').join(' · ')}`;
}

/** The finished rules that no mutant breaks. */
export function rulesWithout(mutants: readonly Mutant[], finished: readonly string[]): string[] {
  const broken = new Set(mutants.map(({ rule }) => rule));
  return finished.filter((rule) => !broken.has(rule));
}

export function summary(results: readonly MutantResult[]): string {
  const count = (state: MutantResult['state']): number => results.filter((result) => result.state === state).length;
  const bad = count('broken') > 0 ? `, ${count('broken')} of no use` : '';
  return `${results.length} mutants, ${count('caught')} caught, ${count('survived')} survived${bad}`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();
const code = (text: string): string => (text.trim() === '' ? 'nothing' : `\`${cell(text)}\``);

function row({ mutant, state, by, file }: MutantResult): string {
  const { rule, name, find, replace } = mutant;
  const edit = `[${mutant.file}](../${mutant.file}): ${code(find)} becomes ${code(replace)}`;
  const caughtBy = state === 'caught' ? `[${file}](../${file}): ${cell(by)}` : `**${state}** ${cell(by)}`;
  return `| ${rule} | ${name} | ${edit} | ${caughtBy} |`;
}

export function renderPage(results: readonly MutantResult[]): string {
  return [
    '# Which mutant breaks which rule',
    '',
    'A mutant is one small edit of the source that breaks one rule of [protocol.md](protocol.md). `npm run mutants` makes each of them in a copy',
    'and runs the tests that cite the rule: at least one must fail. This page is written by `npm run mutants -- --write`; the mutants are in',
    '`scripts/lib/mutants`.',
    '',
    `${summary(results)}.`,
    '',
    '| rule | mutant | what it breaks | caught by |',
    '|---|---|---|---|',
    ...results.map(row),
    '',
  ].join('\n');
}
