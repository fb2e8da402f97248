/** Links over the WebSocket of the platform, as browsers have it. Its limits: it tells no drain, cannot be paused, and allocates before anyone may refuse. */
import { BaseLink, LinkClosedError, abortError, platformTimers } from './base-link.ts';
import type { Link } from './link.ts';
import { HIGH_WATER_BYTES, closeError, textMessageError, urlWithoutCredentials } from './websocket-common.ts';
import type { WebSocketDial } from './websocket-common.ts';

/** The code that says to a peer that the link was aborted: browsers cannot just drop a connection, and 4000–4999 are free to use. */
const ABORTED_CODE = 4000;

/** Connects by the WebSocket of the platform, which `make` constructs. */
export function dialBrowserWebSocket(make: () => WebSocket, dial: WebSocketDial): Promise<Link> {
  return new Promise((resolve, reject) => {
    const socket = make();
    socket.binaryType = 'arraybuffer';
    const cleanUp = (): void => {
      dial.signal.removeEventListener('abort', onAbort);
      socket.removeEventListener('open', onOpen);
      socket.removeEventListener('close', onClose);
    };
    const onAbort = (): void => {
      cleanUp();
      socket.close();
      reject(abortError(dial.signal));
    };
    const onOpen = (): void => {
      cleanUp();
      resolve(new BrowserWebSocketLink(socket, dial));
    };
    // The `error` event before says nothing, by design of the platform.
    const onClose = (event: CloseEvent): void => {
      cleanUp();
      reject(new Error(`cannot connect to ${urlWithoutCredentials(dial.url)}: the WebSocket closed with code ${event.code}`));
    };
    dial.signal.addEventListener('abort', onAbort, { once: true });
    socket.addEventListener('open', onOpen);
    socket.addEventListener('close', onClose);
    // Some implementations throw an error that nobody listens for; `close` follows and is what counts.
    socket.addEventListener('error', () => {});
  });
}

/** How often a full socket is asked whether it has drained: browsers count what is buffered, but have no event for it. */
const DRAIN_POLL_MS = 4;

class BrowserWebSocketLink extends BaseLink {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly #socket: WebSocket;
  /** What came before `open()`, payloads and perhaps the end: the platform cannot be told to wait. */
  #early: (() => void)[] = [];
  #receivedPayloads = 0;
  #drainTimer: unknown;

  constructor(socket: WebSocket, dial: WebSocketDial) {
    super(dial.maxPayload);
    this.#socket = socket;
    this.facts = { transport: 'websocket', url: urlWithoutCredentials(dial.url) };
    socket.addEventListener('message', (event: MessageEvent<unknown>) => this.#received(event.data));
    socket.addEventListener('close', (event) => {
      platformTimers.clearTimeout(this.#drainTimer);
      const error = closeError(event.code, event.reason);
      this.#inTurn(() => this.settle(error));
    });
  }

  protected start(): void {
    const early = this.#early;
    this.#early = [];
    for (const happen of early) happen();
  }

  protected transmit(payload: Uint8Array): boolean {
    if (this.#socket.readyState !== this.#socket.OPEN) throw new LinkClosedError('the WebSocket is closing: the payload was not sent');
    // The platform copies while it sends. It takes no view of shared memory, which a payload never is.
    this.#socket.send(payload as Uint8Array<ArrayBuffer>);
    if (this.#socket.bufferedAmount < HIGH_WATER_BYTES) return true;
    this.#drainTimer ??= platformTimers.setTimeout(() => this.#askDrained(), DRAIN_POLL_MS);
    return false;
  }

  protected finishSending(): void {
    this.#socket.close(1000);
  }

  protected destroy(): void {
    this.#socket.close(ABORTED_CODE, 'aborted');
  }

  protected progress(): number {
    return this.#receivedPayloads - this.#socket.bufferedAmount;
  }

  #received(data: unknown): void {
    this.#receivedPayloads++;
    if (!(data instanceof ArrayBuffer)) {
      this.abort(textMessageError());
      return;
    }
    this.#inTurn(() => this.deliver(new Uint8Array(data)));
  }

  #inTurn(happen: () => void): void {
    if (this.handler === undefined) this.#early.push(happen);
    else happen();
  }

  #askDrained(): void {
    this.#drainTimer = undefined;
    if (this.state !== 'open') return;
    if (this.#socket.bufferedAmount < HIGH_WATER_BYTES) this.handler?.drain();
    else this.#drainTimer = platformTimers.setTimeout(() => this.#askDrained(), DRAIN_POLL_MS);
  }
}
