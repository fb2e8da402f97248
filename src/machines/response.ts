/**
 * The callee's attempt: one inbound request id, from the call message to the one response that answers it. It never runs
 * anything itself: the operation does (operation.ts), and tells every attempt that waits for it. Hot: compiled.
 *
 *   received ──admit──▶ admitting ──started──▶ running ──sealing──▶ sealing ─┐
 *      │                   │  └────attached──▶ attached ────────────────────┤ settled
 *      │                   └──────replayed──▶ replaying ────────────────────┤
 *      └───────────────── settled ──────────────────────────────────────────▶ replying ──▶ (replied)
 *   everywhere: aborted ▶ (aborted), answered `cancelled` · linkLost ▶ (detached), nobody is left to answer
 *
 * Rules: attempt.one-response, op.order, op.attach, op.replay, cancel.callee.
 */
import { setup } from 'xstate';

export type ResponseEvent =
  /** The operation is looked for: in the live table, then in the store. */
  | { readonly type: 'admit' }
  /** This attempt's operation runs its handler. */
  | { readonly type: 'started' }
  /** It joined an operation that was live already. */
  | { readonly type: 'attached' }
  /** The store has the outcome. */
  | { readonly type: 'replayed' }
  /** The handler has answered; the outcome is on its way to the store and must be durable first (op.seal-durable). */
  | { readonly type: 'sealing' }
  /** Here is what to answer. */
  | { readonly type: 'settled'; readonly outcome: unknown }
  /** This attempt leaves, or its handler was aborted: here is the `cancelled` to answer. */
  | { readonly type: 'aborted'; readonly outcome: unknown }
  | { readonly type: 'linkLost' };

export const responseMachine = setup({
  types: { events: {} as ResponseEvent },
  actions: {
    /** Puts the response into the link's batch and frees the request id. */
    reply: () => {},
    /** The link is gone: frees the request id. */
    detach: () => {},
  },
}).createMachine({
  id: 'response',
  context: {},
  initial: 'received',
  on: {
    settled: { target: '.replying', actions: 'reply' },
    aborted: { target: '.aborted', actions: 'reply' },
    linkLost: { target: '.detached', actions: 'detach' },
  },
  states: {
    received: { on: { admit: 'admitting', started: 'running' } },
    admitting: { on: { started: 'running', attached: 'attached', replayed: 'replaying' } },
    running: { on: { sealing: 'sealing' } },
    attached: { on: { started: 'running', sealing: 'sealing' } },
    replaying: {},
    sealing: {},
    replying: { always: 'replied' },
    replied: { type: 'final' },
    aborted: { type: 'final' },
    detached: { type: 'final' },
  },
});
