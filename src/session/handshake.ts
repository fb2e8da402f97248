/**
 * The handshake: what each side says first, and what it makes of the other's word (session.handshake, session.auth). No link
 * and no state: session-core.ts sends and waits.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { RpcError } from '../errors.ts';
import type { Principal } from '../contract.ts';
import type { Endpoint } from '../driver/host.ts';
import type { Authenticate, LogEntry, ResolvedOptions } from '../options.ts';
import { decodeValue, MAGIC, PROTOCOL_VERSION } from '../wire/index.ts';
import { HANDSHAKE_MAX_PAYLOAD } from '../wire/limits.ts';
import type { HelloMessage, Message, WelcomeMessage, WireFeatures, WireLimits } from '../wire/index.ts';
import { DEFAULT_RETENTION_MS } from '../store/store.ts';
import { retentionOf } from './store-lease.ts';

/** What was agreed: everything a session needs to know of its peer. */
export interface Agreement {
  readonly sessionId: string;
  readonly principal: Principal;
  /** Hex SHA-256 over scope and principal: all that a store sees of them (op.scope). */
  readonly scopeDigest: string;
  /** What we may send: the peer's limits, and of its maxPayload what our own link takes. */
  readonly peerLimits: WireLimits;
  readonly peerSeries: string;
  /** Both sides support operation ids (retry.off). */
  readonly retry: boolean;
  /** Both sides want the session to outlive its links. */
  readonly resumable: boolean;
  /** The session of before goes on; false: it is a fresh one. */
  readonly resumed: boolean;
  /** Which store the peer admits operations to (resume.unknown), and how long that keeps them, in milliseconds (op.expiry). */
  readonly peerStoreIdentity: string;
  readonly peerRetentionMs: number;
  /** The number of the initiator's dial: the session's epoch at the acceptor. */
  readonly dial: number;
}

function limitsOf(options: ResolvedOptions): WireLimits {
  const { maxConcurrentRequests, maxPayload, maxConnections, maxInitialCredit } = options;
  return { maxConcurrentRequests, maxPayload, maxConnections, maxInitialCredit };
}

function featuresOf({ options, resume }: Endpoint): WireFeatures {
  return { retry: options.retry, resume };
}

/** What an initiator says of itself and of its session. */
export interface OwnHello {
  readonly scope: Uint8Array;
  readonly series: string;
  readonly dial: number;
  readonly resumeKey: Uint8Array | undefined;
}

export function makeHello(endpoint: Endpoint, own: OwnHello): HelloMessage {
  const { options, store } = endpoint;
  return {
    type: 'hello',
    version: PROTOCOL_VERSION,
    role: 'initiator',
    parity: 'odd',
    limits: limitsOf(options),
    features: featuresOf(endpoint),
    scope: own.scope,
    series: own.series,
    dial: own.dial,
    storeIdentity: store.identity,
    credentials: options.credentials(),
    resumeKey: own.resumeKey,
  };
}

/** What an acceptor says of its session. */
export interface OwnWelcome {
  readonly sessionId: string;
  readonly series: string;
  readonly resumed: boolean;
  readonly resumeKey: Uint8Array | undefined;
}

export function makeWelcome(endpoint: Endpoint, own: OwnWelcome): WelcomeMessage {
  const { options, store } = endpoint;
  return {
    type: 'welcome',
    version: PROTOCOL_VERSION,
    role: 'acceptor',
    parity: 'even',
    limits: limitsOf(options),
    features: featuresOf(endpoint),
    sessionId: own.sessionId,
    series: own.series,
    storeIdentity: store.identity,
    retentionMs: retentionOf(store),
    credentials: options.credentials(),
    resumed: own.resumed,
    resumeKey: own.resumeKey,
  };
}

/** Whom we talk to, and by which facts of the link we may tell. */
export interface Meeting {
  readonly endpoint: Endpoint;
  readonly scope: Uint8Array;
  readonly linkFacts: Readonly<Record<string, unknown>>;
}

/** The acceptor's view of a hello. Rejects with RpcError `refused`. */
export async function agreeToHello(hello: HelloMessage, meeting: Meeting, sessionId: string): Promise<Agreement> {
  if (hello.parity !== 'odd') throw refusal(`an initiator allocates odd ids on the root connection, not ${hello.parity} ones`);
  return agree(hello, meeting, { sessionId, dial: hello.dial, resumed: false, peerRetentionMs: DEFAULT_RETENTION_MS });
}

