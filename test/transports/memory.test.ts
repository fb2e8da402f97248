import { describe, expect, it } from 'vitest';
import { memoryNetwork } from 'statewire/memory';
import { connectPair, linkConformance } from '../support/links.ts';

linkConformance(
  'memory',
  (limits) => {
    const network = memoryNetwork();
    return connectPair(network.listener('a'), ({ name }) => network.connector(name), limits);
  },
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);
