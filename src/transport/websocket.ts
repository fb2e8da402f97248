/**
 * Links over WebSocket: one binary message is one payload. Connects from browsers (websocket-browser.ts) and from Node, listens on Node
 * (websocket-node.ts, which is loaded when it is called for, so that a browser never meets `ws`).
 */
import { abortError, resolveMaxPayload } from './base-link.ts';
import type { Connector, Link, LinkLimits, Listener } from './link.ts';
import { dialBrowserWebSocket } from './websocket-browser.ts';
import type { WebSocketAddress, WebSocketConnectOptions, WebSocketPortOptions, WebSocketServerOptions } from './websocket-common.ts';

/** A connector to `url`, or a listener (Node only) on `port` or `server`. Rules link.*. */
export function websocket(options: WebSocketConnectOptions): Connector;
export function websocket(options: WebSocketPortOptions | WebSocketServerOptions): Listener<WebSocketAddress>;
export function websocket(options: WebSocketConnectOptions | WebSocketPortOptions | WebSocketServerOptions): Connector | Listener<WebSocketAddress> {
  resolveMaxPayload(options.maxPayload, undefined);
  if ('url' in options) return { connect: (signal, limits) => connect(options, signal, limits) };
  return {
    async listen(onLink, limits) {
      const node = await import('./websocket-node.ts');
      return node.listenWebSocket(options, onLink, resolveMaxPayload(options.maxPayload, limits));
    },
  };
}

async function connect(options: WebSocketConnectOptions, signal: AbortSignal, limits: LinkLimits | undefined): Promise<Link> {
  if (signal.aborted) throw abortError(signal);
  const maxPayload = resolveMaxPayload(options.maxPayload, limits);
  const url = new URL(options.url);
  if (typeof process === 'undefined' || process.versions?.node === undefined) {
    return dialBrowserWebSocket(() => new WebSocket(url), { url, maxPayload, signal });
  }
  const node = await import('./websocket-node.ts');
  return node.dialNodeWebSocket({ url, maxPayload, signal });
}
