/**
 * What Node does faster than the language, where there is Node: in a browser each has a plain way. The only file of the wire that knows
 * of Buffer.
 */

interface NodeBuffer {
  allocUnsafeSlow(byteLength: number): Uint8Array;
  readonly prototype: {
    latin1Slice(this: Uint8Array, start: number, end: number): string;
    hexSlice(this: Uint8Array, start: number, end: number): string;
  };
}

const nodeBuffer = (globalThis as { readonly Buffer?: NodeBuffer }).Buffer;

/** Uninitialised under Node: only what was written is ever sent. msgpackr writes long text faster into one of Node's own. */
export const allocate: (byteLength: number) => Uint8Array =
  nodeBuffer === undefined ? (byteLength) => new Uint8Array(byteLength) : (byteLength) => nodeBuffer.allocUnsafeSlow(byteLength);

/** `latin1Slice.call(bytes, start, end)` is the string whose letters are these bytes; undefined where the platform has no quick way. */
export const latin1Slice: NodeBuffer['prototype']['latin1Slice'] | undefined = nodeBuffer?.prototype.latin1Slice;

/** The bytes as hex digits. */
export function hexOf(bytes: Uint8Array): string {
  if (nodeBuffer !== undefined) return nodeBuffer.prototype.hexSlice.call(bytes, 0, bytes.length);
  let result = '';
  for (const byte of bytes) result += byte.toString(16).padStart(2, '0');
  return result;
}
