/** What a channel's `send` and `recv` reject with (protocol.md, "Outcomes a caller can see"). */
import { RpcError } from './errors.ts';

/** The peer, or this side, gave the stream up; `reason` is the peer's. */
export function resetChannel(message: string, reason: string | undefined): RpcError {
  return new RpcError({ kind: 'channel-reset', reason, message, data: reason });
}

/** It was closed on this side, which is no fault of anybody. */
export function closedChannel(message: string): RpcError {
  return new RpcError({ kind: 'connection-closed', reason: 'closed', message });
}

/** The call that carries it ended before any link had taken it. */
export function notSentChannel(): RpcError {
  return new RpcError({ kind: 'channel-reset', reason: 'not-sent', message: 'the call that carries the channel was not sent' });
}
