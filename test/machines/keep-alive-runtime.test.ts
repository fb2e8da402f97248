/** The keep-alive of a link, led along its model's paths in a real session: the peer speaks, or does not, while the clock goes on. */
import { describe, expect, it } from 'vitest';
import { machineModels } from '../../src/testing/machine-models.ts';
import { endOf } from '../../src/testing/machine-paths.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { WatchedClient } from '../support/model-peers.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';

const model = machineModels.keepAlive;
type Model = typeof model.machine;

const INTERVAL_MS = 1_000;
const TIMEOUT_MS = 500;
const STEP_MS = 1;

class KeepAliveScene implements Scene<Model> {
  readonly client: WatchedClient;

  constructor(client: WatchedClient) {
    this.client = client;
  }

  static async stage(): Promise<KeepAliveScene> {
    return new KeepAliveScene(await WatchedClient.connect({ keepAlive: { intervalMs: INTERVAL_MS, timeoutMs: TIMEOUT_MS } }));
  }

  get trace() {
    return this.client.witness.find('keepAlive')!;
  }

  /** The peer speaks half-way through the state's time, or not at all. */
  async act({ event }: Moment<Model>): Promise<void> {
    const { clock } = this.client.world;
    const handled = this.trace.entries.length;
    const remainingMs = (clock.nextDeadlineMs ?? clock.now()) - clock.now();
    await clock.advance(remainingMs / 2);
    // Whatever comes is a sign of life.
    if (event.heard) this.client.peer.send({ type: 'ping', nonce: 1 });
    for (let passedMs = 0; passedMs < 2 * INTERVAL_MS && this.trace.entries.length === handled; passedMs += STEP_MS) await clock.advance(STEP_MS);
  }

  /** One ping for each time that the silence was too long; and then the link is given up. */
  after(path: MachinePath<Model>): void {
    const values = path.steps.map(({ snapshot }) => snapshot.value);
    expect(this.client.sent('ping')).toHaveLength(values.filter((value) => value === 'probing').length);
    expect(this.client.session.status).toBe(endOf(path).value === 'dead' ? 'disconnected' : 'connected');
  }
}

const plan: Plan<Model> = { model, says: ({ heard }) => heard, impossible: [], stage: KeepAliveScene.stage };
const { cases, total, uncovered } = itinerary(plan);

describe('a real keep-alive is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model', () => {
    expect(uncovered).toEqual([]);
    expect(total).toBe(cases.length);
  });
});

describe('a real keep-alive is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 40)) it(title, () => follow(plan, path));
});
