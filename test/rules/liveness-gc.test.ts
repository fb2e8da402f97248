/** liveness.gc: what garbage collection closes, and what it must not. Needs --expose-gc; waits by rounds of collection, never by time. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { channel, connect, listen } from 'statewire';
import type { Client, Connection, ConnectionRequest, ConnectOptions, ListenOptions, Session } from 'statewire';
import { collectGarbage, Flow, flowing } from '../support/connection-peers.ts';
import type { Flowing } from '../support/connection-peers.ts';
import { leavesNothing } from '../support/nothing-left.ts';
import { gated, lab, Lab, makeWorld, PLACE } from '../support/peers.ts';
import type { Deferred } from '../support/peers.ts';

leavesNothing();

interface Scene {
  /** Dials; nothing of the test itself holds the session then. */
  dial(options?: ConnectOptions): Promise<Session>;
  settle(): Promise<void>;
  /** How many connections the server has taken, and how many of them are open. */
  open(): number;
  /** Sessions of the server. */
  sessions(): number;
  readonly calls: Deferred<unknown>[];
  readonly flows: Flowing;
}

async function makeScene(options: ListenOptions = {}): Promise<Scene> {
  const { clock, network } = makeWorld();
  const { handler, calls } = gated();
  const flows = flowing();
  const services = [lab({ idem: handler }), flows.service];
  const taken: Connection[] = [];
  const server = await listen(network.listener(PLACE), {
    clock,
    services,
    onConnection: (request) => void taken.push(request.accept({ services })),
    ...options,
  });
  onTestFinished(() => server.close());
  return {
    dial: (given) => connect(network.connector(PLACE), { clock, ...given }),
    settle: () => clock.advance(0),
    open: () => taken.filter(({ isConnected }) => isConnected).length,
    sessions: () => server.sessions.size,
    calls,
    flows,
  };
}

/** Holds on to things, until told; what is in a closure of the test might be kept by the engine for longer. */
class Keeper {
  readonly kept = new Map<string, unknown>();

  keep<T>(name: string, thing: T): T {
    this.kept.set(name, thing);
    return thing;
  }

  get<T>(name: string): T {
    return this.kept.get(name) as T;
  }

  drop(name: string): void {
    this.kept.delete(name);
  }
}

