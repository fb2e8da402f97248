/**
 * A connection: a namespace of requests and channels inside a session. The root connection opens with its session and
 * ends with it; what is pending on it is judged by each attempt's own chart. A stock XState actor: there are few.
 *
 *   opening ──opened──▶ open ──ended──▶ (closed)
 *      └──────────────ended───────────────▲
 *
 * Rules: conn.closed.
 */
import { setup } from 'xstate';

export type ConnectionEvent = { readonly type: 'opened' } | { readonly type: 'ended' };

export const connectionMachine = setup({
  types: {
    context: {} as { readonly connectionId: number },
    input: {} as { readonly connectionId: number },
    events: {} as ConnectionEvent,
  },
}).createMachine({
  id: 'connection',
  context: ({ input }) => ({ connectionId: input.connectionId }),
  initial: 'opening',
  on: { ended: '.closed' },
  states: {
    opening: { on: { opened: 'open' } },
    open: {},
    closed: { type: 'final' },
  },
});
