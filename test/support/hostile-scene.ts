/**
 * A server on a real socket with a well-behaved client that must be served before, during and after whatever a raw peer does to it.
 * The attacks themselves are in test/e2e/hostile*.test.ts.
 */
import { encode } from '@msgpack/msgpack';
import { expect } from 'vitest';
import { connect, defineService, implement, listen, method } from 'statewire';
import type { Client, ListenOptions, LogEntry, Server, Session } from 'statewire';
import { tcp } from 'statewire/tcp';
import type { TcpAddress } from 'statewire/tcp';
import { encodeValue } from 'statewire/wire';
import type { CallMessage } from 'statewire/wire';
import { dialRaw } from './raw-socket.ts';
import type { RawDialOptions, RawPeer } from './raw-socket.ts';

export const Target = defineService('Target', {
  echo: method<unknown, unknown>(),
  /** Answers when its caller gives up or is gone. */
  wait: method(),
  /** So many bytes. */
  blob: method<number, Uint8Array>({ idem: true }),
});

/** Small enough that "above the limit" is cheap to say. */
export const MAX_PAYLOAD = 256 * 1024;
export const MAX_CONCURRENT = 8;

/** A message by its fields, in the layout of the wire but with whatever values: MessagePack by another library. */
export function saidAs(...fields: unknown[]): Uint8Array {
  return encode(fields, { useBigInt64: true });
}

/** A call of `Target.echo` in order, but for what is given. A string operation id, which no acknowledgement touches. */
export function echo(requestId: number, change: Partial<CallMessage> = {}): CallMessage {
  return {
    type: 'call',
    connectionId: 0,
    requestId,
    methodId: Target.methods.echo.id,
    operationId: `echo-${requestId}`,
    channels: [],
    metadata: [],
    args: encodeValue(requestId),
    ...change,
  };
}

/** What the process holds, in bytes, garbage aside. */
export function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export class Scene {
  readonly server: Server<TcpAddress>;
  readonly log: LogEntry[];
  readonly witness: Client<typeof Target>;
  /** How often a handler of `blob` ran. */
  readonly runs: { blob: number };
  readonly #sessions: Session[];
  readonly #witnessSession: Session;

  constructor(parts: { server: Server<TcpAddress>; log: LogEntry[]; sessions: Session[]; session: Session; runs: { blob: number } }) {
    this.server = parts.server;
    this.log = parts.log;
    this.runs = parts.runs;
    this.#sessions = parts.sessions;
    this.#witnessSession = parts.session;
    this.witness = parts.session.client(Target);
  }

  /** The server's end of the raw peers' sessions that got through the handshake, in order. */
  get attackers(): readonly Session[] {
    return this.#sessions.filter(({ id }) => id !== this.#witnessSession.id);
  }

  get events(): readonly string[] {
    return this.log.map(({ event }) => event);
  }

  dial(options?: RawDialOptions): Promise<RawPeer> {
    return dialRaw(this.server.address, options);
  }

  /** Runs an attack while the witness calls on and on, and lets somebody new in afterwards. */
  async withstands<T>(attack: () => Promise<T>): Promise<T> {
    let answered = 0;
    let isAttacked = true;
    const serve = async (): Promise<void> => {
      do expect(await this.witness.echo(++answered)).toBe(answered);
      while (isAttacked);
    };
    const attacked = attack().finally(() => (isAttacked = false));
    const [result] = await Promise.all([attacked, serve()]);
    await using late = await connect(tcp(this.server.address));
    expect(await late.client(Target).echo('late')).toBe('late');
    expect(await this.witness.echo('after')).toBe('after');
    this.#sessions.splice(
      this.#sessions.findIndex(({ id }) => id === late.id),
      1,
    );
    // A fault of ours would show here, and nowhere else.
    expect(this.log.filter(({ level }) => level === 'error')).toEqual([]);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#witnessSession.close();
    await this.server.close();
  }
}

/** Sets the scene: the server, and the client that will be served. */
export async function setScene(options: ListenOptions = {}): Promise<Scene> {
  const log: LogEntry[] = [];
  const sessions: Session[] = [];
  const runs = { blob: 0 };
  const target = implement(Target, {
    echo: (input) => input,
    wait: (_, call) => new Promise((resolve) => call.signal.addEventListener('abort', () => resolve(), { once: true })),
    blob: (byteLength) => {
      runs.blob++;
      return new Uint8Array(byteLength);
    },
  });
  const server = await listen(tcp({ port: 0 }), {
    services: [target],
    maxPayload: MAX_PAYLOAD,
    maxConcurrentRequests: MAX_CONCURRENT,
    log: (entry) => log.push(entry),
    onSession: (made) => sessions.push(made),
    ...options,
  });
  const session = await connect(tcp(server.address));
  return new Scene({ server, log, sessions, session, runs });
}
