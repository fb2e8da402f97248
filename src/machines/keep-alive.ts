/**
 * Whether a link is alive: when nothing has come for an interval the peer is pinged, and when nothing comes then either, the link is dead. The timers and what
 * was heard are the session's. Hot: compiled, though it takes few events.
 *
 *   resting ──elapsed, silent──▶ probing ──elapsed, silent──▶ (dead)
 *      ▲ └─elapsed, heard─┐ ▲       │ elapsed, heard
 *      └──────────────────┘ └───────┘
 *
 * Rules: session.keepalive.
 */
import { setup } from 'xstate';

/** The time of the state is over; whether the peer was heard in it. */
export interface KeepAliveEvent {
  readonly type: 'elapsed';
  readonly heard: boolean;
}

export const keepAliveMachine = setup({
  types: { events: {} as KeepAliveEvent },
  actions: {
    /** Waits until an interval has passed since the last sign of life. */
    awaitSilence: () => {},
    ping: () => {},
    awaitAnswer: () => {},
    declareDead: () => {},
  },
  guards: {
    wasHeard: ({ event }) => event.heard,
  },
}).createMachine({
  id: 'keepAlive',
  context: {},
  initial: 'resting',
  states: {
    resting: {
      entry: 'awaitSilence',
      on: {
        elapsed: [{ guard: 'wasHeard', target: 'resting', reenter: true }, { target: 'probing' }],
      },
    },
    probing: {
      entry: ['ping', 'awaitAnswer'],
      on: {
        elapsed: [{ guard: 'wasHeard', target: 'resting' }, { target: 'dead' }],
      },
    },
    dead: { type: 'final', entry: 'declareDead' },
  },
});
