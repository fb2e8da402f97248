/** Keeps watch over a link (session.keepalive): the timers of machines/keep-alive.ts, and what the peer was heard to say. */
import { keepAliveMachine } from '../machines/keep-alive.ts';
import { defineActor } from '../machines/spawn.ts';
import type { ActorHost, LiveActor } from '../machines/spawn.ts';
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

export interface KeepAliveSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly actors: ActorHost;
  readonly sendPing: (nonce: number) => void;
  /** Grows with whatever comes over the link, also with parts of a payload, where the link can tell. */
  readonly activity: () => number;
  readonly onDead: (error: Error) => void;
}

export class KeepAlive {
  readonly #settings: KeepAliveSettings;
  readonly #actor: LiveActor<typeof keepAliveMachine>;
  #heardAtMs: number;
  /** Payloads heard, and how many they were at the last ping. */
  #heard = 0;
  #heardAtPing = 0;
  #activityAtPing = 0;
  #nonce = 0;
  #timer: unknown = undefined;

  /** Watches a session's link, if its options want that. */
  static over(core: SessionCore, link: Link, onDead: (error: Error) => void): KeepAlive | undefined {
    const { keepAlive, clock } = core.endpoint.options;
    if (keepAlive === false) return undefined;
    return new KeepAlive({
      ...keepAlive,
      clock,
      actors: core.actors,
      sendPing: (nonce) => core.outbox.send({ type: 'ping', nonce }),
      activity: () => link.inboundActivity ?? 0,
      onDead,
    });
  }

  /** Begins to watch. */
  constructor(settings: KeepAliveSettings) {
    this.#settings = settings;
    this.#heardAtMs = settings.clock.now();
    this.#actor = keepers.spawn(settings.actors, { key: 0, input: undefined, owner: this });
  }

  /** A payload has come: any is a sign of life. */
  heard(): void {
    this.#heard++;
    this.#heardAtMs = this.#settings.clock.now();
  }

  /** The link is no more. */
  stop(): void {
    this.#settings.clock.clearTimeout(this.#timer);
    this.#actor.stop();
  }

  get #silenceMs(): number {
    return this.#settings.clock.now() - this.#heardAtMs;
  }

  // ---- actions of the statechart

  awaitSilence(): void {
    const { clock, intervalMs } = this.#settings;
    // Heard in the future: the clock was set back, and nobody knows how long ago that was. A ping tells.
    const isHeard = (): boolean => this.#silenceMs >= 0 && this.#silenceMs < intervalMs;
    const elapsed = (): void => this.#actor.send({ type: 'elapsed', heard: isHeard() });
    // Such a clock must not make it wait longer than an interval, and one that counts in fractions not for none of the time.
    this.#timer = clock.setTimeout(elapsed, Math.min(intervalMs, Math.max(1, Math.ceil(intervalMs - this.#silenceMs))));
  }

  ping(): void {
    this.#heardAtPing = this.#heard;
    this.#activityAtPing = this.#settings.activity();
    this.#settings.sendPing(++this.#nonce);
  }

  awaitAnswer(): void {
    const { activity, clock, timeoutMs } = this.#settings;
    // A large payload may take longer than the timeout to come whole.
    const isHeard = (): boolean => this.#heard > this.#heardAtPing || activity() !== this.#activityAtPing;
    const judge = (): void => this.#actor.send({ type: 'elapsed', heard: isHeard() });
    // A turn later: a process that was busy for long runs its timers before it reads what has come meanwhile.
    this.#timer = clock.setTimeout(() => (this.#timer = clock.setTimeout(judge, 0)), timeoutMs);
  }

  declareDead(): void {
    const { intervalMs, timeoutMs, onDead } = this.#settings;
    onDead(new Error(`the peer was silent for ${intervalMs} ms and did not answer a ping within ${timeoutMs} ms (keepAlive)`));
  }
}
