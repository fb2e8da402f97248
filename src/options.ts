/**
 * What either side of a session may say, with every default and limit in one place. Checked at once: a wrong value throws a
 * TypeError that names its path.
 */
import type { ConnectionRequest } from './connection-options.ts';
import type { CallContext, Principal, ServiceImplementation } from './contract.ts';
import type { InspectionObserver } from './machines/watch.ts';
import { having, IMPLEMENTATIONS, list, optional, refuseUnknown, within } from './option-checks.ts';
import type { Elements, Range } from './option-checks.ts';
import type { ReconnectOptions, ResumeOptions } from './recovery-options.ts';
import type { OperationStore } from './store/store.ts';
import type { Session } from './session/session.ts';
import { encodeValue } from './wire/index.ts';
import { HANDSHAKE_MAX_PAYLOAD, MAX_SECRET_BYTES, MIN_SCOPE_BYTES } from './wire/limits.ts';

/** Where time comes from. Milliseconds. */
export interface Clock {
  now(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(id: unknown): void;
}

/** Where randomness comes from: `number` in [0, 1), `bytes` fit for secrets. */
export interface Random {
  number(): number;
  bytes(count: number): Uint8Array;
}

/** One line of what the runtime has to say. Never holds secrets or sensitive metadata (meta.sensitive). */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly message: string;
  readonly session?: string;
  readonly error?: unknown;
  readonly [detail: string]: unknown;
}

export type Authenticate = (credentials: unknown, linkFacts: Readonly<Record<string, unknown>>) => Principal | Promise<Principal>;

/** Runs around every handler. `next()` runs the rest and gives its result; what it returns is the call's result. */
export type Middleware = (call: CallContext, next: () => Promise<unknown>) => unknown;

/**
 * When a link counts as dead (session.keepalive). Only what comes in counts: our ping waits behind what we send, so a peer that never pings by itself
 * (`keepAlive: false`) must be given a `timeoutMs` above the longest time that one of our payloads may take.
 */
export interface KeepAliveOptions {
  /** Milliseconds without a payload from the peer after which it is pinged. Default 15,000. */
  readonly intervalMs?: number | undefined;
  /** Milliseconds that it has then to say anything. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

export interface PeerOptions {
  /** Served on the root connection. */
  readonly services?: readonly ServiceImplementation[] | undefined;
  /** Where operations live. Default `memoryStore()`. */
  readonly store?: OperationStore | undefined;
  /** Operation ids on. Used where both sides say true (retry.off). Default true. */
  readonly retry?: boolean | undefined;
  /** Attempts the peer may have in flight with us on one connection (attempt.limit-in). Default 256. */
  readonly maxConcurrentRequests?: number | undefined;
  /** Calls of ours that may wait for a free attempt (attempt.limit-out). Default 4,096. */
  readonly maxQueuedRequests?: number | undefined;
  /** Virtual connections a peer may have open with us. Default 1,024. */
  readonly maxConnections?: number | undefined;
  /** Largest initial credit a peer's channel may ask for, in items. Default 65,536. */
  readonly maxInitialCredit?: number | undefined;
  /** Largest payload we take, in bytes (link.limit). Default 16 MiB. */
  readonly maxPayload?: number | undefined;
  /** When a link counts as dead; false: never by silence alone (session.keepalive). */
  readonly keepAlive?: KeepAliveOptions | false | undefined;
  /**
   * Asked about every virtual connection that the peer opens. It may be async; what it throws rejects, and so does to decide nothing. Without it all are
   * rejected (conn.open).
   */
  readonly onConnection?: ((request: ConnectionRequest) => unknown) | undefined;
  /** A peer that has not finished its handshake by then is cut, in milliseconds. Default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** A handler that runs longer is aborted, in milliseconds. Default: none. */
  readonly handlerTimeoutMs?: number | undefined;
  /** Any value, shown to the peer's `authenticate`. Never logged. */
  readonly credentials?: unknown;
  /** Says who the peer is, or throws to refuse it. Without it every peer is the empty string. */
  readonly authenticate?: Authenticate | undefined;
  /** Told what handlers threw by accident, and second answers (outcome.private). */
  readonly onHandlerError?: ((error: unknown, call: CallContext) => void) | undefined;
  /** Whether the messages of accidental errors go to the caller. Default false. */
  readonly exposeErrors?: boolean | undefined;
  readonly log?: ((entry: LogEntry) => void) | undefined;
  readonly middleware?: readonly Middleware[] | undefined;
  /** Default: the platform's. */
  readonly clock?: Clock | undefined;
  /** Default: the platform's crypto. */
  readonly random?: Random | undefined;
  /** An XState inspection observer or callback. */
  readonly inspect?: InspectionObserver | undefined;
}

