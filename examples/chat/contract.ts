/** What the chat room serves: known to both sides. */
import { defineService, method } from 'statewire';
import type { Tx } from 'statewire';

export type Message =
  | { readonly kind: 'joined' | 'left'; readonly name: string; readonly members: readonly string[] }
  | { readonly kind: 'said'; readonly name: string; readonly text: string };

export const Chat = defineService('Chat', {
  /** From now on the room sends `messages` all that happens, first that you joined. */
  join: method<{ name: string; messages: Tx<Message> }>(),
  say: method<{ text: string }, void, { code: 'not-joined' }>(),
});
