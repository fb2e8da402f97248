/**
 * `npm run rules`: says for every rule of docs/protocol.md how many tests cite it; fails when a finished rule has none, when a test cites a
 * rule that does not exist, and when the table of docs/rules.md is out of date. `-- --write` renews the table, `-- --json` prints data.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkRules } from './lib/rules-command.ts';
import type { RuleTests } from './lib/rules.ts';

function printRule(rule: RuleTests): void {
  const count = String(rule.tests.length).padStart(4);
  const state = rule.finished || rule.tests.length > 0 ? '' : '  (not yet implemented)';
  console.log(`${rule.id.padEnd(30)}${count} tests in ${rule.files.length} files${state}`);
}

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } });
const report = await checkRules(fileURLToPath(new URL('..', import.meta.url)), options.write);

if (options.json) {
  console.log(JSON.stringify(report, null, 2));
} else {
  for (const rule of report.rules) printRule(rule);
  const proved = report.rules.filter((rule) => rule.tests.length > 0).length;
  console.log(`${proved} of ${report.rules.length} rules have a test`);
}
for (const problem of report.problems) console.error(problem);
if (report.problems.length > 0) process.exitCode = 1;
