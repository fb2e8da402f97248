/**
 * `npm run rules`: says for every rule of docs/protocol.md how many tests cite it and which mutants break it; fails when a finished rule has none
 * of either, when a test or a mutant names a rule that does not exist, when a mutant edits what is not there any more, and when the table of
 * docs/rules.md is out of date. That each mutant is caught is shown by `npm run mutants`. `-- --write` renews the table, `-- --json` prints data.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkRules } from './lib/rules-command.ts';
import { MUTANTS } from './lib/mutants/tables.ts';
import type { RuleTests } from './lib/rules.ts';

function printRule(rule: RuleTests): void {
  const count = String(rule.tests.length).padStart(4);
  const state = rule.finished || rule.tests.length > 0 ? '' : '  (not yet implemented)';
  const mutants = rule.mutants.length === 0 ? '' : `, broken by ${rule.mutants.join(', ')}`;
  console.log(`${rule.id.padEnd(30)}${count} tests in ${rule.files.length} files${mutants}${state}`);
}

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } });
const report = await checkRules(fileURLToPath(new URL('..', import.meta.url)), { mutants: MUTANTS, write: options.write });

if (options.json) {
  console.log(JSON.stringify(report, null, 2));
} else {
  for (const rule of report.rules) printRule(rule);
  const proved = report.rules.filter((rule) => rule.tests.length > 0).length;
  const broken = report.rules.filter((rule) => rule.mutants.length > 0).length;
  console.log(`${proved} of ${report.rules.length} rules have a test, ${broken} a mutant`);
}
for (const problem of report.problems) console.error(problem);
if (report.problems.length > 0) process.exitCode = 1;
