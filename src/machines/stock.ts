/**
 * The stock side of a kind of hot actor: its machine with the same actions, for actors that somebody watches or has the ref of.
 * Made once for each kind; which actor an action is of, it finds by the actor ref.
 */
import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, EventObject } from 'xstate';

/** The handle behind a real actor. */
export interface Embodied {
  /** Performs a named action for the actor's owner. */
  performReal(slot: number, context: unknown, event: EventObject, params: unknown): void;
  /** Handles an event by the given stock transition, or, if its light self was in the midst of that event, by the snapshot that came of it. */
  transitionReal(event: EventObject, before: AnyMachineSnapshot, stock: () => AnyMachineSnapshot): AnyMachineSnapshot;
}

const embodiedByRef = new WeakMap<object, Embodied>();

/** From now on the ref's actions are the handle's. To be called before the ref is started. */
export function embody(ref: object, handle: Embodied): void {
  embodiedByRef.set(ref, handle);
}

const CHILD_DONE = /^xstate\.done\.actor\./;

/**
 * The machine with the named actions, in the order of their slots, performed by the actor's handle. One that does not hear children is not asked about their
 * ends: XState would remember, for ever and for each state, what it might do at every event type that it was ever asked about, and these have the child's name.
 */
export function stockMachine(machine: AnyStateMachine, actionNames: readonly string[], hearsChildren: boolean): AnyStateMachine {
  const actions = Object.fromEntries(actionNames.map((name, slot) => [name, actionAt(slot)]));
  const stock = machine.provide({ actions });
  const transition = stock.transition;
  stock.transition = (snapshot, event, scope) =>
    handleOf(scope.self).transitionReal(event as EventObject, snapshot, () =>
      !hearsChildren && CHILD_DONE.test((event as EventObject).type) ? snapshot : transition(snapshot, event, scope),
    );
  // A live snapshot is handed over as it is: XState's own way would search the whole context, payloads included, for refs to revive.
  stock.restoreSnapshot = (snapshot) => snapshot as AnyMachineSnapshot;
  return stock;
}

function actionAt(slot: number) {
  return (info: { readonly self: object; readonly context: unknown; readonly event: EventObject }, params: unknown): void => {
    handleOf(info.self).performReal(slot, info.context, info.event, params);
  };
}

function handleOf(ref: object): Embodied {
  const handle = embodiedByRef.get(ref);
  if (handle === undefined) {
    throw new Error('A hot actor was made outside of spawn(): make it by its ActorKind, which knows whose actions it performs.');
  }
  return handle;
}

/** XState lets only a parent stop its child; the handle stands for the parent here. */
export function halt(real: AnyActorRef): void {
  (real as unknown as { _stop(): void })._stop();
}
