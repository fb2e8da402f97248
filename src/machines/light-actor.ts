/**
 * One hot actor: light at first, an object with a state, a context and a queue that runs compiled tables; a real XState actor
 * once somebody looks (promotion). The handle is the same before and after. Only `spawn.ts` makes them.
 *
 *   light: resting ⇄ busy ──▶ done | stopped          promote() ──▶ real: XState's Actor of the stock machine, same parent, same system
 *
 * An event that comes while one is handled waits. What throws is reported to the host, and the actor keeps the state it had
 * before the event. A promotion in the midst of an event gives an actor that is not started yet: the light self finishes that
 * event, then the real actor starts with what came of it.
 */
import { createActor } from 'xstate';
import type { Actor, AnyMachineSnapshot, AnyStateMachine, EventObject, Observer, StateValue, Subscription } from 'xstate';
import type { ActorHost } from './actor-host.ts';
import type { Blueprint, Handler } from './blueprint.ts';
import { isChildError, snapshotOf } from './compile.ts';
import { Observers } from './observers.ts';
import { ABANDONED, BUSY, DONE, RESTING, STARTING, STOPPED, STOPPING } from './phases.ts';
import type { Phase } from './phases.ts';
import { advance, begin, initialContext } from './run.ts';
import type { Stage } from './run.ts';
import { embody, halt } from './stock.ts';
import type { Embodied } from './stock.ts';
import type { Arguments, Instruction, Leaf } from './tables.ts';

export interface LightActorOptions {
  readonly key: number | string;
  readonly owner: unknown;
  readonly parent: LightActor | undefined;
}

/** Before the machine's context is made. */
const NO_CONTEXT: Record<string, unknown> = {};

export class LightActor implements Stage, Embodied {
  leaf: Leaf;
  extended: Record<string, unknown> = NO_CONTEXT;
  output: unknown = undefined;
  raised: EventObject[] | undefined = undefined;
  previousLight: LightActor | undefined = undefined;
  nextLight: LightActor | undefined = undefined;
  readonly key: number | string;
  private readonly blueprint: Blueprint;
  private readonly host: ActorHost;
  private readonly owner: unknown;
  private readonly parent: LightActor | undefined;
  private phase: Phase = BUSY;
  private queue: EventObject[] | undefined = undefined;
  /** The event whose actions run. */
  private current: EventObject | undefined = undefined;
  /** Initial actions, kept until the initial state is known. */
  private deferred: (() => void)[] | undefined = undefined;
  private observers: Observers | undefined = undefined;
  private snapshot: AnyMachineSnapshot | undefined = undefined;
  private real: Actor<AnyStateMachine> | undefined = undefined;

  constructor(blueprint: Blueprint, host: ActorHost, options: LightActorOptions) {
    this.leaf = blueprint.tables.start.target;
    this.key = options.key;
    this.blueprint = blueprint;
    this.host = host;
    this.owner = options.owner;
    this.parent = options.parent;
  }

  get id(): string {
    return `${this.blueprint.name}:${this.key}`;
  }

  get value(): StateValue {
    return this.real === undefined ? this.leaf.value : this.real.getSnapshot().value;
  }

  get done(): boolean {
    return this.real === undefined ? this.leaf.finishes : this.real.getSnapshot().status === 'done';
  }

  get ref(): Actor<AnyStateMachine> {
    return this.promote();
  }

  get context(): unknown {
    return this.real === undefined ? this.extended : this.real.getSnapshot().context;
  }

  getSnapshot(): AnyMachineSnapshot {
    if (this.real !== undefined) {
      return this.real.getSnapshot();
    }
    let { snapshot } = this;
    const status = this.lightStatus;
    if (snapshot === undefined || snapshot.context !== this.extended || snapshot.value !== this.leaf.value || snapshot.status !== status) {
      snapshot = { ...snapshotOf(this), status } as AnyMachineSnapshot;
      this.snapshot = snapshot;
    }
    return snapshot;
  }

  send(event: EventObject): void {
    if (this.real !== undefined) {
      this.sendReal(this.real, event);
    } else if (this.phase === RESTING) {
      this.handle(event);
      this.drain();
    } else if (this.phase === BUSY) {
      (this.queue ??= []).push(event);
    }
  }

