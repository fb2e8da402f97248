/** One link over a pair of byte streams: a child process's stdin and stdout, a serial line, two PassThroughs in a test. Node only. */
import type { Readable, Writable } from 'node:stream';
import { abortError, resolveMaxPayload } from './base-link.ts';
import type { Connector, Link, LinkLimits, Listener } from './link.ts';
import { StreamLink } from './stream-link.ts';

/** What a stdio listener says of its place. */
export interface StdioAddress {
  readonly transport: 'stdio';
}

/** The streams carry one link, ever. */
class StreamsUsedError extends Error {
  override readonly name = 'StreamsUsedError';
  readonly final = true;
  constructor() {
    super('these streams already carry a link: stdio() makes one link, and a new one needs new streams');
  }
}

/**
 * A link over `readable` and `writable`. Both ends are alike: the one side calls `connect`, the other `listen`, each once; `connect` does not
 * wait for the peer. A parent gives `stdio(child.stdout, child.stdin)`, the child `stdio(process.stdin, process.stdout)`, and the child
 * writes nothing else to its stdout. The link's end ends `writable`. Rules link.*.
 */
export function stdio(readable: Readable, writable: Writable): Connector & Listener<StdioAddress> {
  let streams: 'free' | 'used' = 'free';
  const makeLink = (limits: LinkLimits | undefined): Link => {
    if (streams === 'used') throw new StreamsUsedError();
    streams = 'used';
    const destroy = (): void => {
      readable.destroy();
      writable.destroy();
    };
    return new StreamLink(readable, writable, { maxPayload: resolveMaxPayload(undefined, limits), facts: { transport: 'stdio' }, destroy });
  };
  return {
    async connect(signal, limits) {
      if (signal.aborted) throw abortError(signal);
      return makeLink(limits);
    },
    async listen(onLink, limits) {
      onLink(makeLink(limits));
      return { address: { transport: 'stdio' }, close: async () => {} };
    },
  };
}
