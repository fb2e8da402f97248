/** The number that stands for a method on the wire, the same in every process and language. */

const encoder = new TextEncoder();

/** FNV-1a, 32 bit, over the UTF-8 bytes of `${service}.${method}`. Two methods of one id on one connection are refused where they are served. */
export function methodId(service: string, method: string): number {
  let hash = 0x811c9dc5;
  for (const byte of encoder.encode(`${service}.${method}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}
