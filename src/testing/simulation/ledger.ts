/**
 * The books of a simulation: what was asked, what ran, what everyone was told. It sees everything, and judges at once or at the end; each breach of a rule is
 * a violation. It knows nothing of the runtime.
 */
import { decodeValue } from '../../wire/index.ts';
import { expectedValue, Trial } from '../trial/contract.ts';
import type { Answer, Failure, Task } from '../trial/contract.ts';
import { Circumstances } from './circumstances.ts';
import { isSteady } from './intents.ts';
import type { Asking, Intent } from './intents.ts';
import { mayHaveEnded, wrongOutcome } from './verdicts.ts';

export interface LedgerTerms {
  readonly now: () => number;
  /** Whether the callee of an operation keeps it on one disk, over crashes. */
  readonly isKept: (intent: Intent) => boolean;
}

/** A rule that was seen broken. */
export interface Violation {
  readonly atMs: number;
  /** Its id in docs/protocol.md. */
  readonly rule: string;
  readonly message: string;
}

/** What a callee says that has looked, and knows of no outcome. */
const NO_OUTCOME: ReadonlySet<string> = new Set(['indeterminate:abandoned', 'indeterminate:released', 'indeterminate:handler-failed']);

/** A broken run breaks the same rule over and over. */
const MOST_VIOLATIONS = 20;

export interface Told {
  readonly outcome: string;
  readonly answer?: Answer | Failure | undefined;
  readonly retryable?: boolean;
}

export class Ledger {
  readonly circumstances = new Circumstances();
  readonly intents: Intent[] = [];
  readonly violations: Violation[] = [];
  /** How often each outcome was told. */
  readonly outcomes = new Map<string, number>();
  calls = 0;
  /** Calls that have not settled. */
  readonly #waiting = new Set<Asking>();
  #lastRun = 0;
  readonly #terms: LedgerTerms;

  constructor(terms: LedgerTerms) {
    this.#terms = terms;
  }

  /** Whether it is a run that need not go on. */
  get isBroken(): boolean {
    return this.violations.length >= MOST_VIOLATIONS;
  }