  stop(): void {
    if (this.real !== undefined) {
      halt(this.real);
    } else if (this.phase === RESTING) {
      this.leave(STOPPED);
    }
    if (this.phase === BUSY) {
      this.phase = STOPPING;
      this.queue = undefined;
    }
  }

  subscribe(observer: Observer<AnyMachineSnapshot> | ((snapshot: AnyMachineSnapshot) => void)): Subscription {
    const observers = this.listening();
    const subscription = observers.subscribe(observer, this.real);
    if (this.real === undefined && this.phase === DONE) {
      observers.complete();
    }
    return subscription;
  }

  on(type: string, handler: (event: EventObject) => void): Subscription {
    return this.listening().listen(type, handler, this.real);
  }

  /** Begins light. Throws what the machine's context, guards and assignments throw at the start; what its actions throw is reported. */
  startLight(input: unknown): void {
    const { tables } = this.blueprint;
    this.extended = initialContext(tables, input);
    if (tables.startsPlainly && tables.start.instructions.length === 0) {
      this.host.enter(this);
      this.phase = RESTING;
    } else {
      this.startWithActions(input);
    }
  }

  private startWithActions(input: unknown): void {
    const { tables } = this.blueprint;
    const event: EventObject & { readonly input: unknown } = { type: 'xstate.init', input };
    if (!tables.startsPlainly) {
      this.deferred = [];
      begin(this, tables, event);
    }
    this.host.enter(this);
    try {
      if (tables.startsPlainly) {
        begin(this, tables, event);
      } else {
        this.performDeferred();
      }
    } catch (error) {
      this.report(error);
    }
    this.rest();
    this.drain();
  }

  /** Begins real, since somebody watches: every step of the start is XState's own. Throws as `startLight` does. */
  startReal(input: unknown): void {
    const real = createActor(this.blueprint.stock, { id: this.id, parent: this.parentRef(), input } as object);
    const { status, error } = real.getSnapshot();
    if (status === 'error') {
      throw error;
    }
    this.host.count();
    this.become(real);
    this.phase = STARTING;
    real.start();
    this.phase = RESTING;
  }

  /** Gives the real actor, and becomes it for good. Its actions so far are not repeated. */
  promote(): Actor<AnyStateMachine> {
    if (this.real !== undefined) {
      return this.real;
    }
    const real = createActor(this.blueprint.stock, { id: this.id, parent: this.parentRef(), snapshot: this.stockSnapshot() } as object);
    if (this.phase >= DONE) {
      this.real = real;
      halt(real);
      return real;
    }
    this.host.unlink(this);
    this.become(real);
    if (this.phase === RESTING) {
      this.launch(real);
      return real;
    }
    if (this.current !== undefined) {
      real.send(this.current);
    }
    this.queue?.forEach((event) => real.send(event));
    this.queue = undefined;
    return real;
  }

  perform(instruction: Instruction, args: Arguments, params: unknown): void {
    const handler = this.blueprint.handlers[instruction.slot] as Handler;
    if (this.deferred === undefined) {
      handler(this.owner, args, params);
    } else {
      this.deferred.push(() => handler(this.owner, args, params));
    }
  }

  emit(_instruction: Instruction, _args: Arguments, event: EventObject): void {
    this.observers?.emit(event);
  }

  raise(): void {
    // The run handles the event by itself; nobody watches a light actor.
  }

  performReal(slot: number, context: unknown, event: EventObject, params: unknown): void {
    const handler = this.blueprint.handlers[slot] as Handler;
    if (this.phase === ABANDONED) {
      return;
    }
    try {
      handler(this.owner, { context, event }, params);
    } catch (error) {
      if (this.phase !== STARTING) {
        throw error;
      }
      this.phase = ABANDONED;
      this.report(error);
    }
  }

  transitionReal(event: EventObject, before: AnyMachineSnapshot, stock: () => AnyMachineSnapshot): AnyMachineSnapshot {
    this.phase = RESTING;
    if (event === this.current) {
      this.current = undefined;
      return this.stockSnapshot();
    }
    try {
      const after = stock();
      if (after.status !== 'error') {
        return after;
      }
      this.report(after.error);
    } catch (error) {
      this.report(error);
    }
    return before;
  }

