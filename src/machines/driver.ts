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
  | { readonly type: 'item' | 'items' | 'end' | 'reset' | 'grant'; readonly channelId: number }
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
        stop: { target: 'stopped', actions: 'endAll' },
      },
    },
    stopped: { type: 'final' },
  },
});
