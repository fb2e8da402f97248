/**
 * A small hot actor for the tests of spawning: idle, busy, over, with actions that note themselves and do more when told to.
 */
import { createActor, createMachine, emit, raise, setup } from 'xstate';
import type { AnyActorRef, InspectionEvent } from 'xstate';
import { ActorHost, defineActor } from '../../src/machines/spawn.ts';
import type { LiveActor } from '../../src/machines/spawn.ts';

/** The thing the actors of these tests belong to: it notes what is done, and does more when told to. */
export class Owner {
  readonly log: string[] = [];
  /** Called within the action of that name. */
  readonly within = new Map<string, () => void>();

  note(entry: string): void {
    this.log.push(entry);
    this.within.get(entry.split(' ')[0] ?? '')?.();
  }
}

type Event = { readonly type: 'go' | 'back' | 'end' | 'tick' | 'ask' | 'two' | 'tell' | 'child' };

interface Input {
  readonly started: unknown;
  /** The machine's context function throws. */
  readonly fail: boolean;
}

export const machine = setup({
  types: { context: {} as { started: unknown }, events: {} as Event, input: {} as Input | undefined, emitted: {} as { type: 'news' } },
  actions: {
    enter: (_, _params: { state: string }) => {},
    leave: () => {},
    work: () => {},
    afterwards: () => {},
    shout: emit({ type: 'news' }),
    again: raise({ type: 'tick' }),
  },
  guards: { willing: () => willingness.test() },
}).createMachine({
  id: 'worker',
  context: ({ input }) => {
    if (input?.fail === true) {
      throw new Error('no context');
    }
    return { started: input?.started };
  },
  initial: 'idle',
  output: ({ context }) => context.started,
  states: {
    idle: {
      entry: { type: 'enter', params: { state: 'idle' } },
      exit: 'leave',
      on: {
        go: { target: 'busy', actions: ['work', 'afterwards'] },
        ask: { guard: 'willing', target: 'busy' },
        tell: { actions: ['shout', 'work'] },
        end: 'over',
      },
    },
    busy: {
      entry: { type: 'enter', params: { state: 'busy' } },
      on: { back: 'idle', tick: { actions: 'work' }, two: { actions: ['again', 'work'] }, end: 'over' },
    },
    over: { type: 'final', entry: { type: 'enter', params: { state: 'over' } } },
  },
});

/** What the guard of `ask` does; a test that changes it puts it back. */
export const willingness = { test: () => true };

export const worker = defineActor<Owner>()({
  machine,
  name: 'worker',
  actions: {
    enter: (owner, _args, params) => owner.note(`enter ${params.state}`),
    leave: (owner) => owner.note('leave'),
    work: (owner, { event }) => owner.note(`work ${event.type}`),
    afterwards: (owner) => owner.note('afterwards'),
  },
});

export type Worker = LiveActor<typeof machine>;

export interface Workshop {
  readonly root: AnyActorRef;
  readonly host: ActorHost;
  readonly owner: Owner;
  readonly errors: unknown[];
  spawn(key?: number, parent?: LiveActor): Worker;
}

/** A root, a host, an owner, and a way to spawn. */
export function workshop({ watched = false } = {}): Workshop {
  const root = createActor(createMachine({ id: 'root' }), { id: 'root' }).start();
  const errors: unknown[] = [];
  const host = new ActorHost(() => root, { onError: (error) => void errors.push(error) });
  const owner = new Owner();
  if (watched) {
    host.inspect(() => {});
  }
  const spawn = (key = 1, parent?: LiveActor) => worker.spawn(host, { key, input: { started: key, fail: false }, owner, parent });
  return { root, host, owner, errors, spawn };
}

/** The ids of the actors an inspector was told of. */
export function idsIn(events: readonly InspectionEvent[]): string[] {
  return events.filter(({ type }) => type === '@xstate.actor').map(({ actorRef }) => (actorRef as AnyActorRef).id);
}

/** Counts, from now on, what XState's system has registered: what a finished actor must not stay in. */
export function countRegistered(root: AnyActorRef): () => number {
  const kept = new Set<unknown>();
  const system = root.system as unknown as { _register(id: string, ref: unknown): string; _unregister(ref: unknown): void };
  const { _register: register, _unregister: unregister } = system;
  system._register = (id, ref) => {
    kept.add(ref);
    return register(id, ref);
  };
  system._unregister = (ref) => {
    kept.delete(ref);
    unregister(ref);
  };
  return () => kept.size;
}

/** The two ways an actor may be made; both must behave alike. */
export const ways = [
  { way: 'light', watched: false },
  { way: 'real', watched: true },
];
