/**
 * The driver of one connection: the wire's messages are its events, one each, and it names for every one who must act.
 * Hot: compiled.
 *
 *   running ──linkLost──▶ resuming ──resend──▶ running        stop ▶ (stopped)
 *                           │ ▲ linkUp, restarted
 *                           └─┘
 *
 * While it is resuming no message is routed: what the loss of the link means to channels and attempts is carried out first, on both sides, then each side
 * says what it has given up, and only then calls are sent again.
 *
 * Rules: attempt.pipelined (it never waits for a handler), attempt.unmatched, resume.order, cancel.offline.
 */
import { setup } from 'xstate';

/** The connection-scoped messages of wire/messages.ts, as far as the driver routes them, and the end. */
export type DriverEvent =
  | { readonly type: 'call'; readonly requestId: number }
  | { readonly type: 'response'; readonly requestId: number }
  | { readonly type: 'cancel'; readonly requestId?: number | undefined }
  | { readonly type: 'item' | 'items' | 'end' | 'reset' | 'grant'; readonly channelId: number }
  | { readonly type: 'linkLost' }
  /** There is a new link, and the peer knows the session. */
  | { readonly type: 'linkUp' }
  /** There is a new link, and the peer does not know the session: it begins anew (resume.unknown). */
  | { readonly type: 'restarted' }
  /** `judgement`: by what to tell which calls may be sent again. */
  | { readonly type: 'resend'; readonly judgement: unknown }
  | {
      readonly type: 'stop';
      readonly kind: 'connection-closed' | 'session-shutdown' | 'protocol-error';
      readonly reason: string;
      /** What the holders of channels are told: `link-lost`, `closed` or the broken rule. */
      readonly loss: string;
    };

export const driverMachine = setup({
  types: { events: {} as DriverEvent },
  actions: {
    /** An inbound call: makes its attempt. */
    serve: () => {},
    /** A response: to the attempt it answers. */
    settle: () => {},
    /** A cancel: to the attempt it names. */
    cancel: () => {},
    /** One or more items: to the channel they are of. */
    receive: () => {},
    endChannel: () => {},
    resetChannel: () => {},
    addCredit: () => {},
    /** Ends every channel that was open, and takes the attempts off the link (resume.order). */
    loseLink: () => {},
    /** Names the attempts that were given up and have no response (cancel.offline). */
    sayGivenUp: () => {},
    /** The peer's attempts and ids of before are over. */
    startOver: () => {},
    /** Judges the pending calls and sends again what may be (resume.resend, resume.unknown). */
    sendAgain: () => {},
    /** Ends every channel and attempt of the connection, both ways. */
    endAll: () => {},
  },
}).createMachine({
  id: 'driver',
  context: {},
  initial: 'running',
  states: {
    running: {
      on: {
        call: { actions: 'serve' },
        response: { actions: 'settle' },
        cancel: { actions: 'cancel' },
        item: { actions: 'receive' },
        items: { actions: 'receive' },
        end: { actions: 'endChannel' },
        reset: { actions: 'resetChannel' },
        grant: { actions: 'addCredit' },
        linkLost: { target: 'resuming', actions: 'loseLink' },
        stop: { target: 'stopped', actions: 'endAll' },
      },
    },
    resuming: {
      on: {
        linkUp: { actions: 'sayGivenUp' },
        restarted: { actions: 'startOver' },
        resend: { target: 'running', actions: 'sendAgain' },
        linkLost: {},
        stop: { target: 'stopped', actions: 'endAll' },
      },
    },
    stopped: { type: 'final' },
  },
});
