import { describe, expect, it } from 'vitest';
import { messagePort } from 'statewire/memory';
import { connectPair, linkConformance } from '../support/links.ts';

linkConformance(
  'message port',
  async (limits) => {
    const { port1, port2 } = new MessageChannel();
    const pair = await connectPair(messagePort(port1), () => messagePort(port2), limits);
    return {
      ...pair,
      async dispose() {
        await pair.dispose();
        port1.close();
        port2.close();
      },
    };
  },
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);
