/** The wire's door: what the other rooms use of it. Users get theirs from src/wire.ts. */

export { MessageBatch } from './batch.ts';
export type { MessageBatchOptions } from './batch.ts';
export { decodeEach } from './decode.ts';
export type { CallHead, ResultHead } from './encode.ts';
export { MessageTooLargeError, ValueError, WireError } from './errors.ts';
export { MAX_CHANNELS, MAX_DEPTH, MAX_METADATA_ENTRIES, MAX_OPERATION_ID_BYTES, MAX_TEXT_BYTES, MIN_SCOPE_BYTES, RESUME_KEY_BYTES } from './limits.ts';
export { methodId } from './method-id.ts';
export { decodeMessage, decodeMessages, encodeMessage, encodeMessages } from './payload.ts';
export * from './messages.ts';
export { decodeValue } from './value-decode.ts';
export { encodeValue } from './value-pack.ts';
