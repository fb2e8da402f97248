/** A message in a few words, for traces. No arguments, results or secrets. */
import type { Message } from '../../wire/index.ts';

export function textOf(message: Message): string {
  switch (message.type) {
    case 'hello':
      return `hello dial ${message.dial}${message.resumeKey === undefined ? '' : ', resumes'}`;
    case 'welcome':
      return `welcome ${message.resumed ? 'back' : 'anew'}`;
    case 'refuse':
      return `refuse: ${message.reason}`;
    case 'protocol-error':
      return `protocol-error ${message.rule}: ${message.message}`;
    case 'ping':
    case 'pong':
      return `${message.type} ${message.nonce}`;
    case 'go-away':
      return `go-away ${message.graceMs} ms`;
    case 'open':
    case 'accept':
      return `${message.type} ${message.connectionId}`;
    case 'reject':
    case 'close':
      return `${message.type} ${message.connectionId}${message.reason === undefined ? '' : `: ${message.reason}`}`;
    case 'call':
      return `call ${at(message)} op ${message.operationId ?? '-'}${message.channels.length > 0 ? ` channels ${message.channels.join(',')}` : ''}`;
    case 'response':
      return `response ${at(message)} ${message.ok ? 'value' : [message.error.kind, message.error.reason].filter((part) => part !== undefined).join(':')}`;
    case 'cancel':
      return `cancel ${message.connectionId}.${message.requestId ?? '-'} op ${message.operationId ?? '-'}`;
    case 'item':
    case 'end':
    case 'reset':
      return `${message.type} ${message.connectionId}~${message.channelId}`;
    case 'items':
      return `items ${message.connectionId}~${message.channelId} ×${message.values.length}`;
    case 'grant':
      return `grant ${message.connectionId}~${message.channelId} +${message.credit}`;
    case 'ack':
      return `ack ${message.upTo}`;
    case 'schema':
      return `schema ${message.connectionId} method ${message.methodId}`;
  }
}

const at = ({ connectionId, requestId }: { readonly connectionId: number; readonly requestId: number }): string => `${connectionId}.${requestId}`;
