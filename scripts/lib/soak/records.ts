/** What one process has seen: of the calls it made, how each settled; of the handlers it ran, how often. In flat arrays, so that its heap stays as it is. */
import type { Answer, Failure } from '../../../src/testing/trial/contract.ts';

/** Most askings of one intent. */
export const MOST_ASKINGS = 2;
const MOST_BREACHES = 100;
const UNSETTLED = 'never settled';

/** Names by a small number, in the order they first came. */
class Names {
  readonly list: string[] = [UNSETTLED];

  codeOf(name: string): number {
    const found = this.list.indexOf(name);
    return found >= 0 ? found : this.list.push(name) - 1;
  }
}

/** As it goes from one process to the other. */
export interface RecordsData {
  readonly outcomeNames: readonly string[];
  readonly outcomes: Uint8Array;
  readonly answerRuns: Uint32Array;
  readonly streamNames: readonly string[];
  readonly streams: Uint8Array;
  readonly runs: Uint8Array;
  readonly lastRuns: Uint32Array;
  readonly streamRestarts: number;
  readonly breaches: readonly string[];
}

export class Records {
  readonly #outcomeNames = new Names();
  readonly #streamNames = new Names();
  readonly #outcomes: Uint8Array;
  readonly #responses: Uint8Array;
  /** Which run the answer of a call says it is of; 0 for none. */
  readonly #answerRuns: Uint32Array;
  readonly #streams: Uint8Array;
  readonly #runs: Uint8Array;
  readonly #lastRuns: Uint32Array;
  readonly #breaches: string[] = [];
  #lastRun = 0;
  #settled = 0;
  streamRestarts = 0;

  constructor(intents: number) {
    this.#outcomes = new Uint8Array(intents * MOST_ASKINGS);
    this.#responses = new Uint8Array(intents * MOST_ASKINGS);
    this.#answerRuns = new Uint32Array(intents * MOST_ASKINGS);
    this.#streams = new Uint8Array(intents);
    this.#runs = new Uint8Array(intents);
    this.#lastRuns = new Uint32Array(intents);
  }

  /** Calls that have settled. */
  get settled(): number {
    return this.#settled;
  }

  get data(): RecordsData {
    return {
      outcomeNames: this.#outcomeNames.list,
      outcomes: this.#outcomes,
      answerRuns: this.#answerRuns,
      streamNames: this.#streamNames.list,
      streams: this.#streams,
      runs: this.#runs,
      lastRuns: this.#lastRuns,
      streamRestarts: this.streamRestarts,
      breaches: this.#breaches,
    };
  }

  breach(sentence: string): void {
    if (this.#breaches.length < MOST_BREACHES) this.#breaches.push(sentence);
  }

  /** A handler starts. Gives the number of its run. */
  begin(n: number): number {
    if ((this.#runs[n] as number) < 255) (this.#runs[n] as number)++;
    return (this.#lastRuns[n] = ++this.#lastRun);
  }

  /** A response came for a call. */
  answered(n: number, asking: number): void {
    const at = n * MOST_ASKINGS + asking;
    if (++(this.#responses[at] as number) > 1) this.breach(`call ${n}.${asking} had ${this.#responses[at]} responses`);
  }

  settle(n: number, asking: number, { outcome, answer }: { outcome: string; answer?: Answer | Failure | undefined }): void {
    const at = n * MOST_ASKINGS + asking;
    if (this.#outcomes[at] !== 0) this.breach(`call ${n}.${asking} settled again, with ${outcome}`);
    this.#outcomes[at] = this.#outcomeNames.codeOf(outcome);
    this.#answerRuns[at] = answer?.run ?? 0;
    this.#settled++;
  }

  /** How the caller's end of the intent's channel came to its end. */
  streamEnded(n: number, how: string): void {
    this.#streams[n] = this.#streamNames.codeOf(how);
  }
}
