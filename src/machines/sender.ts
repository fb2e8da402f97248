/**
 * The sending end of a channel, from when its argument was encoded or decoded until no item can be sent any more. It counts the credit; which `send`
 * waits for it is the driver's. Hot: compiled.
 *
 *   unbound ──opened──▶ ready ⇄ starved ──close──▶ (closed)
 *      │                   └─close, items wait for room─▶ closing ──flushed──▶ (closed)
 *      ├─close─▶ closingUnbound ──opened──────────────────▲
 *      └─reset─▶ resetting ──opened──▶ (reset)
 *   everywhere: reset, peerReset ▶ (reset) · lost ▶ (lost)
 *
 * Rules: channel.early, channel.terminal, channel.reset, credit.initial, credit.spend, credit.grant, credit.wake.
 */
import { assign, setup } from 'xstate';

export interface SenderInput {
  /** The channel's initial credit, in items. */
  readonly initial: number;
}

export interface SenderContext {
  /** Items that may be sent now. */
  readonly credit: number;
}

export type SenderEvent =
  /** The call that carries the channel was handed to the link; at the callee, its argument was decoded. */
  | { readonly type: 'opened' }
  /** One item was put into the batch. */
  | { readonly type: 'spent' }
  | { readonly type: 'granted'; readonly credit: number }
  /** No further item will be sent; some that have credit may wait for room in the link. */
  | { readonly type: 'close'; readonly waiting: number }
  | { readonly type: 'flushed' }
  /** Given up on this side. */
  | { readonly type: 'reset'; readonly reason: string | undefined }
  | { readonly type: 'peerReset'; readonly reason: string | undefined }
  /** The connection is gone (channel.terminal), or the call never left. */
  | { readonly type: 'lost'; readonly loss: unknown };

export const senderMachine = setup({
  types: {
    context: {} as SenderContext,
    input: {} as SenderInput,
    events: {} as SenderEvent,
  },
  actions: {
    /** Sends what waits, as far as there is credit and room. */
    pump: () => {},
    transmitEnd: () => {},
    transmitReset: () => {},
    /** Keeps why nothing can be sent any more: the event says it. */
    noteEnding: () => {},
    /** Takes the channel out of the table; wakes who waits (credit.wake). */
    finish: () => {},
    spend: assign(({ context }) => ({ credit: context.credit - 1 })),
    /** Grants only add; what a number cannot hold any more changes nothing. */
    addCredit: assign(({ context, event }) => ({
      credit: event.type === 'granted' ? Math.min(context.credit + event.credit, Number.MAX_SAFE_INTEGER) : context.credit,
    })),
  },
  guards: {
    hasCredit: ({ context }) => context.credit > 0,
    isLast: ({ context }) => context.credit === 1,
    hasWaiting: ({ event }) => event.type === 'close' && event.waiting > 0,
  },
}).createMachine({
  id: 'sender',
  context: ({ input }) => ({ credit: input.initial }),
  initial: 'unbound',
  on: {
    reset: { target: '.reset', actions: ['noteEnding', 'transmitReset'] },
    peerReset: { target: '.reset', actions: 'noteEnding' },
    lost: { target: '.lost', actions: 'noteEnding' },
  },
  states: {
    unbound: {
      on: {
        opened: [{ guard: 'hasCredit', target: 'ready' }, { target: 'starved' }],
        granted: { actions: 'addCredit' },
        close: { target: 'closingUnbound', actions: 'noteEnding' },
        reset: { target: 'resetting', actions: 'noteEnding' },
      },
    },
    closingUnbound: {
      on: {
        opened: 'closing',
        reset: { target: 'resetting', actions: 'noteEnding' },
      },
    },
    ready: {
      entry: 'pump',
      on: {
        spent: [{ guard: 'isLast', target: 'starved', actions: 'spend' }, { actions: 'spend' }],
        granted: { actions: 'addCredit' },
        close: [
          { guard: 'hasWaiting', target: 'closing', actions: 'noteEnding' },
          { target: 'closed', actions: ['noteEnding', 'transmitEnd'] },
        ],
      },
    },
    starved: {
      on: {
        granted: { target: 'ready', actions: 'addCredit' },
        close: { target: 'closed', actions: ['noteEnding', 'transmitEnd'] },
      },
    },
    closing: {
      entry: 'pump',
      on: {
        spent: { actions: 'spend' },
        flushed: { target: 'closed', actions: 'transmitEnd' },
      },
    },
    resetting: {
      on: {
        opened: { target: 'reset', actions: 'transmitReset' },
        reset: {},
      },
    },
    closed: { type: 'final', entry: 'finish' },
    reset: { type: 'final', entry: 'finish' },
    lost: { type: 'final', entry: 'finish' },
  },
});
