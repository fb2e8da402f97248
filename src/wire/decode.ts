/**
 * Bytes to messages: strict about kinds, bounds and order; encode.ts writes the same layouts. Arguments, results, items and credentials
 * stay encoded and are views onto the payload. Every failure is a WireError.
 */

import * as codes from './codes.ts';
import { WireError } from './errors.ts';
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
import type { Message, Metadata, MetadataEntry, MetadataValue, Parity, ResponseError, WireFeatures, WireLimits } from './messages.ts';
import * as reader from './reader.ts';
import { malformed, readAny, readArray, readBinary, readBoolean, readId, readNil, readString, readUint } from './reader.ts';
import { decodeValue } from './value-decode.ts';

const NO_CHANNELS: readonly number[] = Object.freeze([]);
const NO_METADATA: Metadata = Object.freeze([]);
const SERIES = /^[0-9a-f]{16}$/;

function readSeries(): string {
  const offset = reader.position();
  const series = readString('series', 16);
  if (!SERIES.test(series)) throw malformed('series is not 16 lower-case hex digits', offset);
  return series;
}

function readReason(): string | undefined {
  return readNil() ? undefined : readString('reason', MAX_TEXT_BYTES);
}

function readOptionalBinary(what: string): Uint8Array | undefined {
  return readNil() ? undefined : readBinary(what);
}

function readOperationId(): string | number | undefined {
  const first = reader.peek();
  if (first < 0xa0 || (first >= 0xcc && first <= 0xcf)) return readId('operationId');
  return readNil() ? undefined : readString('operationId', MAX_OPERATION_ID_BYTES);
}

function readChannels(): readonly number[] {
  const count = readArray('channels', MAX_CHANNELS);
  if (count === 0) return NO_CHANNELS;
  const channels: number[] = [];
  for (let index = 0; index < count; index++) channels.push(readId('a channel id'));
  return channels;
}

/** A string, bytes or an integer; the latter as values have it: 64-bit integers are bigints. */
function readMetadataValue(): MetadataValue {
  const offset = reader.position();
  const first = reader.peek();
  if (first >= 0xc4 && first <= 0xc6) {
    const bytes = readBinary('a metadata value');
    if (bytes.length <= MAX_METADATA_VALUE_BYTES) return bytes;
    throw malformed(`a metadata value has ${bytes.length} bytes, more than ${MAX_METADATA_VALUE_BYTES}`, offset);
  }
  if ((first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb)) return readString('a metadata value', MAX_METADATA_VALUE_BYTES);
  if (first < 0x80 || (first >= 0xca && first <= 0xd3) || first >= 0xe0) {
    const value = decodeValue(readAny());
    if (typeof value === 'bigint' || Number.isSafeInteger(value)) return value as number | bigint;
  }
  throw malformed('a metadata value is neither a string nor bytes nor an integer', offset);
}

function readMetadata(): Metadata {
  const count = readArray('metadata', MAX_METADATA_ENTRIES);
  if (count === 0) return NO_METADATA;
  const metadata: MetadataEntry[] = [];
  for (let index = 0; index < count; index++) {
    const offset = reader.position();
    if (readArray('a metadata entry', 3) !== 3) throw malformed('a metadata entry has not 3 elements', offset);
    const key = readString('a metadata key', MAX_METADATA_KEY_BYTES);
    const value = readMetadataValue();
    metadata.push([key, value, readUint("a metadata entry's flags")]);
  }
  return metadata;
}

function readCall(): Message {
  const connectionId = readUint('connectionId');
  const requestId = readId('requestId');
  const methodId = readUint('methodId');
  if (methodId > 0xffff_ffff) throw malformed('methodId has more than 32 bits');
  const operationId = readOperationId();
  const series = readNil() ? undefined : readSeries();
  const ack = readNil() ? undefined : readUint('ack');
  const channels = readChannels();
  const metadata = readMetadata();
  return { type: 'call', connectionId, requestId, methodId, operationId, series, ack, channels, metadata, args: readBinary('args') };
}

function readResult(): Message {
  const connectionId = readUint('connectionId');
  const requestId = readId('requestId');
  const metadata = readMetadata();
  return { type: 'response', connectionId, requestId, ok: true, result: readBinary('result'), metadata };
}

function readFailure(): Message {
  const connectionId = readUint('connectionId');
  const requestId = readId('requestId');
  const metadata = readMetadata();
  const offset = reader.position();
  const kind = codes.FAILURE_KINDS[readUint('error.kind')];
  if (kind === undefined) throw malformed('error.kind is unknown', offset);
  const reason = readReason();
  const message = readString('error.message', MAX_TEXT_BYTES);
  const error: ResponseError = { kind, reason, message, data: readOptionalBinary('error.data') };
  return { type: 'response', connectionId, requestId, ok: false, error, metadata };
}

