/**
 * Who waits for which AbortSignal. One signal may be given to any number of calls: it gets one listener, since adding one more
 * to an EventTarget costs as much as it has already, and Node warns of more than ten.
 */
interface Abortable {
  abortedBy(signal: AbortSignal): void;
}

const watchers = new WeakMap<AbortSignal, Set<Abortable>>();

function onAbort(this: AbortSignal): void {
  const waiting = watchers.get(this);
  watchers.delete(this);
  for (const call of waiting ?? []) call.abortedBy(this);
}

/** Tells `call` when `signal` aborts, until `unwatch`. */
export function watch(signal: AbortSignal, call: Abortable): void {
  const waiting = watchers.get(signal);
  if (waiting !== undefined) {
    waiting.add(call);
    return;
  }
  watchers.set(signal, new Set([call]));
  signal.addEventListener('abort', onAbort, { once: true });
}

export function unwatch(signal: AbortSignal, call: Abortable): void {
  const waiting = watchers.get(signal);
  waiting?.delete(call);
  if (waiting?.size !== 0) return;
  watchers.delete(signal);
  signal.removeEventListener('abort', onAbort);
}
