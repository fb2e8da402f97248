/**
 * What can go wrong on the wire: a value that has no encoding (ours, at the call), bytes that are not what they should be (the
 * peer's), a message that no payload can hold. Neighbours turn them into what users see (src/errors.ts).
 */

/** A value, or a field of a message, that cannot be encoded. `path` says which part of it, as in `$.orders[3].price`. */
export class ValueError extends TypeError {
  override readonly name = 'ValueError';
  /** From the value's root `$`: `.name` or `["any key"]` for properties, `[3]` for elements; `<key 3>` and `<value 3>` for a Map, `<item 3>` for a Set. */
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
  }
}

/** Bytes from the peer that break the wire format. `rule` is the rule of protocol.md they break, `offset` where, from the first byte given to the decoder. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly rule: string;
  readonly offset: number;

  constructor(rule: string, problem: string, offset: number) {
    super(`${problem} (byte ${offset})`);
    this.rule = rule;
    this.offset = offset;
  }
}

/** The error for bytes that are not what they should be. */
export function malformed(problem: string, offset: number): WireError {
  return new WireError('session.protocol-error', problem, offset);
}

/** One message is larger than the largest payload the peer takes (link.limit). Final: it would be so again. */
export class MessageTooLargeError extends Error {
  override readonly name = 'MessageTooLargeError';
  readonly final = true;
  readonly byteLength: number;
  readonly maxPayload: number;

  constructor(byteLength: number, maxPayload: number) {
    super(`a message of ${byteLength} bytes is above the peer's maxPayload of ${maxPayload} bytes: send less at once, or pass a channel`);
    this.byteLength = byteLength;
    this.maxPayload = maxPayload;
  }
}
