/** A listening side, led along its model's paths: it closes, and has ended when the last of its sessions has. */
import { describe, expect, it } from 'vitest';
import { machineModels } from '../../src/testing/machine-models.ts';
import { WatchedServer } from '../support/model-peers.ts';
import { follow, itinerary } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';

const model = machineModels.server;
type Model = typeof model.machine;

class ServerScene implements Scene<Model> {
  readonly server = new WatchedServer();

  static async stage(): Promise<ServerScene> {
    const scene = new ServerScene();
    const { server } = scene;
    await server.listen();
    const peer = await server.dial();
    server.call(peer, { persist: false, idem: false });
    await server.world.settle();
    return scene;
  }

  get trace() {
    return this.server.witness.find('server')!;
  }

  act({ event }: Moment<Model>): void {
    const { server, runs } = this.server;
    if (event.type === 'close') void server.close({ graceMs: 5_000 });
    else runs.calls[0]?.resolve(7);
  }
}

const plan: Plan<Model> = { model, impossible: [], stage: ServerScene.stage };
const { cases, total, uncovered } = itinerary(plan);

describe('a real server is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model', () => {
    expect(uncovered).toEqual([]);
    expect(total).toBe(cases.length);
  });
});
