/**
 * Runs one event through the tables: XState's macrostep (the event's transition, then eventless ones, then raised events,
 * until nothing is left). It decides and tells the stage what to perform; the stage, a light actor or a recorder, does it.
 * State and context change at the end only: what throws on the way leaves the stage as it was.
 */
import type { EventObject } from 'xstate';
import { Arguments, ASSIGN, COMPLETE, ContextArguments, EMIT, FINISH, NO_MOVES, PERFORM, RAISE } from './tables.ts';
import type { Guard, Instruction, Leaf, Move, Tables } from './tables.ts';

type Context = Record<string, unknown>;
type Computed = (args: unknown, params: unknown) => unknown;

/** What a run writes to. */
export interface Stage {
  leaf: Leaf;
  /** The context: the extended state. */
  extended: Context;
  output: unknown;
  /** Events raised and not yet handled. */
  raised: EventObject[] | undefined;
  perform(instruction: Instruction, args: Arguments, params: unknown): void;
  emit(instruction: Instruction, args: Arguments, event: EventObject): void;
  /** Only observers care: the event itself is handled in the same run. */
  raise(instruction: Instruction, args: Arguments, event: EventObject): void;
}

/** The context a new actor begins with. */
export function initialContext(tables: Tables, input: unknown): Context {
  const { context } = tables.machine.config as { readonly context?: Context | ((args: ContextArguments) => Context) };
  return typeof context === 'function' ? context(new ContextArguments(input)) : (context ?? {});
}

/** Enters the initial state; the stage has the initial context already. */
export function begin(stage: Stage, tables: Tables, event: EventObject): void {
  const { start } = tables;
  stage.raised = undefined;
  const args = execute(stage, tables, start.instructions, new Arguments(stage.extended, event));
  settle(stage, tables, start.target, args);
}

/** Handles one event. False: nothing in the chart answers to it, and nothing has changed. */
export function advance(stage: Stage, tables: Tables, event: EventObject): boolean {
  const { leaf } = stage;
  const moves = movesOf(leaf, event.type);
  const first = moves[0];
  if (first !== undefined && first.isBare && first.target.always === NO_MOVES) {
    stage.leaf = first.target;
    return true;
  }
  const args = new Arguments(stage.extended, event);
  stage.raised = undefined;
  const move = select(moves, args);
  if (move !== undefined) {
    settle(stage, tables, move.target, execute(stage, tables, move.instructions, args));
    return true;
  }
  if (leaf.always !== NO_MOVES) {
    settle(stage, tables, leaf, args);
  }
  return false;
}

/** Eventless transitions first, then raised events, until the state is at rest; then it is the stage's state. */
function settle(stage: Stage, tables: Tables, reached: Leaf, reachedArgs: Arguments): void {
  let leaf = reached;
  let args = reachedArgs;
  let isChanged = true;
  while (!leaf.finishes) {
    let move: Move | undefined = isChanged && leaf.always !== NO_MOVES ? select(leaf.always, args) : undefined;
    if (move !== undefined) {
      isChanged = move.changes;
    } else {
      const event: EventObject | undefined = stage.raised?.shift();
      if (event === undefined) {
        break;
      }
      args = new Arguments(args.context, event);
      move = select(movesOf(leaf, event.type), args);
      isChanged = true;
    }
    if (move !== undefined) {
      args = execute(stage, tables, move.instructions, args);
      leaf = move.target;
    }
  }
  stage.leaf = leaf;
  stage.extended = args.context;
}

function movesOf(leaf: Leaf, eventType: string): readonly Move[] {
  if (leaf.latestType === eventType) {
    return leaf.latestMoves;
  }
  const moves = leaf.moves.get(eventType);
  if (moves === undefined) {
    return leaf.otherMoves === undefined ? NO_MOVES : leaf.otherMoves(eventType);
  }
  leaf.latestType = eventType;
  leaf.latestMoves = moves;
  return moves;
}

function select(moves: readonly Move[], args: Arguments): Move | undefined {
  for (const move of moves) {
    if (move.guard === undefined || passes(move.guard, args)) {
      return move;
    }
  }
  return undefined;
}

function passes(guard: Guard, args: Arguments): boolean {
  try {
    return guard.test(args, computed(guard.params, args, undefined));
  } catch (error) {
    throw new Error(`The guard '${guard.name}' of state '${guard.stateId}' threw at event '${args.event.type}'.`, { cause: error });
  }
}

/** Does the instructions in order; returns the arguments with the context that came of them. */
function execute(stage: Stage, tables: Tables, instructions: readonly Instruction[], given: Arguments): Arguments {
  let args = given;
  for (const instruction of instructions) {
    const params = typeof instruction.params === 'function' ? (instruction.params as Computed)(args, undefined) : instruction.params;
    switch (instruction.code) {
      case PERFORM:
        stage.perform(instruction, args, params);
        break;
      case ASSIGN:
        args = new Arguments(assigned(instruction.operand, args, params), args.event);
        break;
      case RAISE: {
        const event = computed(instruction.operand, args, params) as EventObject;
        enqueue(stage, event);
        stage.raise(instruction, args, event);
        break;
      }
      case EMIT:
        stage.emit(instruction, args, computed(instruction.operand, args, params) as EventObject);
        break;
      case COMPLETE:
        enqueue(stage, doneEvent(instruction, args));
        break;
      case FINISH:
        stage.output = outputOf(tables, instruction, args);
        break;
    }
  }
  return args;
}

function enqueue(stage: Stage, event: EventObject): void {
  if (stage.raised === undefined) {
    stage.raised = [event];
  } else {
    stage.raised.push(event);
  }
}

const { hasOwnProperty } = Object.prototype;

/** A new context, as XState's `assign` makes it: the old one's own properties, then the update's. */
function assigned(assignment: unknown, args: Arguments, params: unknown): Context {
  const context = { ...args.context };
  if (typeof assignment === 'function') {
    const update = (assignment as Computed)(args, params) as Context;
    for (const key in update) {
      if (hasOwnProperty.call(update, key)) {
        context[key] = update[key];
      }
    }
    return context;
  }
  for (const key of Object.keys(assignment as object)) {
    context[key] = computed((assignment as Context)[key], args, params);
  }
  return context;
}

function computed(value: unknown, args: unknown, params: unknown): unknown {
  return typeof value === 'function' ? (value as Computed)(args, params) : value;
}

function doneEvent(instruction: Instruction, args: Arguments): EventObject & { readonly output: unknown } {
  return { type: `xstate.done.state.${instruction.name}`, output: computed(instruction.operand, args, undefined) };
}

/** The machine's output mapper is called with the final state's own done event. */
function outputOf(tables: Tables, instruction: Instruction, args: Arguments): unknown {
  const { output } = tables.machine.root;
  return typeof output === 'function' ? (output as Computed)(new Arguments(args.context, doneEvent(instruction, args)), undefined) : output;
}
