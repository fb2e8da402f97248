/** How much memory this process holds, what is garbage not counted: so that a growth by a few kilobytes can be seen, and is none by chance. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Bytes of live objects and buffers. Collects garbage first, which takes a few milliseconds. */
export function heldBytes(): number {
  collect ??= garbageCollector();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Without an option on the command line: contexts made after the flag was set have `gc`. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
