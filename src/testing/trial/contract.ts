/**
 * The service by which a runtime is tried: every retry policy, with and without channels. What each call must come to follows from its number, so a
 * wrong value, a value of another call or an item out of place is seen at once. Served and called by the simulation and by the soak.
 */
import { defineService, method } from '../../index.ts';
import type { Rx, Tx } from '../../index.ts';

/** What a handler does when it is done. */
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

/** `run` says which run of a handler computed it. */
export interface Answer {
  readonly value: number;
  readonly run: number;
}

export interface Failure {
  readonly code: number;
  readonly run: number;
}

export const Trial = defineService('Trial', {
  volatile: method<Task, Answer, Failure>(),
  idem: method<Task, Answer, Failure>({ idem: true }),
  persist: method<Task, Answer, Failure>({ persist: true }),
  persistIdem: method<Task, Answer, Failure>({ persist: true, idem: true }),
  sum: method<SumTask, Answer, Failure>(),
  sumIdem: method<SumTask, Answer, Failure>({ idem: true }),
  ticks: method<TicksTask, Answer, Failure>(),
  ticksIdem: method<TicksTask, Answer, Failure>({ idem: true }),
});

export type MethodName = keyof typeof Trial.methods;

/** One call, as its caller means it. */
export interface TrialCall {
  readonly n: number;
  readonly method: MethodName;
  readonly does: Behaviour;
  readonly handlerMs: number;
  /** Items of its channel, and the channel's initial credit. */
  readonly items: number;
  readonly credit: number;
}

export type Policy = 'volatile' | 'idem' | 'persist' | 'persist + idem' | 'volatile, channels' | 'idem, channels';

const POLICIES: Readonly<Record<MethodName, Policy>> = {
  volatile: 'volatile',
  idem: 'idem',
  persist: 'persist',
  persistIdem: 'persist + idem',
  sum: 'volatile, channels',
  ticks: 'volatile, channels',
  sumIdem: 'idem, channels',
  ticksIdem: 'idem, channels',
};

export const policyOf = ({ method: name }: { readonly method: MethodName }): Policy => POLICIES[name];

export const hasChannels = (call: { readonly method: MethodName }): boolean => policyOf(call).endsWith('channels');

/** The item at a place of a call's stream. */
export const itemAt = (n: number, index: number): number => (n * 31 + index * 7) % 1_009;

const sumOf = (n: number, count: number): number => {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += itemAt(n, index);
  return sum;
};

/** What a call without channels comes to. */
export const valueOf = (n: number): number => n * 3 + 7;

/** The value that a call must have, when it has one. */
export function expectedValue({ method: name, n, items }: TrialCall): number {
  if (name.startsWith('sum')) return sumOf(n, items);
  return name.startsWith('ticks') ? items : valueOf(n);
}