export interface ConnectOptions extends PeerOptions {
  /** Secret of at least 16 bytes: same scope and principal, same operation records (op.scope). Default random. */
  readonly scope?: Uint8Array | undefined;
  /** Whether the session outlives its link, where the peer agrees (session.outlives-link). Default true. */
  readonly resume?: boolean | undefined;
  /** When a lost link is made again; false: never, and the session ends with its link (session.reconnect). */
  readonly reconnect?: ReconnectOptions | false | undefined;
  /** How long `connect` waits for a peer that is not up yet, in milliseconds (session.initial-wait). Default 0: it rejects at once. */
  readonly waitForPeerMs?: number | undefined;
}

export interface ListenOptions extends PeerOptions {
  /** How sessions wait for a peer that has lost its link; false: they end with it (session.outlives-link). */
  readonly resume?: ResumeOptions | false | undefined;
  /** Links whose peer has not finished its handshake; one that comes beyond them is cut at once (session.capacity). Default 1,024. */
  readonly maxHandshakes?: number | undefined;
  /** Sessions there may be, with a link or without; a hello that would begin one more is refused (session.capacity). Default 100,000. */
  readonly maxSessions?: number | undefined;
  /** Told of every session once its handshake is done. */
  readonly onSession?: ((session: Session) => void) | undefined;
}

/** PeerOptions with nothing left open. */
export interface ResolvedOptions {
  readonly services: readonly ServiceImplementation[];
  readonly store: OperationStore | undefined;
  readonly retry: boolean;
  readonly maxConcurrentRequests: number;
  readonly maxQueuedRequests: number;
  readonly maxConnections: number;
  readonly maxInitialCredit: number;
  readonly maxPayload: number;
  readonly handshakeTimeoutMs: number;
  readonly keepAlive: { readonly intervalMs: number; readonly timeoutMs: number } | false;
  readonly onConnection: PeerOptions['onConnection'];
  readonly handlerTimeoutMs: number | undefined;
  /** Encoded. A function, so that nobody who prints or inspects what holds the options finds them. */
  readonly credentials: () => Uint8Array | undefined;
  readonly authenticate: Authenticate | undefined;
  readonly onHandlerError: (error: unknown, call: CallContext) => void;
  readonly exposeErrors: boolean;
  readonly log: (entry: LogEntry) => void;
  readonly middleware: readonly Middleware[];
  readonly clock: Clock;
  readonly random: Random;
  readonly inspect: PeerOptions['inspect'];
}

/** 32-bit length prefixes, and a sane bound for one allocation. */
const LARGEST_MAX_PAYLOAD = 1024 * 1024 * 1024;
const LARGEST_COUNT = 2 ** 31 - 1;
/** What a platform timer can hold. */
const LARGEST_DELAY_MS = 2 ** 31 - 1;

const COUNTS = {
  maxConcurrentRequests: { fallback: 256, least: 1, most: LARGEST_COUNT },
  maxQueuedRequests: { fallback: 4_096, least: 0, most: LARGEST_COUNT },
  maxConnections: { fallback: 1_024, least: 0, most: LARGEST_COUNT },
  maxInitialCredit: { fallback: 65_536, least: 0, most: LARGEST_COUNT },
  maxPayload: { fallback: 16 * 1024 * 1024, least: HANDSHAKE_MAX_PAYLOAD, most: LARGEST_MAX_PAYLOAD },
  handshakeTimeoutMs: { fallback: 10_000, least: 1, most: LARGEST_DELAY_MS },
} satisfies Record<string, Range>;
const CAPACITY = {
  maxHandshakes: { fallback: 1_024, least: 1, most: LARGEST_COUNT },
  maxSessions: { fallback: 100_000, least: 1, most: LARGEST_COUNT },
} satisfies Record<string, Range>;
const KEEP_ALIVE = {
  intervalMs: { fallback: 15_000, least: 1, most: LARGEST_DELAY_MS },
  timeoutMs: { fallback: 10_000, least: 1, most: LARGEST_DELAY_MS },
} satisfies Record<string, Range>;

