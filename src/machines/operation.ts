/**
 * A live operation at the callee: the intent behind one or more attempts, from its first attempt to an outcome. It owns the
 * handler's run; the attempts that wait for it are kept by the driver, in the order they joined. Hot: compiled.
 *
 *   admitting ──admitted──▶ live ──returned──▶ sealing ──stored──▶ (sealed)
 *      │ │ └──replayed──────────────────────────────────────────▶ (sealed)
 *      │ └────refused─▶ (refused) or (indeterminate)  │ storeFailed ▶ (indeterminate)
 *      └─ cancelled, ownerGone ─▶ (released) ◀── threw, overran, cancelled, ownerGone ── live
 *
 * `persist` operations answer after `stored`, others before it (op.seal-durable). What the waiters of an operation without
 * an outcome are told is the table of retry.disposition, written once below as `disposition`.
 *
 * Rules: op.admit, op.attach, op.seal, op.seal-durable, op.store-failure, op.waiters, retry.disposition, cancel.callee, cancel.race.
 */
import { setup } from 'xstate';

export interface OperationInput {
  readonly persist: boolean;
  readonly idem: boolean;
  /** The call's arguments carry channels. */
  readonly channels: boolean;
  /** It has an operation id: without one nothing is stored and a cancel always aborts. */
  readonly identified: boolean;
}

export type OperationContext = OperationInput;

export type OperationEvent =
  | { readonly type: 'admitted' }
  | { readonly type: 'replayed'; readonly outcome: unknown }
  /** The operation cannot run: here is what its waiters are told. */
  | { readonly type: 'refused'; readonly indeterminate: boolean; readonly outcome: unknown }
  /** The handler has answered, by value or by `fail`. */
  | { readonly type: 'returned'; readonly outcome: unknown }
  | { readonly type: 'threw' }
  | { readonly type: 'overran' }
  | { readonly type: 'stored' }
  | { readonly type: 'storeFailed' }
  /** An attempt's cancel: whether it owns the operation, and what it is. */
  | { readonly type: 'cancelled'; readonly owns: boolean; readonly attempt: unknown }
  /** The owner's connection is gone: whether another session's attempt waits. */
  | { readonly type: 'ownerGone'; readonly heir: boolean };

/** Why a handler ended without an outcome: the rows of retry.disposition. */
export type Ending = 'handler-failed' | 'cancelled' | 'connection-gone';

/** What the waiters are told: the cells of retry.disposition. */
export function disposition(policy: OperationInput, ending: Ending): { kind: 'cancelled' | 'indeterminate'; reason: string } {
  const harmless = policy.idem && !policy.persist;
  switch (ending) {
    case 'handler-failed': {
      const unsure = policy.persist || (policy.channels && !harmless);
      return { kind: unsure ? 'indeterminate' : 'cancelled', reason: 'handler-failed' };
    }
    case 'cancelled':
      return { kind: 'cancelled', reason: 'aborted' };
    case 'connection-gone':
      return policy.channels && !harmless ? { kind: 'indeterminate', reason: 'channels' } : { kind: 'cancelled', reason: 'aborted' };
  }
}

