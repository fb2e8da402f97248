/**
 * The two ends of one in-process link, and the pipe in each direction. A pipe delivers in order, later than the send and many at a
 * time. What the network does to pipes (delay, hold, silence, cut) is decided in memory.ts and asked for through `PipeWeather`.
 *
 *   MemoryLink ──send──▶ Pipe [ payload, payload, end ] ──due──▶ MemoryLink
 */
import { BaseLink, plainBytes } from './base-link.ts';
import type { LinkTimers } from './base-link.ts';

/** What pipes and links ask of the network that they run through. */
export interface PipeWeather {
  readonly highWaterBytes: number;
  /** For deliveries that take time. */
  readonly clock: LinkTimers & { now(): number };
  /** For giving up a close that hangs. */
  readonly closeTimers: LinkTimers;
  /** Milliseconds until what is sent now arrives. */
  delayMs(): number;
  /** What arrives at this end now. Held: everything is kept for later. Silent: it is lost, and nobody is told. */
  deliveries(target: MemoryLink): 'flowing' | 'held' | 'silent';
  /** Runs a job soon, never within the call, in order. */
  defer(job: () => void): void;
  /** A payload goes in. False: it is lost, and the link will be. */
  admit(link: MemoryLink, payload: Uint8Array): boolean;
  /** The link is closed at this end. */
  forget(link: MemoryLink): void;
}

/** `dueMs` 0: as soon as can be. */
type Parcel =
  | { readonly type: 'payload'; readonly payload: Uint8Array; readonly dueMs: number }
  | { readonly type: 'end'; readonly dueMs: number }
  | { readonly type: 'abort'; readonly error: Error; readonly dueMs: number };

/** One direction of a link. */
class Pipe {
  readonly #weather: PipeWeather;
  readonly #source: MemoryLink;
  readonly #target: MemoryLink;
  #parcels: Parcel[] = [];
  /** Idle: nothing is scheduled. Dead: something was lost in a silence, so nothing may follow it: an ordered pipe has no gaps. */
  #state: 'idle' | 'scheduled' | 'dead' = 'idle';
  /** Handed in and not arrived. Counts what is lost too: a sender whose peer never acknowledges gets stuck, as on a real network. */
  inFlightBytes = 0;

  constructor(weather: PipeWeather, source: MemoryLink, target: MemoryLink) {
    this.#weather = weather;
    this.#source = source;
    this.#target = target;
  }

  payload(payload: Uint8Array): void {
    this.inFlightBytes += payload.byteLength;
    this.#push({ type: 'payload', payload, dueMs: this.#dueMs() });
  }

  end(): void {
    this.#push({ type: 'end', dueMs: this.#dueMs() });
  }

  /** Overtakes and drops what is under way. */
  abort(error: Error): void {
    this.#parcels = [];
    this.#push({ type: 'abort', error, dueMs: this.#dueMs() });
  }

  /** Drops what is under way and delivers nothing any more. */
  stop(): void {
    this.#parcels = [];
    this.#state = 'dead';
  }

  /** Goes on after a hold, or when the target has been opened. */
  resume(): void {
    if (this.#state === 'idle' && this.#parcels.length > 0) this.#schedule();
  }

  /** A shorter delay overtakes nothing. */
  #dueMs(): number {
    const previousMs = this.#parcels.at(-1)?.dueMs ?? 0;
    const delayMs = this.#weather.delayMs();
    return delayMs > 0 ? Math.max(previousMs, this.#weather.clock.now() + delayMs) : previousMs;
  }

  #push(parcel: Parcel): void {
    if (this.#state === 'dead') return;
    this.#parcels.push(parcel);
    if (this.#state === 'idle') this.#schedule();
  }

  #schedule(): void {
    const { dueMs } = this.#parcels[0] as Parcel;
    const waitMs = dueMs === 0 ? 0 : dueMs - this.#weather.clock.now();
    this.#state = 'scheduled';
    if (waitMs > 0) this.#weather.clock.setTimeout(() => this.#run(), waitMs);
    else this.#weather.defer(() => this.#run());
  }

  #run(): void {
    if (this.#state === 'dead') return;
    this.#state = 'idle';
    const deliveries = this.#weather.deliveries(this.#target);
    if (deliveries === 'held' || !this.#target.isOpened) return;
    const due = this.#takeDue();
    if (deliveries === 'silent' && due.length > 0) {
      this.stop();
      return;
    }
    for (const parcel of due) this.#arrive(parcel);
    this.resume();
    this.#source.wasDelivered();
  }

  #takeDue(): Parcel[] {
    const parcels = this.#parcels;
    const nowMs = (parcels.at(-1)?.dueMs ?? 0) === 0 ? 0 : this.#weather.clock.now();
    const later = parcels.findIndex((parcel) => parcel.dueMs > nowMs);
    this.#parcels = later === -1 ? [] : parcels.slice(later);
    return later === -1 ? parcels : parcels.slice(0, later);
  }

  #arrive(parcel: Parcel): void {
    switch (parcel.type) {
      case 'payload':
        this.inFlightBytes -= parcel.payload.byteLength;
        this.#target.arrived(parcel.payload);
        return;
      case 'end':
        this.#target.peerEnded();
        return;
      case 'abort':
        this.#target.abort(parcel.error);
    }
  }
}

