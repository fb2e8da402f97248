/** A connection, the root and a virtual one, led along its model's paths in a real session: the peer accepts, rejects and closes, the user joins and releases. */
import { describe, expect, it } from 'vitest';
import { joinConnections, release } from 'statewire';
import type { Connection, ConnectionRequest } from 'statewire';
import { machineModels } from '../../src/testing/machine-models.ts';
import { endOf } from '../../src/testing/machine-paths.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { acceptMessage, openMessage } from '../support/connection-peers.ts';
import { WatchedClient } from '../support/model-peers.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';

const model = machineModels.connection;
type Model = typeof model.machine;
type Path = MachinePath<Model>;

const isRoot = ({ input }: Path): boolean => input.connectionId === 0;

class ConnectionScene implements Scene<Model> {
  readonly client = new WatchedClient();
  readonly #path: Path;
  #connecting: Promise<unknown> = Promise.resolve();
  #opening: Promise<Connection> | undefined = undefined;
  #joined: Connection | undefined = undefined;

  constructor(path: Path) {
    this.#path = path;
  }

  static async stage(path: Path): Promise<ConnectionScene> {
    const scene = new ConnectionScene(path);
    const { client } = scene;
    await client.listen();
    scene.#connecting = client.dial({ maxInitialCredit: 1_024, maxConcurrentRequests: 256, onConnection: (request) => scene.#asked(request) });
    scene.#connecting.catch(() => {});
    await client.world.settle();
    if (!isRoot(path)) {
      client.welcome();
      await scene.#connecting;
      scene.#open();
      await client.world.settle();
    }
    return scene;
  }

  get trace() {
    return this.client.witness.find(`connection:${this.#path.input.connectionId}`)!;
  }

  #open(): void {
    this.#opening = this.client.session.open({});
    this.#opening.catch(() => {});
  }

  async #connection(): Promise<Connection> {
    await this.#connecting;
    return isRoot(this.#path) ? this.client.session.root : this.#opening!;
  }

  /** The peer's connection, which is joined to ours at once. */
  #asked(request: ConnectionRequest): void {
    joinConnections(this.#joined!, request.accept({}));
  }

  async act({ event, state }: Moment<Model>): Promise<void> {
    const { client } = this;
    const { connectionId } = this.#path.input;
    switch (event.type) {
      case 'opened':
        if (isRoot(this.#path)) client.welcome();
        else client.peer.send(acceptMessage(connectionId));
        return;
      case 'rejected':
        client.peer.send({ type: 'reject', connectionId, reason: event.reason });
        return;
      case 'joined':
        this.#joined = await this.#connection();
        client.peer.send(openMessage(2));
        return;
      case 'released':
        return this.#release();
      case 'close':
        await (await this.#connection()).close();
        return;
      case 'peerClosed':
        client.peer.send({ type: 'close', connectionId, reason: event.reason });
        return;
      case 'ended':
        if (isRoot(this.#path) && state === 'opening') client.peer.send({ type: 'refuse', reason: 'no' });
        else void (await this.#connecting.then(() => client.session)).close();
    }
  }

  /** The root waits for its session's other connections, of which there is one. */
  async #release(): Promise<void> {
    const connection = await this.#connection();
    const { client } = this;
    if (!isRoot(this.#path)) {
      release(connection);
      return;
    }
    this.#open();
    await client.world.settle();
    client.peer.send(acceptMessage(1));
    await this.#opening;
    release(client.session);
  }

  /** The peer of a virtual one is told once of its end, where it was here that it ended. */
  async after(path: Path): Promise<void> {
    await this.client.world.settle();
    const last = path.steps.at(-1)?.event.type;
    const said = this.client.sent('close').filter(({ connectionId }) => connectionId !== 0 && connectionId === path.input.connectionId);
    expect(said).toHaveLength(endOf(path).value === 'closed' && (last === 'close' || last === 'released') ? 1 : 0);
  }
}

const plan: Plan<Model> = {
  model,
  impossible: [
    {
      why: 'conn.close: the root ends with its session alone, which is not opened by an accept either',
      cuts: 9,
      when: ({ event, path }) => isRoot(path) && ['close', 'peerClosed', 'rejected'].includes(event.type),
    },
    {
      why: 'nobody has a connection, to close it, before it is open',
      cuts: 1,
      when: ({ event, state }) => event.type === 'close' && state === 'opening',
    },
  ],
  stage: ConnectionScene.stage,
};

const { cases, total, cut, expectedCut, uncovered } = itinerary(plan);

describe('a real connection is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model but those listed, which leave no part of the chart out', () => {
    expect(uncovered).toEqual([]);
    expect(cut).toEqual(expectedCut);
    expect(total).toBe(24);
  });
});

describe('a real connection is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 40)) it(title, () => follow(plan, path));
});
