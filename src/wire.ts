/** `statewire/wire`: the wire format, for tools and for peers that are not this runtime. docs/wire.md describes the bytes. */

export { ValueError, WireError } from './wire/errors.ts';
export { methodId } from './wire/method-id.ts';
export { decodeMessage, decodeMessages, encodeMessage, encodeMessages } from './wire/payload.ts';
export * from './wire/messages.ts';
export { decodeValue } from './wire/value-decode.ts';
export { encodeValue } from './wire/value-pack.ts';
