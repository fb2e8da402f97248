/** Answers that may come at once or by a promise: what comes at once costs no promise. */
import type { MaybePromise } from '../store/store.ts';

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** What a question is about, how it is asked, and who takes its answer or its failure: made once, for questions that every call asks. */
export interface Inquiry<C, T> {
  readonly ask: (context: C) => MaybePromise<T>;
  readonly onAnswer: (context: C, answer: T) => void;
  readonly onFailure: (context: C, error: unknown) => void;
}

/** As `settle`; what is answered at once costs no function. */
export function inquire<C, T>({ ask, onAnswer, onFailure }: Inquiry<C, T>, context: C): void {
  let answer: MaybePromise<T>;
  try {
    answer = ask(context);
  } catch (error) {
    onFailure(context, error);
    return;
  }
  if (isPromise(answer)) {
    answer.then(
      (later) => onAnswer(context, later),
      (error: unknown) => onFailure(context, error),
    );
  } else {
    onAnswer(context, answer);
  }
}

/** Asks, and hands the answer or the failure on: now if it is there now. What the two receivers throw is theirs. */
export function settle<T>(ask: () => MaybePromise<T>, onAnswer: (answer: T) => void, onFailure: (error: unknown) => void): void {
  inquire<undefined, T>({ ask, onAnswer: (_, answer) => onAnswer(answer), onFailure: (_, error) => onFailure(error) }, undefined);
}
