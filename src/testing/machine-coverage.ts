/**
 * What a set of paths covers of a statechart: every state entered, every transition taken, every guard seen both ways at every transition that has it. It
 * is measured on the machine itself, which is walked along the paths once more: nothing is believed of who made them. For charts whose transitions name
 * their events and guards, without parallel states.
 */
import { getInitialMicrosteps, getMicrosteps } from 'xstate';
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition, EventFrom, EventObject, InputFrom } from 'xstate';
import { chainOf, isLeaf, nodesOf } from '../machines/chart.ts';

/** A way to walk, as the path generators give it. */
export interface Walk<M extends AnyStateMachine = AnyStateMachine> {
  readonly input: InputFrom<M>;
  readonly steps: readonly { readonly event: EventFrom<M> }[];
}

/** Of how many there are, how many were covered. */
export interface Tally {
  readonly covered: number;
  readonly total: number;
}

export interface MachineCoverage {
  readonly states: Tally;
  /** Each definition once, in whatever states it was taken. */
  readonly transitions: Tally;
  /** Two for each guarded transition: it let pass, and it did not. */
  readonly guards: Tally;
  /** Everything is covered. */
  readonly complete: boolean;
  /** What is not covered, by name. */
  readonly uncovered: readonly string[];
}

/**
 * Walks the machine along the paths and tells what that covers.
 * @throws Error where the chart has what cannot be counted: a parallel state, a wildcard, a guard without a name.
 */
export function coverageOf<M extends AnyStateMachine>(machine: M, walks: readonly Walk<M>[]): MachineCoverage {
  const survey = new Survey(machine);
  for (const { input, steps } of walks) {
    survey.walk(
      input,
      steps.map(({ event }) => event as EventObject),
    );
  }
  return survey.result();
}

/** One transition of the chart, and what was seen of it. */
interface Sighting {
  readonly name: string;
  readonly guard: string | undefined;
  taken: boolean;
  passed: boolean;
  turnedDown: boolean;
}

class Survey {
  readonly #machine: AnyStateMachine;
  readonly #states: ReadonlyMap<AnyStateNode, string>;
  readonly #entered = new Set<AnyStateNode>();
  readonly #sightings = new Map<AnyTransitionDefinition, Sighting>();

  constructor(machine: AnyStateMachine) {
    this.#machine = machine;
    const nodes = nodesOf(machine.root);
    this.#states = new Map(nodes.filter((node) => node !== machine.root).map((node) => [node, nameOf(node)]));
    for (const node of nodes) {
      if (node.type === 'parallel' || node.type === 'history') throw new Error(`${node.id}: a ${node.type} state cannot be counted`);
      for (const definition of definitionsOf(node)) this.#sightings.set(definition, sightingOf(definition));
    }
  }

  walk(input: unknown, events: readonly EventObject[]): void {
    const start = getInitialMicrosteps(this.#machine, input as never).map(([snapshot]) => snapshot as AnyMachineSnapshot);
    let snapshot = this.#pass(undefined, start, { type: 'xstate.init' });
    for (const event of events) {
      if (snapshot.status !== 'active') return;
      const steps = getMicrosteps(this.#machine, snapshot, event).map(([next]) => next as AnyMachineSnapshot);
      snapshot = this.#pass(snapshot, steps, event);
    }
  }

  /** One event: the transition it selects, then those that need none. Gives the state of rest. */
  #pass(before: AnyMachineSnapshot | undefined, microsteps: readonly AnyMachineSnapshot[], event: EventObject): AnyMachineSnapshot {
    let snapshot = before;
    if (before !== undefined) {
      const selected = this.#select(before, event, (node) => node.transitions.get(event.type) ?? []);
      const [chosen] = this.#machine.getTransitionData(before as never, event) ?? [];
      if (chosen !== selected) throw new Error(`${this.#machine.id}: the machine itself takes another transition at ${event.type}`);
    }
    for (const step of microsteps) {
      for (const node of step._nodes as AnyStateNode[]) this.#entered.add(node);
      if (step.status === 'active') this.#select(step, event, (node) => node.always ?? []);
      snapshot = step;
    }
    if (snapshot === undefined) throw new Error('a machine without a start');
    return snapshot;
  }

  /** Asks the guards in XState's order: from the inmost state outwards, each state's transitions as they stand, the first that lets pass. */
  #select(
    snapshot: AnyMachineSnapshot,
    event: EventObject,
    candidatesOf: (node: AnyStateNode) => readonly AnyTransitionDefinition[],
  ): AnyTransitionDefinition | undefined {
    const leaf = (snapshot._nodes as AnyStateNode[]).find(isLeaf);
    const candidates = leaf === undefined ? [] : chainOf(leaf).flatMap(candidatesOf);
    return candidates.find((definition) => this.#passes(definition, snapshot, event));
  }

  #passes(definition: AnyTransitionDefinition, snapshot: AnyMachineSnapshot, event: EventObject): boolean {
    const sighting = this.#sightings.get(definition);
    if (sighting === undefined) throw new Error(`a transition of ${definition.source.id} that the chart does not have`);
    const passes = sighting.guard === undefined || this.#ask(sighting.guard, definition, { context: snapshot.context, event });
    sighting.passed ||= passes;
    sighting.turnedDown ||= !passes;
    sighting.taken ||= passes;
    return passes;
  }

