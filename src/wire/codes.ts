/** The numbers of the wire: what stands for each message, each failure and each of our MessagePack extensions. docs/wire.md is the same in words. */

import type { ResponseErrorKind } from './messages.ts';

export const HELLO = 1;
export const WELCOME = 2;
export const REFUSE = 3;
export const PROTOCOL_ERROR = 4;
export const PING = 5;
export const PONG = 6;
export const GO_AWAY = 7;
export const OPEN = 8;
export const ACCEPT = 9;
export const REJECT = 10;
export const CLOSE = 11;
export const CALL = 16;
/** A response is one of two messages: they carry different fields. */
export const RESULT = 17;
export const FAILURE = 18;
export const CANCEL = 19;
export const ITEM = 20;
export const ITEMS = 21;
export const END = 22;
export const RESET = 23;
export const GRANT = 24;
export const ACK = 25;
export const SCHEMA = 26;

/** A failure's kind is its place in this list, so entries are only ever added at the end. Place 0 is none. */
export const FAILURE_KINDS: readonly (ResponseErrorKind | undefined)[] = [
  undefined,
  'user',
  'unknown-method',
  'invalid-payload',
  'cancelled',
  'indeterminate',
  'unavailable',
];

/** Bits of a hello's or welcome's features. */
export const FEATURE_RETRY = 1;
export const FEATURE_RESUME = 2;

/** MessagePack extension types of values. */
export const EXTENSION_UNDEFINED = 0x00;
export const EXTENSION_BIGINT = 0x42;
/** A channel end, in the argument of a call alone. */
export const EXTENSION_CHANNEL = 0x43;
export const EXTENSION_MAP = 0x4d;
export const EXTENSION_SET = 0x53;
export const EXTENSION_TIMESTAMP = 0xff;
/** Never on the wire: how value-scan.ts hands msgpackr the strings it would misread. */
export const EXTENSION_TEXT = 0x54;
