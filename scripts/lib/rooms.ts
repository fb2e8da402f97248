/**
 * The rooms of `src` and who may use whom: the table that layers.ts enforces. Dependencies point one way. A room may always use itself.
 * A file that is in no room is an error: say here where it belongs.
 */

export interface Room {
  readonly name: string;
  /** Paths below `src`: a folder ends in `/`, anything else is a file. */
  readonly paths: readonly string[];
  /** The rooms it may import from, types included. */
  readonly uses: readonly string[];
  /** Rooms above it whose types it may name, where a thing that users hold shows them another: these imports are erased. */
  readonly typesOf?: readonly string[];
  /** The packages it may import; `node:` stands for every built-in of Node. */
  readonly packages: readonly string[];
}

const HANDLES = ['base', 'wire', 'store', 'contract', 'channel', 'client', 'options'];
const RUNTIME = [...HANDLES, 'transport', 'machines', 'driver', 'session'];

export const ROOMS: readonly Room[] = [
  // What everyone may use: vocabulary and tiny helpers that use nothing themselves.
  { name: 'base', paths: ['errors.ts', 'hold.ts', 'id-table.ts', 'lazy-collections.ts'], uses: [], packages: [] },

  // Four rooms that know nothing of each other.
  { name: 'transport', paths: ['transport/'], uses: ['base'], packages: ['node:', 'ws'] },
  { name: 'wire', paths: ['wire/'], uses: ['base'], packages: ['msgpackr'] },
  // Reads the folder of a store for the command that looks into it; users have no way there.
  { name: 'lmdb browsing', paths: ['store/lmdb/browse.ts'], uses: ['base', 'store', 'lmdb store'], packages: ['node:'] },
  { name: 'lmdb store', paths: ['store/lmdb/'], uses: ['base', 'store'], packages: ['node:', 'lmdb', 'fs-native-extensions'] },
  { name: 'store', paths: ['store/'], uses: ['base'], packages: [] },
  { name: 'machines', paths: ['machines/'], uses: ['base'], packages: ['xstate'] },

  // What users hold in their hands.
  {
    name: 'contract',
    paths: ['contract.ts', 'contract-types.ts', 'schema.ts', 'metadata.ts', 'connection.ts', 'is-rpc-error.ts'],
    uses: ['base', 'wire', 'store'],
    typesOf: ['client', 'options', 'session'],
    packages: ['rxjs'],
  },
  {
    name: 'channel',
    paths: ['channel.ts', 'channel-pair.ts', 'channel-errors.ts', 'channel-unsent.ts', 'send-all.ts'],
    uses: ['base', 'wire'],
    packages: ['rxjs'],
  },
  { name: 'client', paths: ['client.ts'], uses: ['base', 'wire', 'store', 'contract', 'channel'], packages: [] },
  {
    name: 'options',
    paths: ['options.ts', 'option-checks.ts', 'connection-options.ts', 'recovery-options.ts'],
    uses: ['base', 'wire', 'store', 'contract'],
    typesOf: ['transport', 'machines', 'session'],
    packages: [],
  },

  // The runtime, and what puts it together.
  { name: 'driver', paths: ['driver/'], uses: [...HANDLES, 'machines', 'transport'], packages: ['rxjs'] },
  { name: 'session', paths: ['session/'], uses: [...HANDLES, 'machines', 'transport', 'driver'], packages: ['rxjs', '@noble/hashes'] },
  { name: 'compose', paths: ['connect.ts', 'listen.ts', 'join-connections.ts'], uses: RUNTIME, packages: ['rxjs'] },

  // The public entry points.
  { name: 'index', paths: ['index.ts'], uses: [...RUNTIME, 'compose'], packages: [] },
  { name: 'transport entries', paths: ['tcp.ts', 'websocket.ts'], uses: ['base', 'transport'], packages: [] },
  { name: 'lmdb entry', paths: ['lmdb.ts'], uses: ['base', 'store', 'lmdb store'], packages: [] },
  { name: 'memory entry', paths: ['memory.ts'], uses: ['base', 'transport', 'wire'], packages: [] },
  { name: 'wire entry', paths: ['wire.ts'], uses: ['base', 'wire'], packages: [] },
  { name: 'xstate entry', paths: ['xstate.ts'], uses: [...HANDLES, 'machines', 'driver', 'session'], packages: ['xstate', 'rxjs'] },

  // Outside: these use what users can use.
  {
    name: 'testing',
    paths: ['testing/', 'testing.ts'],
    uses: [...HANDLES, 'transport', 'machines', 'index', 'compose', 'memory entry', 'wire entry', 'xstate entry'],
    packages: ['node:', 'xstate', 'rxjs'],
  },
  {
    name: 'inspect',
    paths: ['inspect/', 'inspect.ts'],
    uses: ['base', 'machines', 'index', 'xstate entry', 'wire entry'],
    packages: ['node:', 'xstate', 'ws', 'rxjs'],
  },
  {
    name: 'cli',
    paths: ['cli/'],
    uses: ['base', 'index', 'transport entries', 'memory entry', 'lmdb entry', 'lmdb browsing', 'wire entry', 'xstate entry', 'testing', 'inspect'],
    packages: ['node:', 'rxjs', 'csv-parse', 'cli-progress'],
  },
];

export interface Reach {
  /** An entry point, below `src`. */
  readonly entry: string;
  /** Packages that nothing it loads may name. */
  readonly never: readonly string[];
  /** True: nor may anything it loads on demand. */
  readonly dynamicToo: boolean;
}

/** What must load where there is no Node. The websocket entry asks for `ws` on demand, on Node only. */
export const REACHES: readonly Reach[] = [
  { entry: 'index.ts', never: ['node:', 'ws', 'lmdb', 'csv-parse', 'cli-progress'], dynamicToo: true },
  { entry: 'wire.ts', never: ['node:', 'ws', 'xstate', 'rxjs'], dynamicToo: true },
  { entry: 'memory.ts', never: ['node:', 'ws', 'xstate'], dynamicToo: true },
  { entry: 'xstate.ts', never: ['node:', 'ws'], dynamicToo: true },
  { entry: 'websocket.ts', never: ['node:', 'ws'], dynamicToo: false },
];
