/**
 * What `npm run rules` does with a checkout: reads the protocol, the tests and the sources that the mutants edit, compares, renews the table of
 * docs/rules.md if told to. No mutant is run.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isTypeScript, readFolder } from './files.ts';
import { applyMutant } from './mutants/mutant.ts';
import type { Mutant } from './mutants/mutant.ts';
import { renderTable, replaceTable, reportRules, type RuleReport } from './rules.ts';

/** Suites that live outside `test`: users run them too. */
const SUITES = ['operation-store.ts'];

/** The tests of the tools themselves cite made-up rules. */
const isRuleTest = (path: string): boolean =>
  isTypeScript(path) && !path.startsWith('house/') && (path.endsWith('.test.ts') || path.startsWith('support/'));

async function readTests(root: string): Promise<Map<string, string>> {
  const tests = await readFolder(join(root, 'test'), isRuleTest);
  const suites = await readFolder(join(root, 'src/testing'), (path) => SUITES.includes(path));
  return new Map([
    ...Array.from(tests, ([path, source]) => [`test/${path}`, source] as const),
    ...Array.from(suites, ([path, source]) => [`src/testing/${path}`, source] as const),
  ]);
}

/** Mutants that are out of date: what they edit is not there any more. */
async function staleMutants(root: string, mutants: readonly Mutant[]): Promise<string[]> {
  const problems = mutants.map(async (mutant) => {
    try {
      applyMutant(mutant, await readFile(join(root, mutant.file), 'utf8'));
      return [];
    } catch (error) {
      return [`mutant ${(error as Error).message}`];
    }
  });
  return (await Promise.all(problems)).flat();
}

/** Mutants that `npm run mutants -- --write` has not shown to be caught. */
async function untriedMutants(root: string, mutants: readonly Mutant[]): Promise<string[]> {
  const page = await readFile(join(root, 'docs/mutants.md'), 'utf8');
  const untried = mutants.filter(({ name, rule }) => !page.includes(`| ${rule} | ${name} |`)).map(({ name }) => name);
  return untried.length === 0 ? [] : [`docs/mutants.md: has no ${untried.join(', ')}; run \`npm run mutants -- --write\``];
}

export interface CheckOptions {
  readonly mutants: readonly Mutant[];
  /** Whether to renew the table; else one that is out of date is a problem. */
  readonly write: boolean;
}

export async function checkRules(root: string, { mutants, write }: CheckOptions): Promise<RuleReport> {
  const protocol = await readFile(join(root, 'docs/protocol.md'), 'utf8');
  const { rules, problems } = reportRules({ protocol, tests: await readTests(root), mutants });
  const report = { rules, problems: [...problems, ...(await staleMutants(root, mutants)), ...(await untriedMutants(root, mutants))] };
  const pagePath = join(root, 'docs/rules.md');
  const page = await readFile(pagePath, 'utf8');
  const renewed = replaceTable(page, renderTable(rules));
  if (renewed === page) return report;
  if (!write) return { ...report, problems: [...report.problems, 'docs/rules.md: the table is out of date; run `npm run rules -- --write`'] };
  await writeFile(pagePath, renewed);
  return report;
}
