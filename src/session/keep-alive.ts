/** Keeps watch over a link (session.keepalive): the timers of machines/keep-alive.ts, and what the peer was heard to say. */
import { keepAliveMachine } from '../machines/keep-alive.ts';
import { defineActor } from '../machines/spawn.ts';
import type { LiveActor } from '../machines/spawn.ts';
import type { Clock } from '../options.ts';
import type { Link } from '../transport/link.ts';
import type { SessionCore } from './session-core.ts';

const keepers = defineActor<KeepAlive>()({
  machine: keepAliveMachine,
  name: 'keepAlive',
  actions: {
    awaitSilence: (keeper) => keeper.awaitSilence(),
    ping: (keeper) => keeper.ping(),
    awaitAnswer: (keeper) => keeper.awaitAnswer(),
    declareDead: (keeper) => keeper.declareDead(),
  },
});

interface Times {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export class KeepAlive {
  readonly #core: SessionCore;
  readonly #link: Link;
  readonly #times: Times;
  readonly #actor: LiveActor<typeof keepAliveMachine>;
  #heardAtMs: number;
  /** Payloads heard, and how many they were at the last ping. */
  #heard = 0;
  #heardAtPing = 0;
  #activityAtPing = 0;
  #nonce = 0;
  #timer: unknown = undefined;

  /** Watches a session's link, if its options want that. */
  static over(core: SessionCore, link: Link): KeepAlive | undefined {
    const { keepAlive } = core.endpoint.options;
    return keepAlive === false ? undefined : new KeepAlive(core, link, keepAlive);
  }

  /** Begins to watch. */
  private constructor(core: SessionCore, link: Link, times: Times) {
    this.#core = core;
    this.#link = link;
    this.#times = times;
    this.#heardAtMs = this.#clock.now();
    this.#actor = keepers.spawn(core.actors, { key: 0, input: undefined, owner: this });
  }

  get #clock(): Clock {
    return this.#core.endpoint.options.clock;
  }

  /** Grows with whatever comes over the link, also with parts of a payload, where the link can tell. */
  get #activity(): number {
    return this.#link.inboundActivity ?? 0;
  }

  /** A payload has come: any is a sign of life. */
  heard(): void {
    this.#heard++;
    this.#heardAtMs = this.#clock.now();
  }

  /** The link is no more. */
  stop(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#actor.stop();
  }

  get #silenceMs(): number {
    return this.#clock.now() - this.#heardAtMs;
  }

  /** Heard in the future: the clock was set back, and nobody knows how long ago that was. A ping tells. */
  get #wasHeardLately(): boolean {
    return this.#silenceMs >= 0 && this.#silenceMs < this.#times.intervalMs;
  }

  // ---- actions of the statechart

  awaitSilence(): void {
    const { intervalMs } = this.#times;
    const elapsed = (): void => this.#actor.send({ type: 'elapsed', heard: this.#wasHeardLately });
    // A clock that was set back must not make it wait longer than an interval, and one that counts in fractions not for none of the time.
    this.#timer = this.#clock.setTimeout(elapsed, Math.min(intervalMs, Math.max(1, Math.ceil(intervalMs - this.#silenceMs))));
  }

  ping(): void {
    this.#heardAtPing = this.#heard;
    this.#activityAtPing = this.#activity;
    this.#core.outbox.send({ type: 'ping', nonce: ++this.#nonce });
  }

  awaitAnswer(): void {
    const clock = this.#clock;
    // A large payload may take longer than the timeout to come whole.
    const isHeard = (): boolean => this.#heard > this.#heardAtPing || this.#activity !== this.#activityAtPing;
    const judge = (): void => this.#actor.send({ type: 'elapsed', heard: isHeard() });
    // A turn later: a process that was busy for long runs its timers before it reads what has come meanwhile.
    this.#timer = clock.setTimeout(() => (this.#timer = clock.setTimeout(judge, 0)), this.#times.timeoutMs);
  }

  declareDead(): void {
    const { intervalMs, timeoutMs } = this.#times;
    this.#core.link.fail(new Error(`the peer was silent for ${intervalMs} ms and did not answer a ping within ${timeoutMs} ms (keepAlive)`));
  }
}
