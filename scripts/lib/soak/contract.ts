/** What the two processes of the soak serve each other: every retry policy, with and without channels. */
import { defineService, method } from 'statewire';
import type { Rx, Tx } from 'statewire';

export type Behaviour = 'returns' | 'fails' | 'throws';

/** What a handler is told to do. `n` is the intent's number, by which its runs are counted. */
export interface Task {
  readonly n: number;
  readonly does: Behaviour;
  readonly ms: number;
}

export interface SumTask extends Task {
  readonly numbers: Rx<number>;
}

export interface TicksTask extends Task {
  readonly count: number;
  readonly out: Tx<number>;
}

/** `run` says which run of a handler of that process computed it. */
export interface Answer {
  readonly value: number;
  readonly run: number;
}

export interface Failure {
  readonly code: number;
  readonly run: number;
}

export const Soak = defineService('Soak', {
  volatile: method<Task, Answer, Failure>(),
  idem: method<Task, Answer, Failure>({ idem: true }),
  persist: method<Task, Answer, Failure>({ persist: true }),
  persistIdem: method<Task, Answer, Failure>({ persist: true, idem: true }),
  sum: method<SumTask, Answer, Failure>(),
  sumIdem: method<SumTask, Answer, Failure>({ idem: true }),
  ticks: method<TicksTask, Answer, Failure>(),
  ticksIdem: method<TicksTask, Answer, Failure>({ idem: true }),
});

export type MethodName = keyof typeof Soak.methods;

/** The item at a place of an intent's stream. */
export const itemAt = (n: number, index: number): number => (n * 31 + index * 7) % 1_009;

export const sumOf = (n: number, count: number): number => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += itemAt(n, index);
  return sum;
};

/** What a call without channels comes to. */
export const valueOf = (n: number): number => n * 3 + 7;
