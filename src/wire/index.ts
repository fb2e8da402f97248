/** The wire's door: what the other rooms use of it. Users get theirs from src/wire.ts. */

export { MessageBatch, packValue } from './batch.ts';
export type { ArgumentChannels } from './batch.ts';
export { ChannelEnd } from './channel-ends.ts';
export type { EndMark } from './channel-ends.ts';
export { ItemGather, ItemRun, LARGE_ITEM_BYTES } from './item-gather.ts';
export { decodeEach } from './decode.ts';
export { MessageTooLargeError, ValueError, WireError } from './errors.ts';
export { decodeMessages, encodeMessage } from './payload.ts';
export * from './messages.ts';
export { decodeArgument, decodeItem, decodeValue, findEndMarks } from './value-decode.ts';
export { measure } from './value-check.ts';
export { encodeValue } from './value-pack.ts';
