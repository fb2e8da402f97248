/**
 * Channels, two processes over loopback TCP: how fast one carries small items and binaries beside a bare socket with MessagePack frames in the
 * same run, what 10,000 of them cost, what a slow consumer and 10,000,000 items do to memory, what a proxy adds. One file a measurement in lib/.
 *
 *   npm run bench:channels -- [--only small|slow|flood|binary|many|proxy]… [--rounds 5] [--slow-seconds 30] [--items 10000000] [--json]
 *
 * Exits non-zero beyond a bound.
 */
import { parseArgs } from 'node:util';
import { many } from './lib/channel-many.ts';
import { flood, slow } from './lib/channel-memory.ts';
import { proxy } from './lib/channel-proxy.ts';
import { rates } from './lib/channel-rates.ts';
import { machine } from './lib/figures.ts';
import type { Report, Settings } from './lib/report.ts';

/** What is said of memory comes before what takes much of it. */
const MEASUREMENTS: Readonly<Record<string, (settings: Settings) => Promise<Report>>> = {
  small: (settings) => rates('small', settings),
  slow,
  flood,
  binary: (settings) => rates('binary', settings),
  many,
  proxy,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: Object.keys(MEASUREMENTS) },
    rounds: { type: 'string', default: '5' },
    'slow-seconds': { type: 'string', default: '30' },
    items: { type: 'string', default: '10000000' },
    json: { type: 'boolean', default: false },
  },
});

function positive(name: 'rounds' | 'slow-seconds' | 'items'): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`--${name} must be a whole number above 0, not ${values[name]}`);
  return value;
}

function print({ title, rows, bounds }: Report): void {
  console.log(`\n${title}`);
  console.table(rows);
  for (const { says, value, bound, holds } of bounds) console.log(`${holds ? 'ok  ' : 'FAIL'} ${says}: ${value} (${bound})`);
}

const settings: Settings = { rounds: positive('rounds'), slowSeconds: positive('slow-seconds'), items: positive('items') };
const unknown = values.only.filter((name) => !(name in MEASUREMENTS));
if (unknown.length > 0) throw new TypeError(`--only ${unknown.join(', ')}: there are ${Object.keys(MEASUREMENTS).join(', ')}`);
const reports: Record<string, Report> = {};
if (!values.json) console.log(`channels, two processes over TCP, median of ${settings.rounds} · ${machine()}`);
for (const [name, measure] of Object.entries(MEASUREMENTS)) {
  if (!values.only.includes(name)) continue;
  const report = await measure(settings);
  reports[name] = report;
  if (!values.json) print(report);
}
if (values.json) console.log(JSON.stringify({ machine: machine(), ...settings, reports }));
if (Object.values(reports).some(({ bounds }) => bounds.some(({ holds }) => !holds))) process.exitCode = 1;
