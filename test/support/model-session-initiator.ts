/** How a dialling side's session is brought to what its model does: every dial, every hello's answer and the clock are in the test's hand. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'vitest';
import { defineService, method } from 'statewire';
import type { ConnectOptions, Connector, Link } from 'statewire';
import { encodeValue } from 'statewire/wire';
import { machineModels } from '../../src/testing/machine-models.ts';
import type { MachinePath } from '../../src/testing/machine-paths.ts';
import { FEATURES, GARBAGE, WatchedClient } from './model-peers.ts';
import { valueText } from './model-runs.ts';
import type { Impossible, Moment, Plan, Scene, Trace } from './model-runs.ts';
import { deferred, PLACE } from './peers.ts';

const whole = machineModels.session;
const model = { ...whole, inputs: whole.inputs.filter(({ role }) => role === 'initiator') };
export type SessionModel = typeof model.machine;
export type SessionPath = MachinePath<SessionModel>;

export const STEP_MS = 1_000;
const NEVER_MS = 1_000_000;
export const GRACE_MS = 5_000;

const Slow = defineService('Slow', { run: method<unknown, unknown>() });

const isDelay = (event: { readonly type: string }, name: string): boolean => event.type.startsWith(`xstate.after.${name}.`);
const takesTime = (event: { readonly type: string }): boolean => event.type === 'dial' || isDelay(event, 'handshakeTimeout');

/** How many times a dial or handshake was waited for since the path came into that state, up to the step at `index`. */
function timesIn(path: SessionPath, index: number, state: string): number {
  let times = 0;
  for (const { event, snapshot } of path.steps.slice(0, index)) {
    if (takesTime(event)) times++;
    if (!valueText(snapshot.value).startsWith(state)) times = 0;
  }
  return times;
}

/** The most of these in any stay without a link before the step at `index`. */
function longestStay(path: SessionPath, index: number): number {
  return Math.max(0, ...path.steps.slice(0, index).map((_, step) => timesIn(path, step + 1, 'lost')));
}

/** Every wait for a dial and for a handshake takes `STEP_MS`; the deadlines come half a step behind the last one of them that the path lets pass. */
export function timesFor(path: SessionPath): { waitForPeerMs: number; recoveryMs: number } {
  const deadline = (name: string, state: string): number => {
    const index = path.steps.findIndex(({ event }) => isDelay(event, name));
    return index === -1 ? NEVER_MS : Math.round((timesIn(path, index, state) + 0.5) * STEP_MS);
  };
  return {
    waitForPeerMs: path.input.waitForPeerMs === 0 ? 0 : deadline('initialWait', 'first'),
    recoveryMs: deadline('recoveryDeadline', 'lost'),
  };
}

/** A connector whose every dial waits for the test. */
class HeldConnector implements Connector {
  readonly #inner: Connector;
  #dial = deferred<Link>();
  #link: () => Promise<Link> = () => Promise.reject(new Error('nobody has dialled'));

  constructor(inner: Connector) {
    this.#inner = inner;
  }

  connect: Connector['connect'] = (signal, limits) => {
    this.#dial = deferred<Link>();
    this.#link = () => this.#inner.connect(signal, limits);
    return this.#dial.promise;
  };

  async succeed(): Promise<void> {
    this.#dial.resolve(await this.#link());
  }

  fail(final: boolean): void {
    this.#dial.reject(Object.assign(new Error('nobody there'), { final }));
  }
}

class InitiatorScene implements Scene<SessionModel> {
  readonly client: WatchedClient;
  readonly #connector: HeldConnector;
  #connecting: Promise<unknown> = Promise.resolve();

  constructor(client: WatchedClient) {
    this.client = client;
    this.#connector = new HeldConnector(client.world.network.connector(PLACE));
  }

  static async stage(path: SessionPath): Promise<InitiatorScene> {
    const client = new WatchedClient();
    await client.listen();
    const scene = new InitiatorScene(client);
    const { waitForPeerMs, recoveryMs } = timesFor(path);
    const options: ConnectOptions = {
      handshakeTimeoutMs: STEP_MS,
      waitForPeerMs,
      reconnect: { baseMs: STEP_MS, maxMs: STEP_MS, jitter: 0, deadlineMs: recoveryMs },
    };
    scene.#connecting = client.dial(options, scene.#connector);
    scene.#connecting.catch(() => {});
    // No step of the clock yet: a wait of no time ends with the first one.
    for (let tick = 0; tick < 20; tick++) await Promise.resolve();
    return scene;
  }

  get trace(): Trace {
    return this.client.witness.find('session')!;
  }

