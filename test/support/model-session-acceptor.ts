/** How a listening side's session is brought to what its model does: by peers that dial it, come back to it or take its place, and by its server. */
import { expect } from 'vitest';
import type { Session } from 'statewire';
import type { HelloMessage } from 'statewire/wire';
import { machineModels } from '../../src/testing/machine-models.ts';
import { endOf } from '../../src/testing/machine-paths.ts';
import { hello, ScriptedPeer } from './hostile-peer.ts';
import { FEATURES, GARBAGE, WatchedServer } from './model-peers.ts';
import type { Moment, Plan, Scene, Trace } from './model-runs.ts';
import { GRACE_MS, STEP_MS, timesFor, WAITS_ONCE } from './model-session-initiator.ts';
import type { SessionModel, SessionPath } from './model-session-initiator.ts';

const whole = machineModels.session;
const model = { ...whole, inputs: whole.inputs.filter(({ role }) => role === 'acceptor') };

const SERIES = 'aaaaaaaaaaaaaaaa';

class AcceptorScene implements Scene<SessionModel> {
  readonly server = new WatchedServer();
  #peer: ScriptedPeer | undefined = undefined;
  #dials = 0;
  #trace: Trace | undefined = undefined;
  /** A session that was there before, where the path ends in it. */
  #elder: ScriptedPeer | undefined = undefined;

  static async stage(path: SessionPath): Promise<AcceptorScene> {
    const scene = new AcceptorScene();
    const { server } = scene;
    const has = (type: string): boolean => path.steps.some(({ event }) => event.type === type);
    await server.listen({ handshakeTimeoutMs: STEP_MS, resume: { ttlMs: timesFor(path).recoveryMs, maxSessions: has('evicted') ? 1 : 10 } });
    if (has('merged')) {
      scene.#elder = await scene.#dial();
      scene.#hello(scene.#elder);
      await scene.#elder.next('welcome');
    }
    scene.#peer = await scene.#dial();
    scene.#trace = server.witness.find('session')!;
    return scene;
  }

  get trace(): Trace {
    return this.#trace!;
  }

  #dial(): Promise<ScriptedPeer> {
    return ScriptedPeer.dial(this.server.world.network);
  }

  #hello(peer: ScriptedPeer, change: Partial<HelloMessage> = {}): void {
    peer.send(hello({ series: SERIES, dial: ++this.#dials, features: FEATURES, ...change }));
  }

  get #session(): Session {
    return [...this.server.server.sessions.values()][0]!;
  }

  act(moment: Moment<SessionModel>): void | Promise<void> {
    const { event, state } = moment;
    const peer = this.#peer!;
    switch (event.type) {
      case 'linkUp':
        // Comes with the session.
        return undefined;
      case 'welcomed':
        return this.#hello(peer, { features: { ...FEATURES, resume: event.resumable } });
      case 'merged':
        return this.#hello(peer, { resumeKey: this.#elder?.all('welcome')[0]?.resumeKey });
      case 'adopted':
        return this.#comeBack(peer.all('welcome').at(-1)?.resumeKey);
      case 'refused':
        return peer.send({ type: 'refuse', reason: 'no' });
      case 'linkLost':
        return peer.link.abort(new Error('cut'));
      case 'protocolError':
        if (state.startsWith('c')) return peer.sendBytes(GARBAGE);
        return peer.send({ type: 'protocol-error', rule: 'id.violation', message: 'scripted' });
      case 'close':
        return this.#close(state);
      case 'evicted':
        return this.#loseAnother();
      case 'peerClosed':
        if (state.startsWith('lost')) return this.#comeBack(undefined);
        return peer.send({ type: 'close', connectionId: 0, reason: 'closed' });
      case 'drained':
        return this.server.runs.calls[0]?.resolve(7);
      case 'dial':
      case 'dialFailed':
        throw new Error(`${event.type} is nothing that a listening side hears`);
      default:
        return this.#letPass(event);
    }
  }

  /** On another link: with the key it is the same session, without it another one of the same series. */
  async #comeBack(resumeKey: Uint8Array | undefined): Promise<void> {
    const peer = await this.#dial();
    this.#peer = peer;
    this.#hello(peer, { resumeKey });
  }

  /** Another peer loses its link, and too many wait now. */
  async #loseAnother(): Promise<void> {
    const other = await this.server.dial({ features: FEATURES });
    other.link.abort(new Error('cut'));
  }

  async #close(state: string): Promise<void> {
    if (state.startsWith('first')) {
      void this.server.server.close();
      return;
    }
    if (state === 'connected') {
      this.server.call(this.#peer!, { persist: false, idem: false });
      while (this.server.runs.calls.length === 0) await Promise.resolve();
    }
    void this.#session.close({ graceMs: GRACE_MS });
  }

  #letPass({ type }: { readonly type: string }): Promise<void> {
    const { clock } = this.server.world;
    if (type.startsWith('xstate.after.grace')) return clock.advance(GRACE_MS);
    return clock.advance(type.startsWith('xstate.after.initialWait') ? 0 : STEP_MS);
  }

  /** Whoever is let in is told so, on every link. */
  after(path: SessionPath): void {
    const welcomes = this.server.world.traffic.filter(({ message }) => message.type === 'welcome').length;
    const letIn = path.steps.filter(({ event }) => ['welcomed', 'adopted'].includes(event.type)).length;
    if (!['merged', 'evicted', 'peerClosed'].some((type) => path.steps.some(({ event }) => event.type === type))) expect(welcomes).toBe(letIn);
    expect(this.trace.ref.getSnapshot().status).toBe(endOf(path).status);
  }
}

const hasLink = (state: string): boolean => ['first.handshaking', 'connected', 'closing'].includes(state);

export const acceptorPlan: Plan<SessionModel> = {
  model,
  says: ({ resumable }) => resumable,
  impossible: [
    WAITS_ONCE,
    {
      why: 'a listening side gets its session with its link',
      cuts: 10,
      when: ({ event, state }) => state === 'first.connecting' && event.type !== 'linkUp',
    },
    { why: 'a listening side does not dial', cuts: 36, when: ({ event }) => event.type === 'dial' || event.type === 'dialFailed' },
    {
      why: 'without a link nobody is heard, and none is lost',
      cuts: 3,
      when: ({ event, state }) => ['refused', 'linkLost', 'protocolError'].includes(event.type) && !hasLink(state),
    },
    {
      why: 'only sessions that wait for their peers are too many',
      cuts: 5,
      when: ({ event, state }) => event.type === 'evicted' && !state.startsWith('lost'),
    },
    {
      why: 'session.outlives-link: who does not want to be resumed has no key to come back with',
      cuts: 1,
      when: ({ event, before }) => event.type === 'adopted' && !(before.context as { resumable: boolean }).resumable,
    },
    {
      why: 'a close before the hello is no hello, and refused',
      cuts: 1,
      when: ({ event, state }) => event.type === 'peerClosed' && state.startsWith('first'),
    },
  ],
  passesOver: (type) => type.startsWith('xstate.after.initialWait'),
  stage: AcceptorScene.stage,
};