const platformClock: Clock = {
  now: () => Date.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (id) => clearTimeout(id as ReturnType<typeof setTimeout>),
};

const platformRandom: Random = {
  number: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

function wholeNumber(name: keyof typeof COUNTS, given: unknown): number {
  return within(COUNTS[name], `options.${name}`, given);
}

function keepAlive(given: unknown): ResolvedOptions['keepAlive'] {
  if (given === false) return false;
  if (given !== undefined && (typeof given !== 'object' || given === null))
    throw new TypeError(`options.keepAlive must be an object or false, not ${given === null ? 'null' : typeof given}`);
  const { intervalMs, timeoutMs, ...others } = (given ?? {}) as KeepAliveOptions & Record<string, unknown>;
  refuseUnknown('options.keepAlive', others);
  return {
    intervalMs: within(KEEP_ALIVE.intervalMs, 'options.keepAlive.intervalMs', intervalMs),
    timeoutMs: within(KEEP_ALIVE.timeoutMs, 'options.keepAlive.timeoutMs', timeoutMs),
  };
}

const FUNCTIONS: Elements = { are: 'a function', fits: (element) => typeof element === 'function' };

const STORE_METHODS = ['open', 'lookup', 'admit', 'fence', 'seal', 'release', 'forget', 'settled', 'sweep', 'close'] as const;

function observer(given: PeerOptions['inspect']): PeerOptions['inspect'] {
  if (given === undefined || typeof given === 'function') return given;
  if (typeof given !== 'object' || given === null) throw new TypeError('options.inspect must be a function or an observer');
  if (given.next !== undefined && typeof given.next !== 'function')
    throw new TypeError('options.inspect must be a function or an observer: its next is no function');
  return given;
}

function handlerTimeout(given: unknown): number | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'number' || !(given > 0) || given > LARGEST_DELAY_MS) {
    throw new TypeError(`options.handlerTimeoutMs must be a number of milliseconds from above 0 to ${LARGEST_DELAY_MS}, not ${String(given)}`);
  }
  return given;
}

/** With the rest of a hello or welcome, of which the longest part is the scope, they must fit into 64 KiB (session.handshake-limits). */
const MAX_CREDENTIALS_BYTES = 60 * 1024;

const noCredentials = (): undefined => undefined;

