/**
 * Channels that the peer speaks of before they are bound here (channel.early): their call was announced and waits, for the store say, or has not come yet. What
 * they bring is kept in order, within bounds, and handed over at the binding.
 */
import { LazyMap, LazySet } from '../lazy-collections.ts';
import type { DriverHost } from './host.ts';

/** Channels with something kept; and how much in all. */
const MAX_KEPT_CHANNELS = 1_024;
const MAX_KEPT_BYTES = 256 * 1024;
/** What an item costs besides its bytes: empty ones must not be free. */
const ITEM_BYTES = 32;

/** What came for one channel before it was bound. */
export interface EarlyChannel {
  readonly values: Uint8Array[];
  /** Of what is kept for it. */
  bytes: number;
  ended: boolean;
  reset: { readonly reason: string | undefined } | undefined;
  credit: number;
}

/** Nothing has come. */
const QUIET: EarlyChannel = Object.freeze({ values: [], bytes: 0, ended: false, reset: undefined, credit: 0 });

/** Whether an id has the peer's parity. */
export function isPeers(id: number, { oddIds }: DriverHost): boolean {
  return (id % 2 === 1) !== oddIds;
}

export class EarlyChannels {
  readonly #host: DriverHost;
  /** Ids of calls whose argument is not decoded yet. */
  readonly #announced = new LazySet<number>();
  readonly #kept = new LazyMap<number, EarlyChannel>();
  #keptBytes = 0;
  #highest = 0;

  constructor(host: DriverHost) {
    this.#host = host;
  }

  /** Channels announced, or spoken of, and not bound. */
  get size(): number {
    let unannounced = 0;
    for (const id of this.#kept.keys()) if (!this.#announced.has(id)) unannounced++;
    return this.#announced.size + unannounced;
  }

  isAnnounced(id: number): boolean {
    return this.#announced.has(id);
  }

  /** A call of the peer had this id, or a higher one: it allocates them in order (id.unique). */
  wasAnnounced(id: number): boolean {
    return id <= this.#highest;
  }

  /** A call has come that carries the channel. */
  announce(id: number): void {
    this.#announced.add(id);
    if (id > this.#highest) this.#highest = id;
  }

  /** Where to keep what came for a channel that is not bound; undefined: it cannot be early. */
  find(id: number): EarlyChannel | undefined {
    const known = this.#kept.get(id);
    if (known !== undefined) return known;
    if (!this.#announced.has(id) && !(isPeers(id, this.#host) && id > this.#highest)) return undefined;
    const early: EarlyChannel = { values: [], bytes: 0, ended: false, reset: undefined, credit: 0 };
    this.#kept.set(id, early);
    return early;
  }

  keep(early: EarlyChannel, values: readonly Uint8Array[]): void {
    for (const value of values) {
      early.values.push(value);
      early.bytes += value.byteLength + ITEM_BYTES;
      this.#keptBytes += value.byteLength + ITEM_BYTES;
    }
  }

  keepReset(early: EarlyChannel, reason: string | undefined): void {
    if (early.reset !== undefined) return;
    early.reset = { reason };
    // Letters are kept in two bytes at most.
    const bytes = 2 * (reason?.length ?? 0);
    early.bytes += bytes;
    this.#keptBytes += bytes;
  }

  /** What is kept beyond what may be, in words. */
  get excess(): string | undefined {
    if (this.#kept.size > MAX_KEPT_CHANNELS) return `more than ${MAX_KEPT_CHANNELS} channels are used before their calls`;
    if (this.#keptBytes > MAX_KEPT_BYTES) return `more than ${MAX_KEPT_BYTES} bytes came for channels before they were bound`;
    return undefined;
  }

  /** Takes what came for a channel, which is bound or refused now. */
  take(id: number): EarlyChannel {
    this.#announced.delete(id);
    const early = this.#kept.get(id);
    if (early === undefined) return QUIET;
    this.#kept.delete(id);
    this.#keptBytes -= early.bytes;
    return early;
  }

  startOver(): void {
    this.clear();
    this.#highest = 0;
  }

  clear(): void {
    this.#announced.clear();
    this.#kept.clear();
    this.#keptBytes = 0;
  }
}
