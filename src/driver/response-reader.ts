/**
 * What a response means to its caller: the value, parsed by the method's schema, or the RpcError. The caller's side validates
 * what it gets, since a peer may be of another version (outcome.invalid-payload).
 */
import type { AnyMethod } from '../contract.ts';
import { RpcError } from '../errors.ts';
import { MetadataView } from '../metadata.ts';
import { validate } from '../schema.ts';
import type { StandardSchemaV1, Validated } from '../schema.ts';
import { decodeValue } from '../wire/index.ts';
import type { ResponseError, ResponseMessage } from '../wire/index.ts';
import { settle } from './maybe.ts';

interface ReadingCall {
  readonly method: AnyMethod;
  readonly requestId: number;
  readonly operationId: string | number | undefined;
}

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: RpcError) => void;
}

/** Settles `waiter` with what `message` says. Never throws. */
export function readResponse(
  call: ReadingCall,
  message: ResponseMessage,
  onMetadata: ((view: MetadataView) => void) | undefined,
  waiter: Waiter,
): void {
  if (onMetadata !== undefined) {
    try {
      onMetadata(MetadataView.of(message.metadata));
    } catch (error) {
      waiter.reject(invalid(call, 'onResponseMetadata', 'threw', error));
      return;
    }
  }
  if (message.ok) readValue(call, call.method.output, { bytes: message.result, what: 'result', reject: waiter.reject, accept: waiter.resolve });
  else if (message.error.kind === 'user') readUserFailure(call, message.error, waiter);
  else waiter.reject(failed(call, message.error));
}

function readUserFailure(call: ReadingCall, error: ResponseError, waiter: Waiter): void {
  const accept = (data: unknown) => waiter.reject(failed(call, error, data));
  if (error.data === undefined) accept(undefined);
  else readValue(call, call.method.error, { bytes: error.data, what: 'error', reject: waiter.reject, accept });
}

interface Reading {
  readonly bytes: Uint8Array;
  readonly what: 'result' | 'error';
  readonly accept: (value: unknown) => void;
  readonly reject: (error: RpcError) => void;
}

function readValue(call: ReadingCall, schema: StandardSchemaV1 | undefined, { bytes, what, accept, reject }: Reading): void {
  let value: unknown;
  try {
    value = decodeValue(bytes);
  } catch (error) {
    reject(invalid(call, what, 'does not decode', error));
    return;
  }
  if (schema === undefined) {
    accept(value);
    return;
  }
  settle<Validated>(
    () => validate(schema, value),
    (validated) => {
      if (validated.issues === undefined) accept(validated.value);
      else reject(invalid(call, `${what}${validated.issues[0]?.path ? `.${validated.issues[0].path}` : ''}`, validated.issues[0]?.message ?? ''));
    },
    (error) => reject(invalid(call, what, 'could not be validated: its schema threw', error)),
  );
}

function invalid(call: ReadingCall, path: string, why: string, cause?: unknown): RpcError {
  const { method, requestId, operationId } = call;
  const detail = cause instanceof Error ? `: ${cause.message}` : '';
  return new RpcError({
    kind: 'invalid-payload',
    reason: path,
    message: `${method.service}.${method.name}: ${path} ${why}${detail}`,
    requestId,
    operationId,
    cause,
  });
}

function failed({ method, requestId, operationId }: ReadingCall, { kind, reason, message }: ResponseError, data?: unknown): RpcError {
  // `unavailable` says that it did not run; every other answer stands (outcome.retryable).
  return new RpcError({
    kind,
    reason,
    message: `${method.service}.${method.name}: ${message}`,
    data,
    retryable: kind === 'unavailable',
    requestId,
    operationId,
  });
}
