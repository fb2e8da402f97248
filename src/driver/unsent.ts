/** Why a call or an item could not be sent: what the user gave, its size, or the lack of room, of which only the last may pass. */
import { RpcError, textOf } from '../errors.ts';
import type { RpcErrorInit } from '../errors.ts';
import { MessageTooLargeError } from '../wire/index.ts';

/** A call was refused before it got a link, because too many wait already (attempt.limit-out). */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';
}

export function unsentError(error: unknown): Omit<RpcErrorInit, 'requestId' | 'operationId'> {
  if (error instanceof RpcError) return { kind: error.kind, reason: error.reason, message: error.message, cause: error.cause };
  const message = textOf(error);
  if (error instanceof QueueFullError) return { kind: 'send-failed', reason: 'queue-full', message, retryable: true, cause: error };
  if (error instanceof MessageTooLargeError) return { kind: 'send-failed', reason: 'too-large', message, cause: error };
  return { kind: 'invalid-payload', reason: 'value', message, cause: error };
}
