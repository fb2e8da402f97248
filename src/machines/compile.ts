/**
 * Turns a statechart into flat tables with the behaviour of the stock machine, for the actors there are many of. Pure: nothing
 * here performs an action. Light actors run the same tables (`light-actor.ts`); `logic` puts them under XState's own actors.
 *
 * Supported: named actions and guards with static or dynamic parameters, assign, raise, emit, entry and exit actions, nested
 * states, reenter, always, wildcards, onDone, final output. All else is refused at start-up (`supported.ts`).
 */
import type {
  ActorScope,
  ActorLogic,
  ActorSystem,
  AnyMachineSnapshot,
  AnyStateMachine,
  EmittedFrom,
  EventFrom,
  EventObject,
  InputFrom,
  SnapshotFrom,
} from 'xstate';
import { advance, begin, initialContext } from './run.ts';
import type { Stage } from './run.ts';
import type { Arguments, Instruction, Leaf, Tables } from './tables.ts';
import { tabulate } from './tabulate.ts';

/** An action a transition names, with its parameters: what is to be done, not yet done. */
export interface NamedAction {
  readonly type: string;
  readonly params: unknown;
}

type Step<M extends AnyStateMachine> = readonly [snapshot: SnapshotFrom<M>, actions: readonly NamedAction[]];
type Logic<M extends AnyStateMachine> = ActorLogic<SnapshotFrom<M>, EventFrom<M>, InputFrom<M>, ActorSystem<never>, EmittedFrom<M>>;

/** A statechart as tables: same snapshots and same actions as the machine it was made from, at a fraction of the cost. */
export interface CompiledMachine<M extends AnyStateMachine> {
  readonly machine: M;
  /** @internal What light actors run. */
  readonly tables: Tables;
  /** The first snapshot and the actions of entering it. Throws what the machine's context, guards and assignments throw. */
  initial(input: InputFrom<M>): Step<M>;
  /** The snapshot after the event and the actions on the way. A snapshot that is not active stays as it is. Throws as `initial` does. */
  transition(snapshot: SnapshotFrom<M>, event: EventFrom<M>): Step<M>;
  /** The same for XState's `createActor(compiled.logic, …)`; performs the implementations in the machine. */
  readonly logic: Logic<M>;
}

const compiledByMachine = new WeakMap<AnyStateMachine, CompiledMachine<AnyStateMachine>>();

/**
 * Turns a statechart into flat tables with the behaviour of the stock machine. Cached by machine.
 * @throws Error naming the feature and the state, when the chart uses what compiled machines do not support.
 */
export function compile<M extends AnyStateMachine>(machine: M): CompiledMachine<M> {
  let compiled = compiledByMachine.get(machine);
  if (compiled === undefined) {
    compiled = new Compilation(tabulate(machine));
    compiledByMachine.set(machine, compiled);
  }
  return compiled as unknown as CompiledMachine<M>;
}

/** A snapshot like those of the stock machine. */
export function snapshotOf(stage: Pick<Stage, 'leaf' | 'extended' | 'output'>): AnyMachineSnapshot {
  const { leaf, extended: context } = stage;
  const snapshot = leaf.finishes ? { ...leaf.template, context, output: stage.output } : { ...leaf.template, context };
  return snapshot as AnyMachineSnapshot;
}

/** XState's way to fail an actor from its child, which reaches a compiled machine only if somebody sends it. */
export function isChildError(event: EventObject): event is EventObject & { readonly error: unknown } {
  return event.type.startsWith('xstate.error.actor');
}

interface Recorded {
  readonly instruction: Instruction;
  readonly args: Arguments;
  readonly params: unknown;
}

/** A stage that only notes what is to be done. */
class Recorder implements Stage {
  leaf: Leaf;
  extended: Record<string, unknown>;
  output: unknown = undefined;
  raised: EventObject[] | undefined = undefined;
  readonly actions: Recorded[] = [];

  constructor(leaf: Leaf, context: Record<string, unknown>) {
    this.leaf = leaf;
    this.extended = context;
  }

  perform(instruction: Instruction, args: Arguments, params: unknown): void {
    this.actions.push({ instruction, args, params });
  }

