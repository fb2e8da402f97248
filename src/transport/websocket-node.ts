/** The Node side of websocket.ts: links, connecting and listening with `ws`. Loaded only when it is called for. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import type { RawData } from 'ws';
import { BaseLink, LinkClosedError, abortError, leavesAtOnce, plainBytes } from './base-link.ts';
import { PayloadTooLargeError } from './link.ts';
import type { Link, Listener } from './link.ts';
import { startServer, stopServer } from './sockets.ts';
import { HIGH_WATER_BYTES, closeError, textMessageError, urlWithoutCredentials } from './websocket-common.ts';
import type { WebSocketAddress, WebSocketDial, WebSocketPortOptions, WebSocketServerOptions } from './websocket-common.ts';

/** `ws` keeps its limit in a signed 32-bit number. */
const LARGEST_WS_LIMIT = 0x7fff_ffff;

interface NodeWebSocketOptions {
  readonly maxPayload: number;
  readonly facts: Readonly<Record<string, unknown>>;
}

class NodeWebSocketLink extends BaseLink {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly #socket: WebSocket;
  /** Below the WebSocket. Corked for the turn in which something is sent, so that small payloads leave in one system call. */
  readonly #stream: Socket;
  #batch: 'none' | 'corked' = 'none';
  #flow: 'free' | 'saturated' = 'free';
  #receivedPayloads = 0;

  constructor(socket: WebSocket, stream: Socket, options: NodeWebSocketOptions) {
    super(options.maxPayload);
    this.#socket = socket;
    this.#stream = stream;
    this.facts = options.facts;
    socket.pause();
    socket.on('message', (data, isBinary) => this.#received(data, isBinary));
    socket.on('error', (error: Error & { code?: string }) => this.#failed(error));
    socket.on('close', (code, reason) => this.settle(closeError(code, reason.toString())));
    stream.on('drain', () => this.#drained());
  }

  override limitInbound(maxBytes: number): void {
    super.limitInbound(maxBytes);
    // `ws` reads its limit from its receiver at every frame and has no public way to change it; should that go, `deliver` still checks, late.
    const { _receiver: receiver } = this.#socket as unknown as { _receiver?: { _maxPayload?: number } };
    if (typeof receiver?._maxPayload === 'number') receiver._maxPayload = Math.min(this.inboundLimit, LARGEST_WS_LIMIT);
  }

  protected start(): void {
    this.#socket.resume();
  }

  protected transmit(payload: Uint8Array): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) throw new LinkClosedError('the WebSocket is closing: the payload was not sent');
    if (this.#batch === 'none') {
      this.#batch = 'corked';
      this.#stream.cork();
      process.nextTick(() => this.#flush());
    }
    this.#socket.send(payload);
    if (leavesAtOnce(payload)) this.#flush();
    if (this.#socket.bufferedAmount < Math.max(HIGH_WATER_BYTES, this.#stream.writableHighWaterMark)) return true;
    this.#flow = 'saturated';
    return false;
  }

  protected finishSending(): void {
    // A close frame follows what was sent. Paused, nobody would see the answer.
    this.#socket.resume();
    this.#socket.close(1000);
  }

  protected destroy(): void {
    this.#socket.terminate();
  }

  protected progress(): number {
    return this.#receivedPayloads - this.#socket.bufferedAmount;
  }

  #flush(): void {
    this.#batch = 'none';
    this.#stream.uncork();
  }

  #received(data: RawData, isBinary: boolean): void {
    this.#receivedPayloads++;
    if (isBinary) this.deliver(plainBytes(data as Buffer));
    else this.abort(textMessageError());
  }

  #failed(error: Error & { code?: string }): void {
    // `ws` tells the limit, not the length: it has refused the frame by its header.
    const isTooLarge = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    this.abort(isTooLarge ? new PayloadTooLargeError(this.inboundLimit + 1, this.inboundLimit) : error);
  }

  #drained(): void {
    if (this.#flow === 'free') return;
    this.#flow = 'free';
    if (this.state === 'open') this.handler?.drain();
  }
}

/** Connects with `ws`. On failure or abort nothing of the socket is left. */
export function dialNodeWebSocket(dial: WebSocketDial): Promise<Link> {
  const { url, maxPayload, signal } = dial;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortError(signal));
      return;
    }
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: Math.min(maxPayload, LARGEST_WS_LIMIT) });
    let stream: Socket | undefined;
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('open', onOpen);
      socket.terminate();
      reject(error);
    };
    const onAbort = (): void => fail(abortError(signal));
    const onOpen = (): void => {
      signal.removeEventListener('abort', onAbort);
      const { remoteAddress, remotePort } = stream as Socket;
      const facts = { transport: 'websocket', url: urlWithoutCredentials(url), remoteAddress, remotePort };
      const link = new NodeWebSocketLink(socket, stream as Socket, { maxPayload, facts });
      socket.off('error', fail);
      resolve(link);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    // Left in place after a failure: `terminate` makes one more.
    socket.on('error', fail);
    socket.once('upgrade', (response) => {
      stream = response.socket;
    });
    socket.once('open', onOpen);
  });
}

/** Listens on an HTTP server, the user's or one of its own. */
export async function listenWebSocket(
  options: WebSocketPortOptions | WebSocketServerOptions,
  onLink: (link: Link) => void,
  maxPayload: number,
): Promise<Awaited<ReturnType<Listener<WebSocketAddress>['listen']>>> {
  const path = options.path ?? '/';
  if (!path.startsWith('/') || path.includes('?'))
    throw new TypeError(`websocket: path must begin with / and have no query, not ${JSON.stringify(path)}`);
  const owned = 'port' in options ? createServer((_request, response) => response.writeHead(426, { connection: 'close' }).end()) : undefined;
  const server = 'server' in options ? options.server : (owned as NonNullable<typeof owned>);
  const acceptor = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: Math.min(maxPayload, LARGEST_WS_LIMIT) });
  const onUpgrade = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    const asked = request.url ?? '/';
    if (asked.split('?', 1)[0] !== path) {
      if (server.listenerCount('upgrade') === 1) stream.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    acceptor.handleUpgrade(request, stream, head, (socket) => {
      onLink(new NodeWebSocketLink(socket, request.socket, { maxPayload, facts: requestFacts(request) }));
    });
  };
  if ('port' in options) await startServer(server, () => server.listen(options.port, options.host ?? '127.0.0.1'));
  else if (!server.listening) await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  server.on('upgrade', onUpgrade);
  const { address: host, port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.off('upgrade', onUpgrade);
    if (owned !== undefined) await stopServer(owned);
  };
  return { address: { host, port, path }, close };
}

/** Headers that carry what a peer authenticates with: facts are shown to inspectors and logs. */
const SECRET_HEADERS = ['authorization', 'cookie', 'proxy-authorization'];

function requestFacts(request: IncomingMessage): Readonly<Record<string, unknown>> {
  const headers: IncomingHttpHeaders = { ...request.headers };
  for (const name of SECRET_HEADERS) delete headers[name];
  const { remoteAddress, remotePort } = request.socket;
  return { transport: 'websocket', url: request.url, origin: headers.origin, headers, remoteAddress, remotePort };
}
