/**
 * Starts the actors there are few of (session, connection, server): stock XState actors, which may use `after` and whose refs users get. The machine with its actions
 * is made once for each kind, since XState takes it apart anew each time; whose action it is, an action finds by the actor.
 */
import { createActor } from 'xstate';
import type { Actor, AnyActorRef, AnyStateMachine, ContextFrom, EventFromLogic, InputFrom } from 'xstate';

export interface RootActorOptions<M extends AnyStateMachine, Owner> {
  readonly id: string;
  /** Whose actions the machine's are. */
  readonly owner: Owner;
  readonly input: InputFrom<M>;
  /** Absent: the actor is the root of a system of its own. */
  readonly parent?: AnyActorRef | undefined;
  /** The system's clock; of a root only, since its children share it, and needed there. */
  readonly clock?: { setTimeout(callback: () => void, delayMs: number): unknown; clearTimeout(id: unknown): void } | undefined;
}

/** What an action is told beside its owner. */
export interface ActionInfo<M extends AnyStateMachine> {
  readonly context: ContextFrom<M>;
  readonly event: EventFromLogic<M>;
}

/** A kind of actor: its machine, and what its named actions do for the actor's owner. */
export class RootKind<M extends AnyStateMachine, Owner> {
  readonly #machine: AnyStateMachine;
  readonly #owners = new WeakMap<object, Owner>();

  constructor(machine: M, actions: Readonly<Record<string, (owner: Owner, info: ActionInfo<M>) => void>>) {
    const provided = Object.entries(actions).map(([name, act]) => [
      name,
      ({ self, ...info }: ActionInfo<M> & { readonly self: object }) => act(this.#owners.get(self) as Owner, info),
    ]);
    this.#machine = deafToChildren(machine.provide({ actions: Object.fromEntries(provided) as object }));
  }

  /** Not started yet. */
  make({ id, owner, input, parent, clock }: RootActorOptions<M, Owner>): Actor<M> {
    // Two literals, not one put together: such an object has a shape of its own, which takes more than the object.
    const options: object = parent === undefined ? { id, input, clock } : { id, input, parent };
    // What the machine is, the kind's type says; that the options fit, RootActorOptions says.
    const actor = createActor(this.#machine, options) as unknown as Actor<M>;
    this.#owners.set(actor, owner);
    return actor;
  }
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