  emit(instruction: Instruction, args: Arguments, event: EventObject): void {
    this.actions.push({ instruction, args, params: { event } });
  }

  raise(instruction: Instruction, args: Arguments, event: EventObject): void {
    this.actions.push({ instruction, args, params: { event, id: undefined, delay: undefined } });
  }
}

interface Outcome {
  readonly snapshot: AnyMachineSnapshot;
  readonly actions: readonly Recorded[];
}

class Compilation implements CompiledMachine<AnyStateMachine> {
  readonly machine: AnyStateMachine;
  readonly tables: Tables;
  readonly logic: Logic<AnyStateMachine>;
  private readonly leafByValue: ReadonlyMap<string, Leaf>;

  constructor(tables: Tables) {
    this.machine = tables.machine;
    this.tables = tables;
    this.leafByValue = new Map(tables.leaves.map((leaf) => [valueKey(leaf.value), leaf]));
    this.logic = {
      config: this.machine.config,
      getInitialSnapshot: (scope, input) => this.carryOut(this.start(input), scope),
      transition: (snapshot, event, scope) => this.carryOut(this.step(snapshot, event), scope),
      getPersistedSnapshot: (snapshot, options) => this.machine.getPersistedSnapshot(snapshot, options),
      restoreSnapshot: (persisted, scope) => this.machine.restoreSnapshot(persisted, scope),
    };
  }

  initial(input: unknown): Step<AnyStateMachine> {
    return named(this.start(input));
  }

  transition(snapshot: AnyMachineSnapshot, event: EventObject): Step<AnyStateMachine> {
    return named(this.step(snapshot, event));
  }

  private start(input: unknown): Outcome {
    const recorder = new Recorder(this.tables.start.target, initialContext(this.tables, input));
    begin(recorder, this.tables, { type: 'xstate.init', input } as EventObject);
    return { snapshot: snapshotOf(recorder), actions: recorder.actions };
  }

  private step(snapshot: AnyMachineSnapshot, event: EventObject): Outcome {
    if (snapshot.status !== 'active') {
      return { snapshot, actions: [] };
    }
    if (event.type === 'xstate.stop') {
      return { snapshot: { ...snapshot, status: 'stopped' }, actions: [] };
    }
    const recorder = new Recorder(this.leafOf(snapshot), snapshot.context as Record<string, unknown>);
    const { leaf, extended } = recorder;
    const isHandled = advance(recorder, this.tables, event);
    if (!isHandled && isChildError(event)) {
      return { snapshot: { ...snapshot, status: 'error', error: event.error }, actions: [] };
    }
    const isSame = recorder.leaf === leaf && recorder.extended === extended;
    return { snapshot: isSame ? snapshot : snapshotOf(recorder), actions: recorder.actions };
  }

  private leafOf(snapshot: AnyMachineSnapshot): Leaf {
    const leaf = this.leafByValue.get(valueKey(snapshot.value));
    if (leaf === undefined) {
      throw new Error(`Machine '${this.machine.id}' has no state ${valueKey(snapshot.value)}: the snapshot is another machine's.`);
    }
    return leaf;
  }

  /** Hands the actions to XState's executor, which performs and shows them, at once or, before the start, when the actor starts. */
  private carryOut({ snapshot, actions }: Outcome, scope: ActorScope<AnyMachineSnapshot, EventObject>): AnyMachineSnapshot {
    for (const { instruction, args, params } of actions) {
      const { name } = instruction;
      const info = { context: args.context, event: args.event, self: scope.self, system: scope.system };
      scope.actionExecutor({ type: name, info, params, exec: this.executable(instruction, scope, params) });
    }
    return snapshot;
  }

  private executable(instruction: Instruction, scope: ActorScope<AnyMachineSnapshot, EventObject>, params: unknown): never {
    const implementation = this.machine.implementations.actions[instruction.name];
    const emit = () => scope.defer(() => scope.emit((params as { event: EventObject }).event));
    return (instruction.slot >= 0 ? implementation : instruction.name === 'xstate.emit' ? emit : undefined) as never;
  }
}

function named({ snapshot, actions }: Outcome): Step<AnyStateMachine> {
  return [snapshot, actions.map(({ instruction, params }) => ({ type: instruction.name, params }))];
}

function valueKey(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
