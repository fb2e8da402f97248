/**
 * Ways through a statechart, found by `xstate/graph` and walked again event by event, so that every step says what the machine itself did. They run no
 * action. Charts with `after` are fine: their delays are events like any other.
 */
import { getNextTransitions, initialTransition, transition } from 'xstate';
import type { AnyMachineSnapshot, AnyStateMachine, EventFrom, EventObject, InputFrom, SnapshotFrom } from 'xstate';
import { getShortestPaths, getSimplePaths } from 'xstate/graph';
import type { MachineModel } from './machine-models.ts';

/** One event, and what the machine is after it. */
export interface MachineStep<M extends AnyStateMachine = AnyStateMachine> {
  readonly event: EventFrom<M>;
  readonly snapshot: SnapshotFrom<M>;
}

/** A way from the start of a machine. */
export interface MachinePath<M extends AnyStateMachine = AnyStateMachine> {
  readonly input: InputFrom<M>;
  /** Before the first step. */
  readonly start: SnapshotFrom<M>;
  readonly steps: readonly MachineStep<M>[];
}

/** By name and JSON; for titles of tests, and to tell paths apart. */
export function describePath({ input, steps }: MachinePath): string {
  const events = steps.map(({ event }) => describeEvent(event as EventObject)).join(' · ');
  return `${input === undefined ? '' : `${JSON.stringify(input)}: `}${events === '' ? 'the start' : events}`;
}

/** The event's type, and what else it says that JSON can. */
export function describeEvent({ type, ...rest }: EventObject): string {
  const said = JSON.stringify(rest);
  return said === '{}' ? type : `${type} ${said}`;
}

/** Walks a machine along events. It stops where the machine has ended. */
export function walk<M extends AnyStateMachine>(machine: M, input: InputFrom<M>, events: readonly EventFrom<M>[]): MachinePath<M> {
  const [start] = initialTransition(machine, input as never);
  const steps: MachineStep<M>[] = [];
  let snapshot = start;
  for (const event of events) {
    if ((snapshot as AnyMachineSnapshot).status !== 'active') break;
    [snapshot] = transition(machine, snapshot, event as never);
    steps.push({ event, snapshot });
  }
  return { input, start, steps };
}

function onward<M extends AnyStateMachine>(machine: M, path: MachinePath<M>, event: EventFrom<M>): MachinePath<M> {
  const [snapshot] = transition(machine, endOf(path as MachinePath) as never, event as never);
  return { ...path, steps: [...path.steps, { event, snapshot }] };
}

/**
 * From every input, the shortest path to every state, and from there over every event that the state says anything about, also those that a guard then
 * turns down. So together they take every transition that can be taken. Two states are two where their value or the model's `facts` differ.
 */
export function shortestPaths<M extends AnyStateMachine>(model: MachineModel<M>): MachinePath<M>[] {
  return unique(model.inputs.flatMap((input) => shortestFrom(model, input)));
}

function shortestFrom<M extends AnyStateMachine>(model: MachineModel<M>, input: InputFrom<M>): MachinePath<M>[] {
  const { machine, events, within = () => true } = model;
  return getShortestPaths(machine, traversal(model, input)).flatMap(({ steps }) => {
    const path = walk(machine, input, eventsOf<M>(steps));
    const last = endOf(path);
    if (last.status !== 'active' || !within(last.context)) return [path];
    const heard = new Set(getNextTransitions(last).map(({ eventType }) => eventType));
    const hearsAll = [...heard].some((eventType) => eventType.endsWith('*'));
    const onwards = events.filter((event) => hearsAll || heard.has((event as EventObject).type));
    return [path, ...onwards.map((event) => onward(machine, path, event))];
  });
}

/**
 * From every input, every path that enters no state twice. Two states are two where their value differs, or the model's `facts` too, if `by` says so;
 * where those count, that is very many paths.
 */
export function simplePaths<M extends AnyStateMachine>(model: MachineModel<M>, { by = 'value' }: { by?: 'value' | 'facts' } = {}): MachinePath<M>[] {
  const traversed = by === 'value' ? { ...model, facts: () => 0, within: () => true } : model;
  const paths = model.inputs.flatMap((input) =>
    getSimplePaths(model.machine, traversal(traversed, input)).map(({ steps }) => walk(model.machine, input, eventsOf<M>(steps))),
  );
  return unique(paths);
}

/** Each path once, and only those that are not the beginning of another one: whoever looks at every step need not walk the others. */
export function longestPaths<M extends AnyStateMachine>(paths: readonly MachinePath<M>[]): MachinePath<M>[] {
  const begun = new Set<string>();
  for (const path of paths) {
    for (let length = 0; length < path.steps.length; length++)
      begun.add(describePath({ ...path, steps: path.steps.slice(0, length) } as MachinePath));
  }
  return unique(paths.filter((path) => !begun.has(describePath(path as MachinePath))));
}

/** What the machine is at the end of the path. */
export function endOf({ start, steps }: MachinePath): AnyMachineSnapshot {
  return (steps.at(-1)?.snapshot ?? start) as AnyMachineSnapshot;
}

function traversal<M extends AnyStateMachine>({ events, facts = () => 0, within = () => true }: MachineModel<M>, input: InputFrom<M>) {
  return {
    events: [...events],
    input,
    serializeState: (snapshot: AnyMachineSnapshot) => JSON.stringify([snapshot.value, facts(snapshot.context)]),
    stopWhen: (snapshot: AnyMachineSnapshot) => snapshot.status !== 'active' || !within(snapshot.context),
  } as object;
}

/** The first step of XState's paths is the initial event. */
function eventsOf<M extends AnyStateMachine>(steps: readonly { readonly event: EventObject }[]): EventFrom<M>[] {
  return steps.map(({ event }) => event as EventFrom<M>).filter((event) => (event as EventObject).type !== 'xstate.init');
}

function unique<M extends AnyStateMachine>(paths: readonly MachinePath<M>[]): MachinePath<M>[] {
  return [...new Map(paths.map((path) => [describePath(path as MachinePath), path])).values()];
}
