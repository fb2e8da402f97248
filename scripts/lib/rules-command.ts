/** What `npm run rules` does with a checkout: reads the protocol and the tests, compares, renews the table of docs/rules.md if told to. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isTypeScript, readFolder } from './files.ts';
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

/** `write` renews the table; else a table that is out of date is a problem. */
export async function checkRules(root: string, write: boolean): Promise<RuleReport> {
  const report = reportRules(await readFile(join(root, 'docs/protocol.md'), 'utf8'), await readTests(root));
  const pagePath = join(root, 'docs/rules.md');
  const page = await readFile(pagePath, 'utf8');
  const renewed = replaceTable(page, renderTable(report.rules));
  if (renewed === page) return report;
  if (!write) return { ...report, problems: [...report.problems, 'docs/rules.md: the table is out of date; run `npm run rules -- --write`'] };
  await writeFile(pagePath, renewed);
  return report;
}
