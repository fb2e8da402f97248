/**
 * Links between threads: over a MessagePort of Node or of a browser, a Worker, or anything alike. Ports tell nothing of their peer and have no
 * backpressure, so each message is an envelope of a small protocol of our own. One port carries one link after another, also several at once.
 *
 *   initiator ──connect──▶ acceptor      initiator ◀──accept── acceptor      then payload, received, end, abort both ways
 */
import { BaseLink, abortError, resolveMaxPayload } from './base-link.ts';
import type { Connector, Link, Listener } from './link.ts';

/** What `messagePort` needs of a port: the methods of MessagePort, `Worker` (of browsers and of node:worker_threads), `parentPort` or `self`. */
export interface MessagePortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener?(type: string, listener: (event: { readonly type?: unknown; data?: unknown }) => void): void;
  removeEventListener?(type: string, listener: (event: { readonly type?: unknown; data?: unknown }) => void): void;
  on?(type: string, listener: (value: unknown) => void): unknown;
  off?(type: string, listener: (value: unknown) => void): unknown;
  start?(): void;
}

/** What a message port listener says of its place. */
export interface MessagePortAddress {
  readonly transport: 'message-port';
}

/** First in every envelope: the port may carry other things too, which are left alone. */
const MARK = 'statewire';

type Kind = 'connect' | 'accept' | 'payload' | 'received' | 'end' | 'abort';

/** `link` is a number of the initiator's, unique per port and side; `byInitiator` says who sends. */
type Envelope = readonly [mark: typeof MARK, kind: Kind, link: number, byInitiator: boolean, value: unknown];

function isEnvelope(message: unknown): message is Envelope {
  return Array.isArray(message) && message[0] === MARK && typeof message[2] === 'number' && typeof message[3] === 'boolean';
}

/** Bytes sent and not yet reported as received above which `send` says false (link.backpressure). */
const HIGH_WATER_BYTES = 1024 * 1024;
/** A receiver reports when so much has come since its last report. */
const REPORT_BYTES = HIGH_WATER_BYTES / 4;

/** A link over `port`. Both sides are alike: the one calls `connect`, which waits until the other side calls `listen`. The port stays the user's. Rules link.*. */
export function messagePort(port: MessagePortLike): Connector & Listener<MessagePortAddress> {
  const hub = PortHub.of(port);
  return {
    connect: (signal, limits) => hub.connect(signal, resolveMaxPayload(undefined, limits)),
    async listen(onLink, limits) {
      const stop = hub.listen(onLink, resolveMaxPayload(undefined, limits));
      return { address: { transport: 'message-port' }, close: async () => stop() };
    },
  };
}

interface PendingConnect {
  readonly accepted: () => void;
  readonly failed: (error: Error) => void;
}

interface PortListening {
  readonly onLink: (link: Link) => void;
  readonly maxPayload: number;
}

/** Everything of ours on one port: gives each envelope to the link it is for. Listens to the port only while somebody needs it. */
class PortHub {
  static readonly #hubs = new WeakMap<MessagePortLike, PortHub>();
  readonly #port: MessagePortLike;
  readonly #initiated = new Map<number, PortLink>();
  readonly #accepted = new Map<number, PortLink>();
  readonly #connecting = new Map<number, PendingConnect>();
  /** Links asked for while nobody listens. */
  readonly #unanswered = new Set<number>();
  #listening: PortListening | undefined;
  #lastLink = 0;
  #attachment: 'detached' | 'attached' = 'detached';

  static of(port: MessagePortLike): PortHub {
    const known = PortHub.#hubs.get(port);
    if (known !== undefined) return known;
    const hub = new PortHub(port);
    PortHub.#hubs.set(port, hub);
    return hub;
  }

  constructor(port: MessagePortLike) {
    this.#port = port;
  }

