/**
 * Messages to bytes: each one's elements in order. docs/wire.md has the same layouts in words; decode.ts reads them. How much room
 * one needs is size.ts; where the bytes go, and how messages become payloads, is batch.ts.
 */

import * as codes from './codes.ts';
import { ValueError } from './errors.ts';
import {
  MAX_CHANNELS,
  MAX_ITEMS,
  MAX_METADATA_ENTRIES,
  MAX_METADATA_KEY_BYTES,
  MAX_METADATA_VALUE_BYTES,
  MAX_NAME_BYTES,
  MAX_OPERATION_ID_BYTES,
  MAX_SECRET_BYTES,
  MAX_TEXT_BYTES,
  MIN_SCOPE_BYTES,
  RESUME_KEY_BYTES,
} from './limits.ts';
import { MAGIC, PROTOCOL_VERSION } from './messages.ts';
import type {
  HelloMessage,
  Message,
  Metadata,
  MetadataValue,
  Parity,
  ResponseError,
  ResponseMessage,
  WelcomeMessage,
  WireFeatures,
  WireLimits,
} from './messages.ts';
import type { CallHead, ResultHead } from './size.ts';
import { writeArray, writeBigint, writeBinary, writeBoolean, writeId, writeInteger, writeNil, writeString, writeText, writeUint } from './writer.ts';

function writeOperationId(id: string | number | undefined): void {
  if (id === undefined) writeNil();
  else if (typeof id === 'number') writeId(id, 'operationId');
  else writeString(id, MAX_OPERATION_ID_BYTES, 'operationId');
}

const SERIES = /^[0-9a-f]{16}$/;

function writeSeries(series: string): void {
  if (!SERIES.test(series)) throw new ValueError('series', `${JSON.stringify(series)} is not 16 lower-case hex digits`);
  writeString(series, MAX_NAME_BYTES, 'series');
}

function writeReason(reason: string | undefined): void {
  if (reason === undefined) writeNil();
  else writeText(reason, MAX_TEXT_BYTES);
}

function writeOptionalBinary(value: Uint8Array | undefined): void {
  if (value === undefined) writeNil();
  else writeBinary(value);
}

function count(length: number, max: number, what: string): void {
  if (length > max) throw new ValueError(what, `${length} entries, at most ${max} are allowed`);
  writeArray(length);
}

function writeMetadataValue(value: MetadataValue, what: string): void {
  if (typeof value === 'string') {
    writeString(value, MAX_METADATA_VALUE_BYTES, what);
  } else if (typeof value === 'number') {
    writeInteger(value, what);
  } else if (typeof value === 'bigint') {
    writeBigint(value, what);
  } else {
    if (value.length > MAX_METADATA_VALUE_BYTES) throw new ValueError(what, `${value.length} bytes, at most ${MAX_METADATA_VALUE_BYTES} are allowed`);
    writeBinary(value);
  }
}

function writeMetadata(metadata: Metadata): void {
  count(metadata.length, MAX_METADATA_ENTRIES, 'metadata');
  for (let index = 0; index < metadata.length; index++) {
    const [key, value, flags] = metadata[index]!;
    writeArray(3);
    writeString(key, MAX_METADATA_KEY_BYTES, `metadata[${index}].key`);
    writeMetadataValue(value, `metadata[${index}].value`);
    writeUint(flags, `metadata[${index}].flags`);
  }
}

/** Everything of a call but its arguments, which follow as a binary. */
export function writeCallHead(head: CallHead): void {
  writeArray(10);
  writeUint(codes.CALL, 'type');
  writeUint(head.connectionId, 'connectionId');
  writeId(head.requestId, 'requestId');
  if (head.methodId > 0xffff_ffff) throw new ValueError('methodId', `${head.methodId} has more than 32 bits`);
  writeUint(head.methodId, 'methodId');
  writeOperationId(head.operationId);
  if (head.series === undefined) writeNil();
  else writeSeries(head.series);
  if (head.ack === undefined) writeNil();
  else writeUint(head.ack, 'ack');
  count(head.channels.length, MAX_CHANNELS, 'channels');
  if (head.channels.length > 0) for (const id of head.channels) writeId(id, 'channels');
  writeMetadata(head.metadata);
}

