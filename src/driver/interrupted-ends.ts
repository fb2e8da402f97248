/**
 * The ends that a caller kept of channels whose call is sent again on a new link (resume.rebind). The next use of the handle throws once, so that nobody
 * takes a second beginning for the rest of the first; after that it is the new channel's, or waits for it.
 *
 *   handle ──▶ interrupted ──the next use throws──▶ the successor: first one that waits, then the new channel's end
 */
import { replayOn } from '../channel-pair.ts';
import type { Half, Received, ReceivingPort, RxStatus, SendingPort, TxStatus } from '../channel-pair.ts';
import type { ChannelReceiver } from './channel-receiver.ts';
import { asError, RESTARTED } from './channel-loss.ts';

export class InterruptedSender implements SendingPort {
  readonly #half: Half<SendingPort>;
  #successor: SendingPort;

  constructor(half: Half<SendingPort>, successor: SendingPort) {
    this.#half = half;
    this.#successor = successor;
  }

  get successor(): SendingPort {
    return this.#successor;
  }

  succeededBy(port: SendingPort): void {
    replayOn(this.#successor, port);
    this.#successor = port;
  }

  get credit(): number {
    return this.#successor.credit;
  }

  get status(): TxStatus {
    return this.#successor.status;
  }

  get waiting(): number {
    return this.#successor.waiting;
  }

  send(): Promise<void> {
    this.#half.port = this.#successor;
    return Promise.reject(asError(RESTARTED));
  }

  /** Its user does not know yet that the stream begins anew: it must not look complete. */
  close(): void {
    this.reset('restarted');
  }

  dropped(): void {
    this.close();
  }

  reset(reason: string | undefined): void {
    this.#half.port = this.#successor;
    this.#successor.reset(reason);
  }
}

export class InterruptedReceiver implements ReceivingPort {
  readonly #half: Half<ReceivingPort>;
  /** It may have items that were not read. */
  readonly #before: ChannelReceiver;
  #successor: ReceivingPort;

  constructor(half: Half<ReceivingPort>, before: ChannelReceiver, successor: ReceivingPort) {
    this.#half = half;
    this.#before = before;
    this.#successor = successor;
  }

  get successor(): ReceivingPort {
    return this.#successor;
  }

  succeededBy(port: ReceivingPort): void {
    replayOn(this.#successor, port);
    this.#successor = port;
  }

  get credit(): number {
    return this.#successor.credit;
  }

  get status(): RxStatus {
    return this.#successor.status;
  }

  get waiting(): number {
    return this.#successor.waiting;
  }

  recv(handle: object): Promise<Received<unknown>> {
    if (this.#before.unread > 0) return this.#before.recv(handle);
    this.#half.port = this.#successor;
    return Promise.reject(asError(RESTARTED));
  }

  grant(credit: number): void {
    this.#successor.grant(credit);
  }

  dropped(): void {
    this.reset(undefined);
  }

  reset(reason: string | undefined): void {
    this.#half.port = this.#successor;
    this.#before.reset(reason);
    this.#successor.reset(reason);
  }
}
