/** The command line of `npm run bench`. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { entryOf, PEERS } from './peers/index.ts';
import type { Entry } from './peers/index.ts';
import { planOf } from './plan.ts';
import type { Plan } from './plan.ts';
import type { Workload } from './case.ts';
import { WORKLOADS } from './workloads/index.ts';

const results = (name: string): string => fileURLToPath(new URL(`../../results/${name}`, import.meta.url));

export const HELP = `npm run bench -- [options]: statewire and its peers, side by side

  --peers a,b      only these: ${PEERS.map(({ name }) => name).join(', ')}
  --workloads a,b  only these: ${WORKLOADS.map(({ name }) => name).join(', ')}
  --rounds 3       rounds of every case; their medians are told
  --quick          short rounds, to see that all of it works: figures are not judged
  --json FILE      where all rounds go (bench/results/latest.json)
  --svg FILE       where the chart goes (bench/results/latest.svg)
  --markdown       the tables as Markdown
  --help`;

export interface Options {
  readonly entries: readonly Entry[];
  readonly workloads: readonly Workload[];
  readonly plan: Plan;
  readonly json: string;
  readonly svg: string;
  readonly markdown: boolean;
  readonly help: boolean;
}

const names = (given: string): string[] => given.split(',').map((name) => name.trim());

function workloadOf(name: string): Workload {
  const workload = WORKLOADS.find((candidate) => candidate.name === name);
  if (workload === undefined) throw new TypeError(`there is no workload '${name}': ${WORKLOADS.map((known) => known.name).join(', ')}`);
  return workload;
}

function roundsOf(given: string): number {
  const rounds = Number(given);
  if (!Number.isInteger(rounds) || rounds < 1) throw new TypeError(`--rounds must be a whole number from 1 on, not '${given}'`);
  return rounds;
}

/** @throws TypeError for what makes no sense. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string' },
      workloads: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string', default: results('latest.json') },
      svg: { type: 'string', default: results('latest.svg') },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    entries: values.peers === undefined ? PEERS : names(values.peers).map(entryOf),
    workloads: values.workloads === undefined ? WORKLOADS : names(values.workloads).map(workloadOf),
    plan: planOf(values.quick, roundsOf(values.rounds ?? (values.quick ? '1' : '3'))),
    json: values.json,
    svg: values.svg,
    markdown: values.markdown,
    help: values.help,
  };
}
