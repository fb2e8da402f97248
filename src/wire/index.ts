/** The wire's door: what the other rooms use of it. Users get theirs from src/wire.ts. */

export { MessageBatch, packValue } from './batch.ts';
export { decodeEach } from './decode.ts';
export { MessageTooLargeError, ValueError, WireError } from './errors.ts';
export { decodeMessages, encodeMessage } from './payload.ts';
export * from './messages.ts';
export { decodeValue } from './value-decode.ts';
export { encodeValue } from './value-pack.ts';
