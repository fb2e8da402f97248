/**
 * `npm run bench`: statewire and its peers side by side, on one machine, in one run. Prints the tables and what became of our bounds; exits non-zero where
 * an answer was wrong or lost, or a bound failed.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { judge, verdictsText } from './bounds.ts';
import { HELP, readOptions } from './options.ts';
import type { Options } from './options.ts';
import { isOurs } from './peers/index.ts';
import { chartOf } from './report/chart.ts';
import { markdownOf } from './report/markdown.ts';
import { textOf } from './report/text.ts';
import { faultsOf } from './results.ts';
import type { Run } from './results.ts';
import { run } from './run.ts';

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Ours must do all that is measured; a peer that fails is shown as such. */
function ownFailures({ cases }: Run): string[] {
  return Object.entries(cases).flatMap(([id, { peers }]) =>
    Object.entries(peers).flatMap(([peer, { failed, missing }]) => (failed === true && isOurs(peer) ? [`${peer}, ${id}: ${missing ?? ''}`] : [])),
  );
}

/** Whether all is well. */
function report(found: Run, { json, svg, markdown }: Options): boolean {
  const verdicts = judge(found);
  const faults = faultsOf(found);
  const failures = ownFailures(found);
  console.log(markdown ? markdownOf(found) : textOf(found));
  console.log(
    `\nbounds\n${verdictsText(verdicts)
      .map((line) => `  ${line}`)
      .join('\n')}`,
  );
  for (const { peer, id, wrong, lost } of faults) console.log(`  fails: ${peer}, ${id}: ${wrong} answers wrong, ${lost} lost`);
  for (const failure of failures) console.log(`  fails: ${failure}`);
  write(json, `${JSON.stringify({ ...found, bounds: verdicts, faults }, undefined, 1)}\n`);
  const chart = chartOf(found);
  // Rather none than one of another run.
  if (chart === undefined) rmSync(svg, { force: true });
  else write(svg, chart);
  console.log(`\n${json}${chart === undefined ? '' : `\n${svg}`}`);
  return faults.length === 0 && failures.length === 0 && verdicts.every(({ holds }) => holds !== false);
}

function optionsOrExit(): Options {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

const options = optionsOrExit();
if (options.help) {
  console.log(HELP);
} else {
  const found = await run({ ...options, progress });
  progress('');
  process.exitCode = report(found, options) ? 0 : 1;
}
