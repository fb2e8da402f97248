/**
 * What stands behind the handles of a channel (channel.ts): which end is where, and who carries out what a handle asks for. Until the argument that one end
 * leaves in was encoded that is a port which keeps what it is asked; then the driver's.
 */
import { closedChannel, notSentChannel, resetChannel } from './channel-errors.ts';

/** What a `Tx` is in. `unbound`: its other end has not left with a call yet. `starved`: no credit. */
export type TxStatus = 'unbound' | 'ready' | 'starved' | 'closed' | 'reset' | 'lost';
/** What an `Rx` is in. `draining`: the end has come, and items before it are still to be read. */
export type RxStatus = 'unbound' | 'open' | 'draining' | 'ended' | 'reset' | 'lost';
/** What `recv` gives: an item, or that there is none any more. */
export type Received<T> = IteratorResult<T, undefined>;

interface Port {
  readonly credit: number;
  reset(reason: string | undefined): void;
  /** Its handle was collected (channel.drop). */
  dropped(): void;
}

/** Carries out what a `Tx` wants. */
export interface SendingPort extends Port {
  readonly status: TxStatus;
  /** Sends that wait: for credit, or for room in the link. */
  readonly waiting: number;
  send(value: unknown, handle: object): Promise<void>;
  close(): void;
}

/** Carries out what an `Rx` wants. */
export interface ReceivingPort extends Port {
  readonly status: RxStatus;
  /** Receives that wait for an item. */
  readonly waiting: number;
  recv(handle: object): Promise<Received<unknown>>;
  grant(credit: number): void;
}

/** What stands behind one handle. */
export class Half<P extends Port> {
  readonly pair: Pair;
  port: P;
  /** The handle, while something waits on it: it is not collected then. */
  waitedOn: object | undefined = undefined;
  #waiting = 0;
  #isDropped = false;

  /** Its handle was collected. */
  get isDropped(): boolean {
    return this.#isDropped;
  }

  constructor(pair: Pair, port: P) {
    this.pair = pair;
    this.port = port;
  }

  /** A `recv`, `send` or loop begins to wait. */
  hold(handle: object): void {
    this.waitedOn = handle;
    this.#waiting++;
  }

