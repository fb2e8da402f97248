/**
 * Knows whether somebody inspects an actor system, and shields it from the inspectors: an observer that throws would wedge an
 * XState actor's mailbox for good. It replaces the system's `inspect` once, so that a new observer finds every actor promoted.
 *
 * XState offers no hook for this: `inspect` and `_sendInspectionEvent` are properties of the system through which it calls itself.
 */
import type { AnyActorRef, InspectionEvent, Observer, Subscription } from 'xstate';

export type InspectionObserver = Observer<InspectionEvent> | ((event: InspectionEvent) => void);

interface InspectedSystem {
  inspect(observer: InspectionObserver): Subscription;
  _sendInspectionEvent(event: object): void;
}

/** A host of light actors: what must be promoted when somebody starts to look. */
export interface Promotable {
  previousHost: Promotable | undefined;
  nextHost: Promotable | undefined;
  promoteAll(): void;
}

const watches = new WeakMap<object, SystemWatch>();

/** Thrown by the probe below, and never farther; made once, since it is no failure. */
const SOMEBODY_LOOKS = new Error('Somebody inspects the actor system.');

/** XState copies an inspection event only when there is an observer, and before it calls any: so this reaches none. */
const PROBE = {
  get type(): never {
    throw SOMEBODY_LOOKS;
  },
};

export class SystemWatch {
  /** Observers that came through the replaced `inspect` and have not left. */
  private observerCount = 0;
  /** Somebody looked before we came: whether that is still so only the probe can tell. */
  private readonly wasWatched: boolean;
  private firstHost: Promotable | undefined = undefined;
  private readonly report: (error: unknown) => void;
  private readonly sendToObservers: (event: object) => void;

  /** The watch of the root's system. Who comes first for a system receives the errors of its observers. */
  static of(root: AnyActorRef, report: (error: unknown) => void): SystemWatch {
    let watch = watches.get(root.system);
    if (watch === undefined) {
      watch = new SystemWatch(root.system as unknown as InspectedSystem, report);
      watches.set(root.system, watch);
    }
    return watch;
  }

  private constructor(system: InspectedSystem, report: (error: unknown) => void) {
    this.report = report;
    const inspect = system.inspect;
    this.sendToObservers = system._sendInspectionEvent;
    system.inspect = (observer) => this.admit(inspect(this.shielded(observer)));
    system._sendInspectionEvent = (event) => this.send(event);
    this.wasWatched = this.probe();
  }

  /** Somebody inspects the system now. */
  get isWatched(): boolean {
    return this.observerCount > 0 || (this.wasWatched && this.probe());
  }

  /** From now on the host has light actors. */
  addHost(host: Promotable): void {
    host.nextHost = this.firstHost;
    if (this.firstHost !== undefined) {
      this.firstHost.previousHost = host;
    }
    this.firstHost = host;
  }

  /** It has none any more: so the system does not keep a session that has ended. */
  removeHost(host: Promotable): void {
    if (host.previousHost === undefined) {
      this.firstHost = host.nextHost;
    } else {
      host.previousHost.nextHost = host.nextHost;
    }
    if (host.nextHost !== undefined) {
      host.nextHost.previousHost = host.previousHost;
    }
    host.previousHost = undefined;
    host.nextHost = undefined;
  }

  /** The observer is in place before the promotion, so it is told of every actor that is already there. */
  private admit(subscription: Subscription): Subscription {
    let isSubscribed = true;
    this.observerCount += 1;
    while (this.firstHost !== undefined) {
      this.firstHost.promoteAll();
    }
    return {
      unsubscribe: () => {
        this.observerCount -= isSubscribed ? 1 : 0;
        isSubscribed = false;
        subscription.unsubscribe();
      },
    };
  }

  private shielded(observer: InspectionObserver): Observer<InspectionEvent> {
    const next = typeof observer === 'function' ? observer : observer.next?.bind(observer);
    return {
      next: (event) => {
        try {
          next?.(event);
        } catch (error) {
          this.report(error);
        }
      },
    };
  }

  /** Observers that came before us are not shielded one by one. */
  private send(event: object): void {
    try {
      this.sendToObservers(event);
    } catch (error) {
      this.report(error);
    }
  }

  private probe(): boolean {
    try {
      this.sendToObservers(PROBE);
      return false;
    } catch (error) {
      if (error !== SOMEBODY_LOOKS) {
        throw error;
      }
      return true;
    }
  }
}
