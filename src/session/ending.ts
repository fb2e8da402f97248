/**
 * Why a session ended: what those who wait for it are told, and what the log says of a peer that broke a rule or was cut off. Not how it
 * ends: session-core.ts.
 */
import { RpcError, textOf } from '../errors.ts';
import type { SessionEvent } from '../machines/session.ts';
import type { LogEntry } from '../options.ts';
import type { SessionEnd } from './connection-core.ts';
import { refusal } from './handshake.ts';

export type Ending =
  | Extract<SessionEvent, { type: 'dialFailed' | 'refused' | 'linkLost' | 'protocolError' | 'peerClosed' | 'close' | 'merged' | 'evicted' }>
  | { readonly type: 'slowHandshake' }
  /** No link came in time (session.reconnect). */
  | { readonly type: 'deadline' };

/** As an error for whoever waits for the session to connect. */
export function endError(ending: Ending | undefined): unknown {
  switch (ending?.type) {
    case 'dialFailed':
      return ending.error;
    case 'refused':
      return refusal(ending.reason);
    case 'protocolError':
      return new RpcError({ kind: 'protocol-error', reason: ending.rule, message: ending.message });
    case 'slowHandshake':
      return new RpcError({
        kind: 'connection-closed',
        reason: 'handshake-timeout',
        message: 'the peer did not finish the handshake in time',
        retryable: true,
      });
    case 'linkLost':
      return new RpcError({ kind: 'connection-closed', reason: 'closed', message: 'the link was lost', retryable: true, cause: ending.error });
    case 'deadline':
    case 'evicted': {
      const message = ending.type === 'deadline' ? 'no link came in time' : 'too many sessions wait for their peers';
      return new RpcError({ kind: 'session-shutdown', reason: 'deadline', message, retryable: true });
    }
    case 'peerClosed':
    case 'close':
    case 'merged':
    case undefined:
      return new RpcError({ kind: 'connection-closed', reason: 'closed', message: 'the session is closed', retryable: true });
  }
}

/** How the session's connections end: how their calls are judged, and what the holders of channels are told. */
export function endOfConnections(ending: Ending | undefined): SessionEnd {
  if (ending?.type === 'protocolError') return { kind: 'protocol-error', reason: ending.rule, loss: ending.rule };
  if (ending?.type === 'deadline' || ending?.type === 'evicted') return { kind: 'session-shutdown', reason: 'deadline', loss: 'link-lost' };
  return { kind: 'connection-closed', reason: 'closed', loss: ending?.type === 'linkLost' ? 'link-lost' : 'closed' };
}

const LOGGED = {
  deadline: 'session-given-up',
  evicted: 'session-evicted',
  refused: 'refused',
  protocolError: 'protocol-error',
  slowHandshake: 'handshake-timeout',
  linkLost: 'link-lost',
} as const;

/** For the log; undefined where everything went as it should. */
export function endingEntry(ending: Ending | undefined, session: string): LogEntry | undefined {
  switch (ending?.type) {
    case 'refused':
    case 'protocolError':
    case 'slowHandshake':
    case 'deadline':
    case 'evicted':
    case 'linkLost': {
      if (ending.type === 'linkLost' && ending.error === undefined) return undefined;
      const error = endError(ending) as RpcError;
      const rule = ending.type === 'protocolError' ? { rule: ending.rule } : {};
      return { level: 'warn', event: LOGGED[ending.type], message: error.message, session, error, ...rule };
    }
    case 'dialFailed':
    case 'peerClosed':
    case 'close':
    case 'merged':
    case undefined:
      return undefined;
  }
}

/** The session goes on without a link, or on another one. */
export function lossEntry(event: SessionEvent, session: string): LogEntry {
  if (event.type !== 'linkLost')
    return { level: 'info', event: 'link-replaced', message: 'the peer has resumed the session on another link', session };
  const { error } = event;
  const why = error === undefined ? '' : `: ${textOf(error)}`;
  return { level: 'info', event: 'link-lost', message: `the link was lost${why}; the session waits for another one`, session, error };
}

/** A dial came to nothing, and will be tried again. */
export function failureEntry(failure: Ending, session: string): LogEntry {
  const error = endError(failure);
  return { level: 'info', event: 'dial-failed', message: `no link yet: ${textOf(error)}`, session, error };
}
