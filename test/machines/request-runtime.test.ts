/** The caller's attempt, led along its model's paths in a real session: the peer is a script, the network is cut, the user gives up. */
import { describe, expect, it } from 'vitest';
import { defineService, method } from 'statewire';
import type { StandardSchemaV1 } from 'statewire';
import { encodeValue } from 'statewire/wire';
import type { ResponseMessage, WelcomeMessage } from 'statewire/wire';
import type { StandardSchemaResult } from '../../src/schema.ts';
import { machineModels } from '../../src/testing/machine-models.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { FEATURES, GARBAGE, WatchedClient } from '../support/model-peers.ts';
import { follow, itinerary, strolls } from '../support/model-runs.ts';
import type { Moment, Plan, Scene } from '../support/model-runs.ts';
import { deferred } from '../support/peers.ts';

const model = machineModels.request;
type Model = typeof model.machine;

/** What the call carries, and more than a peer takes that wants none of it. */
const PAYLOAD = new Uint8Array(70_000);
const TOO_SMALL = { maxConcurrentRequests: 256, maxPayload: 65_536, maxConnections: 16, maxInitialCredit: 1_024 };

/** A call waits in `queued` as long as its schema has not answered. */
function gatedService(idem: boolean) {
  const gate = deferred<StandardSchemaResult<unknown>>();
  const input: StandardSchemaV1 = { '~standard': { version: 1, vendor: 'test', validate: () => gate.promise } };
  return { gate, service: defineService('Gated', { run: method<unknown, unknown>({ idem, input }) }) };
}

type Gate = ReturnType<typeof gatedService>['gate'];

function answer(verdict: string): ResponseMessage {
  const head = { type: 'response', connectionId: 0, requestId: 1, metadata: [] } as const;
  if (verdict === 'value') return { ...head, ok: true, result: encodeValue(7) };
  const kind = verdict === 'failure' ? 'unknown-method' : (verdict as 'cancelled' | 'indeterminate' | 'unavailable');
  return { ...head, ok: false, error: { kind, reason: 'scripted', message: 'scripted' } };
}

class RequestScene implements Scene<Model> {
  readonly client: WatchedClient;
  readonly #gate: Gate;
  readonly #controller = new AbortController();
  #isLost = false;

  constructor(client: WatchedClient, gate: Gate) {
    this.client = client;
    this.#gate = gate;
  }

  static async stage(path: MachinePath<Model>): Promise<RequestScene> {
    const { idem, identified } = path.input;
    const features = { ...FEATURES, retry: identified };
    const client = await WatchedClient.connect({}, { features, ...limitsFor(path, 0) });
    const { gate, service } = gatedService(idem);
    const scene = new RequestScene(client, gate);
    client.session
      .client(service)
      .run(PAYLOAD, { signal: scene.#controller.signal })
      .catch(() => {});
    return scene;
  }

  get trace() {
    return this.client.witness.find('request')!;
  }

  act(moment: Moment<Model>): void | Promise<void> {
    const { client } = this;
    const { event, path, index, before } = moment;
    switch (event.type) {
      case 'dispatch':
        if (index === 0) return this.#gate.resolve({ value: undefined });
        return this.#comeBack({ resumed: true, ...limitsFor(path, index) });
      case 'handed':
        // Comes by itself at the end of the turn.
        return undefined;
      case 'sendFailed':
        // Behind a dispatch it has come already: the peer takes less than the call is.
        return this.#gate.resolve({ issues: [{ message: 'no' }] });
      case 'responded':
        return client.peer.send(answer(event.verdict));
      case 'aborted':
        return this.#controller.abort();
      case 'linkLost':
        this.#isLost = true;
        return client.world.network.cut();
      case 'judged':
        return this.#comeBack({ resumed: false, sessionId: 'another', storeIdentity: 'another' });
      case 'ended':
        return this.#end(event.kind, before.value === 'sending');
    }
  }

  async #comeBack(change: Partial<WelcomeMessage>): Promise<void> {
    await this.client.redial();
    this.#isLost = false;
    this.client.welcome(change);
  }

  async #end(kind: string, isSending: boolean): Promise<void> {
    const { client } = this;
    if (kind === 'connection-closed') {
      // What waits for the end of the turn leaves before our own last word, but not before the peer's.
      if (isSending) client.peer.send({ type: 'close', connectionId: 0, reason: 'closed' });
      else void client.session.close();
      return;
    }
    if (this.#isLost) await client.redial();
    client.peer.sendBytes(GARBAGE);
    if (this.#isLost) client.peer.send({ type: 'protocol-error', rule: 'id.violation', message: 'scripted' });
  }

  /** As often as the chart was told, and no more: what the link took is what the tap saw. */
  after(path: MachinePath<Model>): void {
    const count = (type: string) => path.steps.filter(({ event }) => event.type === type).length;
    // A cancel or an end in the same turn goes along with the call that was to be sent.
    expect(this.client.sent('call').length).toBeGreaterThanOrEqual(count('handed'));
    expect(this.client.sent('call').length).toBeLessThanOrEqual(count('dispatch'));
  }
}

/** The peer's limits on the link over which the dispatch at `index` goes. */
function limitsFor({ steps }: MachinePath<Model>, index: number): Partial<WelcomeMessage> {
  return steps[index + 1]?.event.type === 'sendFailed' && steps[index]?.event.type === 'dispatch' ? { limits: TOO_SMALL } : {};
}

const plan: Plan<Model> = {
  model,
  says: ({ verdict, kind }) => [verdict, kind],
  impossible: [
    {
      why: 'what waits for a second link was encoded for the first one',
      cuts: 0,
      when: ({ event, state, index }) => event.type === 'sendFailed' && state === 'queued' && index > 0,
    },
    {
      why: 'retry.off: where there are no operation ids the loss of the link ends the call',
      cuts: 56,
      when: ({ event, path }) => event.type === 'linkLost' && !path.input.identified,
    },
    { why: 'resume.resend: an idem call is always sent again', cuts: 2, when: ({ event, path }) => event.type === 'judged' && path.input.idem },
  ],
  stage: RequestScene.stage,
};

const { cases, total, cut, expectedCut, uncovered } = itinerary(plan);

describe('a real request attempt is where its model is, step by step', () => {
  for (const { title, path } of cases) it(title, () => follow(plan, path));

  it('on every path of the model but those listed, which leave no part of the chart out', () => {
    expect(uncovered).toEqual([]);
    expect(cut).toEqual(expectedCut);
    expect(total).toBe(176);
  });
});

describe('a real request attempt is where its model is on random ways, which come back to its states', () => {
  for (const { title, path } of strolls(plan, 100)) it(title, () => follow(plan, path));
});
