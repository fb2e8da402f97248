/**
 * A TCP proxy that passes bytes both ways until it is told to swallow them: then it reads on and forwards nothing, and neither socket learns of it, as
 * behind a router that has forgotten a connection. Knows nothing of what it carries.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface SwallowingProxy extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number };
  /** Settles when so many chunks more have passed, both directions together. */
  passing(chunks: number): Promise<void>;
  /** Forwards nothing any more, bytes or ends, in either direction. */
  swallow(): void;
  /** Bytes swallowed so far. */
  readonly swallowed: number;
}

export async function swallowingProxy(target: { readonly host: string; readonly port: number }): Promise<SwallowingProxy> {
  const sockets = new Set<Socket>();
  let mode: 'passing' | 'swallowing' = 'passing';
  let swallowed = 0;
  const watchers = new Set<() => void>();
  const join = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on('data', (chunk) => {
      if (mode === 'swallowing') {
        swallowed += chunk.byteLength;
        return;
      }
      to.write(chunk);
      for (const watcher of watchers) watcher();
    });
    from.on('end', () => mode === 'passing' && to.end());
    // A reset of one side is not passed on either.
    from.on('error', () => {});
    from.on('close', () => sockets.delete(from));
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const onwards = connect({ ...target, allowHalfOpen: true, noDelay: true });
    join(socket, onwards);
    join(onwards, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: { host, port },
    passing: (chunks) => {
      let remaining = chunks;
      return new Promise((resolve) => {
        const watcher = (): void => {
          if (--remaining > 0) return;
          watchers.delete(watcher);
          resolve();
        };
        watchers.add(watcher);
      });
    },
    swallow: () => (mode = 'swallowing'),
    get swallowed() {
      return swallowed;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
