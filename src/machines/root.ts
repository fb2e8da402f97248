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
  return createActor(machine as AnyStateMachine, options) as unknown as Actor<M>;
}
