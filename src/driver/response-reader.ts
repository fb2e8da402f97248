/**
 * What a response means to its caller: the value, parsed by the method's schema, or the RpcError. The caller's side validates
 * what it gets, since a peer may be of another version (outcome.invalid-payload).
 */
import type { AnyMethod } from '../contract.ts';
import { RpcError } from '../errors.ts';
import { validate } from '../schema.ts';
import type { StandardSchemaV1, Validated } from '../schema.ts';
import { decodeValue } from '../wire/index.ts';
import type { Metadata, ResponseError, ResponseMessage } from '../wire/index.ts';
import { settle } from './maybe.ts';

interface ReadingCall {
  readonly method: AnyMethod;
  readonly requestId: number;
  readonly operationId: string | number | undefined;
  showMetadata(metadata: Metadata): void;
}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: RpcError): void;
}

/** Settles `waiter` with what `message` says. Never throws. */
export function readResponse(call: ReadingCall, message: ResponseMessage, waiter: Waiter): void {
  call.showMetadata(message.metadata);
  if (message.ok) readResult(call, message.result, waiter);
  else if (message.error.kind === 'user') readUserFailure(call, message.error, waiter);
  else waiter.reject(failed(call, message.error));
}

function readResult(call: ReadingCall, bytes: Uint8Array, waiter: Waiter): void {
  const value = decoded(call, 'result', bytes);
  const { output } = call.method;
  if (value instanceof RpcError) waiter.reject(value);
  else if (output === undefined) waiter.resolve(value);
  else check(call, { schema: output, value, what: 'result', waiter, accept: (checked) => waiter.resolve(checked) });
}

function readUserFailure(call: ReadingCall, error: ResponseError, waiter: Waiter): void {
  const accept = (data: unknown) => waiter.reject(failed(call, error, data));
  const data = error.data === undefined ? undefined : decoded(call, 'error', error.data);
  const schema = call.method.error;
  if (data instanceof RpcError) waiter.reject(data);
  else if (error.data === undefined || schema === undefined) accept(data);
  else check(call, { schema, value: data, what: 'error', waiter, accept });
}

/** The value, or why it is none. */
function decoded(call: ReadingCall, what: 'result' | 'error', bytes: Uint8Array): unknown {
  try {
    return decodeValue(bytes);
  } catch (error) {
    return invalid(call, what, 'does not decode', error);
  }
}

interface Checking {
  readonly schema: StandardSchemaV1;
  readonly value: unknown;
  readonly what: 'result' | 'error';
  readonly accept: (value: unknown) => void;
  readonly waiter: Waiter;
}

function check(call: ReadingCall, { schema, value, what, accept, waiter }: Checking): void {
  settle<Validated>(
    () => validate(schema, value),
    (validated) => {
      if (validated.issues === undefined) accept(validated.value);
      else
        waiter.reject(invalid(call, `${what}${validated.issues[0]?.path ? `.${validated.issues[0].path}` : ''}`, validated.issues[0]?.message ?? ''));
    },
    (error) => waiter.reject(invalid(call, what, 'could not be validated: its schema threw', error)),
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