function encodedCredentials(given: unknown): () => Uint8Array | undefined {
  if (given === undefined) return noCredentials;
  let encoded: Uint8Array;
  try {
    encoded = encodeValue(given);
  } catch (error) {
    throw new TypeError(`options.credentials cannot be sent: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (encoded.byteLength > MAX_CREDENTIALS_BYTES) {
    throw new TypeError(`options.credentials have ${encoded.byteLength} bytes when encoded, and a handshake has room for ${MAX_CREDENTIALS_BYTES}`);
  }
  return () => encoded;
}

const ignore = (): void => {};

/** A logger that throws decides nothing: its error is thrown where nobody's call is in the way. */
function guarded(log: ((entry: LogEntry) => void) | undefined): (entry: LogEntry) => void {
  if (log === undefined) return ignore;
  return (entry) => {
    try {
      log(entry);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

const PEER_OPTIONS = [
  ...Object.keys(COUNTS),
  ...['services', 'store', 'retry', 'handlerTimeoutMs', 'credentials', 'authenticate', 'onHandlerError', 'exposeErrors', 'log', 'middleware'],
  ...['clock', 'random', 'inspect', 'keepAlive', 'onConnection', 'resume'],
];
const OWN_OPTIONS = { connect: ['scope', 'reconnect', 'waitForPeerMs'], listen: ['onSession', 'maxHandshakes', 'maxSessions'] } as const;

/** Which side's options they are. */
export type Side = keyof typeof OWN_OPTIONS;

/** Throws for what is no options object, and for a name that means nothing: most likely a slip, whose option would be missed in silence. */
function checkNames(given: unknown, side: Side): void {
  const names: readonly string[] = [...PEER_OPTIONS, ...OWN_OPTIONS[side]];
  if (typeof given !== 'object' || given === null) throw new TypeError(`options must be an object, not ${given === null ? 'null' : typeof given}`);
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && !names.includes(name)) throw new TypeError(`options.${name} is not an option of ${side}`);
}

/** Checks what the user gave and fills in the rest. Throws a TypeError that names the offending path. */
export function resolveOptions(given: PeerOptions, side: Side): ResolvedOptions {
  checkNames(given, side);
  return {
    services: list('services', given.services, IMPLEMENTATIONS),
    store: having('store', given.store, STORE_METHODS),
    retry: optional('retry', given.retry, 'boolean') ?? true,
    maxConcurrentRequests: wholeNumber('maxConcurrentRequests', given.maxConcurrentRequests),
    maxQueuedRequests: wholeNumber('maxQueuedRequests', given.maxQueuedRequests),
    maxConnections: wholeNumber('maxConnections', given.maxConnections),
    maxInitialCredit: wholeNumber('maxInitialCredit', given.maxInitialCredit),
    maxPayload: wholeNumber('maxPayload', given.maxPayload),
    handshakeTimeoutMs: wholeNumber('handshakeTimeoutMs', given.handshakeTimeoutMs),
    keepAlive: keepAlive(given.keepAlive),
    onConnection: optional('onConnection', given.onConnection, 'function'),
    handlerTimeoutMs: handlerTimeout(given.handlerTimeoutMs),
    credentials: encodedCredentials(given.credentials),
    authenticate: optional('authenticate', given.authenticate, 'function'),
    onHandlerError: optional('onHandlerError', given.onHandlerError, 'function') ?? ignore,
    exposeErrors: optional('exposeErrors', given.exposeErrors, 'boolean') ?? false,
    log: guarded(optional('log', given.log, 'function')),
    middleware: list('middleware', given.middleware, FUNCTIONS),
    clock: having('clock', given.clock, ['now', 'setTimeout', 'clearTimeout']) ?? platformClock,
    random: having('random', given.random, ['number', 'bytes']) ?? platformRandom,
    inspect: observer(given.inspect),
  };
}

/** What a listening side bears (session.capacity). */
export interface Capacity {
  readonly maxHandshakes: number;
  readonly maxSessions: number;
}

export function resolveCapacity({ maxHandshakes, maxSessions }: { readonly maxHandshakes?: unknown; readonly maxSessions?: unknown }): Capacity {
  return {
    maxHandshakes: within(CAPACITY.maxHandshakes, 'options.maxHandshakes', maxHandshakes),
    maxSessions: within(CAPACITY.maxSessions, 'options.maxSessions', maxSessions),
  };
}

/** Checks the attempts that the peer of one connection may have in flight. */
export function resolveMaxConcurrentRequests(given: unknown): number {
  return wholeNumber('maxConcurrentRequests', given);
}

/** Checks the grace of a `close`, in milliseconds. */
export function resolveGraceMs(given: number | undefined): number {
  if (given === undefined) return 0;
  if (typeof given === 'number' && given >= 0 && given <= LARGEST_DELAY_MS) return given;
  throw new TypeError(`options.graceMs must be a number of milliseconds from 0 to ${LARGEST_DELAY_MS}, not ${String(given)}`);
}

/** Checks a given scope, or makes one. */
export function resolveScope(given: Uint8Array | undefined, random: Random): Uint8Array {
  if (given === undefined) return random.bytes(32);
  if (!(given instanceof Uint8Array) || given.byteLength < MIN_SCOPE_BYTES || given.byteLength > MAX_SECRET_BYTES) {
    throw new TypeError(
      `options.scope must be a Uint8Array of ${MIN_SCOPE_BYTES} to ${MAX_SECRET_BYTES} bytes: it is a secret, and too short a one can be guessed`,
    );
  }
  return given.slice();
}
