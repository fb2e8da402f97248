/**
 * `npm run mutants`: breaks the runtime in as many named ways as there are rules and more, and shows that a test citing the rule catches each.
 * `-- --only NAME` or `--only RULE` (also the beginning of one) tries some, `--write` renews docs/mutants.md, `--json` prints data.
 * Fails when a mutant survives or is none, and when a finished rule has no mutant. `--simulation` asks the simulation alone and fails for no
 * survivor: it shows how much that sees, and takes a quarter of an hour.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { renderPage, resultLine, rulesWithout, summary } from './lib/mutants/report.ts';
import { runMutants } from './lib/mutants/run.ts';
import { MUTANTS } from './lib/mutants/tables.ts';
import { finishedRules } from './lib/rules.ts';

const MAX_LANES = 2;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
    simulation: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(new URL('..', import.meta.url));
const isChosen = (text: string): boolean => options.only.length === 0 || options.only.some((wanted) => text.startsWith(wanted));
const named = MUTANTS.filter(({ name, rule }) => isChosen(name) || isChosen(rule));
const chosen = options.simulation ? named.map((mutant) => ({ ...mutant, tests: 'simulation' as const })) : named;
const finished = finishedRules(await readFile(join(root, 'docs/protocol.md'), 'utf8'));

// So that what was copied goes with this process (Lane).
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const results = await runMutants({
  root,
  mutants: chosen,
  lanes: Math.min(MAX_LANES, availableParallelism()),
  onResult: (result) => options.json || console.log(resultLine(result)),
});
const isWhole = options.only.length === 0 && !options.simulation;
const missing = isWhole ? rulesWithout(MUTANTS, finished) : [];
if (options.write && isWhole) await writeFile(join(root, 'docs/mutants.md'), renderPage(results));

if (options.json) console.log(JSON.stringify({ results, missing }, null, 2));
for (const rule of missing) console.error(`${rule}: is finished and has no mutant`);
if (!options.json) console.log(summary(results));
if (missing.length > 0 || results.length === 0 || results.some(({ state }) => state === 'broken' || (state === 'survived' && !options.simulation)))
  process.exitCode = 1;
