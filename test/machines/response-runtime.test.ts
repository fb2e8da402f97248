/** The callee's attempt, led along its model's paths in a real server: alone, behind another one that has brought the operation, and after its outcome. */
import { describe, expect, it } from 'vitest';
import { toStored } from '../../src/driver/outcome.ts';
import { machineModels } from '../../src/testing/machine-models.ts';
import { endOf } from '../../src/testing/machine-paths.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { WatchedServer } from '../support/model-peers.ts';
import type { ScriptedAttempt } from '../support/model-peers.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene, Trace } from '../support/model-runs.ts';
import { deferred } from '../support/peers.ts';

const model = machineModels.response;
type Model = typeof model.machine;
type Path = MachinePath<Model>;

const has = ({ steps }: Path, type: string): boolean => steps.some(({ event }) => event.type === type);
/** With an operation id, by which the attempt asks for its operation. */
const isIdentified = (path: Path): boolean => path.steps[0]?.event.type === 'admit';

class ResponseScene implements Scene<Model> {
  readonly server = new WatchedServer();
  readonly #path: Path;
  /** Holds an attempt without an operation id before its handler. */
  readonly #validation = deferred<unknown>();
  readonly #operationId: string | undefined;
  /** The attempt that brought the operation, where this one joins. */
  #first: ScriptedAttempt | undefined = undefined;
  #attempt: ScriptedAttempt | undefined = undefined;
  #trace: Trace | undefined = undefined;

  constructor(path: Path) {
    this.#path = path;
    this.#operationId = isIdentified(path) ? 'op' : undefined;
  }

  static async stage(path: Path): Promise<ResponseScene> {
    const scene = new ResponseScene(path);
    const { server } = scene;
    await server.listen(isIdentified(path) ? {} : { validation: scene.#validation.promise });
    server.store.hold('seal');
    if (has(path, 'attached')) scene.#first = await scene.#call();
    server.store.hold('lookup');
    scene.#attempt = await scene.#call();
    scene.#trace = server.witness.find('response')!;
    return scene;
  }

  get trace() {
    return this.#trace!;
  }

  async #call(): Promise<ScriptedAttempt> {
    const { server } = this;
    const peer = await server.dial({ features: { retry: this.#operationId !== undefined, resume: false } });
    const attempt = server.call(peer, { persist: has(this.#path, 'sealing'), idem: false }, { operationId: this.#operationId });
    await server.world.settle();
    return attempt;
  }

  act({ event, state }: Moment<Model>): void | Promise<void> {
    const { server } = this;
    const { store } = server;
    switch (event.type) {
      case 'admit':
      case 'attached':
        // Comes with the call.
        return undefined;
      case 'started':
        if (state === 'attached') return this.#first?.peer.link.abort(new Error('cut'));
        this.#validation.resolve({ value: undefined });
        return store.letGo('lookup');
      case 'replayed':
        store.answer('lookup', () => ({ state: 'sealed', outcome: toStored({ ok: true, result: new Uint8Array([7]) }) }));
        return store.letGo('lookup');
      case 'sealing':
        return server.runs.calls[0]?.resolve(7);
      case 'settled':
        return this.#settle(state);
      case 'aborted':
        return server.cancel(this.#attempt!, this.#operationId);
      case 'linkLost':
        return this.#attempt?.peer.link.abort(new Error('cut'));
    }
  }

  #settle(state: string): void {
    const { store, runs } = this.server;
    if (state === 'received') this.#validation.resolve({ issues: [{ message: 'no' }] });
    else if (state === 'admitting') {
      store.answer('lookup', () => ({ state: 'conflict' }));
      store.letGo('lookup');
    } else if (state === 'sealing') store.letGo('seal');
    else runs.calls[0]?.resolve(7);
  }

  /** Answered once, and only where there is a link to answer on. */
  async after(path: Path): Promise<void> {
    await this.server.world.settle();
    const { status, value } = endOf(path);
    expect(this.server.answersTo(this.#attempt!)).toBe(status === 'done' && value !== 'detached' ? 1 : 0);
  }
}

const plan: Plan<Model> = {
  model,
  impossible: [
    {
      why: 'the stored outcome is told in the same breath',
      cuts: 2,
      when: ({ event, state }) => state === 'replaying' && event.type !== 'settled',
    },
    {
      why: 'what stores nothing is sealed in the same breath',
      cuts: 2,
      when: ({ path, event, state }) => !isIdentified(path) && state === 'sealing' && event.type !== 'settled',
    },
    {
      why: 'cancel.callee: the owner of a persist operation cannot leave, and only persist operations are sealed before they are answered',
      cuts: 2,
      when: ({ path, index, event, state }) =>
        event.type === 'aborted' && state === 'sealing' && path.steps.slice(0, index).some((step) => step.event.type === 'started'),
    },
  ],
  stage: ResponseScene.stage,
};

const { cases, total, cut, expectedCut, uncovered } = itinerary(plan);

describe('a real response attempt is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model but those listed, which leave no part of the chart out', () => {
    expect(uncovered).toEqual([]);
    expect(cut).toEqual(expectedCut);
    expect(total).toBe(33);
  });
});

describe('a real response attempt is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 40)) it(title, () => follow(plan, path));
});
