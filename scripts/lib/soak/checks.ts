/** Judges a soak: every call against the table of outcomes, and what was left over. One sentence for each breach. */
import { hasChannels, policyOf } from '../../../src/testing/trial/contract.ts';
import { isAllowed, isOwn, wrongRuns, wrongStream } from './outcomes.ts';
import { planIntent } from './plan.ts';
import type { Intent, Role } from './plan.ts';
import { MOST_ASKINGS } from './records.ts';
import type { RecordsData } from './records.ts';
import type { Rest, SideReport } from './side.ts';

export type Tally = Record<string, Record<string, number>>;

export interface Judged {
  /** Calls by policy and outcome. */
  readonly calls: Tally;
  /** Callers' ends of channels, by how they ended. */
  readonly streams: Record<string, number>;
  readonly asked: number;
  readonly breaches: string[];
}

/** Counters that no honest peer makes grow, whatever happens to links; and no session is ever made anew. */
const MUST_BE_ZERO = ['creditViolations', 'protocolErrors', 'zombies', 'secondAnswers', 'storeFailures', 'restarted'];
const NEVER_SETTLED = 0;
const MOST_GROWTH_BYTES = 6 * 1024 * 1024;
/** Series, fences, and what the last acknowledgement has not reached. */
const MOST_STORE_BYTES = 64 * 1024;

const otherThan = (role: Role): Role => (role === 'initiator' ? 'acceptor' : 'initiator');

export class Judge {
  readonly #seed: number;
  readonly #data: Readonly<Record<Role, RecordsData>>;
  readonly #judged: Judged = { calls: {}, streams: {}, asked: 0, breaches: [] };

  constructor(seed: number, reports: Readonly<Record<Role, SideReport>>) {
    this.#seed = seed;
    this.#data = { initiator: reports.initiator.records, acceptor: reports.acceptor.records };
    for (const [role, { records, counters }] of Object.entries(reports)) {
      this.#judged.breaches.push(...records.breaches);
      const runs = records.runs.reduce((sum, count) => sum + count, 0);
      if (runs !== counters['started']) this.#judged.breaches.push(`the ${role} counts ${counters['started']} handlers, and ${runs} ran`);
      for (const name of MUST_BE_ZERO) if (counters[name] !== 0) this.#judged.breaches.push(`the ${role} counts ${counters[name]} ${name}`);
    }
  }

  judge(intents: number): Judged {
    let asked = 0;
    for (let n = 0; n < intents; n++) asked += this.#judgeIntent(planIntent(this.#seed, n));
    return { ...this.#judged, asked };
  }

  #judgeIntent(intent: Intent): number {
    const { n, caller, askings } = intent;
    const data = this.#data[caller];
    const served = this.#data[otherThan(caller)];
    const stream = data.streamNames[data.streams[n] as number] ?? '';
    const outcomes = askings.map((_, index) => data.outcomeNames[data.outcomes[n * MOST_ASKINGS + index] as number] ?? '');
    const runs = served.runs[n] as number;
    for (const [index, outcome] of outcomes.entries())
      this.#judgeCall(intent, index, { outcome, stream, answerRun: data.answerRuns[n * MOST_ASKINGS + index] as number });
    this.#complain(intent, wrongRuns(intent, runs, outcomes));
    if (runs === 1)
      for (const [index, outcome] of outcomes.entries())
        if (isOwn(outcome) && data.answerRuns[n * MOST_ASKINGS + index] !== served.lastRuns[n])
          this.#complain(
            intent,
            `call ${index} has the outcome of run ${data.answerRuns[n * MOST_ASKINGS + index]}, and its handler's was ${served.lastRuns[n]}`,
          );
    if (hasChannels(intent)) {
      const name = `${intent.method}: ${stream}`;
      this.#judged.streams[name] = (this.#judged.streams[name] ?? 0) + 1;
      if (data.streams[n] === NEVER_SETTLED) this.#complain(intent, "the caller's end of its channel never came to an end");
    }
    return askings.length;
  }

  #judgeCall(intent: Intent, index: number, seen: { outcome: string; stream: string; answerRun: number }): void {
    const tally = (this.#judged.calls[policyOf(intent)] ??= {});
    tally[seen.outcome] = (tally[seen.outcome] ?? 0) + 1;
    if (!isAllowed(intent, index, seen)) this.#complain(intent, `call ${index} ended with ${seen.outcome}`);
    this.#complain(intent, wrongStream(intent, seen.outcome, seen.stream));
  }

  #complain(intent: Intent, what: string | undefined): void {
    if (what === undefined) return;
    const { n, caller, method, does, askings } = intent;
    const givenUp = askings
      .map(({ givingUp, closesUnder }) => `${givingUp === 'never' ? '' : `, ${givingUp}`}${closesUnder ? ', closed under it' : ''}`)
      .join('');
    this.#judged.breaches.push(`intent ${n} (${method} by the ${caller}, ${does}, asked ${askings.length}×${givenUp}): ${what}`);
  }
}

/** Operations with a name of their own, which nobody acknowledges, that a side may have in its store after the intents from one number up to another. */
export function namedFor(role: Role, seed: number, [from, to]: readonly [number, number]): number {
  let named = 0;
  for (let n = from; n < to; n++) {
    const { caller, operationId } = planIntent(seed, n);
    if (caller !== role && operationId !== undefined) named++;
  }
  return named;
}

export interface RestsOfSide {
  readonly role: Role;
  readonly before: Rest;
  readonly after: Rest;
  /** Named operations since the first rest. */
  readonly named: number;
}

/** What is wrong with what a side holds when nothing is in flight, its sessions still open. */
export function wrongRest({ role, before, after, named }: RestsOfSide): string[] {
  const breaches: string[] = [];
  const growth = after.heap - before.heap;
  if (growth > MOST_GROWTH_BYTES) breaches.push(`the heap of the ${role} grew by ${Math.round(growth / 1024)} KiB`);
  if (after.kept > named) breaches.push(`the store of the ${role} kept ${after.kept} records, and only ${named} have a name of their own`);
  if ((after.store ?? 0) > MOST_STORE_BYTES) breaches.push(`the store of the ${role} keeps ${after.store} bytes`);
  const { inFlight, channels, operations } = after.left;
  for (const [what, count] of Object.entries({ inFlight, channels, operations }))
    if (count > 0) breaches.push(`the ${role} holds ${count} ${what} when all calls are over`);
  return breaches;
}
