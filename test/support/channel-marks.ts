/** Arguments with channel ends in them, by the bytes: what a peer may say of channels that no runtime would (docs/wire.md). MessagePack by another library. */
import { encode, ExtData } from '@msgpack/msgpack';

const END_EXT = 0x43;

export interface Mark {
  /** Which end the callee is given. */
  readonly travels: 'receiver' | 'sender';
  /** Its place in the call's list of channels. */
  readonly ordinal: number;
  readonly credit?: number;
}

/** `{ items: end }`, or a list of ends. */
export function argsWith(...marks: Mark[]): Uint8Array {
  const ends = marks.map(({ travels, ordinal, credit = 16 }) => {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, travels === 'receiver' ? 0 : 1);
    view.setUint16(2, ordinal);
    view.setUint32(4, credit);
    return new ExtData(END_EXT, bytes);
  });
  return encode({ items: ends.length === 1 ? ends[0] : ends });
}
