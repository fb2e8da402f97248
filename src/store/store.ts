/**
 * What the runtime asks of an operation store. A store only persists: who waits for what lives in the operation
 * machine. Implementations: memory.ts and lmdb/. Every one passes `testOperationStore` (`statewire/testing`).
 */

export type MaybePromise<T> = T | Promise<T>;

/** Names one operation: whose scope, which side called, which series (numbers only), which id (op.id, op.scope). */
export interface OperationKey {
  /** Hex SHA-256 over the session's scope and principal; the secret itself never gets here. */
  readonly scope: string;
  readonly caller: 'initiator' | 'acceptor';
  /** Present exactly when `id` is a number. */
  readonly series?: string | undefined;
  readonly id: string | number;
}

/**
 * What makes two attempts the same intent (op.conflict). `args` is the encoded argument with channel ids as ordinals;
 * a store compares it by bytes or by a digest of its own. The bytes may be a view into a larger buffer: a store that keeps them copies.
 */
export interface OperationSignature {
  readonly methodId: number;
  readonly args: Uint8Array;
}

/** What a store says of an operation. */
export type Admission =
  /** The caller of `admit` owns the execution. */
  | { readonly state: 'started' }
  /** Another process owns it; `settled` tells when it ends. */
  | { readonly state: 'live' }
  | { readonly state: 'sealed'; readonly outcome: Uint8Array }
  | { readonly state: 'released'; readonly reason: string }
  /** Admitted, never sealed, no live owner · other method or arguments · at or below the forgotten mark, or past its retention. */
  | { readonly state: 'abandoned' | 'conflict' | 'expired' }
  /** The store cannot take it now (op.expiry: the cap would evict a string id younger than `retention`; or, `fenced`, the epoch is below the fence). Nothing ran. */
  | { readonly state: 'refused'; readonly reason: string; readonly fenced?: boolean };

export type Lookup = Admission | { readonly state: 'unknown' };

export interface AdmitOptions {
  /** True for an `idem` method: an abandoned or released operation is taken over and runs again. */
  readonly takeOver: boolean;
  /** The session's own series and epoch: an admission below the fence of that series is refused (resume.unknown). */
  readonly series?: string | undefined;
  readonly epoch?: number | undefined;
  /** False for a method that is not `persist`: its admission counts before it is on disk (op.seal-durable). Default true. */
  readonly durable?: boolean;
  /** Nobody touches the arguments' bytes any more: they need not be copied to be kept. Default false. */
  readonly owned?: boolean;
}

export interface SealOptions {
  /** False for a method that is not `persist`: nobody waits for its outcome to be on disk. Default true. */
  readonly durable?: boolean;
  /** The outcome's bytes are the store's: nobody else has them, and they need not be copied to be kept. Default false. */
  readonly owned?: boolean;
}

export type ReleaseReason = 'released' | 'handler-failed' | 'store-lost';

/** Durable or not, shared or not: where operations outlive attempts. All methods may answer at once or with a promise. */
export interface OperationStore {
  /** Called once before the first handshake; `identity` is valid after it. */
  open(): MaybePromise<void>;
  /** The same after a restart if and only if nothing was lost. */
  readonly identity: string;
  readonly durable: boolean;
  /** How long sealed and released records are kept, in milliseconds. Told to peers (op.expiry). Default 15 minutes. */
  readonly retentionMs?: number;
  lookup(key: OperationKey, signature: OperationSignature): MaybePromise<Lookup>;
  /** Atomic: of any number of concurrent callers one gets `started`. */
  admit(key: OperationKey, signature: OperationSignature, options: AdmitOptions): MaybePromise<Admission>;
  /** Raises the fence of a series (the maximum wins); a lower epoch can no longer admit. */
  fence(scope: string, series: string, dial: number): MaybePromise<void>;
  /** Settles once the outcome is as durable as the store gets, or as `options` ask for. The first seal is final (op.seal). */
  seal(key: OperationKey, signature: OperationSignature, outcome: Uint8Array, options?: SealOptions): MaybePromise<void>;
  /**
   * The operation has ended here without an outcome. Also when this rejects: a store of several processes then renews its claim no more, so that nobody waits for
   * ever for an operation that is `live` only because its end could not be written.
   */
  release(key: OperationKey, reason: ReleaseReason): MaybePromise<void>;
  /** op.ack: forgets the numbers of a series up to and including `upTo`. */
  forget(scope: string, caller: 'initiator' | 'acceptor', series: string, upTo: number): MaybePromise<void>;
  /** For an operation that is `live` in another process: settles when it no longer is. */
  settled(key: OperationKey, signal: AbortSignal): Promise<Admission>;
  readonly schemas: {
    get(digest: string): MaybePromise<Uint8Array | undefined>;
    put(digest: string, bytes: Uint8Array): MaybePromise<void>;
  };
  /** Evicts what is past retention at `now` (milliseconds since the epoch) and says how many records went. Called every retentionMs / 10. */
  sweep(now: number): MaybePromise<number>;
  close(): Promise<void>;
}

/** 15 minutes. */
export const DEFAULT_RETENTION_MS = 15 * 60_000;
