/**
 * How an operation ended: what its waiters are told and what the store keeps. Only a value or a `fail` is an outcome that is
 * sealed; the other errors say that there is none.
 */
import { disposition } from '../machines/operation.ts';
import type { Ending, OperationInput } from '../machines/operation.ts';
import type { ResponseError, ResponseErrorKind } from '../wire/index.ts';

export type Outcome = { readonly ok: true; readonly result: Uint8Array } | { readonly ok: false; readonly error: ResponseError };

export function failure(kind: ResponseErrorKind, reason: string | undefined, message: string): Outcome {
  return { ok: false, error: { kind, reason, message } };
}

export function userFailure(data: Uint8Array): Outcome {
  return { ok: false, error: { kind: 'user', message: 'the method failed as it declares', data } };
}

const ENDING_MESSAGES: Record<string, string> = {
  'handler-failed': 'the handler ended without an outcome',
  aborted: 'the operation was aborted',
  channels: 'the link was lost under an operation with channels',
};

/** What the waiters of an operation that ended so are told; `detail` replaces the message where the server exposes errors. */
export function endingFailure(policy: OperationInput, ending: Ending, detail?: string): Outcome {
  const { kind, reason } = disposition(policy, ending);
  return failure(kind, reason, detail ?? ENDING_MESSAGES[reason] ?? reason);
}

/** What a waiter is told in place of an outcome that its peer cannot take: the same without its text, or that there is one it cannot have. */
export function unsendable(outcome: Outcome): Outcome {
  if (outcome.ok || outcome.error.kind === 'user') return failure('indeterminate', 'handler-failed', 'the outcome is above your maxPayload');
  return failure(outcome.error.kind, outcome.error.reason, 'the message is above your maxPayload');
}

const VALUE = 0;
const USER_FAILURE = 1;
const NO_BYTES = new Uint8Array(0);

/** The form in which a store keeps a sealed outcome: one byte for value or failure, then the encoded value or data. */
export function toStored(outcome: Outcome): Uint8Array {
  const bytes = outcome.ok ? outcome.result : (outcome.error.data ?? NO_BYTES);
  const stored = new Uint8Array(bytes.byteLength + 1);
  stored[0] = outcome.ok ? VALUE : USER_FAILURE;
  stored.set(bytes, 1);
  return stored;
}

/** Undefined: these are not bytes that `toStored` made. */
export function fromStored(stored: Uint8Array): Outcome | undefined {
  const bytes = stored.subarray(1);
  switch (stored[0]) {
    case VALUE:
      return { ok: true, result: bytes };
    case USER_FAILURE:
      return userFailure(bytes);
    default:
      return undefined;
  }
}
