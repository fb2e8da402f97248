/**
 * The one error users see. What happened is its `kind`, why its `reason`, whether calling again is safe its `retryable`
 * (protocol.md, "Outcomes a caller can see").
 */

/** What happened to a call, a channel's `send` or `recv`, a `connect` or an `open`. */
export type RpcErrorKind =
  | 'user'
  | 'unknown-method'
  | 'invalid-payload'
  | 'cancelled'
  | 'indeterminate'
  | 'send-failed'
  | 'unavailable'
  | 'connection-closed'
  | 'session-shutdown'
  | 'protocol-error'
  | 'refused'
  | 'rejected'
  | 'channel-reset';

export interface RpcErrorInit<E = unknown> {
  readonly kind: RpcErrorKind;
  readonly message: string;
  readonly reason?: string | undefined;
  readonly data?: E | undefined;
  readonly retryable?: boolean | undefined;
  readonly requestId?: number | undefined;
  readonly operationId?: string | number | undefined;
  readonly cause?: unknown;
}

/**
 * A call's failure. `kind` says what happened, `reason` why (outcome.reason), `data` is the method's declared failure when `kind` is `user`,
 * `retryable` is true exactly when calling again cannot make the operation run twice and the failure may pass (outcome.retryable).
 */
export class RpcError<E = unknown> extends Error {
  override readonly name = 'RpcError';
  readonly kind: RpcErrorKind;
  readonly reason: string | undefined;
  readonly data: E | undefined;
  readonly retryable: boolean;
  readonly requestId: number | undefined;
  readonly operationId: string | number | undefined;

  constructor(init: RpcErrorInit<E>) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.kind = init.kind;
    this.reason = init.reason;
    this.data = init.data;
    this.retryable = init.retryable ?? false;
    this.requestId = init.requestId;
    this.operationId = init.operationId;
  }
}

/** What was thrown, as text, whatever it is: an error's message, or what it prints as. Never throws. */
export function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return 'something that cannot be printed';
  }
}
