/** A live operation, led along its model's paths in a real server: handlers and store are in the test's hand, its attempts come from scripted peers. */
import { describe, expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import { toStored } from '../../src/driver/outcome.ts';
import { machineModels } from '../../src/testing/machine-models.ts';
import { endOf } from '../../src/testing/machine-paths.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { argsWith } from '../support/channel-marks.ts';
import { WatchedServer } from '../support/model-peers.ts';
import type { ScriptedAttempt } from '../support/model-peers.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';
import { deferred } from '../support/peers.ts';

const model = machineModels.operation;
type Model = typeof model.machine;

const OPERATION_ID = 'op';
const HANDLER_TIMEOUT_MS = 5_000;

class OperationScene implements Scene<Model> {
  readonly server = new WatchedServer();
  readonly #input: MachinePath<Model>['input'];
  /** Holds an operation in `admitting` that asks no store. */
  readonly #validation = deferred<unknown>();
  /** Who owns it, and who was told apart from the others. */
  #owner: ScriptedAttempt | undefined = undefined;
  readonly #left = new Set<ScriptedAttempt>();
  readonly #gone = new Set<ScriptedAttempt>();

  constructor(input: MachinePath<Model>['input']) {
    this.#input = input;
  }

  static async stage({ input }: MachinePath<Model>): Promise<OperationScene> {
    const scene = new OperationScene(input);
    const { server } = scene;
    await server.listen({ handlerTimeoutMs: HANDLER_TIMEOUT_MS, ...(input.identified ? {} : { validation: scene.#validation.promise }) });
    server.store.hold('lookup');
    server.store.hold('seal');
    scene.#owner = await scene.#attempt();
    return scene;
  }

  get trace() {
    return this.server.witness.find('operation')!;
  }

  /** One more attempt, of a session of its own. */
  async #attempt(): Promise<ScriptedAttempt> {
    const { identified, channels } = this.#input;
    const { server } = this;
    const peer = await server.dial({ features: { retry: identified, resume: false } });
    const attempt = server.call(peer, this.#input, {
      operationId: identified ? OPERATION_ID : undefined,
      ...(channels ? { channels: [1], args: argsWith({ travels: 'receiver', ordinal: 0 }) } : {}),
    });
    await server.world.settle();
    return attempt;
  }

  act(moment: Moment<Model>): void | Promise<void> {
    const { server } = this;
    const { store } = server;
    const { event } = moment;
    const run = server.runs.calls[0];
    switch (event.type) {
      case 'admitted':
        this.#validation.resolve({ value: undefined });
        return store.letGo('lookup');
      case 'replayed':
        store.answer('lookup', () => ({ state: 'sealed', outcome: toStored({ ok: true, result: new Uint8Array([7]) }) }));
        return store.letGo('lookup');
      case 'refused':
        this.#validation.resolve({ issues: [{ message: 'no' }] });
        store.answer('lookup', () => ({ state: event.indeterminate ? 'expired' : 'conflict' }));
        return store.letGo('lookup');
      case 'returned':
        return run?.resolve(7);
      case 'threw':
        return run?.reject(new Error('by accident'));
      case 'overran':
        return server.world.clock.advance(HANDLER_TIMEOUT_MS);
      case 'stored':
        return store.letGo('seal');
      case 'storeFailed':
        store.fail('seal');
        return store.letGo('seal');
      case 'cancelled':
        return this.#cancel(event.owns);
      case 'ownerGone':
        return this.#loseOwner(event.heir);
    }
  }

  async #cancel(owns: boolean): Promise<void> {
    const attempt = owns ? (this.#owner ??= await this.#attempt()) : await this.#attemptOfAnother();
    if (!owns) this.#left.add(attempt);
    this.server.cancel(attempt, this.#input.identified ? OPERATION_ID : undefined);
  }

  /** One that waits: where nobody owns, who comes first does. */
  async #attemptOfAnother(): Promise<ScriptedAttempt> {
    this.#owner ??= await this.#attempt();
    return this.#attempt();
  }

  async #loseOwner(heir: boolean): Promise<void> {
    const owner = (this.#owner ??= await this.#attempt());
    const next = heir ? await this.#attempt() : undefined;
    this.#owner = next;
    this.#gone.add(owner);
    owner.peer.link.abort(new Error('cut'));
  }

  /** Every attempt whose session is there is answered once, if the operation has come to what its waiters are told. */
  async after(path: MachinePath<Model>): Promise<void> {
    const { server } = this;
    // What is behind the last step may have come at once with it.
    const { value } = this.trace.ref.getSnapshot() as AnyMachineSnapshot;
    expect(value).toBe(endOf(path).value);
    await server.world.settle();
    const isTold = endOf(path).status === 'done' || (value === 'sealing' && !this.#input.persist);
    for (const attempt of server.attempts) {
      if (!this.#gone.has(attempt)) expect(server.answersTo(attempt)).toBe(isTold || this.#left.has(attempt) ? 1 : 0);
    }
    expect(server.runs.calls.length).toBe(path.steps.filter(({ event }) => event.type === 'admitted').length);
  }
}

const plan: Plan<Model> = {
  model,
  says: ({ indeterminate, owns, heir }) => [indeterminate, owns, heir],
  impossible: [
    {
      why: 'retry.persist-no-channels: such a call is refused before there is an operation',
      cuts: 76,
      when: ({ path }) => path.input.persist && path.input.channels,
    },
    {
      why: 'without an operation id no store is asked, so that none answers',
      cuts: 18,
      when: ({ path, event }) =>
        !path.input.identified && (event.type === 'replayed' || event.type === 'storeFailed' || (event.type === 'refused' && event.indeterminate)),
    },
    {
      why: 'without an operation id no other attempt can join',
      cuts: 36,
      when: ({ path, event }) =>
        !path.input.identified && ((event.type === 'cancelled' && !event.owns) || (event.type === 'ownerGone' && event.heir)),
    },
    {
      why: 'what stores nothing is sealed in the same breath',
      cuts: 12,
      when: ({ path, event, state }) => !path.input.identified && state === 'sealing' && event.type !== 'stored',
    },
    {
      why: 'op.seal-durable: only persist operations have waiters left while they are sealed',
      cuts: 16,
      when: ({ path, event, state }) => state === 'sealing' && !path.input.persist && (event.type === 'cancelled' || event.type === 'ownerGone'),
    },
  ],
  stage: OperationScene.stage,
};

const { cases, total, cut, expectedCut, uncovered } = itinerary(plan);

describe('a real operation is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model but those listed, which leave no part of the chart out', () => {
    expect(uncovered).toEqual([]);
    expect(cut).toEqual(expectedCut);
    expect(total).toBe(304);
  });
});

describe('a real operation is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 100)) it(title, () => follow(plan, path));
});
