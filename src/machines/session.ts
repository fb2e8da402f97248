/**
 * A session: the relation between two peers, from the first dial to its end. It outlives its links where both sides want that. A stock XState actor:
 * there are few, and it may use `after`.
 *
 *   connecting ──linkUp──▶ handshaking ──welcomed──▶ connected ──close──▶ closing ──▶ (closed)
 *     ▲  │ fails                │ fails               ▲  │ linkLost          drained, after grace
 *     │  └──────▶ waiting ◀─────┘          welcomed,  │  ▼
 *     └────dial─────┘                      adopted    lost: disconnected ──dial──▶ reconnecting ──linkUp──▶ greeting
 *                                                           ▲───────── fails ──────────┘◀───────────────────┘
 *   everywhere: refused, protocolError, peerClosed ▶ (closed) · waiting and lost also end by their deadline
 *
 * The side that made the link dials; the other one waits for it, and a link that resumes the session is `adopted`, also while the old one still
 * looks alive. There the newcomer, which was a session of its own until it said whom it resumes, ends as `merged`.
 *
 * Rules: session.handshake, session.handshake-limits, session.protocol-error, session.status, session.outlives-link, session.reconnect,
 * session.initial-wait, resume.supersedes, attempt.never-parked.
 */
import { assign, setup } from 'xstate';

export interface SessionInput {
  readonly role: 'initiator' | 'acceptor';
  readonly handshakeTimeoutMs: number;
  /** How long it may be without a link, in milliseconds. */
  readonly recoveryMs: number;
  /** How long its first handshake may be tried for, in milliseconds; 0: once. */
  readonly waitForPeerMs: number;
}

export interface SessionContext extends SessionInput {
  readonly graceMs: number;
  /** Both sides have said that the session may outlive its link. */
  readonly resumable: boolean;
}

export type SessionEvent =
  /** It is time to dial. */
  | { readonly type: 'dial' }
  | { readonly type: 'linkUp' }
  /** `final`: it will not do better later. */
  | { readonly type: 'dialFailed'; readonly error: unknown; readonly final: boolean }
  | { readonly type: 'welcomed'; readonly resumable: boolean }
  /** The peer has resumed the session on another link. */
  | { readonly type: 'adopted' }
  /** Our link resumes another session, which has it now. */
  | { readonly type: 'merged' }
  /** The peer said no, or we did. */
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'linkLost'; readonly error?: unknown }
  | { readonly type: 'protocolError'; readonly rule: string; readonly message: string }
  | { readonly type: 'close'; readonly graceMs: number }
  /** Too many sessions wait for their peers: this one has waited the longest. */
  | { readonly type: 'evicted' }
  | { readonly type: 'peerClosed'; readonly reason: string }
  | { readonly type: 'drained' };

