/** Why a channel ended with neither side having closed or reset it: what its `send` and `recv` reject with. */
import { notSentChannel } from '../channel-errors.ts';
import { RpcError } from '../errors.ts';
import type { RpcErrorKind } from '../errors.ts';

export interface ChannelLoss {
  readonly kind: Extract<RpcErrorKind, 'connection-closed' | 'protocol-error' | 'channel-reset'>;
  /** `link-lost`, `restarted`, `closed`, the broken rule, or `not-sent`. */
  readonly reason: string;
}

/** The call that carries the channel ended before any link had taken it. */
export const NOT_SENT: ChannelLoss = { kind: 'channel-reset', reason: 'not-sent' };

/** The call is sent again, and its channels begin again with it (resume.rebind). */
export const RESTARTED: ChannelLoss = { kind: 'connection-closed', reason: 'restarted' };
/** The call is not sent again, so neither do its channels begin again. */
export const LINK_LOST: ChannelLoss = { kind: 'connection-closed', reason: 'link-lost' };

const MESSAGES: Readonly<Record<string, string>> = {
  restarted: 'the link was lost: the call is sent again, and its stream begins anew with the next use of this handle',
  'link-lost': 'the link of the channel was lost',
};

export function asError({ kind, reason }: ChannelLoss): RpcError {
  switch (kind) {
    case 'connection-closed':
      return new RpcError({ kind, reason, message: MESSAGES[reason] ?? 'the connection of the channel is gone' });
    case 'protocol-error':
      return new RpcError({ kind, reason, message: 'the session of the channel ended by a protocol error' });
    case 'channel-reset':
      return notSentChannel();
  }
}