/** Everything of a result but its value, which follows as a binary. */
export function writeResultHead(head: ResultHead): void {
  writeArray(5);
  writeUint(codes.RESULT, 'type');
  writeUint(head.connectionId, 'connectionId');
  writeId(head.requestId, 'requestId');
  writeMetadata(head.metadata);
}

function writeFailure(head: ResultHead, error: ResponseError): void {
  writeArray(8);
  writeUint(codes.FAILURE, 'type');
  writeUint(head.connectionId, 'connectionId');
  writeId(head.requestId, 'requestId');
  writeMetadata(head.metadata);
  const kind = codes.FAILURE_KINDS.indexOf(error.kind);
  if (kind < 1) throw new ValueError('error.kind', `${error.kind} is not a kind of failure that a response carries`);
  writeUint(kind, 'error.kind');
  writeReason(error.reason);
  writeText(error.message, MAX_TEXT_BYTES);
  writeOptionalBinary(error.data);
}

function writeResponse(message: ResponseMessage): void {
  if (message.ok) {
    writeResultHead(message);
    writeBinary(message.result);
  } else {
    writeFailure(message, message.error);
  }
}

function writeParity(parity: Parity): void {
  writeUint(parity === 'odd' ? 1 : 0, 'parity');
}

function writeLimits(limits: WireLimits): void {
  writeUint(limits.maxConcurrentRequests, 'limits.maxConcurrentRequests');
  writeUint(limits.maxPayload, 'limits.maxPayload');
  writeUint(limits.maxConnections, 'limits.maxConnections');
  writeUint(limits.maxInitialCredit, 'limits.maxInitialCredit');
}

function writeFeatures(features: WireFeatures): void {
  writeUint((features.retry ? codes.FEATURE_RETRY : 0) | (features.resume ? codes.FEATURE_RESUME : 0), 'features');
}

function writeResumeKey(key: Uint8Array | undefined): void {
  if (key !== undefined && key.length !== RESUME_KEY_BYTES) throw new ValueError('resumeKey', `${key.length} bytes, not ${RESUME_KEY_BYTES}`);
  writeOptionalBinary(key);
}

function beginHandshake(code: number, elements: number, version: number): void {
  writeArray(elements);
  writeUint(code, 'type');
  writeString(MAGIC, MAX_NAME_BYTES, 'magic');
  writeUint(version, 'version');
}

function writeHello(message: HelloMessage): void {
  beginHandshake(codes.HELLO, 15, message.version);
  writeParity(message.parity);
  writeLimits(message.limits);
  writeFeatures(message.features);
  const { scope } = message;
  if (scope.length < MIN_SCOPE_BYTES || scope.length > MAX_SECRET_BYTES) {
    throw new ValueError('scope', `${scope.length} bytes, not ${MIN_SCOPE_BYTES} to ${MAX_SECRET_BYTES}`);
  }
  writeBinary(scope);
  writeSeries(message.series);
  writeUint(message.dial, 'dial');
  writeString(message.storeIdentity, MAX_NAME_BYTES, 'storeIdentity');
  writeOptionalBinary(message.credentials);
  writeResumeKey(message.resumeKey);
}

function writeWelcome(message: WelcomeMessage): void {
  beginHandshake(codes.WELCOME, 16, message.version);
  writeParity(message.parity);
  writeLimits(message.limits);
  writeFeatures(message.features);
  writeString(message.sessionId, MAX_NAME_BYTES, 'sessionId');
  writeSeries(message.series);
  writeString(message.storeIdentity, MAX_NAME_BYTES, 'storeIdentity');
  writeUint(message.retentionMs, 'retentionMs');
  writeOptionalBinary(message.credentials);
  writeBoolean(message.resumed);
  writeResumeKey(message.resumeKey);
}

/** A message of a few numbers: its code, then the numbers in order. */
function writeNumbers(code: number, ...fields: readonly (readonly [what: string, value: number])[]): void {
  writeArray(1 + fields.length);
  writeUint(code, 'type');
  for (const [what, value] of fields) writeUint(value, what);
}

function beginChannel(code: number, elements: number, message: { readonly connectionId: number; readonly channelId: number }): void {
  writeArray(elements);
  writeUint(code, 'type');
  writeUint(message.connectionId, 'connectionId');
  writeId(message.channelId, 'channelId');
}

interface ItemsHead {
  readonly connectionId: number;
  readonly channelId: number;
  readonly count: number;
}