  act(moment: Moment<SessionModel>): void | Promise<void> {
    const { client } = this;
    const { event } = moment;
    const { network, clock } = client.world;
    switch (event.type) {
      case 'dial':
        return clock.advance(STEP_MS);
      case 'linkUp':
        network.heal();
        return this.#connector.succeed();
      case 'dialFailed':
        return this.#connector.fail(event.final);
      case 'welcomed':
        return client.welcome({ features: { ...FEATURES, resume: event.resumable }, resumed: moment.state === 'lost.greeting' });
      case 'refused':
        return client.peer.send({ type: 'refuse', reason: 'no' });
      case 'linkLost':
        return network.cut();
      case 'protocolError':
        if (moment.state.startsWith('c')) return client.peer.sendBytes(GARBAGE);
        return client.peer.send({ type: 'protocol-error', rule: 'id.violation', message: 'scripted' });
      case 'close':
        return this.#close(moment.state);
      case 'peerClosed':
        return client.peer.send({ type: 'close', connectionId: 0, reason: 'closed' });
      case 'drained':
        return client.peer.send({ type: 'response', connectionId: 0, requestId: 1, ok: true, result: encodeValue(7), metadata: [] });
      case 'adopted':
      case 'merged':
      case 'evicted':
        throw new Error(`${event.type} is nothing that a dialling side hears`);
      default:
        return this.#letPass(event);
    }
  }

  /** With a call that is pending the session waits for its grace. */
  async #close(state: string): Promise<void> {
    await this.#connecting;
    const { session } = this.client;
    if (state === 'connected') {
      session
        .client(Slow)
        .run(1)
        .catch(() => {});
      await nextTurn();
    }
    void session.close({ graceMs: GRACE_MS });
  }

  /** A wait of no time is over at once. */
  #letPass({ type }: { readonly type: string }): Promise<void> {
    const { clock } = this.client.world;
    const isImpatient = (this.trace.ref.getSnapshot() as { context: { waitForPeerMs: number } }).context.waitForPeerMs === 0;
    if (type.startsWith('xstate.after.grace')) return clock.advance(GRACE_MS);
    return clock.advance(type.startsWith('xstate.after.initialWait') && isImpatient ? 0 : STEP_MS);
  }

  /** The initiator speaks first, on every link. */
  after({ steps }: SessionPath): void {
    expect(this.client.sent('hello')).toHaveLength(steps.filter(({ event }) => event.type === 'linkUp').length);
  }
}

/** For the table of what is impossible, of either side. */
export const WAITS_ONCE: Impossible<SessionModel> = {
  why: 'a wait of no time ends once',
  cuts: 0,
  when: ({ event, path, index }) => isDelay(event, 'initialWait') && path.steps.slice(0, index).some((step) => isDelay(step.event, 'initialWait')),
};

const hasLink = (state: string): boolean => ['first.handshaking', 'connected', 'lost.greeting', 'closing'].includes(state);
const isDialling = (state: string): boolean => state === 'first.connecting' || state === 'lost.reconnecting';

export const initiatorPlan: Plan<SessionModel> = {
  model,
  says: ({ final, resumable }) => [final, resumable],
  impossible: [
    WAITS_ONCE,
    {
      why: 'the deadline is the same for every stay without a link',
      cuts: 0,
      when: ({ event, path, index }) => isDelay(event, 'recoveryDeadline') && longestStay(path, index) > timesIn(path, index, 'lost'),
    },
    {
      why: 'only a listening side is resumed by its peers, and keeps sessions that wait for theirs',
      cuts: 34,
      when: ({ event }) => event.type === 'adopted' || event.type === 'merged' || event.type === 'evicted',
    },
    { why: 'without a dial under way none fails', cuts: 39, when: ({ event, state }) => event.type === 'dialFailed' && !isDialling(state) },
    {
      why: 'without a link nobody is heard, and none is lost',
      cuts: 43,
      when: ({ event, state }) => ['refused', 'linkLost', 'protocolError', 'peerClosed'].includes(event.type) && !hasLink(state),
    },
    {
      why: 'a refusal is the answer to a hello: later it breaks a rule',
      cuts: 8,
      when: ({ event, state }) => event.type === 'refused' && (state === 'connected' || state === 'closing'),
    },
    {
      why: 'a close before the welcome is no answer to a hello, and refused',
      cuts: 4,
      when: ({ event, state }) => event.type === 'peerClosed' && state !== 'connected' && state !== 'closing',
    },
    {
      why: 'before the first welcome nobody has the session, to close it',
      cuts: 8,
      when: ({ event, state }) => event.type === 'close' && state.startsWith('first'),
    },
  ],
  // A wait of no time ends at the first step of the clock.
  passesOver: (type, { input }) => input.waitForPeerMs === 0 && type.startsWith('xstate.after.initialWait'),
  stage: InitiatorScene.stage,
};
