/** Gives what a `catch` caught its type. Not in errors.ts, which knows no contracts. */
import type { AnyMethod, TypesOf } from './contract-types.ts';
import { RpcError } from './errors.ts';

/**
 * True for an `RpcError`. With the method that was called, `data` has the type of the failure the method declares (present when `kind` is `user`).
 * The method is used for its type alone.
 */
export function isRpcError(error: unknown): error is RpcError;
export function isRpcError<M extends AnyMethod>(error: unknown, method: M): error is RpcError<TypesOf<M>['callerFailure']>;
export function isRpcError(error: unknown): error is RpcError {
  return error instanceof RpcError;
}
