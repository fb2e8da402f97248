/** Whole messages in and out, for those who do not batch: tests, tools, and peers written against `statewire/wire`. */

import { decodeEach } from './decode.ts';
import { writeMessage } from './encode.ts';
import { WireError } from './errors.ts';
import type { Message } from './messages.ts';
import { allocate } from './platform.ts';
import { messageBytes } from './size.ts';
import { assertNotPacking } from './value-pack.ts';
import * as writer from './writer.ts';

/** One payload with these messages, in order. Throws ValueError where a field cannot be encoded. */
export function encodeMessages(messages: readonly Message[]): Uint8Array {
  assertNotPacking();
  const buffer = allocate(messages.reduce((bytes, message) => bytes + messageBytes(message), 0));
  writer.begin(buffer, 0);
  for (const message of messages) writeMessage(message);
  return new Uint8Array(buffer.subarray(0, writer.position()));
}

/** A payload with this one message. Throws ValueError where a field cannot be encoded. */
export function encodeMessage(message: Message): Uint8Array {
  return encodeMessages([message]);
}

/** All messages of a payload. Encoded values in them are views onto it. Throws WireError. */
export function decodeMessages(payload: Uint8Array): Message[] {
  const messages: Message[] = [];
  decodeEach(payload, (message) => messages.push(message));
  return messages;
}

/** The message of a payload that carries exactly one. Throws WireError, also where there are none or several. */
export function decodeMessage(payload: Uint8Array): Message {
  const messages = decodeMessages(payload);
  const [message] = messages;
  if (message !== undefined && messages.length === 1) return message;
  throw new WireError('session.protocol-error', `a payload has ${messages.length} messages, not one`, 0);
}