export const sessionMachine = setup({
  types: {
    context: {} as SessionContext,
    input: {} as SessionInput,
    events: {} as SessionEvent,
  },
  delays: {
    handshakeTimeout: ({ context }) => context.handshakeTimeoutMs,
    initialWait: ({ context }) => context.waitForPeerMs,
    recoveryDeadline: ({ context }) => context.recoveryMs,
    grace: ({ context }) => context.graceMs,
  },
  actions: {
    /** Asks the connector for a link. The acceptor has got one. */
    dial: () => {},
    /** Sends `dial` when its time has come (session.reconnect). */
    awaitDial: () => {},
    /** The initiator says hello; the acceptor waits for it. */
    greet: () => {},
    /** The handshake is done: calls may go both ways. */
    begin: () => {},
    /** Takes the link away from everyone who uses it (resume.order); what waits for the next one waits. */
    loseLink: () => {},
    /** Keeps why a dial came to nothing: the event says it. */
    noteFailure: () => {},
    /** Gives up a dial that does not get through its handshake in time: there will be another one. */
    giveUpDial: () => {},
    /** The same where it was the only one, or cuts the link of such a peer (session.handshake-limits). */
    cutSlowHandshake: () => {},
    /** The peer was not up in time: what the last dial failed with is why. */
    noteGivenUp: () => {},
    /** No link came in time. */
    noteDeadline: () => {},
    /** Sends go-away, refuses what is new, and tells when nothing runs any more (session.drain). */
    drain: () => {},
    /** Keeps why the session ends: the event says it. */
    noteEnding: () => {},
    /** Tears everything down. */
    end: () => {},
    keepGrace: assign(({ event }) => (event.type === 'close' ? { graceMs: event.graceMs } : {})),
    keepResumable: assign(({ event }) => (event.type === 'welcomed' ? { resumable: event.resumable } : {})),
  },
  guards: {
    mayWait: ({ context, event }) => context.waitForPeerMs > 0 && !(event.type === 'dialFailed' && event.final),
    isFinal: ({ event }) => event.type === 'dialFailed' && event.final,
    isResumable: ({ context }) => context.resumable,
  },
}).createMachine({
  id: 'session',
  context: ({ input }) => ({ ...input, graceMs: 0, resumable: false }),
  initial: 'first',
  on: {
    dialFailed: { target: '.closed', actions: 'noteEnding' },
    refused: { target: '.closed', actions: 'noteEnding' },
    linkLost: { target: '.closed', actions: 'noteEnding' },
    protocolError: { target: '.closed', actions: 'noteEnding' },
    peerClosed: { target: '.closed', actions: 'noteEnding' },
    evicted: { target: '.closed', actions: 'noteEnding' },
    close: { target: '.closed', actions: 'noteEnding' },
  },
  states: {
    /** Before its first handshake. */
    first: {
      initial: 'connecting',
      on: {
        dialFailed: [
          { guard: 'mayWait', target: '.waiting', actions: 'noteFailure' },
          { target: 'closed', actions: 'noteEnding' },
        ],
        linkLost: [
          { guard: 'mayWait', target: '.waiting', actions: 'noteFailure' },
          { target: 'closed', actions: 'noteEnding' },
        ],
      },
      after: { initialWait: { guard: 'mayWait', target: 'closed', actions: 'noteGivenUp' } },
      states: {
        connecting: {
          entry: 'dial',
          on: { linkUp: 'handshaking' },
          after: {
            handshakeTimeout: [
              { guard: 'mayWait', target: 'waiting', actions: 'giveUpDial' },
              { target: '#session.closed', actions: 'cutSlowHandshake' },
            ],
          },
        },
        handshaking: {
          entry: 'greet',
          on: {
            welcomed: { target: '#session.connected', actions: 'keepResumable' },
            merged: { target: '#session.closed', actions: 'noteEnding' },
          },
          after: {
            handshakeTimeout: [
              { guard: 'mayWait', target: 'waiting', actions: 'giveUpDial' },
              { target: '#session.closed', actions: 'cutSlowHandshake' },
            ],
          },
        },
        waiting: { entry: 'awaitDial', on: { dial: 'connecting' } },
      },
    },
    connected: {
      entry: 'begin',
      on: {
        linkLost: [
          { guard: 'isResumable', target: 'lost' },
          { target: 'closed', actions: 'noteEnding' },
        ],
        adopted: { target: 'connected', reenter: true, actions: 'loseLink' },
        close: { target: 'closing', actions: ['keepGrace', 'noteEnding'] },
      },
    },
    /** Without a link: everything waits for the next one (session.outlives-link). */
    lost: {
      entry: 'loseLink',
      initial: 'disconnected',
      on: {
        adopted: 'connected',
        dialFailed: [
          { guard: 'isFinal', target: 'closed', actions: 'noteEnding' },
          { target: '.disconnected', actions: 'noteFailure' },
        ],
        linkLost: { target: '.disconnected', actions: 'noteFailure' },
      },
      after: { recoveryDeadline: { target: 'closed', actions: 'noteDeadline' } },
      states: {
        disconnected: { entry: 'awaitDial', on: { dial: 'reconnecting' } },
        reconnecting: {
          entry: 'dial',
          on: { linkUp: 'greeting' },
          after: { handshakeTimeout: { target: 'disconnected', actions: 'giveUpDial' } },
        },
        greeting: {
          entry: 'greet',
          on: { welcomed: { target: '#session.connected', actions: 'keepResumable' } },
          after: { handshakeTimeout: { target: 'disconnected', actions: 'giveUpDial' } },
        },
      },
    },
    closing: {
      entry: 'drain',
      on: { drained: 'closed', close: {} },
      after: { grace: 'closed' },
    },
    closed: { type: 'final', entry: 'end' },
  },
});