describe('a virtual connection', () => {
  /** A session that is kept, and a connection on it of which only that is kept which is named. */
  async function openKeeping(scene: Scene, keeper: Keeper, what: 'nothing' | 'client' | 'connection'): Promise<void> {
    const session = keeper.kept.has('session') ? keeper.get<Session>('session') : keeper.keep('session', await scene.dial());
    const connection = await session.open();
    const client = connection.client(Lab);
    expect(await client.run('works')).toBe('works');
    if (what === 'client') keeper.keep('client', client);
    if (what === 'connection') keeper.keep('connection', connection);
  }

  it('[liveness.gc] closes when its object and all its clients are gone', async () => {
    const scene = await makeScene();
    const keeper = new Keeper();
    await openKeeping(scene, keeper, 'nothing');
    expect(scene.open()).toBe(1);
    await collectGarbage(() => scene.open() === 0);
    expect([scene.open(), keeper.get<Session>('session').status]).toEqual([0, 'connected']);
    await keeper.get<Session>('session').close();
  });

  it.each(['client', 'connection'] as const)('[liveness.gc] stays as long as its %s does', async (what) => {
    const scene = await makeScene();
    const keeper = new Keeper();
    await openKeeping(scene, keeper, what);
    await openKeeping(scene, keeper, 'nothing');
    // By the time the other one is gone, this one would be.
    await collectGarbage(() => scene.open() === 1);
    await collectGarbage(undefined, 10);
    expect(scene.open()).toBe(1);
    if (what === 'client') expect(await keeper.get<Client<typeof Lab>>('client').run('still')).toBe('still');
    else expect(await keeper.get<Connection>('connection').client(Lab).run('still')).toBe('still');
    keeper.drop(what);
    await collectGarbage(() => scene.open() === 0);
    expect(scene.open()).toBe(0);
    await keeper.get<Session>('session').close();
  });

  it('[liveness.gc] stays for a method that was taken from a client', async () => {
    const scene = await makeScene();
    const keeper = new Keeper();
    await (async () => {
      const connection = await keeper.keep('session', await scene.dial()).open();
      keeper.keep('run', connection.client(Lab).run);
    })();
    await collectGarbage(undefined, 20);
    expect(await keeper.get<Client<typeof Lab>['run']>('run')('bound')).toBe('bound');
    keeper.drop('run');
    await collectGarbage(() => scene.open() === 0);
    expect(scene.open()).toBe(0);
    await keeper.get<Session>('session').close();
  });

  it('[liveness.gc] [liveness.refcount] stays for a pending call, and closes after it', async () => {
    const scene = await makeScene();
    const keeper = new Keeper();
    await (async () => {
      const connection = await keeper.keep('session', await scene.dial()).open();
      void keeper.keep('pending', connection.client(Lab).idem('pending'));
      await scene.settle();
    })();
    await collectGarbage(undefined, 20);
    expect(scene.open()).toBe(1);
    scene.calls[0]?.resolve('answered');
    expect(await keeper.get<Promise<unknown>>('pending')).toBe('answered');
    await collectGarbage(() => scene.open() === 0);
    expect(scene.open()).toBe(0);
    await keeper.get<Session>('session').close();
  });

  it('[liveness.gc] [liveness.refcount] stays for a receiver that is waited on, and closes after its end', async () => {
    const scene = await makeScene();
    const keeper = new Keeper();
    await (async () => {
      const connection = await keeper.keep('session', await scene.dial()).open();
      const [tx, rx] = channel();
      const call = connection.client(Flow).give({ items: tx });
      await scene.settle();
      scene.flows.giving[0]?.gate.resolve('returned');
      await call;
      void keeper.keep('recv', rx.recv());
    })();
    await collectGarbage(undefined, 20);
    expect(scene.open()).toBe(1);
    scene.flows.giving[0]?.items.close();
    expect(await keeper.get<Promise<unknown>>('recv')).toEqual({ done: true, value: undefined });
    await collectGarbage(() => scene.open() === 0);
    expect(scene.open()).toBe(0);
    await keeper.get<Session>('session').close();
  });

  it('[liveness.gc] is never collected where it was accepted: the runtime holds it', async () => {
    const { clock, network } = makeWorld();
    let taken = 0;
    const ended: number[] = [];
    const onConnection = (request: ConnectionRequest) => {
      const number = taken++;
      void request.accept({ services: [lab()] }).closed.then(() => ended.push(number));
    };
    await using server = await listen(network.listener(PLACE), { clock, onConnection });
    await using session = await connect(network.connector(PLACE), { clock });
    const connection = await session.open();
    await collectGarbage(undefined, 30);
    expect([taken, ended, server.sessions.size]).toEqual([1, [], 1]);
    expect(await connection.client(Lab).run('still served')).toBe('still served');
  });
});

describe('a session', () => {
  it.each<[string, ConnectOptions]>([
    ['serves nothing', {}],
    ['has empty hands', { services: [] }],
  ])('[liveness.gc] that `connect` gave and nobody holds ends, where it %s', async (_what, options) => {
    const scene = await makeScene();
    await (async () => {
      const session = await scene.dial(options);
      expect(await session.client(Lab).run('works')).toBe('works');
    })();
    expect(scene.sessions()).toBe(1);
    await collectGarbage(() => scene.sessions() === 0);
    expect(scene.sessions()).toBe(0);
  });

  it.each<[string, (session: Session, keeper: Keeper) => Promise<void>]>([
    ['a client of its root', async (session, keeper) => void keeper.keep('held', session.client(Lab))],
    ['a virtual connection', async (session, keeper) => void keeper.keep('held', await session.open())],
    ['a client of a virtual connection', async (session, keeper) => void keeper.keep('held', (await session.open()).client(Lab))],
  ])('[liveness.gc] [liveness.last-drop] stays for %s, and ends after it', async (_what, hold) => {
    const scene = await makeScene();
    const keeper = new Keeper();
    await (async () => hold(await scene.dial(), keeper))();
    await collectGarbage(undefined, 30);
    expect(scene.sessions()).toBe(1);
    keeper.drop('held');
    await collectGarbage(() => scene.sessions() === 0);
    expect(scene.sessions()).toBe(0);
  });

  it.each<[string, ConnectOptions]>([
    ['services', { services: [lab()] }],
    ['connections', { onConnection: (request) => void request.accept({ services: [lab()] }) }],
  ])('[liveness.gc] is not collected where it serves %s', async (what, options) => {
    const { clock, network } = makeWorld();
    const accepted: Session[] = [];
    const server = await listen(network.listener(PLACE), { clock, onSession: (session) => void accepted.push(session) });
    onTestFinished(() => server.close());
    await (async () => void (await connect(network.connector(PLACE), { clock, ...options })))();
    await collectGarbage(undefined, 30);
    expect(accepted[0]?.status).toBe('connected');
    const at = what === 'services' ? accepted[0] : await accepted[0]?.open();
    expect(await at?.client(Lab).run('still served')).toBe('still served');
  });
});
