/**
 * The proof that a compiled machine is the stock one: both are led along every path of the graph and along random sequences,
 * and must show the same snapshots and name the same actions after each step. Live snapshots only: on a finished one XState's
 * pure `transition` runs exit actions again, which no actor does.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import { initialTransition, transition } from 'xstate';
import type { AnyMachineSnapshot, AnyStateMachine, EventObject } from 'xstate';
import { getShortestPaths, getSimplePaths } from 'xstate/graph';
import { compile } from '../../src/machines/compile.ts';

export interface EquivalenceSamples {
  /** At least one event of each type, and one for each thing a guard may find. */
  readonly events: readonly EventObject[];
  /** Default: one actor without input. */
  readonly inputs?: readonly unknown[];
  /** Random sequences for each input. */
  readonly runs?: number;
}

/** An event no chart names: only wildcards and eventless transitions answer to it. */
export const STRANGE_EVENT: EventObject = { type: 'nobody.knows' };

/** Throws unless the compiled machine does what the stock machine does, wherever the samples lead. Returns how many steps were compared. */
export function expectEquivalent(machine: AnyStateMachine, { events, inputs = [undefined], runs = 200 }: EquivalenceSamples): number {
  const offered = [...events, STRANGE_EVENT];
  let steps = 0;
  for (const input of inputs) {
    for (const path of pathsOf(machine, offered, input)) {
      steps += expectSameWalk(machine, input, path);
    }
    const sequences = fc.array(fc.constantFrom(...offered), { maxLength: 30 });
    fc.assert(
      fc.property(sequences, (sequence) => {
        steps += expectSameWalk(machine, input, sequence);
      }),
      { numRuns: runs },
    );
  }
  return steps;
}

/** Every simple path and every shortest one from state value to state value, as the events that lead along it. */
export function pathsOf(machine: AnyStateMachine, events: readonly EventObject[], input: unknown): EventObject[][] {
  const options = {
    events: [...events],
    input,
    // By value alone: contexts that count would make the graph infinite. The random sequences see to them.
    serializeState: (snapshot: unknown) => JSON.stringify((snapshot as AnyMachineSnapshot).value),
  };
  const paths = [...getShortestPaths(machine, options), ...getSimplePaths(machine, options)];
  // The first step of XState's paths is the initial event.
  return paths.map((path) => path.steps.map((step) => step.event as EventObject).filter(({ type }) => type !== 'xstate.init'));
}

function expectSameWalk(machine: AnyStateMachine, input: unknown, events: readonly EventObject[]): number {
  const compiled = compile(machine);
  let steps = 0;
  let [stock, stockActions] = initialTransition(machine, input as never) as unknown as StockStep;
  let [ours, ourActions] = compiled.initial(input as never);
  const walked: string[] = ['the start'];
  for (const event of [undefined, ...events]) {
    if (event !== undefined) {
      if (stock.status !== 'active') {
        break;
      }
      [stock, stockActions] = transition(machine, stock, event) as unknown as StockStep;
      [ours, ourActions] = compiled.transition(ours, event);
      walked.push(JSON.stringify(event));
    }
    steps += 1;
    const where = `after ${walked.join(', ')}`;
    expect(visible(ours), where).toEqual(visible(stock));
    expect(ourActions, where).toEqual(stockActions.map(({ type, params }) => ({ type, params })));
  }
  return steps;
}

type StockStep = [AnyMachineSnapshot, { readonly type: string; readonly params: unknown }[]];

/** What users see of a snapshot. */
export function visible({ value, context, status, output, error, tags }: AnyMachineSnapshot): Record<string, unknown> {
  return { value, context: context as unknown, status, output: output as unknown, error, tags: [...tags] };
}