function readCancel(): Message {
  const offset = reader.position();
  const connectionId = readUint('connectionId');
  const requestId = readNil() ? undefined : readId('requestId');
  const operationId = readOperationId();
  if (requestId === undefined && operationId === undefined) throw malformed('a cancel names neither request nor operation', offset);
  return { type: 'cancel', connectionId, requestId, operationId };
}

function readItem(): Message {
  const connectionId = readUint('connectionId');
  const channelId = readId('channelId');
  return { type: 'item', connectionId, channelId, value: readBinary('an item') };
}

function readItems(): Message {
  const connectionId = readUint('connectionId');
  const channelId = readId('channelId');
  const count = readArray('values', MAX_ITEMS);
  const values: Uint8Array[] = [];
  for (let index = 0; index < count; index++) values.push(readBinary('an item'));
  return { type: 'items', connectionId, channelId, values };
}

function readEnd(): Message {
  const connectionId = readUint('connectionId');
  return { type: 'end', connectionId, channelId: readId('channelId') };
}

function readReset(): Message {
  const connectionId = readUint('connectionId');
  const channelId = readId('channelId');
  return { type: 'reset', connectionId, channelId, reason: readReason() };
}

function readGrant(): Message {
  const connectionId = readUint('connectionId');
  const channelId = readId('channelId');
  return { type: 'grant', connectionId, channelId, credit: readId('credit') };
}

function readAck(): Message {
  const series = readSeries();
  return { type: 'ack', series, upTo: readUint('upTo') };
}

/** Magic and version come first, so that whoever speaks something else is told so and nothing else is looked at. */
function readMagic(): number {
  const offset = reader.position();
  const length = reader.stringLength(reader.token());
  if (length !== MAGIC.length || reader.text(length) !== MAGIC) {
    throw new WireError('session.handshake', 'the peer does not speak statewire', offset);
  }
  return readUint('version');
}

function readVersion(): number {
  const version = readMagic();
  if (version === PROTOCOL_VERSION) return version;
  throw new WireError('session.handshake', `the peer speaks protocol version ${version}, this side ${PROTOCOL_VERSION}`, reader.position());
}

function readParity(): Parity {
  const offset = reader.position();
  const parity = readUint('parity');
  if (parity > 1) throw malformed('parity is neither 0 (even) nor 1 (odd)', offset);
  return parity === 1 ? 'odd' : 'even';
}

function readLimits(): WireLimits {
  const maxConcurrentRequests = readUint('limits.maxConcurrentRequests');
  const maxPayload = readUint('limits.maxPayload');
  const maxConnections = readUint('limits.maxConnections');
  return { maxConcurrentRequests, maxPayload, maxConnections, maxInitialCredit: readUint('limits.maxInitialCredit') };
}

/** Bits of features that are not known are ignored: both sides use only what both know. */
function readFeatures(): WireFeatures {
  const bits = readUint('features') % 0x1_0000_0000;
  return { retry: (bits & codes.FEATURE_RETRY) !== 0, resume: (bits & codes.FEATURE_RESUME) !== 0 };
}

function readScope(): Uint8Array {
  const offset = reader.position();
  const scope = readBinary('scope');
  if (scope.length >= MIN_SCOPE_BYTES && scope.length <= MAX_SECRET_BYTES) return scope;
  throw malformed(`scope has ${scope.length} bytes, not ${MIN_SCOPE_BYTES} to ${MAX_SECRET_BYTES}`, offset);
}

function readResumeKey(): Uint8Array | undefined {
  const offset = reader.position();
  const key = readOptionalBinary('resumeKey');
  if (key === undefined || key.length === RESUME_KEY_BYTES) return key;
  throw malformed(`resumeKey has ${key.length} bytes, not ${RESUME_KEY_BYTES}`, offset);
}

function readHello(): Message {
  const version = readVersion();
  const parity = readParity();
  const limits = readLimits();
  const features = readFeatures();
  const scope = readScope();
  const series = readSeries();
  const dial = readUint('dial');
  const storeIdentity = readString('storeIdentity', MAX_NAME_BYTES);
  const credentials = readOptionalBinary('credentials');
  const resumeKey = readResumeKey();
  return { type: 'hello', version, role: 'initiator', parity, limits, features, scope, series, dial, storeIdentity, credentials, resumeKey };
}

function readWelcome(): Message {
  const version = readVersion();
  const parity = readParity();
  const limits = readLimits();
  const features = readFeatures();
  const sessionId = readString('sessionId', MAX_NAME_BYTES);
  const series = readSeries();
  const storeIdentity = readString('storeIdentity', MAX_NAME_BYTES);
  const retentionMs = readUint('retentionMs');
  const credentials = readOptionalBinary('credentials');
  const resumed = readBoolean('resumed');
  const resumeKey = readResumeKey();
  return {
    type: 'welcome',
    version,
    role: 'acceptor',
    parity,
    limits,
    features,
    sessionId,
    series,
    storeIdentity,
    retentionMs,
    credentials,
    resumed,
    resumeKey,
  };
}

