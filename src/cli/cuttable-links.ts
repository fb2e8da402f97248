/**
 * Links that can be cut while they are in use: a connector that keeps what it makes. A cut is a real one, of the socket below; or it is noticed on this
 * side alone, and the peer goes on with a link that nobody reads any more until a newer one takes its place.
 */
import type { Connector, Link, LinkHandler } from '../index.ts';

/** Who notices a cut. */
export type Noticed = 'by-both' | 'here-alone';

export class CuttableLinks {
  readonly #open = new Set<CuttableLink>();
  /** Cut on this side alone: their sockets end with the bank's interest in them, or here. */
  readonly #given = new Set<Link>();
  #awaitingOpen: (() => void)[] = [];
  #cutNext = 0;

  /** Makes the inner connector's links cuttable. */
  connector(inner: Connector): Connector {
    return {
      connect: async (signal, limits) => {
        const link = new CuttableLink(await inner.connect(signal, limits), (ended) => this.#open.delete(ended));
        this.#add(link);
        return link;
      },
    };
  }

  /** Settles when a link is open. */
  async someOpen(): Promise<void> {
    if (this.#open.size === 0) await new Promise<void>((resolve) => this.#awaitingOpen.push(resolve));
  }

  /** `share`, from 0 up to 1, says which of the open links. */
  cutOne(share: number, noticed: Noticed): void {
    const link = [...this.#open][Math.floor(share * this.#open.size)];
    if (link !== undefined) this.#cut(link, noticed);
  }

  cutAll(noticed: Noticed): void {
    for (const link of this.#open) this.#cut(link, noticed);
  }

  /** The next link that is made is cut while its session is still greeting. */
  cutNext(): void {
    this.#cutNext++;
  }

  /** Ends what a cut has left. */
  close(): void {
    this.#cutNext = 0;
    for (const link of this.#given) link.abort();
    this.#given.clear();
  }

  #add(link: CuttableLink): void {
    this.#open.add(link);
    for (const resolve of this.#awaitingOpen) resolve();
    this.#awaitingOpen = [];
    if (this.#cutNext === 0) return;
    this.#cutNext--;
    setImmediate(() => this.#cut(link, 'by-both'));
  }

  #cut(link: CuttableLink, noticed: Noticed): void {
    this.#open.delete(link);
    const left = link.cut(noticed);
    if (left !== undefined) this.#given.add(left);
  }
}

/** `delivering` → `ended`: by a close from below, or by a cut, after which nothing from below is heard. */
class CuttableLink implements Link {
  readonly #inner: Link;
  readonly #onEnded: (link: CuttableLink) => void;
  #handler: LinkHandler | undefined = undefined;
  #state: 'delivering' | 'ended' = 'delivering';

  constructor(inner: Link, onEnded: (link: CuttableLink) => void) {
    this.#inner = inner;
    this.#onEnded = onEnded;
  }

  get facts(): Link['facts'] {
    return this.#inner.facts;
  }

  get inboundActivity(): number {
    return this.#inner.inboundActivity ?? 0;
  }

  send(payload: Uint8Array): boolean {
    if (this.#state === 'ended') throw new Error('the link was cut');
    return this.#inner.send(payload);
  }

  open(handler: LinkHandler): void {
    this.#handler = handler;
    this.#inner.open({
      message: (payload) => {
        if (this.#state === 'delivering') handler.message(payload);
      },
      drain: () => {
        if (this.#state === 'delivering') handler.drain();
      },
      close: (error) => this.#end(error),
    });
  }

  limitInbound(maxBytes: number): void {
    this.#inner.limitInbound?.(maxBytes);
  }

  close(): void {
    this.#inner.close();
  }

  abort(reason?: Error): void {
    this.#inner.abort(reason);
  }

  /** Gives the link below when that goes on. */
  cut(noticed: Noticed): Link | undefined {
    if (this.#state === 'ended') return undefined;
    // Nobody is there yet to be told.
    if (noticed === 'by-both' || this.#handler === undefined) {
      this.#inner.abort(new Error('the link was cut'));
      return undefined;
    }
    this.#end(new Error('the link was cut'));
    return this.#inner;
  }

  #end(error: Error | undefined): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#onEnded(this);
    this.#handler?.close(error);
  }
}
