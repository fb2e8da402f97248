/**
 * A listening side: the root of its actor system, above its sessions. A stock XState actor.
 *
 *   listening ──close──▶ closing ──ended──▶ (closed)
 */
import { setup } from 'xstate';

export type ServerEvent = { readonly type: 'close' } | { readonly type: 'ended' };

export const serverMachine = setup({ types: { events: {} as ServerEvent } }).createMachine({
  id: 'server',
  context: {},
  initial: 'listening',
  states: {
    listening: { on: { close: 'closing' } },
    closing: { on: { ended: 'closed' } },
    closed: { type: 'final' },
  },
});
