/**
 * `npm run fuzz`: hostile input against the decoders and against whole sessions, from a grammar and a seed, so that every run can be repeated. Exits
 * non-zero on any breach. `--inputs 200000 --seed 1 --target frames|envelopes|values|session --minutes M --only INDEX`
 */
import { parseArgs } from 'node:util';
import { fuzz, reproduction, TARGETS } from './lib/fuzz/run.ts';
import type { FuzzOptions } from './lib/fuzz/run.ts';
import { startWatchdog } from './lib/fuzz/watchdog.ts';

/** No part of a run takes so long between two looks, on however slow a machine. */
const HANG_MS = 60_000;

function count(name: string, given: string, least: number): number {
  const number = Number(given);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new TypeError(`${name} must be a whole number from ${least}, not ${given}`);
}

function readOptions(): FuzzOptions {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '200000' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
      minutes: { type: 'string' },
      only: { type: 'string' },
    },
  });
  const target = TARGETS.find((name) => name === values.target);
  if (values.target !== undefined && target === undefined) throw new TypeError(`--target must be one of ${TARGETS.join(', ')}, not ${values.target}`);
  if (values.only !== undefined && target === undefined) throw new TypeError('--only needs a --target');
  return {
    ...{ inputs: count('--inputs', values.inputs, 1), seed: count('--seed', values.seed, 0), target },
    deadlineMs: values.minutes === undefined ? undefined : performance.now() + count('--minutes', values.minutes, 1) * 60_000,
    only: values.only === undefined ? undefined : count('--only', values.only, 0),
  };
}

const options = readOptions();
const watchdog = startWatchdog({ limitMs: HANG_MS, names: TARGETS, seed: options.seed });
const { results, findings, heapBytes } = await fuzz({ ...options, onProgress: (target, index) => watchdog.moved(TARGETS.indexOf(target), index) });
await watchdog.end();

for (const { target, inputs, sessions, elapsedMs } of results) {
  const rate = Math.round((inputs / elapsedMs) * 1_000);
  const inSessions = sessions > 0 ? ` in ${sessions.toLocaleString('en')} sessions` : '';
  console.log(`${target.padEnd(10)} ${inputs.toLocaleString('en').padStart(12)} inputs${inSessions}, ${rate.toLocaleString('en')} a second`);
}
const total = results.reduce((sum, { inputs }) => sum + inputs, 0);
console.log(`${'in all'.padEnd(10)} ${total.toLocaleString('en').padStart(12)} inputs, seed ${options.seed}, ${findings.length} breaches`);
if (heapBytes !== undefined)
  console.log(
    `heap       ${(heapBytes.first / 2 ** 20).toFixed(1)} MiB after the first eighth, ${(heapBytes.last / 2 ** 20).toFixed(1)} MiB at the end`,
  );
for (const finding of findings) {
  console.log(`\nBREACH of ${finding.target}, seed ${finding.seed}, index ${finding.index}: ${finding.problem}`);
  for (const payload of finding.input) console.log(`  ${payload === '' ? '(empty)' : payload}`);
  console.log(`  ${reproduction(finding)}`);
}
process.exit(findings.length > 0 ? 1 : 0);