/** Any version: a refusal may well be about the version. */
function readRefuse(): Message {
  readMagic();
  return { type: 'refuse', reason: readString('reason', MAX_TEXT_BYTES) };
}

function readProtocolError(): Message {
  const rule = readString('rule', MAX_NAME_BYTES);
  return { type: 'protocol-error', rule, message: readString('message', MAX_TEXT_BYTES) };
}

function readOpen(): Message {
  const connectionId = readId('connectionId');
  const parity = readParity();
  const limits = { maxConcurrentRequests: readUint('limits.maxConcurrentRequests') };
  return { type: 'open', connectionId, parity, limits, metadata: readMetadata() };
}

function readAccept(): Message {
  const connectionId = readId('connectionId');
  return { type: 'accept', connectionId, limits: { maxConcurrentRequests: readUint('limits.maxConcurrentRequests') } };
}

function readReject(): Message {
  const connectionId = readId('connectionId');
  return { type: 'reject', connectionId, reason: readString('reason', MAX_TEXT_BYTES) };
}

function readClose(): Message {
  const connectionId = readUint('connectionId');
  return { type: 'close', connectionId, reason: readReason() };
}

function readSchema(): Message {
  const connectionId = readUint('connectionId');
  const methodId = readUint('methodId');
  const digest = readString('digest', MAX_NAME_BYTES);
  return { type: 'schema', connectionId, methodId, digest, schema: readBinary('schema') };
}

/** How each message is read behind its code, and how many elements it has, the code included. */
interface Layout {
  readonly elements: number;
  readonly read: () => Message;
}
const layouts: (Layout | undefined)[] = [];
layouts[codes.HELLO] = { elements: 15, read: readHello };
layouts[codes.WELCOME] = { elements: 16, read: readWelcome };
layouts[codes.REFUSE] = { elements: 4, read: readRefuse };
layouts[codes.PROTOCOL_ERROR] = { elements: 3, read: readProtocolError };
layouts[codes.PING] = { elements: 2, read: () => ({ type: 'ping', nonce: readUint('nonce') }) };
layouts[codes.PONG] = { elements: 2, read: () => ({ type: 'pong', nonce: readUint('nonce') }) };
layouts[codes.GO_AWAY] = { elements: 2, read: () => ({ type: 'go-away', graceMs: readUint('graceMs') }) };
layouts[codes.OPEN] = { elements: 5, read: readOpen };
layouts[codes.ACCEPT] = { elements: 3, read: readAccept };
layouts[codes.REJECT] = { elements: 3, read: readReject };
layouts[codes.CLOSE] = { elements: 3, read: readClose };
layouts[codes.CANCEL] = { elements: 4, read: readCancel };
layouts[codes.ITEM] = { elements: 4, read: readItem };
layouts[codes.ITEMS] = { elements: 4, read: readItems };
layouts[codes.END] = { elements: 3, read: readEnd };
layouts[codes.RESET] = { elements: 4, read: readReset };
layouts[codes.GRANT] = { elements: 4, read: readGrant };
layouts[codes.ACK] = { elements: 3, read: readAck };
layouts[codes.SCHEMA] = { elements: 5, read: readSchema };
layouts[codes.CALL] = { elements: 10, read: readCall };
layouts[codes.RESULT] = { elements: 5, read: readResult };
layouts[codes.FAILURE] = { elements: 8, read: readFailure };

/** Elements that a message may have behind those we know: values that a newer peer of the same version has added. */
const MAX_ADDED_ELEMENTS = 16;

function wrongLength(code: number, elements: number, expected: number, offset: number): WireError {
  return malformed(`message type ${code} has ${elements} elements, not ${expected}`, offset);
}

/** Reads the message at the reader's cursor. */
function readMessage(): Message {
  const offset = reader.position();
  const elements = readArray('a message', 64);
  const code = elements === 0 ? 0 : readUint("a message's type");
  const layout = layouts[code];
  if (layout === undefined) throw malformed(`message type ${code} is unknown`, offset);
  const added = elements - layout.elements;
  // A hello of another version may well have other fields: its version is looked at before its length.
  const isHandshake = code === codes.HELLO || code === codes.WELCOME;
  if (added < 0 && !isHandshake) throw wrongLength(code, elements, layout.elements, offset);
  const message = layout.read();
  if (added < 0 || added > MAX_ADDED_ELEMENTS) throw wrongLength(code, elements, layout.elements, offset);
  for (let index = 0; index < added; index++) readAny();
  return message;
}

/**
 * Decodes a payload message by message; `visit` may decode and encode as it likes. Messages before a malformed one have been visited.
 * Throws WireError, or what `visit` throws.
 */
export function decodeEach(payload: Uint8Array, visit: (message: Message) => void): void {
  let at = 0;
  try {
    while (at < payload.length) {
      reader.seek(payload, at);
      const message = readMessage();
      at = reader.position();
      visit(message);
    }
  } finally {
    reader.letGo();
  }
}