export const operationMachine = setup({
  types: {
    context: {} as OperationContext,
    input: {} as OperationInput,
    events: {} as OperationEvent,
  },
  actions: {
    startHandler: () => {},
    /** Fires the handler's signal; what it says later is ignored and counted (cancel.abort). */
    abortHandler: () => {},
    /** Tells every waiter the event's outcome, in the order they joined. */
    answerOutcome: () => {},
    /** Tells the waiters that the outcome is being stored. */
    announceSealing: () => {},
    /** Tells every waiter the outcome that has just become durable. */
    answerSealed: () => {},
    /** Tells every waiter the disposition of the ending. */
    answerEnding: (_, _params: { ending: Ending }) => {},
    answerStoreLost: () => {},
    /** Stores the outcome. */
    seal: () => {},
    /** Marks the operation released in the store. */
    release: (_, _params: { ending: Ending }) => {},
    /** Answers one waiter alone with `cancelled`; the others wait on. */
    detachWaiter: () => {},
    /** The earliest waiter owns now. */
    passOn: () => {},
    /** Takes the operation out of the live table. */
    forget: () => {},
  },
  guards: {
    isPersist: ({ context }) => context.persist,
    onlyWaits: ({ event }) => event.type === 'cancelled' && !event.owns,
    /** cancel.callee: nothing stops a persist operation that has an id. */
    runsOn: ({ context }) => context.persist && context.identified,
    hasHeir: ({ event, context }) => event.type === 'ownerGone' && event.heir && !context.channels,
    isIndeterminate: ({ event }) => event.type === 'refused' && event.indeterminate,
  },
}).createMachine({
  id: 'operation',
  context: ({ input }) => ({ persist: input.persist, idem: input.idem, channels: input.channels, identified: input.identified }),
  initial: 'admitting',
  states: {
    admitting: {
      on: {
        admitted: 'live',
        replayed: { target: 'sealed', actions: 'answerOutcome' },
        refused: [
          { guard: 'isIndeterminate', target: 'indeterminate', actions: 'answerOutcome' },
          { target: 'refused', actions: 'answerOutcome' },
        ],
        cancelled: [
          { guard: 'onlyWaits', actions: 'detachWaiter' },
          { guard: 'runsOn' },
          { target: 'released', actions: { type: 'answerEnding', params: { ending: 'cancelled' } } },
        ],
        ownerGone: [
          { guard: 'hasHeir', actions: 'passOn' },
          { guard: 'runsOn' },
          { target: 'released', actions: { type: 'answerEnding', params: { ending: 'connection-gone' } } },
        ],
      },
    },
    live: {
      entry: 'startHandler',
      on: {
        returned: [
          { guard: 'isPersist', target: 'sealing', actions: ['announceSealing', 'seal'] },
          { target: 'sealing', actions: ['answerOutcome', 'seal'] },
        ],
        threw: {
          target: 'released',
          actions: [
            { type: 'release', params: { ending: 'handler-failed' } },
            { type: 'answerEnding', params: { ending: 'handler-failed' } },
          ],
        },
        overran: {
          target: 'released',
          actions: [
            'abortHandler',
            { type: 'release', params: { ending: 'handler-failed' } },
            { type: 'answerEnding', params: { ending: 'handler-failed' } },
          ],
        },
        cancelled: [
          { guard: 'onlyWaits', actions: 'detachWaiter' },
          { guard: 'runsOn' },
          {
            target: 'released',
            actions: [
              'abortHandler',
              { type: 'release', params: { ending: 'cancelled' } },
              { type: 'answerEnding', params: { ending: 'cancelled' } },
            ],
          },
        ],
        ownerGone: [
          { guard: 'hasHeir', actions: 'passOn' },
          { guard: 'runsOn' },
          {
            target: 'released',
            actions: [
              'abortHandler',
              { type: 'release', params: { ending: 'connection-gone' } },
              { type: 'answerEnding', params: { ending: 'connection-gone' } },
            ],
          },
        ],
      },
    },
    sealing: {
      on: {
        stored: [{ guard: 'isPersist', target: 'sealed', actions: 'answerSealed' }, { target: 'sealed' }],
        storeFailed: { target: 'indeterminate', actions: 'answerStoreLost' },
        cancelled: { guard: 'onlyWaits', actions: 'detachWaiter' },
        ownerGone: { guard: 'hasHeir', actions: 'passOn' },
      },
    },
    sealed: { type: 'final', entry: 'forget' },
    refused: { type: 'final', entry: 'forget' },
    released: { type: 'final', entry: 'forget' },
    indeterminate: { type: 'final', entry: 'forget' },
  },
});