/** Everything of an items message but its values, which follow as binaries. */
export function writeItemsHead(head: ItemsHead): void {
  beginChannel(codes.ITEMS, 4, head);
  count(head.count, MAX_ITEMS, 'values');
}

/** Everything of an item but its value. */
export function writeItemHead(head: Omit<ItemsHead, 'count'>): void {
  beginChannel(codes.ITEM, 4, head);
}

function beginConnection(code: number, elements: number, connectionId: number): void {
  writeArray(elements);
  writeUint(code, 'type');
  writeUint(connectionId, 'connectionId');
}

function nonZero(value: number, what: string): number {
  if (value === 0) throw new ValueError(what, 'an id is never 0');
  return value;
}

/** Writes one message at the writer's cursor, where `messageBytes` must be free. Throws ValueError, naming the field. */
export function writeMessage(message: Message): void {
  switch (message.type) {
    case 'call':
      writeCallHead(message);
      return writeBinary(message.args);
    case 'response':
      return writeResponse(message);
    case 'cancel':
      if (message.requestId === undefined && message.operationId === undefined)
        throw new ValueError('requestId', 'a cancel names a request, an operation or both');
      beginConnection(codes.CANCEL, 4, message.connectionId);
      if (message.requestId === undefined) writeNil();
      else writeId(message.requestId, 'requestId');
      return writeOperationId(message.operationId);
    case 'item':
      writeItemHead(message);
      return writeBinary(message.value);
    case 'items':
      writeItemsHead({ connectionId: message.connectionId, channelId: message.channelId, count: message.values.length });
      for (const value of message.values) writeBinary(value);
      return;
    case 'end':
      return beginChannel(codes.END, 3, message);
    case 'reset':
      beginChannel(codes.RESET, 4, message);
      return writeReason(message.reason);
    case 'grant':
      beginChannel(codes.GRANT, 4, message);
      return writeId(message.credit, 'credit');
    case 'ack':
      writeArray(3);
      writeUint(codes.ACK, 'type');
      writeSeries(message.series);
      return writeUint(message.upTo, 'upTo');
    default:
      return writeControl(message);
  }
}

type HotType = 'call' | 'response' | 'cancel' | 'item' | 'items' | 'end' | 'reset' | 'grant' | 'ack';

function writeControl(message: Exclude<Message, { readonly type: HotType }>): void {
  switch (message.type) {
    case 'hello':
      return writeHello(message);
    case 'welcome':
      return writeWelcome(message);
    case 'refuse':
      beginHandshake(codes.REFUSE, 4, PROTOCOL_VERSION);
      return writeText(message.reason, MAX_TEXT_BYTES);
    case 'protocol-error':
      writeArray(3);
      writeUint(codes.PROTOCOL_ERROR, 'type');
      writeString(message.rule, MAX_NAME_BYTES, 'rule');
      return writeText(message.message, MAX_TEXT_BYTES);
    case 'ping':
      return writeNumbers(codes.PING, ['nonce', message.nonce]);
    case 'pong':
      return writeNumbers(codes.PONG, ['nonce', message.nonce]);
    case 'go-away':
      return writeNumbers(codes.GO_AWAY, ['graceMs', message.graceMs]);
    case 'open':
      beginConnection(codes.OPEN, 5, nonZero(message.connectionId, 'connectionId'));
      writeParity(message.parity);
      writeUint(message.limits.maxConcurrentRequests, 'limits.maxConcurrentRequests');
      return writeMetadata(message.metadata);
    case 'accept':
      return writeNumbers(
        codes.ACCEPT,
        ['connectionId', nonZero(message.connectionId, 'connectionId')],
        ['limits.maxConcurrentRequests', message.limits.maxConcurrentRequests],
      );
    case 'reject':
      beginConnection(codes.REJECT, 3, nonZero(message.connectionId, 'connectionId'));
      return writeReason(message.reason);
    case 'close':
      beginConnection(codes.CLOSE, 3, message.connectionId);
      return writeReason(message.reason);
    case 'schema':
      beginConnection(codes.SCHEMA, 5, message.connectionId);
      writeUint(message.methodId, 'methodId');
      writeString(message.digest, MAX_NAME_BYTES, 'digest');
      return writeBinary(message.schema);
  }
}
