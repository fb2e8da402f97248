import type { InspectionEvent } from 'xstate';
import { describe, expect, it } from 'vitest';
import type { ActorHost } from '../../src/machines/spawn.ts';
import { countRegistered, idsIn, worker, workshop } from '../support/worker.ts';
import type { Worker } from '../support/worker.ts';

describe('promotion', () => {
  it('gives a real actor in the same system, under the root, that continues where the light one was', () => {
    const { spawn, root, owner } = workshop();
    const actor = spawn(5);
    actor.send({ type: 'go' });
    owner.log.length = 0;
    const { ref } = actor;
    expect(ref).toBe(actor.ref);
    expect(ref.id).toBe('worker:5');
    expect(ref.system).toBe(root.system);
    expect((ref as unknown as { _parent: unknown })._parent).toBe(root);
    expect(ref.getSnapshot()).toMatchObject({ value: 'busy', context: { started: 5 } });
    expect(owner.log).toEqual([]);
    ref.send({ type: 'tick' });
    actor.send({ type: 'back' });
    expect(owner.log).toEqual(['work tick', 'enter idle']);
    expect(actor.value).toBe('idle');
  });

  it('promotes the parent before its child', () => {
    const { spawn, host } = workshop();
    const parent = spawn(1);
    const child = spawn(2, parent);
    const events: InspectionEvent[] = [];
    host.inspect((event) => void events.push(event));
    expect(idsIn(events)).toEqual(['worker:1', 'worker:2']);
    expect((child.ref as unknown as { _parent: unknown })._parent).toBe(parent.ref);
  });

  it('gives a child whose parent has finished to the root', () => {
    const { spawn, root } = workshop();
    const parent = spawn(1);
    const child = spawn(2, parent);
    parent.send({ type: 'end' });
    expect((child.ref as unknown as { _parent: unknown })._parent).toBe(root);
  });

  it('keeps subscriptions, and tells no snapshot twice', () => {
    const { spawn } = workshop();
    const actor = spawn();
    const told: unknown[] = [];
    const subscription = actor.subscribe(({ value }) => void told.push(value));
    const listening = actor.on('news', ({ type }) => void told.push(type));
    expect(actor.ref).toBeDefined();
    expect(told).toEqual([]);
    actor.send({ type: 'tell' });
    expect(told).toEqual(['news', 'idle']);
    subscription.unsubscribe();
    listening.unsubscribe();
    actor.send({ type: 'tell' });
    expect(told).toEqual(['news', 'idle']);
  });

  it('gives the ref of a finished actor too: done, with its output, and registered nowhere', () => {
    const { spawn, root, host } = workshop();
    const registered = countRegistered(root);
    const actor = spawn(9);
    actor.send({ type: 'end' });
    const { ref } = actor;
    expect(ref.getSnapshot()).toMatchObject({ status: 'done', output: 9 });
    let completed = 0;
    ref.subscribe({ complete: () => void (completed += 1) });
    expect(completed).toBe(1);
    expect(registered()).toBe(0);
    expect(host.live).toBe(0);
  });

  it.each([
    { by: 'its ref', look: (actor: Worker) => void actor.ref },
    { by: 'an inspector', look: (_actor: Worker, host: ActorHost) => void host.inspect(() => {}) },
  ])('in the midst of an event, by $by: the event is finished once, then what came meanwhile, in order', ({ look }) => {
    const { spawn, host, owner } = workshop();
    const actor = spawn();
    const told: unknown[] = [];
    actor.subscribe(({ value }) => void told.push(value));
    owner.within.set('work', () => {
      owner.within.clear();
      actor.send({ type: 'tick' });
      look(actor, host);
      expect(actor.ref.getSnapshot().value).toBe('idle');
      actor.ref.send({ type: 'two' });
      actor.send({ type: 'back' });
    });
    const go = { type: 'go' } as const;
    actor.send(go);
    expect(owner.log).toEqual(['enter idle', 'leave', 'work go', 'afterwards', 'enter busy', 'work tick', 'work two', 'work tick', 'enter idle']);
    expect(actor.value).toBe('idle');
    expect(told).toEqual(['busy', 'busy', 'busy', 'idle']);
    // The same object again is another event.
    owner.log.length = 0;
    actor.send(go);
    expect(owner.log).toEqual(['leave', 'work go', 'afterwards', 'enter busy']);
    actor.send({ type: 'end' });
    expect(host.live).toBe(0);
  });

  it('in the midst of its last event: the real actor ends too', () => {
    const { spawn, host, owner, root } = workshop();
    const registered = countRegistered(root);
    const actor = spawn(4);
    let completed = 0;
    owner.within.set('leave', () => void actor.ref.subscribe({ complete: () => void (completed += 1) }));
    actor.send({ type: 'end' });
    expect(actor.ref.getSnapshot()).toMatchObject({ status: 'done', output: 4 });
    expect(completed).toBe(1);
    expect(host.live).toBe(0);
    expect(registered()).toBe(0);
  });

  it('in the midst of an event whose action throws: the real actor keeps the state', () => {
    const { spawn, owner, errors } = workshop();
    const actor = spawn();
    owner.within.set('work', () => {
      expect(actor.ref).toBeDefined();
      throw new Error('after promotion');
    });
    actor.send({ type: 'go' });
    owner.within.clear();
    expect(errors).toHaveLength(1);
    expect(actor.ref.getSnapshot()).toMatchObject({ value: 'idle', status: 'active' });
    actor.send({ type: 'go' });
    expect(actor.value).toBe('busy');
  });

  it('and a stop in the midst of the same event: the real actor stops after it', () => {
    const { spawn, owner, host } = workshop();
    const actor = spawn();
    owner.within.set('work', () => {
      expect(actor.ref).toBeDefined();
      actor.send({ type: 'tick' });
      actor.stop();
    });
    actor.send({ type: 'go' });
    expect(owner.log).toEqual(['enter idle', 'leave', 'work go', 'afterwards', 'enter busy']);
    expect(actor.getSnapshot()).toMatchObject({ status: 'stopped', value: 'busy' });
    expect(host.live).toBe(0);
  });

  it('within an initial action: the actor starts with its initial state, once', () => {
    const { host, owner, errors } = workshop();
    owner.within.set('enter', () => {
      owner.within.clear();
      host.inspect(() => {});
    });
    const actor = worker.spawn(host, { key: 1, input: undefined, owner });
    expect(owner.log).toEqual(['enter idle']);
    actor.send({ type: 'go' });
    expect(actor.ref.getSnapshot().value).toBe('busy');
    expect({ errors, live: host.live }).toEqual({ errors: [], live: 1 });
  });

  it('by a subscriber: the snapshot it is told is not told again', () => {
    const { spawn } = workshop();
    const actor = spawn();
    const told: unknown[] = [];
    actor.subscribe(({ value }) => {
      told.push(value);
      expect(actor.ref).toBeDefined();
    });
    actor.send({ type: 'go' });
    actor.send({ type: 'back' });
    expect(told).toEqual(['busy', 'idle']);
  });

  it('leaves a payload in the context alone', () => {
    const { host, owner } = workshop();
    const trap = new Proxy({}, { ownKeys: () => expect.unreachable('the context was searched') });
    const actor = worker.spawn(host, { key: 1, input: { started: trap, fail: false }, owner });
    expect(actor.ref.getSnapshot().context.started).toBe(trap);
  });
});
