import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { driverMachine } from '../../src/machines/driver.ts';
import { keepAliveMachine } from '../../src/machines/keep-alive.ts';
import { operationMachine } from '../../src/machines/operation.ts';
import type { OperationEvent, OperationInput } from '../../src/machines/operation.ts';
import { receiverMachine } from '../../src/machines/receiver.ts';
import type { ReceiverEvent } from '../../src/machines/receiver.ts';
import { requestMachine } from '../../src/machines/request.ts';
import type { RequestEvent } from '../../src/machines/request.ts';
import { responseMachine } from '../../src/machines/response.ts';
import { senderMachine } from '../../src/machines/sender.ts';
import type { SenderEvent } from '../../src/machines/sender.ts';
import { expectEquivalent, lifeOf, pathsOf, STRANGE_EVENT } from '../support/machines.ts';
import { toys } from '../support/toy-machines.ts';
import type { Toy } from '../support/toy-machines.ts';
import type { Way } from '../support/machines.ts';

const flags = [false, true];

const requestEvents: RequestEvent[] = [
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

const senderEvents: SenderEvent[] = [
  { type: 'opened' },
  { type: 'spent' },
  ...[1, 3].map((credit) => ({ type: 'granted' as const, credit })),
  ...[0, 2].map((waiting) => ({ type: 'close' as const, waiting })),
  { type: 'flushed' },
  { type: 'reset', reason: 'enough' },
  { type: 'peerReset', reason: undefined },
  { type: 'lost', loss: 6 },
];

const receiverEvents: ReceiverEvent[] = [
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
];

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
  {
    name: 'driver',
    machine: driverMachine,
    events: ['call', 'response', 'cancel', 'item', 'items', 'end', 'reset', 'grant', 'stop'].map((type) => ({ type, requestId: 1, channelId: 1 })),
  },
  { name: 'sender', machine: senderMachine, events: senderEvents, inputs: [0, 1, 2, 16].map((initial) => ({ initial })) },
  { name: 'receiver', machine: receiverMachine, events: receiverEvents, inputs: [0, 1, 2, 16].map((initial) => ({ initial })) },
  { name: 'keepAlive', machine: keepAliveMachine, events: flags.map((heard) => ({ type: 'elapsed', heard })) },
];

const machines = [...toys, ...hotMachines];

describe('a compiled machine does what the stock machine does', () => {
  it.each(machines)('with $name', ({ machine, events, inputs }) => {
    const steps = expectEquivalent(machine, { events, ...(inputs === undefined ? {} : { inputs }) });
    expect(steps).toBeGreaterThan(0);
  });
});

describe('a spawned actor lives as a stock one: actions, emitted events, subscribers, parent', () => {
  const ways: { readonly name: string; readonly ways: (length: number) => Way[] }[] = [
    { name: 'light', ways: () => [{ made: 'light' }] },
    { name: 'spawned while watched', ways: () => [{ made: 'watched' }] },
    { name: 'promoted by its ref in every state', ways: (length) => promotions('ref', length) },
    { name: 'promoted by an inspector in every state', ways: (length) => promotions('inspector', length) },
  ];
  const cases = ways.flatMap((way) => machines.map((toy) => ({ ...toy, way: way.name, waysOf: way.ways })));

  it.each(cases)('$way: $name', ({ machine, events, inputs = [undefined], waysOf }) => {
    const offered = [...events, STRANGE_EVENT];
    const expectSameLife = (input: unknown, sequence: typeof offered) => {
      const stock = lifeOf(machine, { made: 'stock' }, { input, events: sequence });
      for (const way of waysOf(sequence.length)) {
        const ours = lifeOf(machine, way, { input, events: sequence });
        expect(ours.story).toEqual(stock.story);
        expect(ours.root).toEqual(stock.root);
        expect(ours.live).toBe(JSON.stringify(stock.story.at(-1)).includes('"status":"active"') ? 1 : 0);
      }
    };
    for (const input of inputs) {
      const sequences = fc.array(fc.constantFrom(...offered), { maxLength: 8 });
      fc.assert(
        fc.property(sequences, (sequence) => expectSameLife(input, sequence)),
        { numRuns: Math.ceil(40 / inputs.length) },
      );
    }
    for (const path of pathsOf(machine, events, inputs[0]).slice(0, 20)) {
      expectSameLife(inputs[0], path);
    }
  });
});

function promotions(by: 'ref' | 'inspector', length: number): Way[] {
  return Array.from({ length }, (_, before) => ({ made: 'promoted' as const, by, before }));
}
