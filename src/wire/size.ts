/**
 * How many bytes a message takes at most: what is reserved before encode.ts writes it. Generous with text (three bytes a letter), since
 * counting it exactly would cost as much as writing it.
 */

import type { CallMessage, Message, Metadata } from './messages.ts';

/** Bytes that the numbers, nils and headers of any message take at most, but for what is counted below. */
const FIXED_BYTES = 160;
/** Bytes of the longest number, and of the longest header. */
const NUMBER_BYTES = 9;

function textBytes(text: string | undefined): number {
  return text === undefined ? 1 : 5 + 3 * text.length;
}

function binaryBytes(value: Uint8Array | undefined): number {
  return value === undefined ? 1 : 5 + value.length;
}

function metadataBytes(metadata: Metadata): number {
  let bytes = 5;
  if (metadata.length === 0) return bytes;
  for (const [key, value] of metadata) {
    bytes +=
      2 +
      NUMBER_BYTES +
      textBytes(key) +
      (typeof value === 'string' ? textBytes(value) : value instanceof Uint8Array ? binaryBytes(value) : NUMBER_BYTES);
  }
  return bytes;
}

/** The part of a call or result before its value. */
export type CallHead = Omit<CallMessage, 'type' | 'args'>;
export interface ResultHead {
  readonly connectionId: number;
  readonly requestId: number;
  readonly metadata: Metadata;
}

export function callHeadBytes(head: CallHead): number {
  return (
    FIXED_BYTES +
    (typeof head.operationId === 'string' ? textBytes(head.operationId) : 0) +
    head.channels.length * NUMBER_BYTES +
    metadataBytes(head.metadata)
  );
}

export function resultHeadBytes(head: ResultHead): number {
  return FIXED_BYTES + metadataBytes(head.metadata);
}

/** The most bytes a message takes. */
export function messageBytes(message: Message): number {
  switch (message.type) {
    case 'call':
      return callHeadBytes(message) + message.args.length;
    case 'response':
      return (
        resultHeadBytes(message) +
        (message.ok ? message.result.length : textBytes(message.error.reason) + textBytes(message.error.message) + binaryBytes(message.error.data))
      );
    case 'hello':
      return (
        FIXED_BYTES + message.scope.length + textBytes(message.storeIdentity) + binaryBytes(message.credentials) + binaryBytes(message.resumeKey)
      );
    case 'welcome':
      return (
        FIXED_BYTES +
        textBytes(message.sessionId) +
        textBytes(message.storeIdentity) +
        binaryBytes(message.credentials) +
        binaryBytes(message.resumeKey)
      );
    case 'protocol-error':
      return FIXED_BYTES + textBytes(message.rule) + textBytes(message.message);
    case 'refuse':
    case 'reject':
    case 'close':
    case 'reset':
      return FIXED_BYTES + textBytes(message.reason);
    case 'open':
      return FIXED_BYTES + metadataBytes(message.metadata);
    case 'cancel':
      return FIXED_BYTES + (typeof message.operationId === 'string' ? textBytes(message.operationId) : 0);
    case 'item':
      return FIXED_BYTES + message.value.length;
    case 'items':
      return message.values.reduce((bytes, value) => bytes + binaryBytes(value), FIXED_BYTES);
    case 'schema':
      return FIXED_BYTES + textBytes(message.digest) + message.schema.length;
    case 'ping':
    case 'pong':
    case 'go-away':
    case 'accept':
    case 'end':
    case 'grant':
    case 'ack':
      return FIXED_BYTES;
  }
}
