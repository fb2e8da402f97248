/**
 * The end of a turn: after the present callback and every promise reaction that follows from it. A response and the call its
 * caller makes next so share one write.
 */
type NextTick = (callback: () => void) => void;

const nextTick = (globalThis as { process?: { nextTick?: NextTick } }).process?.nextTick;

/** What follows it is a promise reaction of the platform's own: Node's `queueMicrotask` makes an async resource of each, which costs as much as a small call. */
const SETTLED = Promise.resolve();

/** Runs `callback` once the promise reactions of this turn are through. */
export const afterTurn: (callback: () => void) => void =
  nextTick === undefined
    ? // Two rounds further on: behind the reactions of a handler that awaited once.
      (callback) => queueMicrotask(() => queueMicrotask(() => queueMicrotask(callback)))
    : // Node drains promise reactions before it takes up ticks queued by one of them.
      (callback) => void SETTLED.then(() => nextTick(callback));
