/**
 * Who listens to one light actor: subscribers of its snapshots and listeners to what it emits. Made only for an actor that has
 * any. When the actor is promoted they move to the real one; the subscriptions they hold stay valid.
 */
import type { Actor, AnyMachineSnapshot, AnyStateMachine, EventObject, Observer, Subscription } from 'xstate';

type RealActor = Actor<AnyStateMachine>;
type SnapshotObserver = Observer<AnyMachineSnapshot> | ((snapshot: AnyMachineSnapshot) => void);
type Report = (error: unknown) => void;

export class Observers {
  private readonly subscribers = new Set<Subscriber>();
  private readonly listeners = new Set<Listener>();
  private readonly report: Report;
  private emitted: EventObject[] = [];

  constructor(report: Report) {
    this.report = report;
  }

  subscribe(observer: SnapshotObserver, real: RealActor | undefined): Subscription {
    const subscriber = new Subscriber(observer, this.report);
    if (real === undefined) {
      this.subscribers.add(subscriber);
    } else {
      subscriber.inner = real.subscribe(subscriber);
    }
    return { unsubscribe: () => leave(this.subscribers, subscriber) };
  }

  listen(type: string, handler: (event: EventObject) => void, real: RealActor | undefined): Subscription {
    const listener = new Listener(type, handler, this.report);
    if (real === undefined) {
      this.listeners.add(listener);
    } else {
      listener.inner = real.on(type, (event) => listener.hear(event));
    }
    return { unsubscribe: () => leave(this.listeners, listener) };
  }

  /** Kept until the event is handled: the state is changed first. */
  emit(event: EventObject): void {
    if (this.listeners.size > 0) {
      this.emitted.push(event);
    }
  }

  deliverEmitted(): void {
    const events = this.emitted;
    this.emitted = [];
    for (const event of events) {
      for (const type of [event.type, '*']) {
        for (const listener of this.listeners) {
          if (listener.type === type) {
            listener.hear(event);
          }
        }
      }
    }
  }

  next(snapshot: AnyMachineSnapshot): void {
    for (const subscriber of this.subscribers) {
      subscriber.next(snapshot);
    }
  }

  complete(): void {
    for (const subscriber of this.subscribers) {
      subscriber.complete();
    }
    this.subscribers.clear();
    this.listeners.clear();
  }

  /** Before the real actor starts: it tells its subscribers of the state it starts in, which these know already. */
  moveTo(real: RealActor): void {
    for (const subscriber of this.subscribers) {
      subscriber.isInformed = true;
      subscriber.inner = real.subscribe(subscriber);
    }
    for (const listener of this.listeners) {
      listener.inner = real.on(listener.type, (event) => listener.hear(event));
    }
    this.subscribers.clear();
    this.listeners.clear();
  }
}

interface Leaver {
  inner: Subscription | undefined;
}

function leave<T extends Leaver>(group: Set<T>, member: T): void {
  group.delete(member);
  member.inner?.unsubscribe();
}

/** What a subscriber throws is reported: it disturbs neither the actor nor the other subscribers. */
class Subscriber implements Observer<AnyMachineSnapshot>, Leaver {
  inner: Subscription | undefined = undefined;
  /** The next snapshot is one it has had. */
  isInformed = false;
  private readonly observer: Observer<AnyMachineSnapshot>;
  private readonly report: Report;

  constructor(observer: SnapshotObserver, report: Report) {
    this.observer = typeof observer === 'function' ? { next: observer } : observer;
    this.report = report;
  }

  next(snapshot: AnyMachineSnapshot): void {
    if (this.isInformed) {
      this.isInformed = false;
      return;
    }
    attempt(this.report, () => this.observer.next?.(snapshot));
  }

  error(error: unknown): void {
    attempt(this.report, () => this.observer.error?.(error));
  }

  complete(): void {
    attempt(this.report, () => this.observer.complete?.());
  }
}

class Listener implements Leaver {
  inner: Subscription | undefined = undefined;
  readonly type: string;
  private readonly handler: (event: EventObject) => void;
  private readonly report: Report;

  constructor(type: string, handler: (event: EventObject) => void, report: Report) {
    this.type = type;
    this.handler = handler;
    this.report = report;
  }

  hear(event: EventObject): void {
    attempt(this.report, () => this.handler(event));
  }
}

function attempt(report: Report, act: () => void): void {
  try {
    act();
  } catch (error) {
    report(error);
  }
}
