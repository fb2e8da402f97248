/**
 * Makes the tables of a statechart: every transition once for each atomic state it can be taken in, its actions flattened in
 * the order they run. It reads through `chart.ts` and `supported.ts`; nothing here is on the way of an event.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition, StateValue } from 'xstate';
import { chainOf, initialPassage, isLeaf, nodesOf, passageFrom } from './chart.ts';
import type { Passage } from './chart.ts';
import { assertSupported, builtInOf, nameOf, paramsOf, transitionsOf } from './supported.ts';
import type { Reference } from './supported.ts';
import { ASSIGN, COMPLETE, EMIT, FINISH, NO_MOVES, PERFORM, RAISE } from './tables.ts';
import type { Guard, Instruction, InstructionCode, Leaf, Move, Tables } from './tables.ts';

const WILDCARD = '*';
/** Stock never selects a transition for it. */
const INIT = 'xstate.init';
const CHILD_EVENT_PREFIX = 'xstate.done.actor.';

/** Throws, naming feature and state, when the chart is not within what a compiled machine supports. */
export function tabulate(machine: AnyStateMachine): Tables {
  assertSupported(machine);
  return new Tabulator(machine).tables();
}

class Tabulator {
  private readonly machine: AnyStateMachine;
  private readonly nodes: readonly AnyStateNode[];
  private readonly leafByNode = new Map<AnyStateNode, Leaf>();
  private readonly actionNames: string[] = [];

  constructor(machine: AnyStateMachine) {
    this.machine = machine;
    this.nodes = nodesOf(machine.root);
  }

  tables(): Tables {
    for (const node of this.nodes.filter(isLeaf)) {
      this.leafByNode.set(node, this.blankLeaf(node, this.leafByNode.size));
    }
    for (const [node, leaf] of this.leafByNode) {
      this.fill(node, leaf);
    }
    const start = this.move(initialPassage(this.machine.root), undefined, undefined);
    return {
      machine: this.machine,
      leaves: [...this.leafByNode.values()],
      actionNames: this.actionNames,
      start,
      startsPlainly: isPlain(start),
      hearsChildren: hearsChildren(this.machine),
    };
  }

  private blankLeaf(node: AnyStateNode, index: number): Leaf {
    const value = valueOf(node);
    const finishes = node.type === 'final' && node.parent !== undefined && node.parent.parent === undefined;
    const template = this.machine.resolveState({ value, context: {} });
    return {
      index,
      value,
      finishes,
      moves: new Map(),
      latestType: undefined,
      latestMoves: NO_MOVES,
      otherMoves: undefined,
      always: NO_MOVES,
      template,
    };
  }

  private fill(node: AnyStateNode, leaf: Leaf): void {
    const moveOf = this.movesIn(node);
    const chain = chainOf(node);
    const candidates = (eventType: string): readonly Move[] => {
      const found = eventType === INIT ? [] : chain.flatMap((state) => candidatesOf(state, eventType));
      return found.length === 0 ? NO_MOVES : found.map(moveOf);
    };
    // All of them now, a wildcard's too: later nothing may be refused, nor an action be found that nobody provides.
    chain.flatMap(transitionsOf).forEach(moveOf);
    for (const eventType of this.namedEventTypes()) {
      leaf.moves.set(eventType, candidates(eventType));
    }
    if (chain.some((state) => [...state.transitions.keys()].some((descriptor) => descriptor.endsWith(WILDCARD)))) {
      leaf.otherMoves = candidates;
    }
    const always = chain.flatMap((state) => state.always ?? []).map(moveOf);
    leaf.always = always.length === 0 ? NO_MOVES : always;
  }

  /** A transition's move in one leaf, made once. */
  private movesIn(node: AnyStateNode): (transition: AnyTransitionDefinition) => Move {
    const moves = new Map<AnyTransitionDefinition, Move>();
    return (transition) => {
      let move = moves.get(transition);
      if (move === undefined) {
        move = this.move(passageFrom(node, transition), transition, node);
        moves.set(transition, move);
      }
      return move;
    };
  }

  private namedEventTypes(): Set<string> {
    const types = this.nodes.flatMap((node) => [...node.transitions.keys()]);
    return new Set(types.filter((type) => !type.endsWith(WILDCARD)));
  }

  private move(passage: Passage, transition: AnyTransitionDefinition | undefined, from: AnyStateNode | undefined): Move {
    const target = this.leaf(passage.leaf);
    const instructions = [
      ...passage.exits.flatMap((node) => this.perform(node.exit)),
      ...this.perform(transition?.actions ?? []),
      ...passage.entries.flatMap(({ node, byDefault }) => this.enter(node, byDefault)),
    ];
    if (target.finishes) {
      instructions.push(...chainOf(passage.leaf).flatMap((node) => this.perform(node.exit)));
    }
    const changes = passage.leaf !== from || instructions.some((instruction) => instruction.code === ASSIGN);
    const guard = this.guard(transition);
    return { guard, instructions, target, isBare: guard === undefined && instructions.length === 0, changes };
  }

