/**
 * The only way to make a hot actor. A kind is a machine with the actions the rooms outside provide; its actors are light until
 * somebody inspects the system or asks for an actor's `ref`, and then real XState actors of the same machine, in place.
 *
 *   const kind = defineActor<Call>()({ machine: requestMachine, name: 'request', actions: { transmit: (call, { event }) => … } });
 *   const actor = kind.spawn(host, { key: 7, input, owner: call });
 */
import type {
  ActorRefFrom,
  AnyStateMachine,
  ContextFrom,
  EmittedFrom,
  EventFrom,
  InputFrom,
  Observer,
  ParameterizedObject,
  SnapshotFrom,
  StateMachine,
  StateValueFrom,
  Subscription,
} from 'xstate';
import type { ActorHost } from './actor-host.ts';
import type { Blueprint, Handler } from './blueprint.ts';
import { compile } from './compile.ts';
import { LightActor } from './light-actor.ts';
import type { LightActorOptions } from './light-actor.ts';
import { stockMachine } from './stock.ts';
import type { Tables } from './tables.ts';

export { ActorHost } from './actor-host.ts';

/** The handle of a hot actor. It stays valid when the actor is promoted, and after its end. */
export interface LiveActor<M extends AnyStateMachine = AnyStateMachine> {
  /** `name:key`, unique among the actors of a kind as far as the keys are. */
  readonly id: string;
  readonly key: number | string;
  /** The present state. */
  readonly value: StateValueFrom<M>;
  readonly context: ContextFrom<M>;
  /** It has reached a final state. */
  readonly done: boolean;
  /** The real XState actor; asking for it promotes. In the midst of an event that actor starts when the event is handled. */
  readonly ref: ActorRefFrom<M>;
  /** Handles the event now, or, if one is being handled, after that. A finished or stopped actor ignores it. */
  send(event: EventFrom<M>): void;
  getSnapshot(): SnapshotFrom<M>;
  /** After the event being handled, without exit actions; what waits is dropped. */
  stop(): void;
  /** Every snapshot from now on, one for each event, and the completion. What the observer throws is reported to the host. */
  subscribe(observer: Observer<SnapshotFrom<M>> | ((snapshot: SnapshotFrom<M>) => void)): Subscription;
  /** What the machine emits, by type; `*` for everything. */
  on<T extends EmittedFrom<M>['type'] | '*'>(type: T, handler: (event: EmittedOf<M, T>) => void): Subscription;
}

type EmittedOf<M extends AnyStateMachine, T> = T extends '*' ? EmittedFrom<M> : Extract<EmittedFrom<M>, { type: T }>;

type ActionOf<M> =
  M extends StateMachine<
    infer _Context,
    infer _Event,
    infer _Children,
    infer _Actor,
    infer Action,
    infer _Guard,
    infer _Delay,
    infer _Value,
    infer _Tag,
    infer _Input,
    infer _Output,
    infer _Emitted,
    infer _Meta,
    infer _Schema,
    infer _TransitionMeta
  >
    ? Extract<Action, ParameterizedObject>
    : never;

/**
 * One function for each action the chart performs that XState has none for (assign, raise and emit are its own). The type cannot tell these apart, so a
 * missing or superfluous one is found when the kind is defined.
 */
export type ActionHandlers<M extends AnyStateMachine, Owner> = {
  readonly [Name in ActionOf<M>['type']]?: (
    owner: Owner,
    args: { readonly context: ContextFrom<M>; readonly event: EventFrom<M> },
    params: Extract<ActionOf<M>, { type: Name }>['params'],
  ) => void;
};

export interface ActorDefinition<M extends AnyStateMachine, Owner> {
  readonly machine: M;
  /** The first half of the ids. */
  readonly name: string;
  /** What the named actions do, called with the thing the actor belongs to. */
  readonly actions: ActionHandlers<M, Owner>;
}

export interface SpawnOptions<M extends AnyStateMachine, Owner> {
  /** The second half of the id. */
  readonly key: number | string;
  readonly input: InputFrom<M>;
  readonly owner: Owner;
  /** Default: the host's root, also when the parent has finished. */
  readonly parent?: LiveActor | undefined;
}

export interface ActorKind<M extends AnyStateMachine, Owner> {
  readonly name: string;
  readonly machine: M;
  /**
   * Makes an actor and enters its initial state, entry actions included.
   * @throws what the machine's context, guards and assignments throw at the start. What an action throws goes to the host's `onError`.
   */
  spawn(host: ActorHost, options: SpawnOptions<M, Owner>): LiveActor<M>;
}

/**
 * Defines a kind of hot actor: `defineActor<Owner>()({ machine, name, actions })`.
 * @throws Error when the machine cannot be compiled, or an action is missing or is one the chart never performs.
 */
export function defineActor<Owner>(): <M extends AnyStateMachine>(definition: ActorDefinition<M, Owner>) => ActorKind<M, Owner> {
  return <M extends AnyStateMachine>({ machine, name, actions }: ActorDefinition<M, Owner>): ActorKind<M, Owner> => {
    const { tables } = compile(machine);
    const handlers = handlersInOrder(name, tables, actions as Readonly<Record<string, Handler | undefined>>);
    return new Kind(machine, { name, tables, handlers, stock: stockMachine(machine, tables.actionNames, tables.hearsChildren) });
  };
}

class Kind<M extends AnyStateMachine, Owner> implements ActorKind<M, Owner> {
  readonly machine: M;
  private readonly blueprint: Blueprint;

  constructor(machine: M, blueprint: Blueprint) {
    this.machine = machine;
    this.blueprint = blueprint;
  }

  get name(): string {
    return this.blueprint.name;
  }

  spawn(host: ActorHost, options: SpawnOptions<M, Owner>): LiveActor<M> {
    const actor = new LightActor(this.blueprint, host, options as unknown as LightActorOptions);
    if (host.watched) {
      actor.startReal(options.input);
    } else {
      actor.startLight(options.input);
    }
    return actor as unknown as LiveActor<M>;
  }
}

function handlersInOrder(name: string, { actionNames }: Tables, actions: Readonly<Record<string, Handler | undefined>>): Handler[] {
  const superfluous = Object.keys(actions).filter((action) => !actionNames.includes(action));
  if (superfluous.length > 0) {
    throw new Error(`Actor '${name}': the chart performs no action ${quoted(superfluous)}. It performs ${quoted(actionNames)}.`);
  }
  const missing = actionNames.filter((action) => typeof actions[action] !== 'function');
  if (missing.length > 0) {
    throw new Error(`Actor '${name}': the chart performs ${quoted(missing)}, and \`actions\` has no function for it.`);
  }
  return actionNames.map((action) => actions[action] as Handler);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ') || 'none';
}
