/**
 * What a compiled statechart consists of: plain tables, no logic. `chart.ts` fills them, `run.ts` walks them.
 *
 *   Tables ── leaves ──▶ Leaf ── moves of an event type, always ──▶ Move ── guard, instructions ──▶ target Leaf
 *
 * A leaf stands for the whole configuration: with no parallel states the atomic state tells its ancestors.
 */
import type { AnyMachineSnapshot, AnyStateMachine, EventObject, StateValue } from 'xstate';

/** The instruction codes: what a flat list of a move's doings is made of. */
export const PERFORM = 0;
export const ASSIGN = 1;
export const RAISE = 2;
export const EMIT = 3;
/** A nested final state was entered: its parent's `onDone` event is raised. */
export const COMPLETE = 4;
/** A top-level final state was entered: the machine's output is computed. */
export const FINISH = 5;
export type InstructionCode = 0 | 1 | 2 | 3 | 4 | 5;

/** One doing of a move, with everything looked up in advance. */
export interface Instruction {
  readonly code: InstructionCode;
  /** The action's name; of COMPLETE and FINISH the id of the state that is done. */
  readonly name: string;
  /** PERFORM: the action's index in `Tables.actionNames`; else -1. */
  readonly slot: number;
  /** Static parameters, or a function of context and event. */
  readonly params: unknown;
  /** The assignment, the event to raise or emit, the output to compute: as the chart has it. */
  readonly operand: unknown;
}

/** A named guard, looked up in advance. */
export interface Guard {
  readonly name: string;
  /** The id of the state whose transition it guards, for error messages. */
  readonly stateId: string;
  readonly test: (args: Arguments, params: unknown) => boolean;
  readonly params: unknown;
}

/** One transition, as taken from one leaf: exit, transition and entry actions in one list. */
export interface Move {
  readonly guard: Guard | undefined;
  readonly instructions: readonly Instruction[];
  readonly target: Leaf;
  /** It does nothing and needs no guard: there is nothing to decide and nothing to perform, only a state to be in. */
  readonly isBare: boolean;
  /** The snapshot after it is another one: stock stops looking for eventless transitions after one that changes nothing. */
  readonly changes: boolean;
}

/** One atomic or final state with all that can happen in it. */
export interface Leaf {
  readonly index: number;
  readonly value: StateValue;
  /** A top-level final state: the machine is done in it. */
  readonly finishes: boolean;
  /** By event type, every type the chart names; candidates in the order they are tried, from the leaf up to the root. */
  readonly moves: Map<string, readonly Move[]>;
  /** The type that was looked up last and what was found: an actor's life takes it through a state by the same event, nearly always. */
  latestType: string | undefined;
  latestMoves: readonly Move[];
  /** For a type the chart does not name: its wildcards. Undefined where there are none. */
  otherMoves: ((eventType: string) => readonly Move[]) | undefined;
  always: readonly Move[];
  /** A stock snapshot in this state, of which the others are copies. */
  readonly template: AnyMachineSnapshot;
}

export interface Tables {
  readonly machine: AnyStateMachine;
  readonly leaves: readonly Leaf[];
  /** The actions that are not built into XState: what the rooms outside provide. */
  readonly actionNames: readonly string[];
  readonly start: Move;
  /** The initial actions can run as they come: nothing that follows one of them changes state or context, or can throw. */
  readonly startsPlainly: boolean;
  /** Some state reacts to the end of a child actor, so it must be told. */
  readonly hearsChildren: boolean;
}

export const NO_MOVES: readonly Move[] = [];

/** What guards, assignments and parameters are called with. The rest of what stock passes has no meaning in a hot machine, and says so. */
export class Arguments {
  readonly context: Record<string, unknown>;
  readonly event: EventObject;

  constructor(context: Record<string, unknown>, event: EventObject) {
    this.context = context;
    this.event = event;
  }

  get self(): never {
    throw unavailable('self');
  }

  get system(): never {
    throw unavailable('system');
  }

  get spawn(): never {
    throw unavailable('spawn');
  }
}

/** What a machine's `context` function is called with. */
export class ContextArguments {
  readonly input: unknown;

  constructor(input: unknown) {
    this.input = input;
  }

  get self(): never {
    throw unavailable('self');
  }

  get spawn(): never {
    throw unavailable('spawn');
  }
}

function unavailable(name: string): Error {
  return new Error(
    `A compiled machine's guards, assignments and parameters have no \`${name}\`: decide by context and event, and leave the rest to a named action.`,
  );
}
