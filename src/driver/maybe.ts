/** Answers that may come at once or by a promise: what comes at once costs no promise. */
import type { MaybePromise } from '../store/store.ts';

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** Asks, and hands the answer or the failure on: now if it is there now. What the two receivers throw is theirs. */
export function settle<T>(ask: () => MaybePromise<T>, onAnswer: (answer: T) => void, onFailure: (error: unknown) => void): void {
  let answer: MaybePromise<T>;
  try {
    answer = ask();
  } catch (error) {
    onFailure(error);
    return;
  }
  if (isPromise(answer)) answer.then(onAnswer, onFailure);
  else onAnswer(answer);
}
