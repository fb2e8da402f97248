/**
 * Starts the actors there are few of (session, connection, server): stock XState actors, which may use `after` and whose refs
 * users get.
 */
import { createActor } from 'xstate';
import type { Actor, AnyActorRef, AnyStateMachine, InputFrom } from 'xstate';

export interface StockActorOptions<M extends AnyStateMachine> {
  readonly id: string;
  readonly input: InputFrom<M>;
  /** Absent: the actor is the root of a system of its own. */
  readonly parent?: AnyActorRef | undefined;
  /** The system's clock; of a root only, since its children share it. */
  readonly clock?: { setTimeout(callback: () => void, delayMs: number): unknown; clearTimeout(id: unknown): void } | undefined;
}

/** An actor of `machine`, whose actions are provided, not started yet. */
export function stockActor<M extends AnyStateMachine>(machine: M, { id, input, parent, clock }: StockActorOptions<M>): Actor<M> {
  const options: object = { id, input, ...(parent && { parent }), ...(clock && { clock }) };
  // What the machine is, its actor's type says; that its options fit, StockActorOptions says.
  return createActor(deafToChildren(machine), options) as unknown as Actor<M>;
}

/**
 * XState tells a parent of each child's end by an event that is named after the child, and keeps for each type of event, for ever, which transitions it might
 * take: a parent that outlives many children would remember every one. None of ours listens to that.
 */
function deafToChildren(machine: AnyStateMachine): AnyStateMachine {
  const transition: AnyStateMachine['transition'] = (snapshot, event, scope) =>
    /^xstate\.(?:done|error)\.actor\./.test((event as { type: string }).type) ? snapshot : machine.transition(snapshot, event, scope);
  return Object.create(machine, { transition: { value: transition } }) as AnyStateMachine;
}
