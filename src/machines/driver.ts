/**
 * The driver of one connection: the wire's messages are its events, one each, and it names for every one who must act.
 * Hot: compiled.
 *
 *   running ──stop──▶ (stopped)
 *
 * Rules: attempt.pipelined (it never waits for a handler), attempt.unmatched.
 */
import { setup } from 'xstate';

/** The connection-scoped messages of wire/messages.ts, as far as the driver routes them, and the end. */
export type DriverEvent =
  | { readonly type: 'call'; readonly requestId: number }
  | { readonly type: 'response'; readonly requestId: number }
  | { readonly type: 'cancel'; readonly requestId?: number | undefined }
  | { readonly type: 'stop'; readonly kind: 'connection-closed' | 'session-shutdown' | 'protocol-error'; readonly reason: string };

export const driverMachine = setup({
  types: { events: {} as DriverEvent },
  actions: {
    /** An inbound call: makes its attempt. */
    serve: () => {},
    /** A response: to the attempt it answers. */
    settle: () => {},
    /** A cancel: to the attempt it names. */
    cancel: () => {},
    /** Ends every attempt of the connection, both ways. */
    endAttempts: () => {},
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
        stop: { target: 'stopped', actions: 'endAttempts' },
      },
    },
    stopped: { type: 'final' },
  },
});
