/**
 * The vocabulary of the wire: every message there is, decoded. No logic. The bytes are described in docs/wire.md and made by
 * encode.ts, read by decode.ts. Arguments, results, items and credentials are opaque: encoded values as byte ranges, decoded
 * once, by whoever uses them (value-pack.ts, value-decode.ts).
 */

export type MetadataValue = string | Uint8Array | number | bigint;
/** Bits of an entry's flags. */
export const SENSITIVE = 1;
export const NO_PROPAGATE = 2;
/** Key, value (string, bytes or integer), flags. Order and duplicates are kept (meta.entries). */
export type MetadataEntry = readonly [key: string, value: MetadataValue, flags: number];
export type Metadata = readonly MetadataEntry[];

export type Parity = 'odd' | 'even';

/** What a side tells its peer it will bear. Bytes and counts. */
export interface WireLimits {
  readonly maxConcurrentRequests: number;
  readonly maxPayload: number;
  readonly maxConnections: number;
  readonly maxInitialCredit: number;
}

export interface WireFeatures {
  /** Operation ids (op.*): used where both say true. */
  readonly retry: boolean;
  /** Whether this side wants the session to outlive its link. */
  readonly resume: boolean;
}

/** First message of the initiator. On the wire the magic 'statewire' and the version stand first. */
export interface HelloMessage {
  readonly type: 'hello';
  readonly version: number;
  readonly role: 'initiator';
  readonly parity: Parity;
  readonly limits: WireLimits;
  readonly features: WireFeatures;
  /** Secret of at least 16 bytes; told only here (op.scope). */
  readonly scope: Uint8Array;
  /** 16 hex digits (op.id). */
  readonly series: string;
  readonly dial: number;
  readonly storeIdentity: string;
  /** An encoded value, shown to `authenticate`. */
  readonly credentials?: Uint8Array | undefined;
  readonly resumeKey?: Uint8Array | undefined;
}

/** The acceptor's answer. */
export interface WelcomeMessage {
  readonly type: 'welcome';
  readonly version: number;
  readonly role: 'acceptor';
  readonly parity: Parity;
  readonly limits: WireLimits;
  readonly features: WireFeatures;
  readonly sessionId: string;
  readonly series: string;
  readonly storeIdentity: string;
  /** How long the acceptor's store keeps outcomes, in milliseconds (op.expiry). */
  readonly retentionMs: number;
  readonly credentials?: Uint8Array | undefined;
  /** Whether the session of the hello's resume key goes on. */
  readonly resumed: boolean;
  readonly resumeKey?: Uint8Array | undefined;
}

export interface RefuseMessage {
  readonly type: 'refuse';
  readonly reason: string;
}
/** The last thing a peer that broke a rule is told, on connection 0 (session.protocol-error). */
export interface ProtocolErrorMessage {
  readonly type: 'protocol-error';
  readonly rule: string;
  readonly message: string;
}
export interface PingMessage {
  readonly type: 'ping';
  readonly nonce: number;
}
export interface PongMessage {
  readonly type: 'pong';
  readonly nonce: number;
}
export interface GoAwayMessage {
  readonly type: 'go-away';
  readonly graceMs: number;
}

export interface OpenMessage {
  readonly type: 'open';
  readonly connectionId: number;
  readonly parity: Parity;
  readonly limits: { readonly maxConcurrentRequests: number };
  readonly metadata: Metadata;
}
export interface AcceptMessage {
  readonly type: 'accept';
  readonly connectionId: number;
  readonly limits: { readonly maxConcurrentRequests: number };
}
export interface RejectMessage {
  readonly type: 'reject';
  readonly connectionId: number;
  readonly reason: string;
}
/** On connection 0: the session ends. */
export interface CloseMessage {
  readonly type: 'close';
  readonly connectionId: number;
  readonly reason?: string | undefined;
}

export interface CallMessage {
  readonly type: 'call';
  readonly connectionId: number;
  readonly requestId: number;
  readonly methodId: number;
  /** A number of the series, or the user's own string. */
  readonly operationId?: string | number | undefined;
  /** Absent: the series of the session's own hello or welcome. */
  readonly series?: string | undefined;
  /** op.ack carried by a call: every number of the session's own series up to here is settled for the caller. */
  readonly ack?: number | undefined;
  readonly channels: readonly number[];
  readonly metadata: Metadata;
  readonly args: Uint8Array;
}

/** The kinds of failure that a response may carry (protocol.md, "Outcomes a caller can see"). */
export type ResponseErrorKind = 'user' | 'unknown-method' | 'invalid-payload' | 'cancelled' | 'indeterminate' | 'unavailable';

export interface ResponseError {
  readonly kind: ResponseErrorKind;
  readonly reason?: string | undefined;
  readonly message: string;
  /** The encoded `fail()` data of kind `user`. */
  readonly data?: Uint8Array | undefined;
}

export type ResponseMessage =
  | {
      readonly type: 'response';
      readonly connectionId: number;
      readonly requestId: number;
      readonly ok: true;
      readonly result: Uint8Array;
      readonly metadata: Metadata;
    }
  | {
      readonly type: 'response';
      readonly connectionId: number;
      readonly requestId: number;
      readonly ok: false;
      readonly error: ResponseError;
      readonly metadata: Metadata;
    };

export interface CancelMessage {
  readonly type: 'cancel';
  readonly connectionId: number;
  readonly requestId?: number | undefined;
  readonly operationId?: string | number | undefined;
}

export interface ItemMessage {
  readonly type: 'item';
  readonly connectionId: number;
  readonly channelId: number;
  readonly value: Uint8Array;
}
export interface ItemsMessage {
  readonly type: 'items';
  readonly connectionId: number;
  readonly channelId: number;
  readonly values: readonly Uint8Array[];
}
export interface EndMessage {
  readonly type: 'end';
  readonly connectionId: number;
  readonly channelId: number;
}
export interface ResetMessage {
  readonly type: 'reset';
  readonly connectionId: number;
  readonly channelId: number;
  readonly reason?: string | undefined;
}
export interface GrantMessage {
  readonly type: 'grant';
  readonly connectionId: number;
  readonly channelId: number;
  readonly credit: number;
}

/** op.ack as a message of its own. */
export interface AckMessage {
  readonly type: 'ack';
  readonly series: string;
  readonly upTo: number;
}
export interface SchemaMessage {
  readonly type: 'schema';
  readonly connectionId: number;
  readonly methodId: number;
  readonly digest: string;
  readonly schema: Uint8Array;
}

export type Message =
  | HelloMessage
  | WelcomeMessage
  | RefuseMessage
  | ProtocolErrorMessage
  | PingMessage
  | PongMessage
  | GoAwayMessage
  | OpenMessage
  | AcceptMessage
  | RejectMessage
  | CloseMessage
  | CallMessage
  | ResponseMessage
  | CancelMessage
  | ItemMessage
  | ItemsMessage
  | EndMessage
  | ResetMessage
  | GrantMessage
  | AckMessage
  | SchemaMessage;

export type MessageType = Message['type'];

/** Says which bytes are these: first field of hello and welcome. */
export const MAGIC = 'statewire';
export const PROTOCOL_VERSION = 1;
