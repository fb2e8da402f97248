/**
 * A session: the relation between two peers, from the first dial to its end. A stock XState actor: there are few, and it
 * may use `after`.
 *
 *   connecting ──linkUp──▶ handshaking ──welcomed──▶ connected ──close──▶ closing ──▶ (closed)
 *        │ after handshakeTimeout │ after handshakeTimeout  │                │  drained, after grace
 *        └── dialFailed ───────┴──┴── refused, linkLost, protocolError ──────┴────────▶ (closed)
 *
 * Rules: session.handshake, session.handshake-limits, session.protocol-error, session.status.
 */
import { assign, setup } from 'xstate';

export interface SessionInput {
  readonly role: 'initiator' | 'acceptor';
  readonly handshakeTimeoutMs: number;
}

export interface SessionContext extends SessionInput {
  readonly graceMs: number;
}

export type SessionEvent =
  | { readonly type: 'linkUp' }
  | { readonly type: 'dialFailed'; readonly error: unknown }
  | { readonly type: 'welcomed' }
  /** The peer said no, or we did. */
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'linkLost'; readonly error?: unknown }
  | { readonly type: 'protocolError'; readonly rule: string; readonly message: string }
  | { readonly type: 'close'; readonly graceMs: number }
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
    grace: ({ context }) => context.graceMs,
  },
  actions: {
    /** The initiator says hello; the acceptor waits for it. */
    greet: () => {},
    /** The handshake is done: calls may go both ways. */
    begin: () => {},
    /** Sends go-away, refuses what is new, and tells when nothing runs any more (session.drain). */
    drain: () => {},
    /** Gives up a dial, or cuts the link of a peer, that does not get through its handshake in time (session.handshake-limits). */
    cutSlowHandshake: () => {},
    /** Keeps why the session ends: the event says it. */
    noteEnding: () => {},
    /** Tears everything down. */
    end: () => {},
    keepGrace: assign(({ event }) => (event.type === 'close' ? { graceMs: event.graceMs } : {})),
  },
}).createMachine({
  id: 'session',
  context: ({ input }) => ({ role: input.role, handshakeTimeoutMs: input.handshakeTimeoutMs, graceMs: 0 }),
  initial: 'connecting',
  on: {
    dialFailed: { target: '.closed', actions: 'noteEnding' },
    refused: { target: '.closed', actions: 'noteEnding' },
    linkLost: { target: '.closed', actions: 'noteEnding' },
    protocolError: { target: '.closed', actions: 'noteEnding' },
    peerClosed: { target: '.closed', actions: 'noteEnding' },
    close: { target: '.closed', actions: 'noteEnding' },
  },
  states: {
    connecting: {
      on: { linkUp: 'handshaking' },
      after: { handshakeTimeout: { target: 'closed', actions: 'cutSlowHandshake' } },
    },
    handshaking: {
      entry: 'greet',
      on: { welcomed: 'connected' },
      after: { handshakeTimeout: { target: 'closed', actions: 'cutSlowHandshake' } },
    },
    connected: {
      entry: 'begin',
      on: { close: { target: 'closing', actions: ['keepGrace', 'noteEnding'] } },
    },
    closing: {
      entry: 'drain',
      on: { drained: 'closed', close: {} },
      after: { grace: 'closed' },
    },
    closed: { type: 'final', entry: 'end' },
  },
});
