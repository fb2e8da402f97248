import { createActor, createMachine, setup } from 'xstate';
import { describe, expect, it, vi } from 'vitest';
import { ActorHost, defineActor } from '../../src/machines/spawn.ts';
import { machine, Owner, ways, willingness, worker, workshop } from '../support/worker.ts';

describe('defineActor', () => {
  it('names the actions that are missing', () => {
    const define = () => defineActor<Owner>()({ machine, name: 'worker', actions: { enter: () => {}, leave: () => {} } });
    expect(define).toThrow("Actor 'worker': the chart performs 'work', 'afterwards'");
  });

  it('names the actions the chart never performs', () => {
    const actions = { enter: () => {}, leave: () => {}, work: () => {}, afterwards: () => {}, dance: () => {}, shout: () => {} };
    expect(() => defineActor<Owner>()({ machine, name: 'worker', actions })).toThrow("performs no action 'dance', 'shout'");
  });
});

describe.each(ways)('a $way actor', ({ watched }) => {
  it('enters its initial state at once', () => {
    const { spawn, owner } = workshop({ watched });
    const actor = spawn(7);
    expect(owner.log).toEqual(['enter idle']);
    expect(actor).toMatchObject({ id: 'worker:7', key: 7, value: 'idle', context: { started: 7 }, done: false });
    expect(actor.getSnapshot()).toMatchObject({ value: 'idle', status: 'active', context: { started: 7 } });
  });

  it('handles what is sent within an action after the event at hand', () => {
    const { spawn, owner } = workshop({ watched });
    const actor = spawn();
    owner.within.set('work', () => {
      owner.within.clear();
      actor.send({ type: 'tick' });
      actor.send({ type: 'back' });
      expect(actor.value).toBe('idle');
    });
    actor.send({ type: 'go' });
    expect(owner.log).toEqual(['enter idle', 'leave', 'work go', 'afterwards', 'enter busy', 'work tick', 'enter idle']);
    expect(actor.value).toBe('idle');
  });

  it('keeps its state when an action throws, reports it, and goes on with what waits', () => {
    const { spawn, owner, errors, host } = workshop({ watched });
    const actor = spawn();
    owner.within.set('work', () => {
      owner.within.clear();
      actor.send({ type: 'ask' });
      throw new Error('broken action');
    });
    actor.send({ type: 'go' });
    expect(errors).toMatchObject([{ message: 'broken action' }]);
    expect(owner.log).toEqual(['enter idle', 'leave', 'work go', 'leave', 'enter busy']);
    expect(actor.value).toBe('busy');
    expect(host.live).toBe(1);
  });

  it('keeps its state when a guard throws', () => {
    const { spawn, errors } = workshop({ watched });
    const actor = spawn();
    willingness.test = () => {
      throw new Error('broken guard');
    };
    actor.send({ type: 'ask' });
    willingness.test = () => true;
    expect(errors).toHaveLength(1);
    expect(actor.value).toBe('idle');
    actor.send({ type: 'ask' });
    expect(actor.value).toBe('busy');
  });

  it('leaves out the other initial actions when one throws, and lives', () => {
    const { owner, host, errors } = workshop({ watched });
    owner.within.set('enter', () => {
      throw new Error('broken entry');
    });
    const actor = worker.spawn(host, { key: 1, input: undefined, owner });
    owner.within.clear();
    expect(errors).toMatchObject([{ message: 'broken entry' }]);
    actor.send({ type: 'go' });
    expect(actor.value).toBe('busy');
  });

  it('performs no initial action after one that threw', () => {
    const { host, errors } = workshop({ watched });
    const performed: string[] = [];
    const twoActions = setup({ actions: { first: () => {}, second: () => {} } }).createMachine({
      entry: ['first', 'second'],
      on: { go: { actions: 'second' } },
    });
    const kind = defineActor<undefined>()({
      machine: twoActions,
      name: 'starter',
      actions: {
        first: () => {
          throw new Error('broken first');
        },
        second: (_, { event }) => void performed.push(event.type),
      },
    });
    const actor = kind.spawn(host, { key: 1, input: undefined, owner: undefined });
    expect(errors).toMatchObject([{ message: 'broken first' }]);
    actor.send({ type: 'go' });
    expect(performed).toEqual(['go']);
  });

  it('throws at the spawn when it has no context, and leaves nothing behind', () => {
    const { host, owner } = workshop({ watched });
    expect(() => worker.spawn(host, { key: 1, input: { started: undefined, fail: true }, owner })).toThrow('no context');
    expect(host).toMatchObject({ live: 0, started: 0 });
  });

  it('tells a subscriber each snapshot and the completion, what it emits before the snapshot', () => {
    const { spawn } = workshop({ watched });
    const actor = spawn();
    const told: unknown[] = [];
    actor.subscribe({ next: ({ value }) => void told.push(value), complete: () => void told.push('complete') });
    actor.on('news', ({ type }) => void told.push(type));
    actor.on('*', () => void told.push('any'));
    actor.send({ type: 'tell' });
    actor.send({ type: 'end' });
    expect(told).toEqual(['news', 'any', 'idle', 'over', 'complete']);
  });

  it('forgets a subscriber that has left', () => {
    const { spawn } = workshop({ watched });
    const actor = spawn();
    const told: unknown[] = [];
    const subscription = actor.subscribe(({ value }) => void told.push(value));
    const listening = actor.on('news', ({ type }) => void told.push(type));
    subscription.unsubscribe();
    listening.unsubscribe();
    actor.send({ type: 'tell' });
    expect(told).toEqual([]);
  });

  it('reports what a subscriber throws, and tells the others', () => {
    const { spawn, errors } = workshop({ watched });
    const actor = spawn();
    const told: unknown[] = [];
    actor.subscribe(() => {
      throw new Error('bad subscriber');
    });
    actor.subscribe(({ value }) => void told.push(value));
    actor.send({ type: 'go' });
    expect(errors).toMatchObject([{ message: 'bad subscriber' }]);
    expect(told).toEqual(['busy']);
  });

  it('is done in a final state, counts no more and ignores events', () => {
    const { spawn, host, owner } = workshop({ watched });
    const actor = spawn(3);
    actor.send({ type: 'end' });
    expect(actor.done).toBe(true);
    expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: 3, value: 'over' });
    expect(host).toMatchObject({ live: 0, started: 1 });
    owner.log.length = 0;
    const warn = vi.spyOn(console, 'warn');
    actor.send({ type: 'go' });
    expect(owner.log).toEqual([]);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  it('completes a subscriber that comes after the end', () => {
    const { spawn } = workshop({ watched });
    const actor = spawn();
    actor.send({ type: 'end' });
    let completed = 0;
    actor.subscribe({ complete: () => void (completed += 1) });
    expect(completed).toBe(1);
  });

  it('stops without exit actions and counts no more', () => {
    const { spawn, host, owner } = workshop({ watched });
    const actor = spawn();
    let completed = 0;
    actor.subscribe({ complete: () => void (completed += 1) });
    expect(actor.getSnapshot().status).toBe('active');
    actor.stop();
    actor.stop();
    actor.send({ type: 'go' });
    expect(owner.log).toEqual(['enter idle']);
    expect(actor.getSnapshot()).toMatchObject({ status: 'stopped', value: 'idle' });
    expect(actor.done).toBe(false);
    expect(host.live).toBe(0);
    expect(completed).toBe(1);
  });

  it('stops after the event at hand when told so within an action; what waits is dropped', () => {
    const { spawn, host, owner } = workshop({ watched });
    const actor = spawn();
    owner.within.set('work', () => {
      actor.send({ type: 'tick' });
      actor.stop();
      actor.send({ type: 'back' });
    });
    actor.send({ type: 'go' });
    expect(owner.log).toEqual(['enter idle', 'leave', 'work go', 'afterwards', 'enter busy']);
    expect(actor.getSnapshot()).toMatchObject({ status: 'stopped', value: 'busy' });
    expect(host.live).toBe(0);
  });

  it('handles raised events before those that wait', () => {
    const { spawn, owner } = workshop({ watched });
    const actor = spawn();
    actor.send({ type: 'go' });
    owner.log.length = 0;
    owner.within.set('work', () => {
      owner.within.clear();
      actor.send({ type: 'back' });
    });
    actor.send({ type: 'two' });
    expect(owner.log).toEqual(['work two', 'work tick', 'enter idle']);
  });

  it("reports a child's error that nothing answers to, and lives", () => {
    const { spawn, errors } = workshop({ watched });
    const actor = spawn();
    actor.send({ type: 'xstate.error.actor.child', error: 'lost' } as never);
    expect(errors).toEqual(['lost']);
    expect(actor.getSnapshot().status).toBe('active');
  });
});

