import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { stdio } from 'statewire/tcp';
import { connectPair, linkConformance } from '../support/links.ts';

linkConformance(
  'stdio over two PassThroughs',
  (limits) => {
    const [there, back] = [new PassThrough(), new PassThrough()];
    return connectPair(stdio(there, back), () => stdio(back, there), limits);
  },
  { tellsAbort: true, slowReaders: ['initiator', 'acceptor'] },
  { describe, expect, it },
);
