/** Looks for a secret in everything that can be reached from a value: what an inspector or a logger could show by mistake. */

const TEXT = new TextDecoder('latin1');

interface Found {
  readonly path: string;
}

/** Where in `root` the secret can be read, as text or bytes; undefined where it cannot. Calls no getters; `#private` fields are out of reach. */
export function findSecret(root: unknown, secret: string): Found | undefined {
  const seen = new Set<unknown>();
  const queue: { value: unknown; path: string }[] = [{ value: root, path: '$' }];
  for (let at = 0; at < queue.length; at++) {
    const { value, path } = queue[at] as { value: unknown; path: string };
    if (shows(value, secret)) return { path };
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || ArrayBuffer.isView(value) || seen.has(value)) continue;
    seen.add(value);
    if (value instanceof Map || value instanceof Set)
      for (const entry of value) queue.push({ value: entry, path: `${path}<${value.constructor.name}>` });
    for (const key of Reflect.ownKeys(value)) {
      const property = Reflect.getOwnPropertyDescriptor(value, key);
      if (property !== undefined && 'value' in property) queue.push({ value: property.value, path: `${path}.${String(key)}` });
    }
  }
  return undefined;
}

function shows(value: unknown, secret: string): boolean {
  if (typeof value === 'string') return value.includes(secret);
  return value instanceof Uint8Array && TEXT.decode(value).includes(secret);
}
