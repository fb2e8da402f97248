/**
 * A connection: a namespace of requests and channels inside a session. The root connection opens with its session and ends with it; a virtual one is
 * opened by either peer and closed by either, or by its last holder. What is pending on it is judged by each attempt's own chart. A stock XState actor:
 * there are few.
 *
 *   opening ──opened──▶ open ──joined──▶ joined            close, peerClosed, ended ▶ (closed)
 *      │                  └──released──▶ (closed), or the root: closing, until its session ends
 *      └──rejected──▶ (rejected)
 *
 * Rules: conn.open, conn.close, conn.closed, conn.proxy, liveness.last-drop.
 */
import { setup } from 'xstate';

export interface ConnectionInput {
  readonly connectionId: number;
}

export type ConnectionEvent =
  | { readonly type: 'opened' }
  | { readonly type: 'rejected'; readonly reason: string }
  /** Its messages go to another connection from now on, and that one's come here. */
  | { readonly type: 'joined' }
  /** Nothing holds it any more (liveness.refcount). */
  | { readonly type: 'released' }
  | { readonly type: 'close'; readonly reason: string }
  | { readonly type: 'peerClosed'; readonly reason: string }
  /** Its session has ended: how its calls are judged, and what its channels are told. */
  | {
      readonly type: 'ended';
      readonly kind: 'connection-closed' | 'session-shutdown' | 'protocol-error';
      readonly reason: string;
      readonly loss: string;
    };

export const connectionMachine = setup({
  types: {
    context: {} as ConnectionInput,
    input: {} as ConnectionInput,
    events: {} as ConnectionEvent,
  },
  actions: {
    /** Keeps why it is over: the event says it. */
    noteEnding: () => {},
    /** Tells the peer. */
    sayClose: () => {},
    /** Judges what is pending, wakes who waits, and takes it out of its session. */
    tearDown: () => {},
  },
  guards: {
    isRoot: ({ context }) => context.connectionId === 0,
  },
}).createMachine({
  id: 'connection',
  context: ({ input }) => ({ connectionId: input.connectionId }),
  initial: 'opening',
  on: {
    close: { target: '.closed', actions: ['noteEnding', 'sayClose'] },
    peerClosed: { target: '.closed', actions: 'noteEnding' },
    ended: { target: '.closed', actions: 'noteEnding' },
  },
  states: {
    opening: { on: { opened: 'open', rejected: { target: 'rejected', actions: 'noteEnding' } } },
    open: {
      on: {
        joined: 'joined',
        released: [
          { guard: 'isRoot', target: 'closing' },
          { target: 'closed', actions: ['noteEnding', 'sayClose'] },
        ],
      },
    },
    joined: {},
    /** The root without a holder: its session ends with the last virtual connection. */
    closing: {},
    closed: { type: 'final', entry: 'tearDown' },
    rejected: { type: 'final', entry: 'tearDown' },
  },
});
