import { describe, expect, it } from 'vitest';
import { driverMachine } from '../../src/machines/driver.ts';
import { operationMachine } from '../../src/machines/operation.ts';
import type { OperationEvent, OperationInput } from '../../src/machines/operation.ts';
import { requestMachine } from '../../src/machines/request.ts';
import type { RequestEvent } from '../../src/machines/request.ts';
import { responseMachine } from '../../src/machines/response.ts';
import { expectEquivalent } from '../support/machines.ts';
import { toys } from '../support/toy-machines.ts';
import type { Toy } from '../support/toy-machines.ts';

const flags = [false, true];

const requestEvents: RequestEvent[] = [
  { type: 'dispatch' },
  { type: 'handed' },
  { type: 'sendFailed', error: new Error('too large') },
  ...(['value', 'cancelled', 'indeterminate', 'unavailable', 'failure'] as const).map((verdict) => ({ type: 'responded' as const, verdict, message: {} })),
  { type: 'aborted', reason: 'timeout', cause: undefined },
  { type: 'linkLost' },
  { type: 'resend' },
  { type: 'ended', kind: 'connection-closed', reason: 'closed' },
  { type: 'ended', kind: 'protocol-error', reason: 'id.violation' },
];

const operationEvents: OperationEvent[] = [
  { type: 'admitted' },
  { type: 'replayed', outcome: 1 },
  ...flags.map((indeterminate) => ({ type: 'refused' as const, indeterminate, outcome: 2 })),
  { type: 'returned', outcome: 3 },
  { type: 'threw' },
  { type: 'overran' },
  { type: 'stored' },
  { type: 'storeFailed' },
  ...flags.map((owns) => ({ type: 'cancelled' as const, owns, attempt: 4 })),
  ...flags.map((heir) => ({ type: 'ownerGone' as const, heir })),
];

const operationInputs: OperationInput[] = flags.flatMap((persist) =>
  flags.flatMap((idem) => flags.flatMap((channels) => flags.map((identified) => ({ persist, idem, channels, identified })))),
);

/** Every machine of the runtime that is hot. */
const hotMachines: Toy[] = [
  {
    name: 'request',
    machine: requestMachine,
    events: requestEvents,
    inputs: flags.flatMap((idem) => flags.map((identified) => ({ idem, identified }))),
  },
  {
    name: 'response',
    machine: responseMachine,
    events: ['admit', 'started', 'attached', 'replayed', 'sealing', 'settled', 'aborted', 'linkLost'].map((type) => ({ type, outcome: 5 })),
  },
  { name: 'operation', machine: operationMachine, events: operationEvents, inputs: operationInputs },
  { name: 'driver', machine: driverMachine, events: ['call', 'response', 'cancel', 'stop'].map((type) => ({ type, requestId: 1 })) },
];

describe('a compiled machine does what the stock machine does', () => {
  it.each([...toys, ...hotMachines])('with $name', ({ machine, events, inputs }) => {
    const steps = expectEquivalent(machine, { events, ...(inputs === undefined ? {} : { inputs }) });
    expect(steps).toBeGreaterThan(0);
  });
});
