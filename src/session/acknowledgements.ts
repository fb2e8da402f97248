/**
 * op.ack, both ways: what the peer says is settled is forgotten at once; what is settled here is told before long, by a call
 * if one goes out in time.
 */
import { settle } from '../driver/maybe.ts';
import type { OperationSpace } from '../driver/operation-table.ts';
import type { SessionCore } from './session-core.ts';

/** How long an acknowledgement waits for a call to carry it, in milliseconds. */
const ACK_DELAY_MS = 25;

export class Acknowledgements {
  readonly #core: SessionCore;
  #timer: unknown = undefined;
  readonly #tell = () => {
    this.#timer = undefined;
    const { series, outbox } = this.#core;
    if (!series.owesAck || !outbox.hasLink) return;
    outbox.send({ type: 'ack', series: series.id, upTo: series.watermark });
    series.told(series.watermark);
  };

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** What was told on a link that is lost is told again. */
  linkLost(): void {
    this.end();
    this.#core.series.untold();
  }

  /** Numbers of ours were settled. */
  soon(): void {
    if (this.#timer === undefined && this.#core.series.owesAck && this.#core.status !== 'closed')
      this.#timer = this.#core.endpoint.options.clock.setTimeout(this.#tell, ACK_DELAY_MS);
  }

  /** Tells at once what is owed, as a session's last word. */
  now(): void {
    this.end();
    this.#tell();
  }

  end(): void {
    if (this.#timer !== undefined) this.#core.endpoint.options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The peer says it in a message of its own: those behind joined connections are told too (conn.proxy). */
  heard(seriesId: string, upTo: number): void {
    const { agreement, connections, root } = this.#core;
    if (agreement?.retry !== true || root.space === undefined) return;
    this.receive(root.space, seriesId, upTo);
    const told = new Set<SessionCore>();
    for (const { relay } of connections.all) {
      if (relay === undefined || told.has(relay.target.core)) continue;
      told.add(relay.target.core);
      relay.acknowledge(seriesId, upTo);
    }
  }

  /** The peer says that the numbers of one of its series are settled for it: the store may have them without any being live. */
  receive(space: OperationSpace, seriesId: string, upTo: number): void {
    const series = space.findSeries(seriesId);
    if (series !== undefined) {
      if (upTo <= series.acknowledged) return;
      series.acknowledged = upTo;
    }
    settle(
      () => this.#core.endpoint.store.forget(space.scope, space.caller, seriesId, upTo),
      () => {},
      (error) => this.#core.storeFailed('forget what was acknowledged', error),
    );
  }
}
