/** The limits that options are held to (docs/limits.md) and that options.test.ts does not reach. */
import { expect, it } from 'vitest';
import { channel, connect } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { connectPeers, makeWorld, PLACE } from '../support/peers.ts';

/** What stands before so many bytes of binary. */
const HEADER_BYTES = encodeValue(new Uint8Array(60 * 1024)).byteLength - 60 * 1024;

it('[session.handshake-limits] credentials of 60 KiB, encoded, fit into a handshake; those of one byte more are refused at once', async () => {
  const most = new Uint8Array(60 * 1024 - HEADER_BYTES);
  const seen: unknown[] = [];
  await connectPeers({ client: { credentials: most, scope: new Uint8Array(1_024) }, server: { authenticate: (shown) => String(seen.push(shown)) } });
  expect(seen).toEqual([most]);
  const { network, clock } = makeWorld();
  const larger = connect(network.connector(PLACE), { clock, credentials: new Uint8Array(most.byteLength + 1) });
  await expect(larger).rejects.toThrow(/credentials have 61441 bytes/);
});

it('[credit.initial] the credit of a channel is a whole number from 0 to 2^31 - 1', () => {
  for (const credit of [0, 2 ** 31 - 1]) expect(channel({ credit })).toHaveLength(2);
  for (const credit of [-1, 0.5, 2 ** 31, NaN]) expect(() => channel({ credit })).toThrow(/options\.credit/);
});
