import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machineModels } from '../../src/testing/machine-models.ts';
import { expectEquivalent, lifeOf, pathsOf, STRANGE_EVENT } from '../support/machines.ts';
import { toys } from '../support/toy-machines.ts';
import type { Toy } from '../support/toy-machines.ts';
import type { Way } from '../support/machines.ts';

const { request, response, operation, driver, sender, receiver, keepAlive } = machineModels;

/** Every machine of the runtime that is hot. */
const hotMachines: Toy[] = [request, response, operation, driver, sender, receiver, keepAlive];

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
