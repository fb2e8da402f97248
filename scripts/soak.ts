/**
 * `npm run soak`: mixed calls of every retry policy, both ways, on real sockets whose links are cut every 50 to 500 ms. Every call must settle once, as
 * docs/protocol.md allows it, and nothing may be left over. Exits non-zero on any breach. `--calls 200000 --seed 1 --store memory|lmdb --json`
 */
import { parseArgs } from 'node:util';
import { printReport } from './lib/soak/report.ts';
import { soak } from './lib/soak/run.ts';
import type { SoakOptions } from './lib/soak/run.ts';
import { STORES } from './lib/soak/stores.ts';

function readOptions(): SoakOptions & { json: boolean } {
  const { values } = parseArgs({
    options: {
      calls: { type: 'string', default: '200000' },
      seed: { type: 'string', default: '1' },
      store: { type: 'string', default: 'memory' },
      json: { type: 'boolean', default: false },
    },
  });
  const storeKind = STORES.find((kind) => kind === values.store);
  if (storeKind === undefined) throw new TypeError(`--store must be one of ${STORES.join(', ')}, not ${values.store}`);
  return { calls: count('--calls', values.calls, 1), seed: count('--seed', values.seed, 0), storeKind, json: values.json };
}

function count(name: string, given: string, least: number): number {
  const number = Number(given);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new TypeError(`${name} must be a whole number from ${least}, not ${given}`);
}

const { json, ...options } = readOptions();
const result = await soak(options);
if (json) console.log(JSON.stringify({ ...options, ...result }));
else printReport(options, result);
// What should not be there any more was told as a breach: it does not keep the process.
process.exit(result.breaches.length > 0 ? 1 : 0);
