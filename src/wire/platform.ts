/**
 * What Node does faster than the language, where there is Node: in a browser each has a plain way. The only file of the wire that knows
 * of Buffer.
 */

interface NodeBuffer {
  allocUnsafeSlow(byteLength: number): Uint8Array;
  readonly prototype: {
    latin1Slice(this: Uint8Array, start: number, end: number): string;
  };
}
interface NodeGlobals {
  readonly process?: { getBuiltinModule?(name: 'node:buffer'): { isUtf8(bytes: Uint8Array): boolean } };
}

const nodeBuffer = (globalThis as { readonly Buffer?: NodeBuffer }).Buffer;

/** Uninitialised under Node: only what was written is ever sent. msgpackr writes long text faster into one of Node's own. */
export const allocate: (byteLength: number) => Uint8Array =
  nodeBuffer === undefined ? (byteLength) => new Uint8Array(byteLength) : (byteLength) => nodeBuffer.allocUnsafeSlow(byteLength);

/** `latin1Slice.call(bytes, start, end)` is the string whose letters are these bytes; undefined where the platform has no quick way. */
export const latin1Slice: NodeBuffer['prototype']['latin1Slice'] | undefined = nodeBuffer?.prototype.latin1Slice;

/** Whether the bytes are UTF-8, for long strings; undefined where the platform has no quick way. */
export const isPlatformUtf8: ((bytes: Uint8Array) => boolean) | undefined =
  nodeBuffer === undefined ? undefined : (globalThis as NodeGlobals).process?.getBuiltinModule?.('node:buffer').isUtf8;