  breach(rule: string, message: string): void {
    if (!this.isBroken) this.violations.push({ atMs: this.#terms.now(), rule, message });
  }

  /** A call is made. */
  ask(asking: Asking): void {
    this.calls++;
    this.#waiting.add(asking);
  }

  /** Whether anybody who lives waits for the outcome of a call. */
  get isWaiting(): boolean {
    for (const { process } of this.#waiting) if (process.isAlive) return true;
    return false;
  }

  /** A handler starts. Gives the number of its run. */
  begin(n: number, disk: string): number {
    const intent = this.#intent(n);
    const run = ++this.#lastRun;
    intent.runs.push(run);
    if (!intent.disks.includes(disk)) intent.disks.push(disk);
    // Only who asks again may meet a server that does not know of it; the runtime itself never sends it there (resume.unknown).
    const mostRuns = 1 + intent.forgotten + (intent.askings.length > 1 ? intent.disks.length - 1 : 0);
    if (!isIdem(intent) && intent.runs.length > mostRuns)
      this.breach('op.attach', `${describe(intent)}: its handler runs a ${intent.runs.length}th time, and it is not idem`);
    return run;
  }

  /** A handler was aborted. */
  aborted(n: number): void {
    const intent = this.#intent(n);
    const isExplained = !intent.askings.every(isSteady) || mayHaveEnded(intent, this.circumstances);
    if (!isExplained) this.breach('resume.live', `${describe(intent)}: its handler was aborted, and nothing that happened does that`);
    if (Trial.methods[intent.method].persist) this.breach('cancel.callee', `${describe(intent)}: its handler was aborted, though it is persist`);
  }

  /** A store has forgotten an operation that nobody acknowledged. */
  forgotten(args: Uint8Array): void {
    let task: Task | undefined;
    try {
      task = decodeValue(args) as Task;
    } catch {
      // It has channels, and is never asked for again.
    }
    const intent = task === undefined ? undefined : this.intents[task.n];
    // A number is never run again because it is forgotten (op.expiry).
    if (intent?.operationId !== undefined) intent.forgotten++;
  }

  tell(intent: Intent, asking: Asking, { outcome, answer, retryable }: Told): void {
    if (asking.outcome !== undefined) this.breach('attempt.one-response', `${describe(intent)}: call ${asking.index} settles again, with ${outcome}`);
    asking.outcome = outcome;
    asking.retryable = retryable;
    this.#waiting.delete(asking);
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    const wrong = wrongOutcome(intent, asking, this.circumstances);
    if (wrong !== undefined) this.breach(wrong[0], `${describe(intent)}: call ${asking.index} ${wrong[1]}`);
    if (answer !== undefined) this.#checkAnswer(intent, asking, answer);
    this.#checkKept(intent);
  }

  /** What can be judged only when nothing runs any more. `everySettled`: faults have stopped, and there was time. */
  close(everySettled: boolean): void {
    for (const intent of this.intents) {
      for (const asking of intent.askings)
        if (everySettled && asking.outcome === undefined && asking.process.isAlive)
          this.breach('attempt.never-parked', `${describe(intent)}: call ${asking.index} never settled`);
      this.#checkOnce(intent);
      this.#checkRetryable(intent);
    }
  }

  #intent(n: number): Intent {
    const intent = this.intents[n];
    if (intent === undefined) throw new Error(`there is no intent ${n}`);
    return intent;
  }

  #checkAnswer(intent: Intent, asking: Asking, answer: Answer | Failure): void {
    const value = 'value' in answer ? answer.value : answer.code;
    const expected = 'value' in answer ? expectedValue(intent) : intent.n;
    if (value !== expected) this.breach('op.scope', `${describe(intent)}: call ${asking.index} has ${value}, not ${expected}`);
    if (!intent.runs.includes(answer.run))
      this.breach('op.seal', `${describe(intent)}: call ${asking.index} has the outcome of run ${answer.run}, which is not its own`);
    if (intent.outcomeRun !== undefined && intent.outcomeRun !== answer.run && !isIdem(intent) && intent.forgotten === 0 && intent.disks.length === 1)
      this.breach(
        'op.replay',
        `${describe(intent)}: call ${asking.index} has the outcome of run ${answer.run}, and another call that of run ${intent.outcomeRun}`,
      );
    intent.outcomeRun = answer.run;
  }

  /** op.seal-durable: whose outcome somebody has been told, of that nobody is told that there is none. */
  #checkKept(intent: Intent): void {
    if (intent.method !== 'persist' || intent.forgotten > 0 || !this.#terms.isKept(intent)) return;
    const told = intent.askings.map(({ outcome = '' }) => outcome);
    if (told.some((outcome) => outcome === 'value' || outcome === 'user') && told.some((outcome) => NO_OUTCOME.has(outcome)))
      this.breach('op.seal-durable', `${describe(intent)}: its callers were told ${told.join(' and ')}`);
  }

  #checkRetryable(intent: Intent): void {
    const [asking, ...others] = intent.askings;
    if (asking?.retryable === true && others.length === 0 && !isIdem(intent) && intent.runs.length > 0)
      this.breach('outcome.retryable', `${describe(intent)}: ${asking.outcome} says that asking again does no harm, and its handler runs`);
  }

  #checkOnce(intent: Intent): void {
    const told = intent.askings.map(({ outcome }) => outcome);
    const isSure = told.every((outcome) => outcome === 'value' || outcome === 'user');
    if (
      intent.method !== 'persist' ||
      !isSure ||
      !intent.askings.every(isSteady) ||
      told.length === 0 ||
      intent.forgotten > 0 ||
      intent.disks.length > 1
    )
      return;
    if (intent.runs.length !== 1)
      this.breach('op.seal-durable', `${describe(intent)}: all its callers have its outcome, and its handler ran ${intent.runs.length} times`);
  }
}

export const isIdem = ({ method }: Intent): boolean => Trial.methods[method].idem;

export function describe({ n, method, does, scope, caller, operationId, askings }: Intent): string {
  const named = operationId === undefined ? '' : ` ‘${operationId}’`;
  return `intent ${n} (${method}${named}, ${does}, by the ${caller} of scope ${scope}, asked ${askings.length}×)`;
}