  private get lightStatus(): 'active' | 'done' | 'stopped' {
    if (this.leaf.finishes) {
      return 'done';
    }
    return this.phase === STOPPED ? 'stopped' : 'active';
  }

  private get isAlive(): boolean {
    return this.real === undefined ? this.phase < DONE : this.real.getSnapshot().status === 'active';
  }

  /** XState warns on the console of what a light actor ignores in silence. */
  private sendReal(real: Actor<AnyStateMachine>, event: EventObject): void {
    if (this.phase !== STOPPING && real.getSnapshot().status === 'active') {
      real.send(event);
    }
  }

  private performDeferred(): void {
    const actions = this.deferred ?? [];
    this.deferred = undefined;
    for (const perform of actions) {
      perform();
    }
  }

  private handle(event: EventObject): void {
    this.phase = BUSY;
    this.current = event;
    try {
      if (!advance(this, this.blueprint.tables, event) && isChildError(event)) {
        this.report(event.error);
      }
    } catch (error) {
      this.report(error);
    }
    this.rest();
  }

  private drain(): void {
    while (this.queue !== undefined && this.phase === RESTING) {
      const event = this.queue.shift();
      if (event === undefined) {
        this.queue = undefined;
      } else {
        this.handle(event);
      }
    }
  }

  /** After each event: tells who listens, then finishes, stops, goes on real or is ready for the next. */
  private rest(): void {
    if (this.real === undefined) {
      this.current = undefined;
    }
    if (this.observers !== undefined) {
      this.tellObservers(this.observers);
    }
    if (this.real !== undefined) {
      this.launch(this.real);
    } else if (this.leaf.finishes) {
      this.leave(DONE);
    } else if (this.phase === STOPPING) {
      this.leave(STOPPED);
    } else {
      this.phase = RESTING;
    }
  }

  private tellObservers(observers: Observers): void {
    observers.deliverEmitted();
    if (this.real === undefined) {
      observers.next(this.getSnapshot());
    }
  }

  private leave(phase: typeof DONE | typeof STOPPED): void {
    this.phase = phase;
    this.queue = undefined;
    this.host.leave(this);
    this.observers?.complete();
    if (phase === DONE) {
      this.tellParent();
    }
  }

  /** As XState does, but only where the parent's machine could answer. */
  private tellParent(): void {
    const { parent } = this;
    if (parent?.isAlive === true) {
      if (parent.blueprint.tables.hearsChildren) {
        parent.send(this.doneEvent());
      }
    } else if (this.host.tellsRoot) {
      this.host.root.send(this.doneEvent());
    }
  }

  private doneEvent(): EventObject & { readonly output: unknown; readonly actorId: string } {
    return { type: `xstate.done.actor.${this.id}`, output: this.output, actorId: this.id };
  }

  private become(real: Actor<AnyStateMachine>): void {
    const { host } = this;
    embody(real, this);
    this.real = real;
    real.subscribe({ complete: () => host.end(), error: () => host.end() });
  }

  /** Starts the real actor with the state reached so far; what was sent meanwhile waits in its mailbox. */
  private launch(real: Actor<AnyStateMachine>): void {
    const isStopping = this.phase === STOPPING;
    this.phase = RESTING;
    this.observers?.moveTo(real);
    real.start();
    if (isStopping) {
      halt(real);
    }
  }

  private parentRef(): Actor<AnyStateMachine> | ActorHost['root'] {
    return this.parent?.isAlive === true ? this.parent.promote() : this.host.root;
  }

  private stockSnapshot(): AnyMachineSnapshot {
    const { extended: context, output, leaf } = this;
    const snapshot: AnyMachineSnapshot = this.blueprint.stock.resolveState({ value: leaf.value, context, output });
    return { ...snapshot, status: this.lightStatus } as AnyMachineSnapshot;
  }

  private listening(): Observers {
    return (this.observers ??= new Observers((error) => this.report(error)));
  }

  private report(error: unknown): void {
    this.host.report(error, this.id);
  }
}
