/** Links over Unix domain sockets. Node only. A socket file that nobody listens on any more is removed; one in use is left alone. */
import { lstat, unlink } from 'node:fs/promises';
import { connect as connectSocket, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { resolveMaxPayload } from './base-link.ts';
import type { Connector, Link, Listener } from './link.ts';
import { dialSocket, startServer, stopServer } from './sockets.ts';
import { StreamLink } from './stream-link.ts';

/** What fits into a socket address, without its closing zero. */
const MAX_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;

/** What `unix` takes. */
export interface UnixOptions {
  /** The socket file. Whoever may write to it may connect: its directory's rights are the guard. */
  readonly path: string;
  /** Largest payload in bytes either way; where the session says one too, the smaller counts. Default 16 MiB (link.limit). */
  readonly maxPayload?: number | undefined;
}

/** Where a Unix listener listens. */
export interface UnixAddress {
  readonly path: string;
}

/**
 * A Unix domain socket. The value connects and listens. Rules link.*.
 * `listen` rejects with EADDRINUSE where somebody listens on the path, or where it is a file that is no socket.
 */
export function unix(options: UnixOptions): Connector & Listener<UnixAddress> {
  const { path, maxPayload } = options;
  if (typeof path !== 'string' || path === '') throw new TypeError('unix: path must be a string that is not empty');
  const bytes = Buffer.byteLength(path);
  // The kernel cuts a longer one in silence, and the socket is somewhere else.
  if (bytes > MAX_PATH_BYTES)
    throw new TypeError(`unix: path has ${bytes} bytes, and a socket's name may have ${MAX_PATH_BYTES}: choose a shorter directory`);
  resolveMaxPayload(maxPayload, undefined);
  const toLink = (socket: Socket, linkLimit: number): Link =>
    new StreamLink(socket, socket, { maxPayload: linkLimit, facts: { transport: 'unix', path }, destroy: () => socket.destroy() });
  return {
    connect(signal, limits) {
      const linkLimit = resolveMaxPayload(maxPayload, limits);
      const start = (): Socket => connectSocket({ path, allowHalfOpen: true });
      return dialSocket({ start, readyEvent: 'connect', toLink: (socket) => toLink(socket, linkLimit) }, signal);
    },
    async listen(onLink, limits) {
      const linkLimit = resolveMaxPayload(maxPayload, limits);
      const makeServer = (): Server => createServer({ allowHalfOpen: true }, (socket) => onLink(toLink(socket, linkLimit)));
      const server = await listenOnPath(path, makeServer);
      return { address: { path }, close: () => stopServer(server) };
    },
  };
}

async function listenOnPath(path: string, makeServer: () => Server): Promise<Server> {
  const first = makeServer();
  try {
    await startServer(first, () => first.listen(path));
    return first;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || !(await isStaleSocket(path))) throw error;
  }
  await unlink(path);
  const second = makeServer();
  await startServer(second, () => second.listen(path));
  return second;
}

/** Whether `path` is a socket that refuses connections: its listener died without removing it. Connecting to a plain file is refused too. */
async function isStaleSocket(path: string): Promise<boolean> {
  const file = await lstat(path);
  if (!file.isSocket()) return false;
  return new Promise((resolve) => {
    const probe = connectSocket({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