  #ask(guard: string, definition: AnyTransitionDefinition, args: { context: unknown; event: EventObject }): boolean {
    const test = this.#machine.implementations.guards[guard] as ((args: unknown, params: unknown) => boolean) | undefined;
    if (typeof test !== 'function') throw new Error(`${definition.source.id}: the guard '${guard}' is no function`);
    return test(args, (definition.guard as { params?: unknown }).params);
  }

  result(): MachineCoverage {
    const sightings = [...this.#sightings.values()];
    const guarded = sightings.filter(({ guard }) => guard !== undefined);
    const untaken = sightings.filter(({ taken }) => !taken).map(({ name }) => `transition ${name}`);
    const unentered = [...this.#states].filter(([node]) => !this.#entered.has(node)).map(([, name]) => `state ${name}`);
    const oneSided = guarded.flatMap(({ name, guard, passed, turnedDown }) => [
      ...(passed ? [] : [`guard ${guard} never true: ${name}`]),
      ...(turnedDown ? [] : [`guard ${guard} never false: ${name}`]),
    ]);
    const uncovered = [...unentered, ...untaken, ...oneSided];
    return {
      states: tally(this.#states.size, unentered),
      transitions: tally(sightings.length, untaken),
      guards: tally(2 * guarded.length, oneSided),
      complete: uncovered.length === 0,
      uncovered,
    };
  }
}

function tally(total: number, missing: readonly string[]): Tally {
  return { covered: total - missing.length, total };
}

/** Every transition that stands in the state, by event, by delay and eventless. */
function definitionsOf(node: AnyStateNode): AnyTransitionDefinition[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
}

function sightingOf(definition: AnyTransitionDefinition): Sighting {
  const { source, eventType, guard, target } = definition;
  if (eventType.endsWith('*')) throw new Error(`${source.id}: a wildcard cannot be counted`);
  const guardName = typeof guard === 'object' ? (guard as { type: string }).type : guard;
  if (guardName !== undefined && typeof guardName !== 'string') throw new Error(`${source.id}: a guard without a name cannot be counted`);
  const to = (target as readonly AnyStateNode[] | undefined)?.map(nameOf).join(', ') ?? 'stays';
  const name = `${nameOf(source as AnyStateNode)} ── ${eventName(eventType)}${guardName === undefined ? '' : ` [${guardName}]`} ─▶ ${to}`;
  return { name, guard: guardName, taken: false, passed: false, turnedDown: false };
}

/** The state's path; of the root, which is no state of its own, an asterisk: its transitions hold everywhere. */
function nameOf(node: AnyStateNode): string {
  return node.path.length === 0 ? '*' : node.path.join('.');
}

/** XState's names of delays end in the state's id. */
function eventName(eventType: string): string {
  if (eventType === '') return 'always';
  const [, delay] = /^xstate\.after\.([^.]+)\./.exec(eventType) ?? [];
  return delay === undefined ? eventType : `after ${delay}`;
}