  private enter(node: AnyStateNode, byDefault: boolean): Instruction[] {
    const instructions = this.perform(node.entry);
    if (byDefault && node.type === 'compound') {
      instructions.push(...this.perform(node.initial.actions));
    }
    if (node.type !== 'final' || node.parent === undefined) {
      return instructions;
    }
    const code: InstructionCode = this.leaf(node).finishes ? FINISH : COMPLETE;
    const name = code === FINISH ? node.id : node.parent.id;
    instructions.push({ code, name, slot: -1, params: undefined, operand: node.output });
    return instructions;
  }

  private perform(actions: readonly unknown[]): Instruction[] {
    return actions.map((action) => this.instruction(action as Reference));
  }

  private instruction(reference: Reference): Instruction {
    const action = builtInOf(this.machine, reference);
    const params = paramsOf(reference);
    switch (action?.type) {
      case undefined: {
        const name = nameOf(reference);
        return { code: PERFORM, name, slot: this.slotOf(name), params, operand: undefined };
      }
      case 'xstate.assign':
        return { code: ASSIGN, name: 'xstate.assign', slot: -1, params, operand: action?.assignment };
      case 'xstate.raise':
        return { code: RAISE, name: 'xstate.raise', slot: -1, params, operand: action?.event };
      case 'xstate.emit':
        return { code: EMIT, name: 'xstate.emit', slot: -1, params, operand: action?.event };
      default:
        throw new Error(`Machine '${this.machine.id}': the action ${action?.type} was let through but has no instruction.`);
    }
  }

  private slotOf(name: string): number {
    const slot = this.actionNames.indexOf(name);
    return slot === -1 ? this.actionNames.push(name) - 1 : slot;
  }

  private guard(transition: AnyTransitionDefinition | undefined): Guard | undefined {
    if (transition?.guard === undefined) {
      return undefined;
    }
    const reference = transition.guard as Reference;
    const name = nameOf(reference);
    const test = this.machine.implementations.guards[name] as Guard['test'];
    return { name, stateId: transition.source.id, test, params: paramsOf(reference) };
  }

  private leaf(node: AnyStateNode): Leaf {
    const leaf = this.leafByNode.get(node);
    if (leaf === undefined) {
      throw new Error(`Machine '${this.machine.id}': state '${node.id}' is no atomic state.`);
    }
    return leaf;
  }
}

/** What XState shows as the snapshot's value when this is the atomic state. */
function valueOf(node: AnyStateNode): StateValue {
  if (node.parent === undefined) {
    return {};
  }
  let value: StateValue = node.key;
  for (const ancestor of chainOf(node.parent).slice(0, -1)) {
    value = { [ancestor.key]: value };
  }
  return value;
}

/** XState's order: the exact descriptor's transitions, then the wildcards', the longer descriptor first. */
function candidatesOf(node: AnyStateNode, eventType: string): AnyTransitionDefinition[] {
  const wildcards = [...node.transitions.keys()]
    .filter((descriptor) => descriptor !== eventType && matches(eventType, descriptor))
    .sort((a, b) => b.length - a.length);
  return [eventType, ...wildcards].flatMap((descriptor) => node.transitions.get(descriptor) ?? []);
}

function matches(eventType: string, descriptor: string): boolean {
  if (descriptor === WILDCARD) {
    return true;
  }
  const tokens = descriptor.split('.');
  const eventTokens = eventType.split('.');
  return tokens.pop() === WILDCARD && tokens.length > 0 && tokens.every((token, index) => token === eventTokens[index]);
}

/** Nothing of the start can fail but an action itself, and the state it enters is at rest: no assignment, no raise, no computed parameters. */
function isPlain(start: Move): boolean {
  return (
    start.target.always === NO_MOVES &&
    !start.target.finishes &&
    start.instructions.every(
      ({ code, params, operand }) => (code === PERFORM || code === EMIT) && typeof params !== 'function' && typeof operand !== 'function',
    )
  );
}

/** Whether some transition of the machine can be taken on a child's end: a wildcard, or XState's own event by name. */
export function hearsChildren(machine: AnyStateMachine): boolean {
  return nodesOf(machine.root)
    .flatMap(transitionsOf)
    .some(({ eventType }) => eventType.startsWith(CHILD_EVENT_PREFIX) || matches(`${CHILD_EVENT_PREFIX}x`, eventType));
}
