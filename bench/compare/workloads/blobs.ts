/** Calls with 64 KiB of bytes, eight in flight. */
import type { Workload } from '../case.ts';
import { BLOB_BYTES, receiptOf } from '../contender.ts';
import { PATIENCE_MS, within } from '../task.ts';
import type { Checked, ClientSide } from '../task.ts';

const IN_FLIGHT = 8;

/** One for each that is in flight. */
const BLOBS = Array.from({ length: IN_FLIGHT }, (_, index) => new Uint8Array(BLOB_BYTES).map((__, at) => (at * 31 + index) & 0xff));

export interface Blobs extends Checked {
  readonly blobs: number;
  readonly elapsedMs: number;
}

export async function sendBlobs({ client }: ClientSide, { ms }: { ms: number }): Promise<Blobs> {
  let asked = 0;
  let blobs = 0;
  let wrong = 0;
  let over = false;
  const loop = async (blob: Uint8Array) => {
    while (!over) {
      // No two answers in a row are the same.
      blob[0] = asked++ & 0xff;
      const expected = receiptOf(blob);
      const receipt = await client.blob(blob);
      if (receipt.bytes !== expected.bytes || receipt.probe !== expected.probe) wrong++;
      blobs++;
    }
  };
  const began = performance.now();
  const timer = setTimeout(() => {
    over = true;
  }, ms);
  const loops = Promise.all(BLOBS.map(loop)).finally(() => {
    over = true;
    clearTimeout(timer);
  });
  await within(ms + PATIENCE_MS, loops);
  return { blobs, elapsedMs: performance.now() - began, wrong, lost: asked - blobs };
}

export const blobs: Workload = {
  name: 'blobs',
  cases: [
    {
      id: 'blobs',
      title: '64 KiB, 8 in flight',
      compared: 'megabytesPerSecond',
      needs: ['blob'],
      async measure(contestant, { roundMs, warmUpMs }) {
        await contestant.once('blobs', () => contestant.run('sendBlobs', { ms: warmUpMs }));
        const { found, spent } = await contestant.runCounted('sendBlobs', { ms: roundMs });
        const { blobs: count, elapsedMs, wrong, lost } = found;
        const figures = {
          megabytesPerSecond: (count * BLOB_BYTES) / elapsedMs / 1_000,
          clientCpuMicros: spent.clientMicros / count,
          serverCpuMicros: spent.serverMicros / count,
        };
        return { figures, wrong, lost };
      },
    },
  ],
};
