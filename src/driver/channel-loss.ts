/** Why a channel ended with neither side having closed or reset it: what its `send` and `recv` reject with. */
import { notSentChannel } from '../channel-errors.ts';
import { RpcError } from '../errors.ts';
import type { RpcErrorKind } from '../errors.ts';

export interface ChannelLoss {
  readonly kind: Extract<RpcErrorKind, 'connection-closed' | 'protocol-error' | 'channel-reset'>;
  /** `link-lost`, `closed`, the broken rule, or `not-sent`. */
  readonly reason: string;
}

/** The call that carries the channel ended before any link had taken it. */
export const NOT_SENT: ChannelLoss = { kind: 'channel-reset', reason: 'not-sent' };

export function asError({ kind, reason }: ChannelLoss): RpcError {
  switch (kind) {
    case 'connection-closed':
      return new RpcError({ kind, reason, message: 'the connection of the channel is gone' });
    case 'protocol-error':
      return new RpcError({ kind, reason, message: 'the session of the channel ended by a protocol error' });
    case 'channel-reset':
      return notSentChannel();
  }
}