  connect(signal: AbortSignal, maxPayload: number): Promise<Link> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortError(signal));
        return;
      }
      const id = ++this.#lastLink;
      const finish = (): void => {
        signal.removeEventListener('abort', onAbort);
        this.#connecting.delete(id);
      };
      const failed = (error: Error): void => {
        finish();
        reject(error);
        this.#detachIfIdle();
      };
      const onAbort = (): void => {
        this.post('abort', id, true, undefined);
        failed(abortError(signal));
      };
      const accepted = (): void => {
        finish();
        const link = new PortLink(this, { id, byInitiator: true, maxPayload });
        this.#initiated.set(id, link);
        resolve(link);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#connecting.set(id, { accepted, failed });
      this.#attach();
      this.post('connect', id, true, undefined);
    });
  }

  listen(onLink: (link: Link) => void, maxPayload: number): () => void {
    if (this.#listening !== undefined) throw new Error('somebody already listens on this message port');
    const listening = { onLink, maxPayload };
    this.#listening = listening;
    this.#attach();
    for (const id of this.#unanswered) this.#accept(id, listening);
    this.#unanswered.clear();
    return () => {
      if (this.#listening === listening) this.#listening = undefined;
      this.#detachIfIdle();
    };
  }

  post(kind: Kind, link: number, byInitiator: boolean, value: unknown, transfer: ArrayBuffer[] = []): void {
    const envelope: Envelope = [MARK, kind, link, byInitiator, value];
    this.#port.postMessage(envelope, transfer);
  }

  forget(link: number, byInitiator: boolean): void {
    (byInitiator ? this.#initiated : this.#accepted).delete(link);
    this.#detachIfIdle();
  }

  #accept(id: number, listening: PortListening): void {
    const link = new PortLink(this, { id, byInitiator: false, maxPayload: listening.maxPayload });
    this.#accepted.set(id, link);
    this.post('accept', id, false, undefined);
    listening.onLink(link);
  }

  readonly #onMessage = (value: unknown): void => {
    // An event of the browsers' kind, or the value itself as Node's emitters give it.
    const message = this.#port.on === undefined ? (value as { data?: unknown }).data : value;
    if (!isEnvelope(message)) return;
    const [, kind, id, byInitiator, content] = message;
    if (kind === 'connect') {
      if (this.#listening === undefined) this.#unanswered.add(id);
      else this.#accept(id, this.#listening);
    } else if (kind === 'accept') this.#connecting.get(id)?.accepted();
    else if (byInitiator && this.#unanswered.has(id)) this.#unanswered.delete(id);
    else (byInitiator ? this.#accepted : this.#initiated).get(id)?.arrived(kind, content);
  };

  readonly #onGone = (): void => {
    const why = 'the message port was closed, or its thread has ended';
    for (const link of [...this.#initiated.values(), ...this.#accepted.values()]) link.abort(new Error(`the link was lost: ${why}`));
    for (const { failed } of [...this.#connecting.values()]) failed(Object.assign(new Error(`cannot connect: ${why}`), { final: true }));
  };

  readonly #listeners: readonly (readonly [type: string, listener: (value: unknown) => void])[] = [
    ['message', this.#onMessage],
    ['messageerror', this.#onGone],
    ['close', this.#onGone],
    ['exit', this.#onGone],
  ];

  #attach(): void {
    if (this.#attachment === 'attached') return;
    this.#attachment = 'attached';
    for (const [type, listener] of this.#listeners) {
      if (this.#port.on === undefined) this.#port.addEventListener?.(type, listener);
      else this.#port.on(type, listener);
    }
    this.#port.start?.();
  }

  /** Node keeps a process alive for a port that is listened to. */
  #detachIfIdle(): void {
    const isUsed = this.#listening !== undefined || this.#initiated.size + this.#accepted.size + this.#connecting.size > 0;
    if (isUsed || this.#attachment === 'detached') return;
    this.#attachment = 'detached';
    for (const [type, listener] of this.#listeners) {
      if (this.#port.on === undefined) this.#port.removeEventListener?.(type, listener);
      else this.#port.off?.(type, listener);
    }
  }
}

class PortLink extends BaseLink {
  readonly facts = { transport: 'message-port' };
  readonly #hub: PortHub;
  readonly #id: number;
  readonly #byInitiator: boolean;
  /** What came before `open()`. Not reported as received, so the sender stops at its high-water mark. */
  #early: { readonly kind: Kind; readonly content: unknown }[] = [];
  #flow: 'free' | 'saturated' = 'free';
  #sentBytes = 0;
  #reportedBytes = 0;
  #receivedBytes = 0;
  #ownReportBytes = 0;

  constructor(hub: PortHub, options: { readonly id: number; readonly byInitiator: boolean; readonly maxPayload: number }) {
    super(options.maxPayload);
    this.#hub = hub;
    this.#id = options.id;
    this.#byInitiator = options.byInitiator;
  }

  arrived(kind: Kind, content: unknown): void {
    if (this.handler === undefined) this.#early.push({ kind, content });
    else this.#handle(kind, content);
  }

  protected start(): void {
    const early = this.#early;
    this.#early = [];
    for (const { kind, content } of early) this.#handle(kind, content);
  }

  protected transmit(payload: Uint8Array): boolean {
    // A clone would copy all of the buffer below a view. A transfer takes the buffer away from whoever still reads what was sent (a retry, a
    // store), so it is a copy that is transferred.
    const own = new Uint8Array(payload);
    // Counted first: a view of what was transferred is empty.
    this.#sentBytes += own.byteLength;
    this.#hub.post('payload', this.#id, this.#byInitiator, own, [own.buffer]);
    if (this.#inFlightBytes() < HIGH_WATER_BYTES) return true;
    this.#flow = 'saturated';
    return false;
  }

  protected finishSending(): void {
    this.#hub.post('end', this.#id, this.#byInitiator, undefined);
  }

  protected destroy(): void {
    this.#early = [];
    this.#hub.post('abort', this.#id, this.#byInitiator, undefined);
  }

  protected progress(): number {
    return this.#receivedBytes + this.#reportedBytes;
  }

  protected override settle(error?: Error): void {
    this.#hub.forget(this.#id, this.#byInitiator);
    super.settle(error);
  }

  #inFlightBytes(): number {
    return this.#sentBytes - this.#reportedBytes;
  }

  #handle(kind: Kind, content: unknown): void {
    switch (kind) {
      case 'payload':
        if (content instanceof Uint8Array) this.#received(content);
        else this.abort(new Error('the peer sent something that is no payload over a message port'));
        return;
      case 'received':
        this.#reported(Number(content));
        return;
      case 'end':
        if (!this.isReceiving) return;
        this.close();
        this.settle();
        return;
      case 'abort':
        this.abort(new Error('the link was lost: the other end aborted it'));
        return;
      case 'connect':
      case 'accept':
      // For the hub, which never hands them on.
    }
  }

  #received(payload: Uint8Array): void {
    const { byteLength } = payload;
    this.deliver(payload);
    this.#receivedBytes += byteLength;
    if (this.#receivedBytes - this.#ownReportBytes < REPORT_BYTES || !this.isReceiving) return;
    this.#ownReportBytes = this.#receivedBytes;
    this.#hub.post('received', this.#id, this.#byInitiator, this.#receivedBytes);
  }

  #reported(receivedBytes: number): void {
    this.#reportedBytes = receivedBytes;
    if (this.#flow === 'free' || this.#inFlightBytes() >= HIGH_WATER_BYTES) return;
    this.#flow = 'free';
    if (this.state === 'open') this.handler?.drain();
  }
}
