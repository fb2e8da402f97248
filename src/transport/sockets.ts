/**
 * What tcp.ts and unix.ts share: making a socket with an abort signal, and a listening server that can be closed while its
 * links live on.
 */
import type { Server, Socket } from 'node:net';
import { abortError } from './base-link.ts';
import type { Link } from './link.ts';

export interface Dial {
  /** Begins to connect. */
  readonly start: () => Socket;
  /** The event that says that payloads may flow. */
  readonly readyEvent: 'connect' | 'secureConnect';
  readonly toLink: (socket: Socket) => Link;
}

/** Resolves with the link once the socket is ready. On failure or abort nothing of the socket is left. */
export function dialSocket(dial: Dial, signal: AbortSignal): Promise<Link> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortError(signal));
      return;
    }
    const socket = dial.start();
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off(dial.readyEvent, onReady);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(abortError(signal));
    const onClose = (): void => fail(new Error('the peer closed the connection before it was ready'));
    const onReady = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('close', onClose);
      // The link listens before the dial stops to: there is always someone for an `error`.
      const link = dial.toLink(socket);
      socket.off('error', fail);
      resolve(link);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    // Left in place after a failure: a socket being destroyed may still emit one.
    socket.on('error', fail);
    socket.once('close', onClose);
    socket.once(dial.readyEvent, onReady);
  });
}

/** Listens as `start` says. Rejects with the system's error (EADDRINUSE …). */
export function startServer(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      // Such as too many open files while accepting: that one socket is lost, its peer learns it, and accepting goes on.
      server.on('error', () => {});
      resolve();
    });
    start();
  });
}

/** Stops accepting. Links that live are not closed, nor waited for: they belong to whoever got them. */
export function stopServer(server: Server): Promise<void> {
  if (server.listening) server.close();
  return Promise.resolve();
}
