/**
 * `npm run bench:growth`: what a call costs as there are more and more calls in flight, channels, sessions and stored operations. Each is to be flat or
 * logarithmic. Exits non-zero where one is not, or an answer was wrong.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../compare/machine.ts';
import { measureCalls } from './calls.ts';
import { measureChannels } from './channels.ts';
import { chartOf } from './chart.ts';
import { judge } from './series.ts';
import type { Growth, Plan } from './series.ts';
import { measureSessions } from './sessions.ts';
import { measureStored } from './stored.ts';

const MEASURES: Readonly<Record<string, (plan: Plan) => Promise<Growth>>> = {
  calls: measureCalls,
  channels: measureChannels,
  sessions: measureSessions,
  stored: measureStored,
};
const HELP = `npm run bench:growth -- [options]: what a call costs as things grow

  --only a,b       only these: ${Object.keys(MEASURES).join(', ')}
  --rounds 5       rounds of every size; their medians are told
  --quick          short rounds and small sizes, to see that all of it works
  --json FILE      where the figures go (bench/results/growth.json)
  --svg FILE       where the chart goes (bench/results/growth.svg)
  --help`;

const results = (name: string): string => fileURLToPath(new URL(`../../results/${name}`, import.meta.url));

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: Object.keys(MEASURES).join(',') },
      rounds: { type: 'string', default: '5' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: results('growth.json') },
      svg: { type: 'string', default: results('growth.svg') },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds must be a whole number from 1 on, not '${values.rounds}'`);
  const names = values.only.split(',').map((name) => name.trim());
  for (const name of names)
    if (MEASURES[name] === undefined) throw new TypeError(`there is no measure '${name}': ${Object.keys(MEASURES).join(', ')}`);
  return { ...values, rounds, names };
}

function optionsOrExit(): ReturnType<typeof readOptions> {
  try {
    return readOptions();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

const options = optionsOrExit();

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function print(growth: Growth): boolean {
  console.log(`\n${growth.title}`);
  const [first] = growth.lines;
  console.table(
    first?.points.map(({ size }, index) => ({
      [growth.of]: size.toLocaleString('en'),
      ...Object.fromEntries(growth.lines.map(({ name, unit, points }) => [`${name}, ${unit}`, Number(points[index]?.cost.toFixed(2))])),
    })),
  );
  for (const note of growth.notes) console.log(`  ${note}`);
  if (options.quick) return true;
  const verdicts = growth.lines.map(judge);
  for (const { line, growth: times, most, holds } of verdicts)
    console.log(`  ${holds ? 'holds' : 'fails'}: ${line}: ${times.toFixed(2)} times (at most ${most.toFixed(2)})`);
  return verdicts.every(({ holds }) => holds);
}

async function run(): Promise<boolean> {
  const rounds = options.quick ? 1 : options.rounds;
  const plan: Plan = { quick: options.quick, rounds, roundMs: options.quick ? 200 : 800, warmUpMs: options.quick ? 500 : 4_000 };
  const growths: Growth[] = [];
  let allHold = true;
  const { cpu, cores, node } = machine();
  console.log(`two processes on loopback, median of ${rounds} · ${cpu} (${cores} cores), Node ${node}`);
  for (const name of options.names) {
    const growth = await MEASURES[name]!(plan);
    growths.push(growth);
    if (!print(growth)) allHold = false;
  }
  write(
    options.json,
    `${JSON.stringify({ machine: machine(), date: new Date().toISOString(), growths, verdicts: growths.flatMap(({ lines }) => lines.map(judge)) }, undefined, 1)}\n`,
  );
  write(options.svg, chartOf(growths));
  console.log(`\n${options.json}\n${options.svg}`);
  return allHold || options.quick;
}

if (options.help) console.log(HELP);
else process.exitCode = (await run()) ? 0 : 1;
