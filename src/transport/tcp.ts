/** Links over TCP and TLS. Node only. The framing is in framing.ts, the life of a link in stream-link.ts. */
import { connect as connectTcp, createServer, isIP } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { ConnectionOptions, PeerCertificate, TLSSocket, TlsOptions } from 'node:tls';
import { resolveMaxPayload } from './base-link.ts';
import type { Connector, Link, Listener } from './link.ts';
import { dialSocket, startServer, stopServer } from './sockets.ts';
import { StreamLink } from './stream-link.ts';

/** What `tcp` takes. */
export interface TcpOptions {
  /** To connect to, or to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** A listener may say 0: the system chooses, and `address` tells. */
  readonly port: number;
  /** Options of `node:tls`: those of `connect` where this value connects, those of `createServer` where it listens. */
  readonly tls?: (ConnectionOptions & TlsOptions) | undefined;
  /** Largest payload in bytes either way; where the session says one too, the smaller counts. Default 16 MiB (link.limit). */
  readonly maxPayload?: number | undefined;
}

/** Where a TCP listener listens. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** How long a TLS client that says nothing may keep a socket that is not yet a link. */
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_TLS_HANDSHAKES = 1_024;

/**
 * TCP, or TLS where `tls` is given. The value connects and listens. Rules link.*.
 * @throws RangeError for a `maxPayload` that the length prefix cannot say.
 */
export function tcp(options: TcpOptions): Connector & Listener<TcpAddress> {
  const { host = '127.0.0.1', port, tls, maxPayload } = options;
  resolveMaxPayload(maxPayload, undefined);
  return {
    connect(signal, limits) {
      const shared = { host, port, allowHalfOpen: true, noDelay: true };
      const toLink = (socket: Socket): Link => socketLink(socket, tls, resolveMaxPayload(maxPayload, limits));
      if (tls === undefined) return dialSocket({ start: () => connectTcp(shared), readyEvent: 'connect', toLink }, signal);
      const name = isIP(host) === 0 ? { servername: host } : {};
      return dialSocket({ start: () => connectTls({ ...name, ...tls, ...shared }), readyEvent: 'secureConnect', toLink }, signal);
    },
    async listen(onLink, limits) {
      const linkLimit = resolveMaxPayload(maxPayload, limits);
      const accept = (socket: Socket): void => {
        // A TLS handshake may end after the listener was closed.
        if (server.listening) onLink(socketLink(socket, tls, linkLimit));
        else socket.destroy();
      };
      const server: Server =
        tls === undefined
          ? createServer({ allowHalfOpen: true, noDelay: true }, accept)
          : createTlsServer({ handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS, ...tls, allowHalfOpen: true, noDelay: true }, accept);
      if (tls !== undefined) boundTlsHandshakes(server, limits?.maxHandshakes ?? MAX_TLS_HANDSHAKES);
      await startServer(server, () => server.listen(port, host));
      const bound = server.address() as AddressInfo;
      return { address: { host: bound.address, port: bound.port }, close: () => stopServer(server) };
    },
  };
}

/** A socket that is not a link yet is nobody else's to count (session.capacity). */
function boundTlsHandshakes(server: Server, most: number): void {
  let pending = 0;
  server.on('connection', (socket: Socket) => {
    pending++;
    if (pending > most) socket.destroy();
  });
  // Each ends in one of these, also one that is destroyed or too slow: Node tells of that, and leaves the socket as it is.
  server.on('secureConnection', () => void pending--);
  server.on('tlsClientError', (_error: Error, socket: TLSSocket) => {
    pending--;
    socket.destroy();
  });
}

function socketLink(socket: Socket, tls: TcpOptions['tls'], maxPayload: number): Link {
  const { remoteAddress, remotePort } = socket;
  const facts = tls === undefined ? { transport: 'tcp', remoteAddress, remotePort } : new TlsFacts(socket as TLSSocket);
  // A reset, where TCP alone is below: a plain destroy looks to the peer like a graceful end.
  const destroy = tls === undefined ? () => resetSocket(socket) : () => socket.destroy();
  return new StreamLink(socket, socket, { maxPayload, facts: facts as Readonly<Record<string, unknown>>, destroy });
}

function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  // Node 20 cannot reset a socket whose end is under way: it leaks the handle, and the process spins for ever when it leaves.
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

/** Facts of a TLS link. The certificate is parsed when somebody asks, once, and kept: the socket forgets it when it closes. */
class TlsFacts {
  readonly transport = 'tls';
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  /** Whether the peer's certificate was signed by a trusted authority. */
  readonly authorized: boolean;
  readonly #socket: TLSSocket;
  #certificate: PeerCertificate | undefined;

  constructor(socket: TLSSocket) {
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.authorized = socket.authorized;
    this.#socket = socket;
  }

  /** Undefined when the peer showed none, or when nobody asked before the link ended. */
  get peerCertificate(): PeerCertificate | undefined {
    // Node gives an empty object for none, and null for a socket that is gone.
    const shown: Partial<PeerCertificate> | null = this.#certificate ?? this.#socket.getPeerCertificate();
    if (shown?.subject !== undefined) this.#certificate = shown as PeerCertificate;
    return this.#certificate;
  }
}
