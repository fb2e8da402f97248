/**
 * How channel ends stand in a value (channel.args): which objects they are, where in an argument they were found, and the eight bytes that stand for
 * one. The wire knows an end by its class alone; what it is, and what it is bound to, is said by whoever encodes or decodes.
 *
 *   0: which end travels · 1: zero · 2–3: its place in the call's list of channel ids · 4–7: the channel's initial credit
 */

/** What user-held channel ends extend. */
export abstract class ChannelEnd {}

/** The end that travels in an argument: the peer will receive, or will send. */
export type TravellingEnd = 'receiver' | 'sender';

/** One end as it stands in the bytes. */
export interface EndMark {
  readonly travels: TravellingEnd;
  /** Its place in the call's list of channel ids. */
  readonly ordinal: number;
  /** The channel's initial credit, in items. */
  readonly credit: number;
}

/** Whoever encodes an argument: is shown every end in it, in order, and says what stands for each. */
export interface EndCollector {
  /** The argument is looked at, possibly again: nothing was found yet. */
  begin(): void;
  /** Takes one more end; or says why it cannot be passed. */
  take(end: ChannelEnd): string | undefined;
  markOf(end: ChannelEnd): EndMark;
}

/** Whoever decodes an argument: makes the end that a mark stands for. */
export type EndBinder = (mark: EndMark) => ChannelEnd;

export const END_MARK_BYTES = 8;
const RECEIVER = 0;
const SENDER = 1;

export function writeEndMark({ travels, ordinal, credit }: EndMark): Uint8Array {
  const bytes = new Uint8Array(END_MARK_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = travels === 'receiver' ? RECEIVER : SENDER;
  view.setUint16(2, ordinal);
  view.setUint32(4, credit);
  return bytes;
}

/** Undefined: these bytes are no mark. */
export function readEndMark(bytes: Uint8Array, at: number): EndMark | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, END_MARK_BYTES);
  const kind = view.getUint8(0);
  if (kind > SENDER || view.getUint8(1) !== 0) return undefined;
  return { travels: kind === RECEIVER ? 'receiver' : 'sender', ordinal: view.getUint16(2), credit: view.getUint32(4) };
}
