/**
 * The proof that a compiled machine is the stock one: both are led along every path of the graph and along random sequences,
 * and must show the same snapshots and name the same actions after each step. Live snapshots only: on a finished one XState's
 * pure `transition` runs exit actions again, which no actor does.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import { createActor, createMachine, initialTransition, transition } from 'xstate';
import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, EventObject } from 'xstate';
import { compile } from '../../src/machines/compile.ts';
import { ActorHost, defineActor } from '../../src/machines/spawn.ts';
import type { LiveActor } from '../../src/machines/spawn.ts';
import type { MachineModel } from '../../src/testing/machine-models.ts';
import { shortestPaths, simplePaths } from '../../src/testing/machine-paths.ts';

export interface EquivalenceSamples {
  /** At least one event of each type, and one for each thing a guard may find. */
  readonly events: readonly EventObject[];
  /** Default: one actor without input. */
  readonly inputs?: readonly unknown[];
  /** Random sequences in all. */
  readonly runs?: number;
}

/** An event no chart names: only wildcards and eventless transitions answer to it. */
export const STRANGE_EVENT: EventObject = { type: 'nobody.knows' };

/** Throws unless the compiled machine does what the stock machine does, wherever the samples lead. Returns how many steps were compared. */
export function expectEquivalent(machine: AnyStateMachine, { events, inputs = [undefined], runs = 400 }: EquivalenceSamples): number {
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
      { numRuns: Math.ceil(runs / inputs.length) },
    );
  }
  return steps;
}

/** Every simple path and every shortest one by state value, as the events that lead along it: contexts that count are left to the random sequences. */
export function pathsOf(machine: AnyStateMachine, events: readonly EventObject[], input: unknown): EventObject[][] {
  const model: MachineModel = { name: machine.id, machine, events, inputs: [input] };
  return [...shortestPaths(model), ...simplePaths(model)].map(({ steps }) => steps.map(({ event }) => event as EventObject));
}

function expectSameWalk(machine: AnyStateMachine, input: unknown, events: readonly EventObject[]): number {
  const compiled = compile(machine);
  let steps = 0;
  let [stock, stockActions] = initialTransition(machine, input as never) as unknown as StockStep;
  let [ours, ourActions] = compiled.initial(input);
  const walked: string[] = ['the start'];
  for (const event of [undefined, ...events]) {
    if (event !== undefined) {
      if (stock.status !== 'active') {
        break;
      }
      [stock, stockActions] = transition(machine, stock, event);
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

/** How an actor is made, and when somebody looks at it. */
export type Way =
  /** XState's own `createActor`: what the others are compared with. */
  | { readonly made: 'stock' }
  /** Light for good. */
  | { readonly made: 'light' }
  /** Light until, before the event of that index, its ref is asked for or an inspector comes. */
  | { readonly made: 'promoted'; readonly by: 'ref' | 'inspector'; readonly before: number }
  /** Spawned while an inspector watches. */
  | { readonly made: 'watched' };

export interface Life {
  /** Actions with context, event and parameters, emitted events, snapshots told to a subscriber, the end: in the order they came. */
  readonly story: readonly unknown[];
  /** What the actor's parent was told. */
  readonly root: readonly unknown[];
  /** Actors that the host still counts. */
  readonly live: number;
}

/** Leads one actor through the events and notes all that can be seen of it from outside. */
export function lifeOf(machine: AnyStateMachine, way: Way, { input, events }: { input: unknown; events: readonly EventObject[] }): Life {
  const story: unknown[] = [];
  const rootStory: unknown[] = [];
  const root = createActor(createMachine({ on: { '*': { actions: ({ event }) => void rootStory.push(event) } } })).start();
  const host = new ActorHost(() => root, { onError: (error) => story.push({ error }) });
  if (way.made === 'watched') {
    host.inspect(() => {});
  }
  const make = way.made === 'stock' ? stockActor : lightActor;
  const actor = make({ machine, input, root, host, note: (entry) => story.push(entry) });
  actor.subscribe({ next: (snapshot) => story.push({ snapshot: visible(snapshot) }), complete: () => story.push('complete') });
  actor.on('*', (event) => story.push({ emitted: event }));
  story.push({ first: visible(actor.getSnapshot()) });
  events.forEach((event, index) => {
    if (way.made === 'promoted' && way.before === index) {
      const promotion = way.by === 'ref' ? (actor as LiveActor).ref : host.inspect(() => {});
      expect(promotion).toBeDefined();
    }
    if (actor.getSnapshot().status === 'active') {
      actor.send(event);
    }
  });
  story.push({ last: visible(actor.getSnapshot()) });
  return { story, root: rootStory, live: host.live };
}

interface Making {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  readonly root: AnyActorRef;
  readonly host: ActorHost;
  readonly note: (entry: unknown) => void;
}

type Observed = Pick<LiveActor, 'send' | 'getSnapshot' | 'subscribe' | 'on'>;

function stockActor({ machine, input, root, note }: Making): Observed {
  const record =
    (name: string) =>
    ({ context, event }: { context: unknown; event: unknown }, params: unknown) =>
      note({ name, context, event, params });
  const actions = Object.fromEntries(compile(machine).tables.actionNames.map((name) => [name, record(name)]));
  const provided = machine.provide({ actions });
  return createActor(provided, { id: 'toy:1', parent: root, input } as object).start();
}

function lightActor({ machine, input, host, note }: Making): Observed {
  const record =
    (name: string) =>
    (_owner: unknown, { context, event }: { context: unknown; event: unknown }, params: unknown) =>
      note({ name, context, event, params });
  const actions = Object.fromEntries(compile(machine).tables.actionNames.map((name) => [name, record(name)]));
  return defineActor<undefined>()({ machine, name: 'toy', actions }).spawn(host, { key: 1, input, owner: undefined });
}