describe("a child's end", () => {
  const listener = setup({ types: { events: {} as { type: string } }, actions: { hear: () => {} } }).createMachine({
    on: { 'xstate.done.actor.*': { actions: 'hear' } },
  });

  it.each(ways)('is told to a parent that listens, by a $way child', ({ watched }) => {
    const { host, spawn } = workshop({ watched });
    const heard: unknown[] = [];
    const kind = defineActor<unknown[]>()({ machine: listener, name: 'parent', actions: { hear: (owner, { event }) => void owner.push(event) } });
    const parent = kind.spawn(host, { key: 1, input: undefined, owner: heard });
    spawn(8, parent).send({ type: 'end' });
    expect(heard).toEqual([{ type: 'xstate.done.actor.worker:8', actorId: 'worker:8', output: 8 }]);
  });

  it.each(ways)('is told to a root that listens, by a $way child', ({ watched }) => {
    const heard: unknown[] = [];
    const root = createActor(listener.provide({ actions: { hear: ({ event }) => void heard.push(event) } })).start();
    const host = new ActorHost(() => root);
    if (watched) {
      host.inspect(() => {});
    }
    worker.spawn(host, { key: 8, input: undefined, owner: new Owner() }).send({ type: 'end' });
    expect(heard).toEqual([{ type: 'xstate.done.actor.worker:8', actorId: 'worker:8', output: undefined }]);
  });
});

describe('ActorHost', () => {
  it('throws an error nobody takes in a microtask of its own, and reports even what onError throws', async () => {
    const uncaught: unknown[] = [];
    const take = (error: unknown) => void uncaught.push(error);
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', take);
    const root = createActor(createMachine({})).start();
    new ActorHost(() => root).report(new Error('one'));
    const failing = new ActorHost(() => root, {
      onError: () => {
        throw new Error('two');
      },
    });
    failing.report(new Error('hidden'));
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener('uncaughtException', take);
    before.forEach((listen) => process.on('uncaughtException', listen));
    expect(uncaught).toMatchObject([{ message: 'one' }, { message: 'two' }]);
  });
});
