/**
 * The link that a session is on: what comes over it goes to the handshake or to the router, and what comes over one that was replaced is not heard
 * (resume.supersedes). Also its beginning and its end: the batch and the keep-alive have it as long as it is the present one.
 */
import type { Link } from '../transport/link.ts';
import { decodeEach, WireError } from '../wire/index.ts';
import { HANDSHAKE_MAX_PAYLOAD } from '../wire/limits.ts';
import type { Ending } from './ending.ts';
import { HANDSHAKE_EXPECTED } from './handshake.ts';
import { KeepAlive } from './keep-alive.ts';
import { Line } from './line.ts';
import type { LineHolder } from './line.ts';
import type { ResumableSessions } from './resumable-sessions.ts';
import type { SessionCore } from './session-core.ts';

export class PresentLink implements LineHolder {
  readonly #core: SessionCore;
  readonly #resumable: ResumableSessions | undefined;
  #line: Line | undefined = undefined;
  /** One that the peer has come back on, until the session goes on with it. */
  #adopted: Line | undefined = undefined;
  #keepAlive: KeepAlive | undefined = undefined;
  #isHeard = false;

  /** `resumable`: who is told that the peer has said something after the handshake. */
  constructor(core: SessionCore, resumable: ResumableSessions | undefined) {
    this.#core = core;
    this.#resumable = resumable;
  }

  get line(): Line | undefined {
    return this.#line;
  }

  get isAdopting(): boolean {
    return this.#adopted !== undefined;
  }

  // ---- which one it is

  /** A new one, with the handshake before it. */
  take(link: Link): void {
    const line = new Line(link, this, this.#core.endpoint.options.clock);
    this.#line = line;
    this.#core.greeting.begin();
    line.limitInbound(HANDSHAKE_MAX_PAYLOAD);
    line.open();
  }

  /** It belongs to another session. */
  giveAway(): Line | undefined {
    const line = this.#line;
    this.#line = undefined;
    return line;
  }

  /** The peer has come back on it. */
  adopt(line: Line): void {
    line.handOver(this);
    this.#adopted = line;
  }

  /** The session does not go on. */
  refuseAdopted(): void {
    this.#adopted?.abort(new Error('the session is closing'));
    this.#adopted = undefined;
  }

  /** The handshake is done. */
  begin(): Line | undefined {
    this.#line = this.#adopted ?? this.#line;
    this.#adopted = undefined;
    this.#isHeard = false;
    return this.#line;
  }

  /** Messages may leave over it, and it is watched. */
  open({ link }: Line): void {
    const core = this.#core;
    core.outbox.attach(link);
    this.#keepAlive = KeepAlive.over(core, link);
  }

  /** Nothing leaves over it any more. */
  close(): void {
    this.#core.outbox.detach();
    this.#keepAlive?.stop();
    this.#keepAlive = undefined;
  }

  /** It does not do what a link must. */
  fail(error: unknown): void {
    this.#line?.abort(error);
    this.#core.lost(error);
  }

  /** From here on nothing of it is heard. */
  drop(reason: unknown): void {
    const line = this.#line;
    this.#line = undefined;
    line?.abort(reason);
  }

  /** The session is over. The peer is told why, where it can be; what was sent before is delivered, if the peer takes it within the handshake's time. */
  end(ending: Ending | undefined): void {
    const line = this.#line;
    if (line === undefined || line.isClosed || ending?.type === 'linkLost') return;
    const { agreement, endpoint, outbox, isReported } = this.#core;
    if (ending?.type === 'slowHandshake') {
      line.abort(new Error('the peer did not finish the handshake in time'));
      return;
    }
    if (ending?.type === 'protocolError' && !isReported)
      outbox.sendLast({ type: 'protocol-error', rule: ending.rule, message: ending.message }, line.link);
    else if (ending?.type === 'close' && agreement !== undefined) outbox.sendLast({ type: 'close', connectionId: 0, reason: 'closed' }, line.link);
    line.closeWithin(endpoint.options.handshakeTimeoutMs);
  }

  // ---- what comes over it

  received(line: Line, payload: Uint8Array): void {
    const core = this.#core;
    if (line !== this.#line) {
      core.counters.stalePayloads++;
      return;
    }
    if (core.status === 'closed') return;
    this.#keepAlive?.heard();
    const { isHandshaking } = this;
    try {
      if (payload.byteLength > line.maxInbound) {
        const rule = isHandshaking ? 'session.handshake-limits' : 'link.limit';
        throw new WireError(rule, `a payload of ${payload.byteLength} bytes, above ${line.maxInbound}`, 0);
      }
      if (isHandshaking) core.greeting.receive(payload);
      else this.#route(payload);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (isHandshaking && error.rule === 'session.handshake') core.greeting.refuse(`${HANDSHAKE_EXPECTED}: ${error.message}`);
      else core.protocolError(error.rule, error.message);
    }
  }

  get isHandshaking(): boolean {
    const { status } = this.#core;
    return status !== 'connected' && status !== 'closing';
  }

  #route(payload: Uint8Array): void {
    if (!this.#isHeard) {
      this.#isHeard = true;
      this.#resumable?.confirmed(this.#core);
    }
    decodeEach(payload, this.#core.router.route);
  }

  drained(line: Line): void {
    if (line === this.#line) this.#core.outbox.drained();
  }

  lineClosed(line: Line, error: Error | undefined): void {
    if (line === this.#line) this.#core.lost(error);
  }
}