  letGo(): void {
    if (this.#waiting > 0) this.#waiting--;
    if (this.#waiting === 0) this.waitedOn = undefined;
  }

  /** The channel is over here: nothing more can be waited for. */
  over(): void {
    this.#waiting = 0;
    this.waitedOn = undefined;
  }

  /** From here on the driver carries out what the handle wants. */
  bind(port: P): void {
    this.port = port;
    if (this.#isDropped) port.dropped();
  }

  handleCollected(): void {
    this.#isDropped = true;
    this.port.dropped();
  }
}

/** The two ends of a channel, as far as they are here. */
export class Pair {
  /** The initial credit, in items (credit.initial). */
  readonly credit: number;
  readonly sending: Half<SendingPort>;
  readonly receiving: Half<ReceivingPort>;
  /** Which end has been passed in a call, or came in one: then neither can be passed (channel.one-owner). */
  passed: 'neither' | 'tx' | 'rx' = 'neither';

  constructor(credit: number) {
    this.credit = credit;
    this.sending = new Half<SendingPort>(this, new UnboundSender(this));
    this.receiving = new Half<ReceivingPort>(this, new UnboundReceiver(this));
  }
}

/** What was asked of a channel before it was bound, in order. */
interface Asked<T> {
  readonly value: unknown;
  readonly handle: object;
  resolve(result: T): void;
  reject(error: unknown): void;
}

/** What an end that is not bound yet was told to become. */
type Early = { readonly state: 'open' | 'closed' } | { readonly state: 'reset'; readonly reason: string | undefined };

const PASSED = 'this end was passed in a call: it is at the peer, and the other end of the channel is the one to use here';

/** A `Tx` before its channel is bound: keeps what was asked of it, for the driver's port. */
class UnboundSender implements SendingPort {
  readonly #pair: Pair;
  #early: Early = { state: 'open' };
  #asked: Asked<void>[] = [];

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  get credit(): number {
    return 0;
  }

  get status(): TxStatus {
    return this.#early.state === 'open' ? 'unbound' : this.#early.state;
  }

  /** As many as will have credit wait for the call alone. */
  get waiting(): number {
    return Math.max(0, this.#asked.length - this.#pair.credit);
  }

  send(value: unknown, handle: object): Promise<void> {
    if (this.#pair.passed === 'tx') return Promise.reject(new TypeError(PASSED));
    if (this.#early.state !== 'open') return Promise.reject(closedChannel('the channel was closed here'));
    return new Promise((resolve, reject) => this.#asked.push({ value, handle, resolve, reject }));
  }

  close(): void {
    if (this.#early.state === 'open') this.#early = { state: 'closed' };
  }

  reset(reason: string | undefined): void {
    if (this.#early.state !== 'open') return;
    this.#early = { state: 'reset', reason };
    for (const { reject } of this.#asked.splice(0)) reject(closedChannel('the channel was reset here'));
  }

  dropped(): void {
    this.close();
  }

  /** What waits here waits in vain. */
  wake(error: Error): void {
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }

  replayOn(port: SendingPort): void {
    for (const { value, handle, resolve, reject } of this.#asked.splice(0)) port.send(value, handle).then(resolve, reject);
    if (this.#early.state === 'closed') port.close();
    if (this.#early.state === 'reset') port.reset(this.#early.reason);
  }
}

/** An `Rx` before its channel is bound. */
class UnboundReceiver implements ReceivingPort {
  readonly #pair: Pair;
  #early: Early = { state: 'open' };
  #asked: Asked<Received<unknown>>[] = [];
  #granted = 0;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  get credit(): number {
    return 0;
  }

  get status(): RxStatus {
    return this.#early.state === 'open' ? 'unbound' : 'reset';
  }

  get waiting(): number {
    return this.#asked.length;
  }

  recv(handle: object): Promise<Received<unknown>> {
    if (this.#pair.passed === 'rx') return Promise.reject(new TypeError(PASSED));
    if (this.#early.state !== 'open') return Promise.reject(resetChannel('the channel was reset here', undefined));
    return new Promise((resolve, reject) => this.#asked.push({ value: undefined, handle, resolve, reject }));
  }

  grant(credit: number): void {
    this.#granted += credit;
  }

  reset(reason: string | undefined): void {
    if (this.#early.state !== 'open') return;
    this.#early = { state: 'reset', reason };
    for (const { reject } of this.#asked.splice(0)) reject(resetChannel('the channel was reset here', undefined));
  }

  dropped(): void {
    this.reset(undefined);
  }

  wake(error: Error): void {
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }

  replayOn(port: ReceivingPort): void {
    if (this.#granted > 0) port.grant(this.#granted);
    for (const { handle, resolve, reject } of this.#asked.splice(0)) port.recv(handle).then(resolve, reject);
    if (this.#early.state === 'reset') port.reset(this.#early.reason);
  }
}

/** Marks which end of a pair leaves in a call. */
export function passEnd(pair: Pair, end: 'tx' | 'rx'): void {
  pair.passed = end;
  const { port } = end === 'tx' ? pair.sending : pair.receiving;
  if (port instanceof UnboundSender || port instanceof UnboundReceiver) port.wake(new TypeError(PASSED));
}

/** A call with an end of this channel was not sent: who waits on either end is told, unless the channel was bound by another call. */
export function wakeUnbound({ sending, receiving }: Pair): void {
  for (const { port } of [sending, receiving]) if (port instanceof UnboundSender || port instanceof UnboundReceiver) port.wake(notSentChannel());
}

/** What a `Tx` or `Rx` becomes again whose channel is to begin anew: it keeps what is asked of it until it is bound (resume.rebind). */
export const unboundSender = (pair: Pair): SendingPort => new UnboundSender(pair);
export const unboundReceiver = (pair: Pair): ReceivingPort => new UnboundReceiver(pair);

/** It will not be bound after all: what was asked of it fails. */
export function wakePort(port: SendingPort | ReceivingPort, error: Error): void {
  if (port instanceof UnboundSender || port instanceof UnboundReceiver) port.wake(error);
}

/** Hands what was asked of a port that waited for the channel on to the one that has it. */
export function replayOn(before: SendingPort | ReceivingPort, port: SendingPort | ReceivingPort): void {
  if (before instanceof UnboundSender) before.replayOn(port as SendingPort);
  else if (before instanceof UnboundReceiver) before.replayOn(port as ReceivingPort);
}

/** The driver takes over a `Tx` that stays: what was asked of it so far is asked of `port`. */
export function bindSender(half: Half<SendingPort>, port: SendingPort): void {
  const before = half.port;
  half.bind(port);
  if (before instanceof UnboundSender) before.replayOn(port);
}

/** The same for an `Rx`. */
export function bindReceiver(half: Half<ReceivingPort>, port: ReceivingPort): void {
  const before = half.port;
  half.bind(port);
  if (before instanceof UnboundReceiver) before.replayOn(port);
}
