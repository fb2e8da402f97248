import { createActor, createMachine } from 'xstate';
import type { AnyActorRef, InspectionEvent } from 'xstate';
import { describe, expect, it } from 'vitest';
import { ActorHost } from '../../src/machines/spawn.ts';
import { countRegistered, idsIn, Owner, worker, workshop } from '../support/worker.ts';

describe('watching', () => {
  it('tells a late inspector of every live actor, with the state it is in, and of all that follows', () => {
    const { spawn, host, root } = workshop();
    const actors = [1, 2, 3].map((key) => spawn(key));
    actors[1]?.send({ type: 'go' });
    actors[2]?.send({ type: 'end' });
    const events: InspectionEvent[] = [];
    host.inspect((event) => void events.push(event));
    expect(idsIn(events)).toEqual(['worker:1', 'worker:2']);
    const states = events.flatMap((event) => (event.type === '@xstate.snapshot' ? [(event.snapshot as unknown as { value: unknown }).value] : []));
    expect(states).toEqual(['idle', 'busy']);
    events.length = 0;
    actors[0]?.send({ type: 'go' });
    expect(events.map(({ type }) => type)).toEqual([
      '@xstate.event',
      '@xstate.action',
      '@xstate.action',
      '@xstate.action',
      '@xstate.action',
      '@xstate.microstep',
      '@xstate.snapshot',
    ]);
    expect(new Set(events.map(({ rootId }) => rootId))).toEqual(new Set([root.sessionId]));
  });

  it("begins when user code calls the root system's own inspect", () => {
    const { spawn, root, host } = workshop();
    const actor = spawn();
    const events: InspectionEvent[] = [];
    expect(host.watched).toBe(false);
    root.system.inspect((event) => void events.push(event));
    expect(host.watched).toBe(true);
    expect(idsIn(events)).toEqual([actor.id]);
  });

  it('makes actors real from birth while it lasts, every step shown, and light again after the last inspector has gone', () => {
    const { spawn, host } = workshop();
    const events: InspectionEvent[] = [];
    const watching = host.inspect((event) => void events.push(event));
    const other = host.inspect({ next: () => {} });
    spawn(1);
    expect(events.map(({ type }) => type)).toEqual(['@xstate.actor', '@xstate.event', '@xstate.action', '@xstate.snapshot']);
    watching.unsubscribe();
    watching.unsubscribe();
    expect(host.watched).toBe(true);
    other.unsubscribe();
    expect(host.watched).toBe(false);
    const last: InspectionEvent[] = [];
    spawn(2);
    host.inspect((event) => void last.push(event));
    expect(idsIn(last)).toEqual(['worker:2']);
  });

  it('knows an inspector that was there before the host, for as long as it stays', () => {
    const events: InspectionEvent[] = [];
    const root = createActor(createMachine({ id: 'root' }), { inspect: (event) => void events.push(event) }).start();
    const host = new ActorHost(() => root);
    const owner = new Owner();
    events.length = 0;
    expect(host.watched).toBe(true);
    expect(events).toEqual([]);
    worker.spawn(host, { key: 1, input: undefined, owner });
    expect(idsIn(events)).toEqual(['worker:1']);

    const early = createActor(createMachine({ id: 'root' })).start();
    const watching = early.system.inspect(() => {});
    const lateHost = new ActorHost(() => early);
    expect(lateHost.watched).toBe(true);
    watching.unsubscribe();
    expect(lateHost.watched).toBe(false);
  });

  it.each([
    { who: 'that came by the host', watch: (host: ActorHost, _root: AnyActorRef, observer: () => void) => host.inspect(observer) },
    { who: "that came by the system's inspect", watch: (_host: ActorHost, root: AnyActorRef, observer: () => void) => root.system.inspect(observer) },
  ])('is not disturbed by an inspector $who and throws at everything', ({ watch }) => {
    const { spawn, host, owner, root, errors } = workshop();
    const light = spawn(1);
    const seen: string[] = [];
    watch(host, root, () => {
      throw new Error('bad inspector');
    });
    host.inspect(({ type }) => void seen.push(type));
    const real = spawn(2);
    for (const actor of [light, real]) {
      actor.send({ type: 'go' });
      actor.send({ type: 'end' });
      expect(actor.done).toBe(true);
    }
    expect(owner.log.filter((entry) => entry === 'enter over')).toHaveLength(2);
    expect(host.live).toBe(0);
    expect(seen.length).toBeGreaterThan(10);
    expect(errors.length).toBeGreaterThan(10);
    expect(new Set(errors.map((error) => (error as Error).message))).toEqual(new Set(['bad inspector']));
  });

  it('is not disturbed by one that was there before the host', () => {
    const root = createActor(createMachine({ id: 'root' })).start();
    root.system.inspect(() => {
      throw new Error('bad from the beginning');
    });
    const errors: unknown[] = [];
    const host = new ActorHost(() => root, { onError: (error) => void errors.push(error) });
    host.attach();
    const actor = worker.spawn(host, { key: 1, input: undefined, owner: new Owner() });
    actor.send({ type: 'go' });
    actor.send({ type: 'end' });
    expect(actor.done).toBe(true);
    expect(errors.length).toBeGreaterThan(0);
  });

  it('promotes the actors of every host of the system, and links neither a host without any nor an actor that is light no more', () => {
    const { root, owner } = workshop();
    const hosts = [1, 2, 3, 4].map(() => new ActorHost(() => root));
    const neighbours = hosts.flatMap((host) => [10, 20].map((key) => worker.spawn(host, { key, input: undefined, owner })));
    neighbours.toReversed().forEach((neighbour) => neighbour.stop());
    const actors = hosts.map((host, key) => worker.spawn(host, { key, input: undefined, owner }));
    actors[1]?.stop();
    actors[3]?.stop();
    actors[0]?.stop();
    const events: InspectionEvent[] = [];
    root.system.inspect((event) => void events.push(event));
    expect(idsIn(events)).toEqual(['worker:2']);
    const links = [...actors, ...neighbours].flatMap((actor) =>
      Object.entries(actor).filter(([name]) => name === 'previousLight' || name === 'nextLight'),
    );
    expect(new Set(links.map(([, neighbour]) => neighbour as unknown))).toEqual(new Set([undefined]));
    expect(hosts.map((host) => [host.previousHost, host.nextHost])).toEqual(hosts.map(() => [undefined, undefined]));
  });

  it('leaves nothing in the system when promoted actors have finished or stopped', () => {
    const { spawn, host, root } = workshop();
    const registered = countRegistered(root);
    const early = [1, 2].map((key) => spawn(key));
    host.inspect(() => {});
    const late = [3, 4].map((key) => spawn(key));
    expect(registered()).toBe(4);
    for (const [first, second] of [early, late]) {
      first?.send({ type: 'end' });
      second?.stop();
    }
    expect(registered()).toBe(0);
    expect(host).toMatchObject({ live: 0, started: 4 });
  });
});
