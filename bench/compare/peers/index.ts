/** Who is compared, by name. A process loads the one it plays and no other. */
import type { Peer } from '../contender.ts';

export interface Entry {
  readonly name: string;
  readonly load: () => Promise<Peer>;
  /** A variant of ours, measured in these cases alone. */
  readonly only?: readonly string[];
}

const VARIANT = { only: ['unary-64'] } as const;

export const PEERS: readonly Entry[] = [
  { name: 'raw', load: async () => (await import('./raw.ts')).raw },
  { name: 'statewire', load: async () => (await import('./statewire.ts')).statewire },
  { name: 'statewire-no-retry', load: async () => (await import('./statewire.ts')).statewireWithoutRetry, ...VARIANT },
  { name: 'statewire-lmdb', load: async () => (await import('./statewire.ts')).statewireOnDisk, ...VARIANT },
  { name: 'statewire-inspected', load: async () => (await import('./statewire.ts')).statewireInspected, ...VARIANT },
  { name: 'rsocket', load: async () => (await import('./rsocket.ts')).rsocket },
  { name: 'birpc', load: async () => (await import('./birpc.ts')).birpc },
  { name: 'socket-io', load: async () => (await import('./socket-io.ts')).socketIo },
  { name: 'vscode-jsonrpc', load: async () => (await import('./vscode-jsonrpc.ts')).vscodeJsonrpc },
  { name: 'capnweb', load: async () => (await import('./capnweb.ts')).capnweb },
  { name: 'trpc', load: async () => (await import('./trpc.ts')).trpc },
  { name: 'grpc', load: async () => (await import('./grpc.ts')).grpc },
  { name: 'connect-rpc', load: async () => (await import('./connect-rpc.ts')).connectRpc },
  { name: 'effect-rpc', load: async () => (await import('./effect-rpc.ts')).effectRpc },
];

/** The yardstick, and ours: everything else is a competitor. */
export const YARDSTICK = 'raw';
export const OURS = 'statewire';
export const isOurs = (name: string): boolean => name === OURS || name.startsWith(`${OURS}-`);

export function entryOf(name: string): Entry {
  const entry = PEERS.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new TypeError(`there is no peer '${name}': ${PEERS.map((known) => known.name).join(', ')}`);
  return entry;
}
