/** What the callers saw: one count for every way a call can end, and the ways that nobody meant. */
import { isRpcError } from '../index.ts';
import type { RpcErrorKind } from '../index.ts';

/** How a call ended for its caller. */
export type Ending = { readonly kind: 'value'; readonly value: unknown } | { readonly kind: RpcErrorKind; readonly data: unknown };

/** A call ended in a way that the demo did not provoke. */
export class UnexpectedEndingError extends Error {
  override readonly name = 'UnexpectedEndingError';
}

export class Tally {
  calls = 0;
  succeeded = 0;
  cancelled = 0;
  /** Of the cancelled: quotes, whose handlers must have been aborted. */
  quotesGivenUp = 0;
  insufficient = 0;
  unknownMethod = 0;
  invalidInput = 0;
  /** An operation id used for something else. */
  conflicts = 0;
  /** Calls of volatile methods that the bank died under. Of these, charges, by the names of their orders. */
  indeterminate = 0;
  readonly indeterminateOrders: string[] = [];

  get failed(): number {
    return this.insufficient + this.unknownMethod + this.invalidInput + this.conflicts;
  }

  /** Waits for a call and counts how it ended. `expected` are the endings that are meant to be; any other is thrown. */
  async ending(what: string, expected: readonly Ending['kind'][], call: Promise<unknown>): Promise<Ending> {
    this.calls++;
    try {
      const value = await call;
      this.succeeded++;
      if (expected.includes('value')) return { kind: 'value', value };
    } catch (error) {
      if (!isRpcError(error)) throw error;
      if (!expected.includes(error.kind)) {
        throw new UnexpectedEndingError(`${what} ended ${error.kind}${error.reason === undefined ? '' : ` (${error.reason})`}: ${error.message}`, {
          cause: error,
        });
      }
      this.#count(error.kind, error.reason);
      return { kind: error.kind, data: error.data };
    }
    throw new UnexpectedEndingError(`${what} succeeded, and was meant to end ${expected.join(' or ')}`);
  }

  #count(kind: RpcErrorKind, reason: string | undefined): void {
    if (kind === 'cancelled') this.cancelled++;
    else if (kind === 'indeterminate') this.indeterminate++;
    else if (kind === 'user') this.insufficient++;
    else if (kind === 'unknown-method') this.unknownMethod++;
    else if (kind === 'invalid-payload' && reason === 'conflict') this.conflicts++;
    else this.invalidInput++;
  }
}