/** One end. Made in pairs by `makeMemoryLinks`. */
export class MemoryLink extends BaseLink {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly id: string;
  readonly role: 'initiator' | 'acceptor';
  readonly #weather: PipeWeather;
  #outbound!: Pipe;
  #inbound!: Pipe;
  #flow: 'free' | 'saturated' = 'free';
  #receivedPayloads = 0;

  constructor(weather: PipeWeather, options: { id: string; name: string; role: 'initiator' | 'acceptor'; maxPayload: number }) {
    super(options.maxPayload, weather.closeTimers);
    this.#weather = weather;
    this.id = options.id;
    this.role = options.role;
    this.facts = { transport: 'memory', name: options.name, link: options.id };
  }

  /** Called once, by `makeMemoryLinks`: a pipe needs both ends. */
  join(peer: MemoryLink, outbound: Pipe): void {
    this.#outbound = outbound;
    peer.#inbound = outbound;
  }

  /** Until somebody listens, what arrives waits in the pipe. */
  get isOpened(): boolean {
    return this.handler !== undefined;
  }

  protected start(): void {
    this.#inbound.resume();
  }

  /** After a hold. */
  resumeInbound(): void {
    this.#inbound.resume();
  }

  protected transmit(payload: Uint8Array): boolean {
    if (!this.#weather.admit(this, payload)) return true;
    this.#outbound.payload(plainBytes(payload));
    if (this.#outbound.inFlightBytes < this.#weather.highWaterBytes) return true;
    this.#flow = 'saturated';
    return false;
  }

  protected finishSending(): void {
    this.#outbound.end();
  }

  protected destroy(): void {
    this.#inbound.stop();
    this.#outbound.abort(new Error('the link was lost: the other end aborted it'));
  }

  protected progress(): number {
    return this.#receivedPayloads - this.#outbound.inFlightBytes;
  }

  protected override settle(error?: Error): void {
    this.#weather.forget(this);
    super.settle(error);
  }

  arrived(payload: Uint8Array): void {
    this.#receivedPayloads++;
    this.deliver(payload);
  }

  /** All that the other end has sent was delivered. This end answers with its own end. */
  peerEnded(): void {
    if (!this.isReceiving) return;
    this.close();
    this.settle();
  }

  /** Some of what this end has sent has arrived. */
  wasDelivered(): void {
    if (this.#flow === 'free' || this.#outbound.inFlightBytes >= this.#weather.highWaterBytes) return;
    this.#flow = 'free';
    if (this.state === 'open') this.handler?.drain();
  }
}

export interface MemoryLinkPair {
  readonly initiator: MemoryLink;
  readonly acceptor: MemoryLink;
}

export function makeMemoryLinks(
  weather: PipeWeather,
  options: { id: string; name: string; initiatorMaxPayload: number; acceptorMaxPayload: number },
): MemoryLinkPair {
  const { id, name } = options;
  const initiator = new MemoryLink(weather, { id, name, role: 'initiator', maxPayload: options.initiatorMaxPayload });
  const acceptor = new MemoryLink(weather, { id, name, role: 'acceptor', maxPayload: options.acceptorMaxPayload });
  initiator.join(acceptor, new Pipe(weather, initiator, acceptor));
  acceptor.join(initiator, new Pipe(weather, acceptor, initiator));
  return { initiator, acceptor };
}
