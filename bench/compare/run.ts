/** Measures: case by case, and in each round by round, one peer after the other, so that whatever else the machine does meets all of them alike. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Skipped } from './case.ts';
import type { Case, Round, Workload } from './case.ts';
import { Contestant } from './contestant.ts';
import { machine, versionOf } from './machine.ts';
import { YARDSTICK } from './peers/index.ts';
import type { Entry } from './peers/index.ts';
import type { Plan } from './plan.ts';
import { mediansOf, ratioOf } from './results.ts';
import type { CaseResults, PeerFacts, Result, Run } from './results.ts';

export interface Orders {
  readonly entries: readonly Entry[];
  readonly workloads: readonly Workload[];
  readonly plan: Plan;
  readonly progress: (text: string) => void;
}

interface Taken {
  readonly rounds: Round[];
  missing?: string;
  failed?: boolean;
}

const takesPart = ({ only }: Entry, { id }: Case): boolean => only === undefined || only.includes(id);

async function take(contestant: Contestant, one: Case, plan: Plan): Promise<Round> {
  await contestant.start();
  const lacking = one.needs.map((need) => contestant.about?.lacks[need]).find((reason) => reason !== undefined);
  if (lacking !== undefined) throw new Skipped(lacking);
  return one.measure(contestant, plan);
}

/** A peer that fails is out of this case; it begins the next one with new processes. */
async function takeInto(taken: Taken, contestant: Contestant, work: () => Promise<Round>): Promise<void> {
  try {
    taken.rounds.push(await work());
  } catch (error) {
    taken.missing = error instanceof Error ? error.message : String(error);
    if (error instanceof Skipped) return;
    taken.failed = true;
    await contestant.stop();
  }
}

function resultsOf(one: Case, taken: ReadonlyMap<string, Taken>): Record<string, Result> {
  const yardstick = taken.get(YARDSTICK)?.rounds ?? [];
  const results: Record<string, Result> = {};
  for (const [name, { rounds, missing, failed }] of taken) {
    // Rounds before a failure say nothing about what was to be measured.
    const kept = failed === true ? [] : rounds;
    const ratioToRaw = ratioOf(kept, yardstick, one.compared);
    results[name] = {
      rounds: kept,
      medians: mediansOf(kept),
      ...(ratioToRaw === undefined ? {} : { ratioToRaw }),
      ...(missing === undefined ? {} : { missing }),
      ...(failed === undefined ? {} : { failed }),
    };
  }
  return results;
}

async function runCase(one: Case, contestants: readonly Contestant[], { plan, progress }: Orders): Promise<Record<string, Result>> {
  const taken = new Map<string, Taken>(contestants.map(({ name }) => [name, { rounds: [] }]));
  const rounds = one.once === true ? 1 : plan.rounds;
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      const own = taken.get(contestant.name);
      if (own === undefined || own.missing !== undefined) continue;
      progress(`${one.id}, round ${round + 1} of ${rounds}: ${contestant.name}`);
      await takeInto(own, contestant, () => take(contestant, one, plan));
    }
  }
  return resultsOf(one, taken);
}

function factsOf(contestants: readonly Contestant[]): Record<string, PeerFacts> {
  const facts: Record<string, PeerFacts> = {};
  for (const { name, about } of contestants) {
    const known = about ?? { title: name, packages: [], remark: 'did not start', lacks: {} };
    facts[name] = { ...known, versions: Object.fromEntries(known.packages.map((each) => [each, versionOf(each)])) };
  }
  return facts;
}

export async function run(orders: Orders): Promise<Run> {
  const began = performance.now();
  const temporary = mkdtempSync(join(tmpdir(), 'statewire-bench-'));
  // Whatever peers leave behind, also when they are killed.
  const clear = () => rmSync(temporary, { recursive: true, force: true });
  process.on('exit', clear);
  const contestants = orders.entries.map((entry) => ({ entry, contestant: new Contestant(entry.name, temporary) }));
  const cases: Record<string, CaseResults> = {};
  try {
    for (const { name, cases: ofWorkload } of orders.workloads) {
      for (const one of ofWorkload) {
        const those = contestants.filter(({ entry }) => takesPart(entry, one)).map(({ contestant }) => contestant);
        const caseBegan = performance.now();
        const peers = await runCase(one, those, orders);
        const seconds = Math.round((performance.now() - caseBegan) / 100) / 10;
        cases[one.id] = { workload: name, title: one.title, compared: one.compared, seconds, peers };
      }
    }
  } finally {
    await Promise.all(contestants.map(({ contestant }) => contestant.stop()));
    clear();
  }
  const peers = factsOf(contestants.map(({ contestant }) => contestant));
  const seconds = Math.round((performance.now() - began) / 1_000);
  return { date: new Date().toISOString(), machine: machine(), plan: orders.plan, seconds, peers, cases };
}
