/** Mutants of virtual connections, who holds them, and links (conn.*, liveness.*, link.*). */
import type { Mutant } from './mutant.ts';

const CONNECTIONS_FILE = 'src/session/connections.ts';
const CORE = 'src/session/connection-core.ts';
const OPEN_TEST = 'test/rules/connections-open.test.ts';
const CLOSE_TEST = 'test/rules/connections-close.test.ts';
const UNKNOWN_TEST = 'test/rules/connections-unknown.test.ts';
const LIVENESS_TEST = 'test/rules/liveness.test.ts';
const GC_TEST = 'test/rules/liveness-gc.test.ts';

const CONN: readonly Mutant[] = [
  {
    name: 'use-a-connection-before-it-is-accepted',
    rule: 'conn.open',
    file: CONNECTIONS_FILE,
    find: 'if (this.#pending.has(connectionId) || this.#live.has(connectionId))',
    replace: 'if (this.#pending.has(-connectionId) || this.#live.has(-connectionId))',
    tests: [OPEN_TEST],
  },
  {
    name: 'accept-what-nobody-answered',
    rule: 'conn.open',
    file: CONNECTIONS_FILE,
    find: "if (onConnection === undefined) return 'no acceptor is configured';",
    replace: "if (onConnection === undefined) return '';",
    tests: [OPEN_TEST],
  },
  {
    name: 'close-without-a-word',
    rule: 'conn.close',
    file: CORE,
    find: 'this.core.connections.sayClose(this.connectionId, reason);',
    replace: '',
    tests: [CLOSE_TEST],
  },
  {
    name: 'open-one-too-many',
    rule: 'conn.limit',
    file: CONNECTIONS_FILE,
    find: 'if (this.#openOfPeer + this.#pending.size >= maxConnections)',
    replace: 'if (this.#openOfPeer + this.#pending.size > maxConnections)',
    tests: [UNKNOWN_TEST],
  },
  {
    name: 'blame-the-peer-for-crossing-a-close',
    rule: 'conn.unknown',
    file: CONNECTIONS_FILE,
    find: 'else if (this.wasUsed(connectionId)) this.#core.counters.lateMessages++;',
    replace: 'else if (connectionId === 0) this.#core.counters.lateMessages++;',
    tests: [UNKNOWN_TEST, CLOSE_TEST],
  },
  {
    name: 'never-settle-closed',
    rule: 'conn.closed',
    file: CORE,
    find: '    this.#resolveClosed();',
    replace: '',
    tests: [CLOSE_TEST],
  },
  {
    name: 'join-connections-of-one-parity',
    rule: 'conn.proxy',
    file: 'src/session/relay.ts',
    find: 'if (one.oddIds === other.oddIds) return',
    replace: 'if (one === other) return',
    tests: ['test/rules/proxy-refused.test.ts'],
  },
  {
    name: 'close-the-other-side-without-the-reason',
    rule: 'conn.proxy',
    file: 'src/session/relay.ts',
    find: 'else this.#to.close(reason);',
    replace: "else this.#to.close('closed');",
    tests: ['test/rules/proxy-envelope.test.ts'],
  },
];

const LIVENESS: readonly Mutant[] = [
  {
    name: 'do-not-count-a-client',
    rule: 'liveness.refcount',
    file: 'src/client.ts',
    find: '    caller.clientMade();',
    replace: '',
    tests: [LIVENESS_TEST],
  },
  {
    name: 'do-not-count-pending-calls',
    rule: 'liveness.refcount',
    file: CORE,
    find: 'if (this.driver.outbound.pending > 0 || this.driver.channels.receivers > 0) return;',
    replace: 'if (this.driver.channels.receivers > 0) return;',
    tests: [LIVENESS_TEST],
  },
  {
    name: 'end-the-session-under-its-connections',
    rule: 'liveness.last-drop',
    file: 'src/session/session-core.ts',
    find: 'if (this.connections.size === 0 && this.root',
    replace: 'if (this.root',
    tests: [LIVENESS_TEST],
  },
  {
    name: 'leave-collected-handles-alone',
    rule: 'liveness.gc',
    file: 'src/session/tether.ts',
    find: 'core.deref()?.handlesCollected()',
    replace: 'void core.deref()',
    tests: [GC_TEST],
  },
  {
    name: 'collect-what-the-runtime-holds',
    rule: 'liveness.gc',
    file: CORE,
    find: 'if (!this.#options.isTethered || this.#tether?.deref() !== undefined) return;',
    replace: 'if (this.#tether?.deref() !== undefined) return;',
    tests: [GC_TEST],
  },
];

const LINK: readonly Mutant[] = [
  {
    name: 'lose-empty-payloads',
    rule: 'link.boundaries',
    file: 'src/transport/framing.ts',
    find: 'if (!this.#accepts(length) || !this.#receiver.deliver(new Uint8Array(chunk.buffer, chunk.byteOffset + start, length))) return;',
    replace:
      'if (!this.#accepts(length)) return;\n      if (length > 0 && !this.#receiver.deliver(new Uint8Array(chunk.buffer, chunk.byteOffset + start, length))) return;',
    tests: ['test/transports/framing.test.ts'],
  },
  {
    name: 'allocate-before-looking-at-the-length',
    rule: 'link.limit',
    file: 'src/transport/framing.ts',
    find: 'if (length <= limit) return true;',
    replace: 'if (length <= 2 * limit) return true;',
    tests: ['test/rules/mutants-channels.test.ts'],
  },
  {
    name: 'deliver-a-byte-too-many',
    rule: 'link.limit',
    file: 'src/transport/base-link.ts',
    find: 'if (payload.byteLength > this.inboundLimit) {',
    replace: 'if (payload.byteLength > this.inboundLimit + 1) {',
    tests: ['test/transports/memory.test.ts'],
  },
  {
    name: 'send-into-a-full-link',
    rule: 'link.backpressure',
    file: 'src/session/outbox.ts',
    find: 'return this.#link !== undefined && !this.#full;',
    replace: 'return this.#link !== undefined;',
    tests: ['test/rules/channel-limits.test.ts'],
  },
  {
    name: 'never-say-that-it-is-full',
    rule: 'link.backpressure',
    file: 'src/transport/memory-link.ts',
    find: `    this.#flow = 'saturated';
    return false;`,
    replace: `    this.#flow = 'saturated';
    return true;`,
    tests: ['test/transports/memory.test.ts'],
  },
  {
    name: 'close-twice',
    rule: 'link.close',
    file: 'src/transport/base-link.ts',
    find: `    if (this.state === 'closed') return;
    this.state = 'closed';`,
    replace: "    this.state = 'closed';",
    tests: ['test/transports/base-link.test.ts'],
  },
  {
    name: 'drop-what-was-sent-before-the-close',
    rule: 'link.close',
    file: 'src/transport/stream-link.ts',
    find: `    this.flush();
    this.#writable.end();`,
    replace: '    this.#writable.end();',
    tests: ['test/transports/tcp.test.ts'],
  },
  {
    name: 'give-the-bytes-of-the-sender-away',
    rule: 'link.ownership',
    file: 'src/transport/message-port.ts',
    find: 'const own = new Uint8Array(payload);',
    replace: 'const own = payload;',
    tests: ['test/transports/message-port.test.ts'],
  },
];

export const CONNECTIONS: readonly Mutant[] = [...CONN, ...LIVENESS, ...LINK];
