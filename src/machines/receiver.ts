/**
 * The receiving end of a channel, from when its argument was encoded or decoded until no item can come any more. It counts the credit that the sender
 * has and owes it more as items are consumed; the items themselves are kept by the driver. Hot: compiled.
 *
 *   early ──opened──▶ open ──end──▶ draining ──drained──▶ (ended)
 *     │ reset           ├──end, all is read──▶ (ended)
 *     ▼                 └──more items than granted──▶ (reset)
 *   resetting ──opened──▶ (reset)
 *   everywhere: reset, peerReset ▶ (reset) · lost ▶ (lost), but after the end (ended): then nothing is missing
 *
 * Rules: channel.order, channel.terminal, channel.reset, credit.grant, credit.violation.
 */
import { assign, setup } from 'xstate';

export interface ReceiverInput {
  /** The channel's initial credit, in items. */
  readonly initial: number;
}

export interface ReceiverContext extends ReceiverInput {
  /** Items granted and not received yet. */
  readonly credit: number;
  /** Items consumed and not granted anew yet. */
  readonly owed: number;
}

export type ReceiverEvent =
  /** The call that carries the channel was handed to the link; at the callee, its argument was decoded. */
  | { readonly type: 'opened' }
  | { readonly type: 'items'; readonly count: number; readonly values: readonly Uint8Array[] }
  /** The user has taken one item. */
  | { readonly type: 'consumed' }
  /** The user asks for an item, and there is none. */
  | { readonly type: 'asked' }
  /** The user lets the sender send more. */
  | { readonly type: 'grant'; readonly credit: number }
  | { readonly type: 'end'; readonly unread: number }
  /** The last item before the end was taken. */
  | { readonly type: 'drained' }
  | { readonly type: 'reset'; readonly reason: string | undefined }
  | { readonly type: 'peerReset'; readonly reason: string | undefined }
  | { readonly type: 'lost'; readonly loss: unknown };

export const receiverMachine = setup({
  types: {
    context: {} as ReceiverContext,
    input: {} as ReceiverInput,
    events: {} as ReceiverEvent,
  },
  actions: {
    /** Hands the items on to who waits, or keeps them. */
    deliver: () => {},
    /** Hands on what was granted, and resets the channel for the rest (credit.violation). */
    deliverAllowed: () => {},
    violate: () => {},
    transmitGrant: (_, _params: { credit: number }) => {},
    transmitReset: () => {},
    /** Counts items that came after the end. */
    countLate: () => {},
    /** Keeps why no item can come any more: the event says it. */
    noteEnding: () => {},
    /** Takes the channel out of the table; wakes who waits. */
    finish: () => {},
    receive: assign(({ context, event }) => ({ credit: event.type === 'items' ? context.credit - event.count : context.credit })),
    owe: assign(({ context }) => ({ owed: context.owed + 1 })),
    payOwed: assign(({ context }) => ({ credit: context.credit + context.owed + 1, owed: 0 })),
    addOne: assign(({ context }) => ({ credit: context.credit + 1 })),
    addGranted: assign(({ context, event }) => ({
      credit: event.type === 'grant' ? Math.min(context.credit + event.credit, Number.MAX_SAFE_INTEGER) : context.credit,
    })),
  },
  guards: {
    withinCredit: ({ context, event }) => event.type === 'items' && event.count <= context.credit,
    /** credit.grant: batches of max(1, ⌊initial/2⌋). A channel that begins without credit is granted only what is asked for. */
    completesBatch: ({ context }) => context.initial > 0 && context.owed + 1 >= Math.max(1, Math.floor(context.initial / 2)),
    mayAsk: ({ context }) => context.initial === 0 && context.credit === 0,
    hasUnread: ({ event }) => event.type === 'end' && event.unread > 0,
  },
}).createMachine({
  id: 'receiver',
  context: ({ input }) => ({ initial: input.initial, credit: input.initial, owed: 0 }),
  initial: 'early',
  on: {
    reset: { target: '.reset', actions: ['noteEnding', 'transmitReset'] },
    peerReset: { target: '.reset', actions: 'noteEnding' },
    lost: { target: '.lost', actions: 'noteEnding' },
  },
  states: {
    early: {
      on: {
        opened: 'open',
        reset: { target: 'resetting', actions: 'noteEnding' },
      },
    },
    open: {
      on: {
        items: [
          { guard: 'withinCredit', actions: ['receive', 'deliver'] },
          { target: 'reset', actions: ['deliverAllowed', 'violate'] },
        ],
        consumed: [
          {
            guard: 'completesBatch',
            actions: [{ type: 'transmitGrant', params: ({ context }) => ({ credit: context.owed + 1 }) }, 'payOwed'],
          },
          { actions: 'owe' },
        ],
        asked: { guard: 'mayAsk', actions: [{ type: 'transmitGrant', params: { credit: 1 } }, 'addOne'] },
        grant: {
          actions: [{ type: 'transmitGrant', params: ({ event }) => ({ credit: event.credit }) }, 'addGranted'],
        },
        end: [{ guard: 'hasUnread', target: 'draining' }, { target: 'ended' }],
      },
    },
    draining: {
      on: {
        items: { actions: 'countLate' },
        drained: 'ended',
        reset: { target: 'reset', actions: 'noteEnding' },
        peerReset: {},
        lost: 'ended',
      },
    },
    resetting: {
      on: {
        opened: { target: 'reset', actions: 'transmitReset' },
        reset: {},
      },
    },
    ended: { type: 'final', entry: 'finish' },
    reset: { type: 'final', entry: 'finish' },
    lost: { type: 'final', entry: 'finish' },
  },
});
