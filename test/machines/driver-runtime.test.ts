/** A connection's driver, led along its model's paths in a real session: the peer says every message there is, and the link is lost and found. */
import { describe, expect, it } from 'vitest';
import { encodeValue } from 'statewire/wire';
import type { Message } from 'statewire/wire';
import { machineModels } from '../../src/testing/machine-models.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { call, result } from '../support/hostile-peer.ts';
import { WatchedClient } from '../support/model-peers.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';

const model = machineModels.driver;
type Model = typeof model.machine;

/** One of each message that a driver routes, about what nobody knows: each is dropped and counted, or answered. */
const MESSAGES: Readonly<Record<string, Message>> = {
  call: call(2),
  response: result(1),
  cancel: { type: 'cancel', connectionId: 0, requestId: 1 },
  item: { type: 'item', connectionId: 0, channelId: 1, value: encodeValue(1) },
  items: { type: 'items', connectionId: 0, channelId: 1, values: [encodeValue(1), encodeValue(2)] },
  end: { type: 'end', connectionId: 0, channelId: 1 },
  reset: { type: 'reset', connectionId: 0, channelId: 1, reason: undefined },
  grant: { type: 'grant', connectionId: 0, channelId: 1, credit: 1 },
};

const isNewLink = (type: string | undefined): boolean => type === 'linkUp' || type === 'restarted';

class DriverScene implements Scene<Model> {
  readonly client: WatchedClient;
  /** The session that there is, where it is not the first one. */
  #known: { sessionId?: string } = {};

  constructor(client: WatchedClient) {
    this.client = client;
  }

  static async stage(): Promise<DriverScene> {
    return new DriverScene(await WatchedClient.connect());
  }

  get trace() {
    return this.client.witness.find('driver')!;
  }

  async act({ event }: Moment<Model>): Promise<void> {
    const { client } = this;
    switch (event.type) {
      case 'linkLost':
        client.world.network.cut();
        return;
      case 'linkUp':
      case 'resend':
        await client.redial();
        client.welcome({ resumed: true, ...this.#known });
        return;
      case 'restarted':
        await client.redial();
        this.#known = { sessionId: `another-${client.peers.length}` };
        client.welcome({ resumed: false, ...this.#known });
        return;
      case 'stop':
        void client.session.close();
        return;
      default:
        client.peer.send(MESSAGES[event.type] as Message);
    }
  }

  /** A session that nobody accuses: what the driver was told it could take. */
  after({ steps }: MachinePath<Model>): void {
    expect(this.client.sent('protocol-error')).toEqual([]);
    const types = steps.map(({ event }) => event.type);
    const returns = types.filter((type, index) => isNewLink(type) || (type === 'resend' && !isNewLink(types[index - 1])));
    expect(this.client.peers).toHaveLength(1 + returns.length);
  }
}

const plan: Plan<Model> = {
  model,
  says: ({ type, requestId, channelId }) => (type === 'call' ? 1 : [requestId, channelId]),
  impossible: [
    {
      why: 'resume.order: a new link is told, and calls are sent again on it, in the same breath',
      cuts: 0,
      when: ({ event, path, index }) => event.type !== 'resend' && isNewLink(path.steps[index - 1]?.event.type),
    },
    { why: 'a session without a link loses none', cuts: 1, when: ({ event, state }) => event.type === 'linkLost' && state === 'resuming' },
  ],
  // Each new link is told before calls are sent again on it.
  passesOver: (type) => type === 'linkUp',
  stage: DriverScene.stage,
};

const { cases, total, cut, expectedCut, uncovered } = itinerary(plan);

describe('a real driver is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model but those listed, which leave out only the loss of a link that there is not', () => {
    expect(uncovered).toEqual(['transition resuming ── linkLost ─▶ stays']);
    expect(cut).toEqual(expectedCut);
    expect(total).toBe(14);
  });
});

describe('a real driver is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 40)) it(title, () => follow(plan, path));
});
