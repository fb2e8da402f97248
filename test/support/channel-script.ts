/**
 * What a scripted peer says about channels: arguments with channel ends in them, made by another MessagePack library and from the description of the wire
 * alone, so that this runtime's own encoder is not its own judge.
 */
import { encode, ExtData } from '@msgpack/msgpack';
import type { CallMessage, EndMessage, GrantMessage, ItemMessage, ItemsMessage, ResetMessage } from 'statewire/wire';
import { encodeValue } from 'statewire/wire';
import { call } from './hostile-peer.ts';

const CHANNEL_END = 0x43;

export interface Mark {
  /** Its place in the call's list of channel ids. Default 0. */
  readonly ordinal?: number;
  /** Default 4. */
  readonly credit?: number;
  /** What it says travels: 0 the receiver, 1 the sender. Default by the function. */
  readonly kind?: number;
  /** How many bytes it has. Default 8. */
  readonly byteLength?: number;
  /** The second byte. Default 0. */
  readonly reserved?: number;
}

function mark({ ordinal = 0, credit = 4, kind = 0, byteLength = 8, reserved = 0 }: Mark): ExtData {
  const bytes = new Uint8Array(Math.max(8, byteLength));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kind);
  view.setUint8(1, reserved);
  view.setUint16(2, ordinal);
  view.setUint32(4, credit);
  return new ExtData(CHANNEL_END, bytes.subarray(0, byteLength));
}

/** An end whose holder will receive. */
export const rxEnd = (given: Mark = {}): ExtData => mark({ kind: 0, ...given });
/** An end whose holder will send. */
export const txEnd = (given: Mark = {}): ExtData => mark({ kind: 1, ...given });

/** A value with ends in it, encoded. */
export const withEnds = (value: unknown): Uint8Array => encode(value);

/** A call of `Lab.run` whose argument has ends in it: by default one, named `end`. */
export function carrying(
  requestId: number,
  channels: readonly number[],
  argument: unknown = { end: rxEnd() },
  change: Partial<CallMessage> = {},
): CallMessage {
  return call(requestId, { channels, args: withEnds(argument), ...change });
}

export const item = (channelId: number, value: unknown): ItemMessage => ({ type: 'item', connectionId: 0, channelId, value: encodeValue(value) });
export const items = (channelId: number, ...values: unknown[]): ItemsMessage => ({
  type: 'items',
  connectionId: 0,
  channelId,
  values: values.map((value) => encodeValue(value)),
});
export const end = (channelId: number): EndMessage => ({ type: 'end', connectionId: 0, channelId });
export const reset = (channelId: number, reason?: string): ResetMessage => ({ type: 'reset', connectionId: 0, channelId, reason });
export const grant = (channelId: number, credit: number): GrantMessage => ({ type: 'grant', connectionId: 0, channelId, credit });
