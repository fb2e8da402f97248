/**
 * A test model of every statechart of the runtime: the machine, inputs that stand for all inputs, and events that stand for all events, one of each type
 * and one for each thing a guard may find. What a path is and which there are is machine-paths.ts's; what a set of paths covers is machine-coverage.ts's.
 */
import type { AnyStateMachine, ContextFrom, EventFrom, EventObject, InputFrom } from 'xstate';
import { connectionMachine } from '../machines/connection.ts';
import { driverMachine } from '../machines/driver.ts';
import { keepAliveMachine } from '../machines/keep-alive.ts';
import { operationMachine } from '../machines/operation.ts';
import { receiverMachine } from '../machines/receiver.ts';
import { requestMachine } from '../machines/request.ts';
import { responseMachine } from '../machines/response.ts';
import { senderMachine } from '../machines/sender.ts';
import { serverMachine } from '../machines/server.ts';
import { sessionMachine } from '../machines/session.ts';

/** What the path generators and the coverage need to know of a statechart. */
export interface MachineModel<M extends AnyStateMachine = AnyStateMachine> {
  /** The first half of the ids of its actors. */
  readonly name: string;
  readonly machine: M;
  /** Paths are walked from the start of each. A machine without input has `undefined` here. */
  readonly inputs: readonly InputFrom<M>[];
  /** At least one event of each type, and one for each thing a guard may find; XState's own events of `after` too. */
  readonly events: readonly EventFrom<M>[];
  /** What guards read of the context: two states of the same value are two where it differs. Default: they are one. */
  readonly facts?: (context: ContextFrom<M>) => unknown;
  /** Keeps what counts from counting for ever: a path ends where the context is outside. Default: everything is within. */
  readonly within?: (context: ContextFrom<M>) => boolean;
}

function model<M extends AnyStateMachine>(given: MachineModel<M>): MachineModel<M> {
  return given;
}

const FLAGS = [false, true];
const NO_INPUT = [undefined];

const request = model({
  name: 'request',
  machine: requestMachine,
  inputs: FLAGS.flatMap((idem) => FLAGS.map((identified) => ({ idem, identified }))),
  events: [
    { type: 'dispatch' },
    { type: 'handed' },
    { type: 'sendFailed', error: new Error('too large') },
    ...(['value', 'cancelled', 'indeterminate', 'unavailable', 'failure'] as const).map((verdict) => ({
      type: 'responded' as const,
      verdict,
      message: {},
    })),
    { type: 'aborted', reason: 'timeout', cause: undefined },
    { type: 'linkLost' },
    { type: 'judged', reason: 'store-lost' },
    { type: 'ended', kind: 'connection-closed', reason: 'closed' },
    { type: 'ended', kind: 'protocol-error', reason: 'id.violation' },
  ],
  facts: ({ handed, resent }) => [handed, resent],
});

const response = model({
  name: 'response',
  machine: responseMachine,
  inputs: NO_INPUT,
  events: [
    { type: 'admit' },
    { type: 'started' },
    { type: 'attached' },
    { type: 'replayed' },
    { type: 'sealing' },
    { type: 'settled', outcome: 5 },
    { type: 'aborted', outcome: 6 },
    { type: 'linkLost' },
  ],
});

const operation = model({
  name: 'operation',
  machine: operationMachine,
  inputs: FLAGS.flatMap((persist) =>
    FLAGS.flatMap((idem) => FLAGS.flatMap((channels) => FLAGS.map((identified) => ({ persist, idem, channels, identified })))),
  ),
  events: [
    { type: 'admitted' },
    { type: 'replayed', outcome: 1 },
    ...FLAGS.map((indeterminate) => ({ type: 'refused' as const, indeterminate, outcome: 2 })),
    { type: 'returned', outcome: 3 },
    { type: 'threw' },
    { type: 'overran' },
    { type: 'stored' },
    { type: 'storeFailed' },
    ...FLAGS.map((owns) => ({ type: 'cancelled' as const, owns, attempt: 4 })),
    ...FLAGS.map((heir) => ({ type: 'ownerGone' as const, heir })),
  ],
});

const driver = model({
  name: 'driver',
  machine: driverMachine,
  inputs: NO_INPUT,
  events: [
    { type: 'call', requestId: 1 },
    { type: 'response', requestId: 1 },
    { type: 'cancel', requestId: 1 },
    ...(['item', 'items', 'end', 'reset', 'grant'] as const).map((type) => ({ type, channelId: 1 })),
    { type: 'linkLost' },
    { type: 'linkUp' },
    { type: 'restarted' },
    { type: 'resend', judgement: undefined },
    { type: 'stop', kind: 'connection-closed', reason: 'closed', loss: 'closed' },
  ],
});

