/** What the WebSocket files share: options, limits, and what the end of a WebSocket means for its link. No sockets, no platform. */
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';

/** Of a connector. */
export interface WebSocketConnectOptions {
  /** `ws:` or `wss:`. */
  readonly url: string | URL;
  /** Largest payload in bytes either way; where the session says one too, the smaller counts. Default 16 MiB (link.limit). */
  readonly maxPayload?: number | undefined;
}

/** Of a listener with an HTTP server of its own. */
export interface WebSocketPortOptions {
  /** 0: the system chooses, and `address` tells. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** The path to connect to. Default `/`. Others are answered 404. */
  readonly path?: string | undefined;
  /** As in `WebSocketConnectOptions`. */
  readonly maxPayload?: number | undefined;
}

/** Of a listener on an HTTP server of the user's, which is neither started nor closed: `listen` resolves when it listens. */
export interface WebSocketServerOptions {
  readonly server: HttpServer | HttpsServer;
  /** The path to connect to. Default `/`. Others are left to the server's other `upgrade` listeners, or answered 404 where there is none. */
  readonly path?: string | undefined;
  /** As in `WebSocketConnectOptions`. */
  readonly maxPayload?: number | undefined;
}

/** Where a WebSocket listener listens. */
export interface WebSocketAddress {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** Bytes handed over and not yet sent above which `send` says false (link.backpressure). */
export const HIGH_WATER_BYTES = 256 * 1024;

/** Of a normal end: 1000, and 1005 for a close frame without a code. All else was no graceful close. */
export function closeError(code: number, reason: string): Error | undefined {
  if (code === 1000 || code === 1005) return undefined;
  return new Error(`the link was lost: the WebSocket closed with code ${code}${reason === '' ? '' : ` (${reason})`}`);
}

/** A text message on a link. */
export function textMessageError(): Error {
  return new Error('the peer sent a text message over a WebSocket that carries binary payloads: it does not speak this protocol');
}

/** The URL as a fact: who connects is no secret, what it authenticates with is. */
export function urlWithoutCredentials(url: URL): string {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  shown.search = '';
  return shown.href;
}

export interface WebSocketDial {
  readonly url: URL;
  readonly maxPayload: number;
  readonly signal: AbortSignal;
}
