/**
 * The hot actors of one session or server: which are light, how many live, whether somebody watches. It makes no actor
 * (`spawn.ts` does) and routes nothing (the driver does).
 */
import type { AnyActorRef, AnyMachineSnapshot, Subscription } from 'xstate';
import type { LightActor } from './light-actor.ts';
import { hearsChildren } from './tabulate.ts';
import { SystemWatch } from './watch.ts';
import type { InspectionObserver, Promotable } from './watch.ts';

export interface ActorHostOptions {
  /**
   * Takes what an action, guard, subscriber or inspector throws, with the id of the actor if it is one's. The actor keeps the state it had before
   * the event and goes on with the next one. Default: the error is thrown in a microtask of its own, so that the process learns of it.
   */
  readonly onError?: ((error: unknown, actorId: string | undefined) => void) | undefined;
}

export class ActorHost implements Promotable {
  /** @internal */
  previousHost: Promotable | undefined = undefined;
  /** @internal */
  nextHost: Promotable | undefined = undefined;
  private readonly rootOf: () => AnyActorRef;
  private readonly onError: (error: unknown, actorId: string | undefined) => void;
  private watch: SystemWatch | undefined = undefined;
  private rootHearsChildren: boolean | undefined = undefined;
  private firstLight: LightActor | undefined = undefined;
  private lastLight: LightActor | undefined = undefined;
  private liveCount = 0;
  private startedCount = 0;

  /**
   * @param root The real XState actor that is the parent of those without another; asked when it is first needed.
   */
  constructor(root: () => AnyActorRef, options: ActorHostOptions = {}) {
    this.rootOf = root;
    this.onError = options.onError ?? throwLater;
  }

  /** The actors that have neither finished nor been stopped, light or real. */
  get live(): number {
    return this.liveCount;
  }

  /** The actors ever spawned here. */
  get started(): number {
    return this.startedCount;
  }

  /** Somebody inspects the actor system: every actor is a real XState actor. */
  get watched(): boolean {
    return this.attached().isWatched;
  }

  get root(): AnyActorRef {
    return this.rootOf();
  }

  /**
   * Lets nobody's inspector disturb the system, from now on. Happens by itself at the first spawn; call it as soon as the root exists, to
   * shield the root's own life too.
   */
  attach(): void {
    this.attached();
  }

  /** Shows every inspection event of the whole actor system; all light actors are promoted at once. An observer that throws is reported and kept. */
  inspect(observer: InspectionObserver): Subscription {
    this.attached();
    return this.root.system.inspect(observer);
  }

  /** @internal A real actor counts but needs no link: its system knows it. */
  count(): void {
    this.startedCount += 1;
    this.liveCount += 1;
  }

  /** @internal A real actor has finished or was stopped. */
  end(): void {
    this.liveCount -= 1;
  }

  /** @internal A light actor begins. */
  enter(actor: LightActor): void {
    this.count();
    const last = this.lastLight;
    if (last === undefined) {
      this.firstLight = actor;
      this.attached().addHost(this);
    } else {
      last.nextLight = actor;
      actor.previousLight = last;
    }
    this.lastLight = actor;
  }

  /** @internal A light actor has finished or was stopped. */
  leave(actor: LightActor): void {
    this.unlink(actor);
    this.end();
  }

  /** @internal It is light no more. */
  unlink(actor: LightActor): void {
    const { previousLight, nextLight } = actor;
    if (previousLight === undefined) {
      this.firstLight = nextLight;
    } else {
      previousLight.nextLight = nextLight;
    }
    if (nextLight === undefined) {
      this.lastLight = previousLight;
    } else {
      nextLight.previousLight = previousLight;
    }
    actor.previousLight = undefined;
    actor.nextLight = undefined;
    if (this.firstLight === undefined) {
      this.attached().removeHost(this);
    }
  }

  /** @internal */
  promoteAll(): void {
    while (this.firstLight !== undefined) {
      this.firstLight.promote();
    }
  }

  /** @internal Stock tells a parent of its child's end; the root is told only if its machine could answer. */
  get tellsRoot(): boolean {
    if (this.rootHearsChildren === undefined) {
      const { machine } = this.root.getSnapshot() as Partial<AnyMachineSnapshot>;
      this.rootHearsChildren = machine !== undefined && hearsChildren(machine);
    }
    return this.rootHearsChildren;
  }

  /** @internal Never throws. */
  report(error: unknown, actorId?: string): void {
    try {
      this.onError(error, actorId);
    } catch (failure) {
      throwLater(failure);
    }
  }

  private attached(): SystemWatch {
    if (this.watch === undefined) {
      this.watch = SystemWatch.of(this.root, (error) => this.report(error));
    }
    return this.watch;
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
