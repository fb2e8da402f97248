/**
 * What a hot actor's life costs (created, two events, final), as a stock XState actor, as compiled logic on XState's actor and
 * as a light actor, while 1, 1,000 and 100,000 others live. Fails when a light one is not 50 times cheaper than a stock one, or
 * not equally cheap among 1 and among 100,000. `--json` for machines.
 */
import { cpus } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createActor, createMachine } from 'xstate';
import type { AnyActorLogic } from 'xstate';
import { compile } from '../src/machines/compile.ts';
import { requestMachine } from '../src/machines/request.ts';
import { ActorHost, defineActor } from '../src/machines/spawn.ts';

const LIVE_COUNTS = [1, 1_000, 100_000] as const;
const ROUNDS = 5;
/** Until the engine has settled on its final code. */
const WARM_UP_ROUNDS = 2;
const LEAST_RATIO = 50;
/** How far from the cost among 1 the cost among 100,000 may be, as a share of it. */
const FLATNESS = 0.3;

interface Subject {
  readonly name: string;
  /** How many lives one round measures. */
  readonly lives: number;
  /** The populations live side by side and are measured in turns. Real actors are too heavy: the larger population would slow the others' rounds. */
  readonly inTurns: boolean;
  /** A system of its own, in which so many actors live already. */
  populate(live: number): Population;
}

/** One life from the beginning to the end, in that system. */
type Population = (key: number) => void;

interface Result {
  readonly name: string;
  readonly live: number;
  readonly microseconds: number;
}

const input = { idem: false, identified: true };
const first = { type: 'dispatch' } as const;
const second = { type: 'aborted', reason: 'aborted', cause: undefined } as const;
let performed = 0;
const count = () => {
  performed += 1;
};

const lightSubject: Subject = {
  name: 'light',
  lives: 200_000,
  inTurns: true,
  populate: (live) => {
    const root = createActor(createMachine({ id: 'root' })).start();
    const host = new ActorHost(() => root);
    const spawn = (key: number) => lightKind.spawn(host, { key, input, owner: undefined });
    for (let key = 1; key <= live; key += 1) {
      spawn(-key);
    }
    return (key) => {
      const actor = spawn(key);
      actor.send(first);
      actor.send(second);
    };
  },
};

const lightKind = defineActor<undefined>()({
  machine: requestMachine,
  name: 'request',
  actions: {
    transmit: count,
    settleUnsent: count,
    settleResponse: count,
    settleUnknown: count,
    settleAborted: count,
    tellPeer: count,
    settleEnded: count,
    settleIndeterminate: count,
  },
});

/** XState's own actors, as children of one root: what a promoted actor is. */
function realSubject(name: string, logic: AnyActorLogic, lives: number): Subject {
  return {
    name,
    lives,
    inTurns: false,
    populate: (live) => {
      const root = createActor(createMachine({ id: 'root' })).start();
      const start = (key: number) => createActor(logic, { id: `request:${key}`, parent: root, input } as object).start();
      for (let key = 1; key <= live; key += 1) {
        start(-key);
      }
      return (key) => {
        const actor = start(key);
        actor.send(first);
        actor.send(second);
      };
    },
  };
}

function measure(subject: Subject, collectGarbage: () => void): Result[] {
  const groups = subject.inTurns ? [LIVE_COUNTS] : LIVE_COUNTS.map((live) => [live]);
  return groups.flatMap((group) => measureInTurns(subject, group, collectGarbage));
}

/** Taking turns, so that what else the computer does falls on all populations alike. */
function measureInTurns(subject: Subject, liveCounts: readonly number[], collectGarbage: () => void): Result[] {
  const populations = liveCounts.map((live) => ({ live, population: subject.populate(live), rounds: [] as number[] }));
  for (let turn = -WARM_UP_ROUNDS; turn < ROUNDS; turn += 1) {
    for (const { population, rounds } of populations) {
      collectGarbage();
      const microseconds = round(population, subject.lives);
      if (turn >= 0) {
        rounds.push(microseconds);
      }
    }
  }
  return populations.map(({ live, rounds }) => ({ name: subject.name, live, microseconds: median(rounds) }));
}

/** Processor time, so that other programs' share of the computer does not count. */
function round(population: Population, lives: number): number {
  const before = process.cpuUsage();
  for (let key = 0; key < lives; key += 1) {
    population(key);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / lives;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

function judge(results: readonly Result[]): { ratio: number; drift: number; failures: string[] } {
  const cost = (name: string, live: number) => results.find((result) => result.name === name && result.live === live)?.microseconds ?? Number.NaN;
  const ratio = Math.min(...LIVE_COUNTS.map((live) => cost('stock', live) / cost('light', live)));
  const drift = cost('light', 100_000) / cost('light', 1) - 1;
  const failures: string[] = [];
  if (!(ratio >= LEAST_RATIO)) {
    failures.push(`a light actor is ${ratio.toFixed(1)} times cheaper than a stock one; at least ${LEAST_RATIO} is wanted`);
  }
  if (!(Math.abs(drift) <= FLATNESS)) {
    failures.push(`a light actor's cost among 100,000 is ${(drift * 100).toFixed(0)} % off that among 1; at most ${FLATNESS * 100} % is wanted`);
  }
  return { ratio, drift, failures };
}

function main(): void {
  const collectGarbage = garbageCollector();
  const subjects = [
    lightSubject,
    realSubject('compiled on createActor', compile(requestMachine).logic, 10_000),
    realSubject('stock', requestMachine, 2_000),
  ];
  const results = subjects.flatMap((subject) => measure(subject, collectGarbage));
  const { ratio, drift, failures } = judge(results);
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, node ${process.version}`;
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify({ machine, results, ratio, drift, performed, failures }));
  } else {
    console.log(`A hot actor's life: created, two events, final. Median of ${ROUNDS} rounds, in µs of processor time. ${machine}`);
    for (const { name, live, microseconds } of results) {
      console.log(`${name.padEnd(24)} among ${live.toLocaleString('en').padStart(7)} live ${microseconds.toFixed(3).padStart(9)}`);
    }
    console.log(`stock / light at least ${ratio.toFixed(1)}; light among 100,000 ${(drift * 100).toFixed(0)} % off among 1`);
    failures.forEach((failure) => console.error(`Too slow: ${failure}.`));
  }
  process.exitCode = failures.length === 0 ? 0 : 1;
}

main();
