/**
 * The caller's attempt: one request id's life, from the call to the outcome its caller sees. Hot: compiled.
 *
 *   queued ──dispatch──▶ sending ──handed──▶ awaiting ──responded──▶ (resolved) (failed) (cancelled) (indeterminate)
 *     ▲                     │ linkLost          │ linkLost                 ▲
 *     └──── never handed ───┤                   ▼                          │
 *                           └─ handed before ─▶ interrupted ──ended────────┤
 *                                       │ dispatch ▶ sending, judged ─────┤
 *   everywhere: aborted ▶ (cancelled) · ended ▶ (failed) or (indeterminate)┘
 *
 * Rules: attempt.slot-first, attempt.send-failed, outcome.retryable, outcome.closing, retry.off, cancel.caller, resume.resend.
 */
import { assign, setup } from 'xstate';

export interface RequestInput {
  /** The method may run again harmlessly. */
  readonly idem: boolean;
  /** Both peers support retry: the call has an operation id. */
  readonly identified: boolean;
}

export interface RequestContext extends RequestInput {
  /** A link has taken the call once: from then on the operation may have run. */
  readonly handed: boolean;
  /** It was handed over a second time: what the peer says of this attempt says nothing of the first one (op.store-failure). */
  readonly resent: boolean;
}

/** What became of the call at the peer, as far as the chart must know. */
export type ResponseVerdict = 'value' | 'cancelled' | 'indeterminate' | 'unavailable' | 'failure';

export type RequestEvent =
  | { readonly type: 'dispatch' }
  | { readonly type: 'handed' }
  | { readonly type: 'sendFailed'; readonly error: unknown }
  | { readonly type: 'responded'; readonly verdict: ResponseVerdict; readonly message: unknown }
  | { readonly type: 'aborted'; readonly reason: 'timeout' | 'aborted'; readonly cause: unknown }
  | { readonly type: 'linkLost' }
  /** It was handed to a link that is lost, and must not be sent again: the reason why nobody can know. */
  | { readonly type: 'judged'; readonly reason: string }
  | { readonly type: 'ended'; readonly kind: 'connection-closed' | 'session-shutdown' | 'protocol-error'; readonly reason: string };

export const requestMachine = setup({
  types: {
    context: {} as RequestContext,
    input: {} as RequestInput,
    events: {} as RequestEvent,
  },
  actions: {
    /** Puts the call into the link's batch. */
    transmit: () => {},
    /** Rejects the caller: the call could not be sent at all. */
    settleUnsent: () => {},
    /** Resolves or rejects the caller with what the peer answered. */
    settleResponse: () => {},
    /** Rejects the caller: the peer cannot take a call that may have run before (op.store-failure). */
    settleUnknown: () => {},
    /** Rejects the caller, who gave up. */
    settleAborted: () => {},
    /** Sends the cancel of an attempt that the peer has, or is about to get; without a link, when there is one (cancel.offline). */
    tellPeer: () => {},
    /** Rejects the caller: the connection ended and the call surely did no harm by being repeated. */
    settleEnded: () => {},
    /** Rejects the caller: the link or the connection ended, and nobody can know (outcome.closing, resume.resend). */
    settleIndeterminate: () => {},
    markHanded: assign(({ context }) => ({ handed: true, resent: context.handed })),
  },
  guards: {
    isValue: ({ event }) => event.type === 'responded' && event.verdict === 'value',
    isCancelled: ({ event }) => event.type === 'responded' && event.verdict === 'cancelled',
    isIndeterminate: ({ event }) => event.type === 'responded' && event.verdict === 'indeterminate',
    /** `unavailable` speaks only of the attempt it answers. */
    isUnavailableToResend: ({ context, event }) => event.type === 'responded' && event.verdict === 'unavailable' && context.resent && !context.idem,
    wasHanded: ({ context }) => context.handed,
    /** outcome.closing, retry.off: sent, not harmless to repeat, and an end that says nothing of whether it ran. */
    mustBeIndeterminate: ({ context, event }) =>
      event.type === 'ended' && event.kind !== 'protocol-error' && context.identified && context.handed && !context.idem,
  },
}).createMachine({
  id: 'request',
  context: ({ input }) => ({ idem: input.idem, identified: input.identified, handed: false, resent: false }),
  initial: 'queued',
  states: {
    queued: {
      on: {
        dispatch: 'sending',
        sendFailed: { target: 'failed', actions: 'settleUnsent' },
        aborted: { target: 'cancelled', actions: 'settleAborted' },
        ended: { target: 'failed', actions: 'settleEnded' },
      },
    },
    sending: {
      entry: 'transmit',
      on: {
        handed: { target: 'awaiting', actions: 'markHanded' },
        sendFailed: [
          { guard: 'wasHanded', target: 'interrupted' },
          { target: 'failed', actions: 'settleUnsent' },
        ],
        aborted: { target: 'cancelled', actions: ['settleAborted', 'tellPeer'] },
        linkLost: [{ guard: 'wasHanded', target: 'interrupted' }, { target: 'queued' }],
        ended: [
          { guard: 'mustBeIndeterminate', target: 'indeterminate', actions: 'settleIndeterminate' },
          { target: 'failed', actions: 'settleEnded' },
        ],
      },
    },
    awaiting: {
      on: {
        responded: [
          { guard: 'isValue', target: 'resolved', actions: 'settleResponse' },
          { guard: 'isCancelled', target: 'cancelled', actions: 'settleResponse' },
          { guard: 'isIndeterminate', target: 'indeterminate', actions: 'settleResponse' },
          { guard: 'isUnavailableToResend', target: 'indeterminate', actions: 'settleUnknown' },
          { target: 'failed', actions: 'settleResponse' },
        ],
        aborted: { target: 'cancelled', actions: ['settleAborted', 'tellPeer'] },
        linkLost: 'interrupted',
        ended: [
          { guard: 'mustBeIndeterminate', target: 'indeterminate', actions: 'settleIndeterminate' },
          { target: 'failed', actions: 'settleEnded' },
        ],
      },
    },
    interrupted: {
      on: {
        dispatch: 'sending',
        judged: { target: 'indeterminate', actions: 'settleIndeterminate' },
        aborted: { target: 'cancelled', actions: ['settleAborted', 'tellPeer'] },
        ended: [
          { guard: 'mustBeIndeterminate', target: 'indeterminate', actions: 'settleIndeterminate' },
          { target: 'failed', actions: 'settleEnded' },
        ],
      },
    },
    resolved: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
    indeterminate: { type: 'final' },
  },
});
