/** What only a mutant showed that no test saw, of channels and the links below them (docs/mutants.md). */
import { describe, expect, it } from 'vitest';
import { FrameSplitter } from '../../src/transport/framing.ts';
import type { PayloadTooLargeError } from '../../src/transport/link.ts';
import { leavesNothing } from '../support/channel-leaks.ts';
import { channelPeers, EVERYWHERE, readAll, sendEach } from '../support/channel-peers.ts';

describe.each(EVERYWHERE)('over $transport, where the $sends sends,', ({ transport, sends }) => {
  leavesNothing();

  it('[channel.terminal] items that had arrived before the link was lost are read before the loss is told', async () => {
    const peers = await channelPeers({ transport });
    const { tx, rx, run, outcome } = await peers.pipe({ sends });
    // A handler that still ran would be aborted, and its ends reset with it (channel.handler-end).
    run.returns('answered');
    await outcome;
    await sendEach(tx, [1, 2, 3]);
    await peers.settle();
    peers.cut();
    await peers.parted();
    expect(rx.status).toBe('lost');
    expect(await readAll(rx)).toMatchObject({ items: [1, 2, 3], error: { kind: 'connection-closed', reason: 'link-lost' } });
  });
});

describe('FrameSplitter', () => {
  it.each([1_001, 1_999])('[link.limit] refuses a length of %i bytes where the limit is 1,000, before any of them has come', (length) => {
    const refusals: PayloadTooLargeError[] = [];
    const splitter = new FrameSplitter({ deliver: () => true, limit: () => 1_000, refuse: (error) => void refusals.push(error) });
    splitter.push(Uint8Array.of(length & 0xff, length >>> 8, 0, 0));
    expect(refusals).toMatchObject([{ byteLength: length, maxPayload: 1_000 }]);
  });
});
