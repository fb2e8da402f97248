/**
 * What a compiled machine may use, and the refusal of everything else, at start-up, naming the feature and the state. It looks
 * at the chart only; whether the tables behave as the chart does is for the tests of equivalence.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { nodesOf } from './chart.ts';

/** The creators of XState whose actions a compiled machine performs by itself. */
const BUILT_IN = new Set(['xstate.assign', 'xstate.raise', 'xstate.emit']);

/** A reference to an action or guard as it stands in a chart. */
export type Reference = string | { readonly type: string; readonly params?: unknown } | ((...args: never[]) => unknown);

/** An action creator's product: a function that carries its type and what it was made from. */
export interface BuiltInAction {
  readonly type: string;
  readonly assignment?: unknown;
  readonly event?: unknown;
  readonly delay?: unknown;
}

/** Throws unless the whole chart is within what `compile` supports. */
export function assertSupported(machine: AnyStateMachine): void {
  if ((machine.options.maxIterations ?? Infinity) !== Infinity) {
    throw refusal(machine, 'options.maxIterations', machine.root);
  }
  const nodes = nodesOf(machine.root);
  for (const node of nodes) {
    assertSupportedState(machine, node);
  }
  for (const node of nodes) {
    for (const transition of transitionsOf(node)) {
      assertSupportedTransition(machine, node, transition);
    }
  }
}

/** Every transition that stands in the state: by event and eventless. */
export function transitionsOf(node: AnyStateNode): AnyTransitionDefinition[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
}

function assertSupportedState(machine: AnyStateMachine, node: AnyStateNode): void {
  if (node.type === 'parallel' || node.type === 'history') {
    throw refusal(machine, `a ${node.type} state`, node);
  }
  if (node.config.after !== undefined) {
    throw refusal(machine, '`after` (let whoever owns the actor send it a named event)', node);
  }
  if (node.invoke.length > 0) {
    throw refusal(machine, '`invoke`', node);
  }
  if ('route' in node.config && node.config.route !== undefined) {
    throw refusal(machine, '`route`', node);
  }
  const initialActions = node.type === 'compound' ? node.initial.actions : [];
  for (const action of [...node.entry, ...node.exit, ...initialActions]) {
    assertSupportedAction(machine, node, action);
  }
}

function assertSupportedTransition(machine: AnyStateMachine, node: AnyStateNode, transition: AnyTransitionDefinition): void {
  if ((transition.target?.length ?? 0) > 1) {
    throw refusal(machine, `a transition with several targets (event '${transition.eventType}')`, node);
  }
  for (const action of transition.actions) {
    assertSupportedAction(machine, node, action);
  }
  if (transition.guard !== undefined) {
    assertSupportedGuard(machine, node, transition.guard);
  }
}

function assertSupportedAction(machine: AnyStateMachine, node: AnyStateNode, reference: Reference): void {
  const name = nameOf(reference);
  const action = builtInOf(machine, reference);
  if (action !== undefined) {
    if (!BUILT_IN.has(action.type)) {
      throw refusal(machine, `the action ${action.type.replace('xstate.', '')}${name === action.type ? '' : ` ('${name}')`}`, node);
    }
    if (action.delay !== undefined) {
      throw refusal(machine, 'a delayed raise', node);
    }
    return;
  }
  if (typeof reference === 'function') {
    throw refusal(machine, `an inline action (${name || 'anonymous'}): name it in setup({ actions })`, node);
  }
  if (typeof machine.implementations.actions[name] !== 'function') {
    throw refusal(machine, `the action '${name}' without an implementation in setup({ actions })`, node);
  }
}

function assertSupportedGuard(machine: AnyStateMachine, node: AnyStateNode, reference: Reference): void {
  const name = nameOf(reference);
  const guard: unknown = typeof reference === 'function' ? reference : machine.implementations.guards[name];
  if (typeof guard === 'function' && 'check' in guard) {
    throw refusal(machine, `the combined guard ${guard.name}(): write it as one named function in setup({ guards })`, node);
  }
  if (typeof reference === 'function') {
    throw refusal(machine, `an inline guard (${name || 'anonymous'}): name it in setup({ guards })`, node);
  }
  if (typeof guard !== 'function') {
    throw refusal(machine, `the guard '${name}' without a function in setup({ guards })`, node);
  }
}

/** The name a reference goes by. */
export function nameOf(reference: Reference): string {
  if (typeof reference === 'string') {
    return reference;
  }
  return 'type' in reference ? String(reference.type) : reference.name;
}

/** The reference's `params`: static, a function, or undefined. */
export function paramsOf(reference: Reference): unknown {
  return typeof reference === 'object' ? reference.params : undefined;
}

/** The product of an action creator that the reference stands for, inline or by name; undefined for an action of one's own. */
export function builtInOf(machine: AnyStateMachine, reference: Reference): BuiltInAction | undefined {
  const action: unknown = typeof reference === 'function' ? reference : machine.implementations.actions[nameOf(reference)];
  return typeof action === 'function' && 'resolve' in action ? (action as unknown as BuiltInAction) : undefined;
}

function refusal(machine: AnyStateMachine, feature: string, node: AnyStateNode): Error {
  return new Error(
    `Machine '${machine.id}' cannot be compiled: state '${node.id}' uses ${feature}. Use a stock actor for it, or leave the feature out.`,
  );
}
