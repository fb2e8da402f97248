/**
 * A connection: a namespace of requests and channels inside a session. The root connection opens with its session and
 * ends with it. A stock XState actor: there are few.
 *
 *   opening ──opened──▶ open ──close──▶ closing ──ended──▶ (closed)
 *      └────────────────ended, from anywhere─────────────────▲
 *
 * Rules: conn.closed.
 */
import { setup } from 'xstate';

export type ConnectionEvent = { readonly type: 'opened' } | { readonly type: 'close' } | { readonly type: 'ended' };

export const connectionMachine = setup({
  types: {
    context: {} as { readonly connectionId: number },
    input: {} as { readonly connectionId: number },
    events: {} as ConnectionEvent,
  },
  actions: {
    /** Lets calls go out. */
    admitCalls: () => {},
    /** Judges what is pending and wakes every waiter. */
    end: () => {},
  },
}).createMachine({
  id: 'connection',
  context: ({ input }) => ({ connectionId: input.connectionId }),
  initial: 'opening',
  on: { ended: '.closed' },
  states: {
    opening: { on: { opened: 'open' } },
    open: { entry: 'admitCalls', on: { close: 'closing' } },
    closing: {},
    closed: { type: 'final', entry: 'end' },
  },
});