const sender = model({
  name: 'sender',
  machine: senderMachine,
  inputs: [0, 1, 2].map((initial) => ({ initial })),
  events: [
    { type: 'opened' },
    { type: 'spent' },
    ...[1, 3].map((credit) => ({ type: 'granted' as const, credit })),
    ...[0, 2].map((waiting) => ({ type: 'close' as const, waiting })),
    { type: 'flushed' },
    { type: 'reset', reason: 'enough' },
    { type: 'peerReset', reason: undefined },
    { type: 'lost', loss: 6 },
  ],
  facts: ({ credit }) => credit,
  // The driver tells of items only that it had credit for.
  within: ({ credit }) => credit >= 0 && credit <= 2,
});

const receiver = model({
  name: 'receiver',
  machine: receiverMachine,
  inputs: [0, 1, 2, 4].map((initial) => ({ initial })),
  events: [
    { type: 'opened' },
    ...[1, 2, 20].map((count) => ({ type: 'items' as const, count, values: [] })),
    { type: 'consumed' },
    { type: 'asked' },
    { type: 'grant', credit: 5 },
    ...[0, 2].map((unread) => ({ type: 'end' as const, unread })),
    { type: 'drained' },
    { type: 'reset', reason: 'enough' },
    { type: 'peerReset', reason: undefined },
    { type: 'lost', loss: 7 },
  ],
  facts: ({ credit, owed }) => [credit, owed],
  within: ({ credit, owed, initial }) => credit + owed <= initial + 1,
});

const keepAlive = model({
  name: 'keepAlive',
  machine: keepAliveMachine,
  inputs: NO_INPUT,
  events: FLAGS.map((heard) => ({ type: 'elapsed' as const, heard })),
});

const connection = model({
  name: 'connection',
  machine: connectionMachine,
  // The root, and a virtual one.
  inputs: [0, 1].map((connectionId) => ({ connectionId })),
  events: [
    { type: 'opened' },
    { type: 'rejected', reason: 'no' },
    { type: 'joined' },
    { type: 'released' },
    { type: 'close', reason: 'closed' },
    { type: 'peerClosed', reason: 'closed' },
    { type: 'ended', kind: 'connection-closed', reason: 'closed', loss: 'closed' },
  ],
});

const server = model({ name: 'server', machine: serverMachine, inputs: NO_INPUT, events: [{ type: 'close' }, { type: 'ended' }] });

const SESSION_STATES_WITH_HANDSHAKE_TIMEOUT = ['first.connecting', 'first.handshaking', 'lost.reconnecting', 'lost.greeting'];
/** XState's events of the session's `after`. */
const SESSION_AFTER = [
  ...SESSION_STATES_WITH_HANDSHAKE_TIMEOUT.map((state) => `handshakeTimeout.session.${state}`),
  'initialWait.session.first',
  'recoveryDeadline.session.lost',
  'grace.session.closing',
].map((name): EventObject => ({ type: `xstate.after.${name}` }));

const SESSION_INPUT = { handshakeTimeoutMs: 10_000, recoveryMs: 60_000, waitForPeerMs: 0 };

const session = model({
  name: 'session',
  machine: sessionMachine,
  inputs: [
    { ...SESSION_INPUT, role: 'initiator' },
    { ...SESSION_INPUT, role: 'initiator', waitForPeerMs: 30_000 },
    { ...SESSION_INPUT, role: 'acceptor' },
  ],
  events: [
    { type: 'dial' },
    { type: 'linkUp' },
    ...FLAGS.map((final) => ({ type: 'dialFailed' as const, error: new Error('nobody there'), final })),
    ...FLAGS.map((resumable) => ({ type: 'welcomed' as const, resumable })),
    { type: 'adopted' },
    { type: 'merged' },
    { type: 'refused', reason: 'no' },
    { type: 'linkLost' },
    { type: 'protocolError', rule: 'id.violation', message: 'used twice' },
    { type: 'close', graceMs: 1_000 },
    { type: 'evicted' },
    { type: 'peerClosed', reason: 'closed' },
    { type: 'drained' },
    // No union of events names those of `after`: they are XState's.
    ...(SESSION_AFTER as never[]),
  ],
  facts: ({ resumable }) => resumable,
});

/** The test model of every statechart of the runtime, by name. */
export const machineModels = { session, connection, driver, request, response, operation, sender, receiver, keepAlive, server } as const;