/** The initiator's view of a welcome. Rejects with RpcError `refused`, by us. */
export async function agreeToWelcome(welcome: WelcomeMessage, meeting: Meeting, dial: number): Promise<Agreement> {
  if (welcome.parity !== 'even') throw refusal(`an acceptor allocates even ids on the root connection, not ${welcome.parity} ones`);
  const { sessionId, resumed, retentionMs } = welcome;
  return agree(welcome, meeting, { sessionId, dial, resumed, peerRetentionMs: retentionMs });
}

type Told = Pick<Agreement, 'sessionId' | 'dial' | 'resumed' | 'peerRetentionMs'>;

async function agree(peer: HelloMessage | WelcomeMessage, { endpoint, scope, linkFacts }: Meeting, told: Told): Promise<Agreement> {
  const { options, resume } = endpoint;
  if (peer.limits.maxPayload < HANDSHAKE_MAX_PAYLOAD)
    throw refusal(`maxPayload must be at least ${HANDSHAKE_MAX_PAYLOAD} bytes, not ${peer.limits.maxPayload}`);
  if (peer.limits.maxConcurrentRequests < 1) throw refusal('maxConcurrentRequests must be at least 1');
  const principal = options.authenticate === undefined ? '' : await authenticated(options.authenticate, { peer, linkFacts, log: options.log });
  // Written out: an object that begins with the members of another one has a shape of its own, which takes more than the object.
  const { sessionId, dial, resumed, peerRetentionMs } = told;
  return {
    sessionId,
    dial,
    resumed,
    peerRetentionMs,
    principal,
    scopeDigest: digestScope(scope, principal),
    // A link takes no more than its own side's limit, either way.
    peerLimits: { ...peer.limits, maxPayload: Math.min(peer.limits.maxPayload, options.maxPayload) },
    peerSeries: peer.series,
    retry: options.retry && peer.features.retry,
    resumable: resume && peer.features.resume,
    peerStoreIdentity: peer.storeIdentity,
  };
}

interface Unauthenticated {
  readonly peer: HelloMessage | WelcomeMessage;
  readonly linkFacts: Readonly<Record<string, unknown>>;
  readonly log: (entry: LogEntry) => void;
}

/** session.auth. The reason stays here, unless `authenticate` throws an RpcError made for the peer. */
async function authenticated(authenticate: Authenticate, { peer, linkFacts, log }: Unauthenticated): Promise<Principal> {
  let credentials: unknown;
  try {
    credentials = peer.credentials === undefined ? undefined : decodeValue(peer.credentials);
  } catch {
    throw refusal('the credentials do not decode');
  }
  let principal: unknown;
  try {
    principal = await authenticate(credentials, linkFacts);
  } catch (error) {
    if (error instanceof RpcError && error.kind === 'refused') throw error;
    log({ level: 'warn', event: 'refused', message: 'authenticate refused a peer', error });
    throw refusal('not authenticated');
  }
  if (isPrincipal(principal)) return principal;
  log({ level: 'error', event: 'refused', message: 'authenticate must return a string or an object with a string `id`' });
  throw refusal('not authenticated');
}

function isPrincipal(value: unknown): value is Principal {
  return typeof value === 'string' || (typeof value === 'object' && value !== null && typeof (value as { id?: unknown }).id === 'string');
}

export function refusal(reason: string): RpcError {
  return new RpcError({ kind: 'refused', reason, message: `refused: ${reason}` });
}

/** Told to a peer whose first bytes are of another protocol or version. */
export const HANDSHAKE_EXPECTED = `expected ${MAGIC} version ${PROTOCOL_VERSION}`;

/** What a message is where a hello, or a welcome, was due. */
export function unexpectedMessage(message: Message | undefined, expected: string): string {
  return `${HANDSHAKE_EXPECTED}: a ${expected}, not ${message === undefined ? 'nothing' : `a ${message.type}`}`;
}

/** In this turn: a handshake takes no time that a simulated clock does not know of. */
function digestScope(scope: Uint8Array, principal: Principal): string {
  const name = new TextEncoder().encode(typeof principal === 'string' ? principal : principal.id);
  const bytes = new Uint8Array(4 + scope.byteLength + name.byteLength);
  new DataView(bytes.buffer).setUint32(0, scope.byteLength);
  bytes.set(scope, 4);
  bytes.set(name, 4 + scope.byteLength);
  return toHex(sha256(bytes));
}

export function toHex(bytes: Uint8Array): string {
  // Joined, not added up letter by letter: such a text is kept as a chain of its parts, ten times as large.
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
