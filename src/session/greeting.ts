/**
 * What each side of a session says before it may be used on a link, and what the other's word comes to: a session that begins, one that goes on, or a link
 * that belongs to another one (session.handshake, resume.key, resume.unknown, resume.supersedes).
 */
import { makeHello, makeWelcome } from './handshake.ts';
import type { Agreement } from './handshake.ts';
import type { Line } from './line.ts';
import { Handshaking } from './handshaking.ts';
import { RESUME_KEY_BYTES } from './resumable-sessions.ts';
import type { SessionCore } from './session-core.ts';
import type { SessionCoreOptions } from './session-options.ts';

export class Greeting {
  readonly #core: SessionCore;
  readonly #options: SessionCoreOptions;
  /** Only while there is one. */
  #handshaking: Handshaking | undefined = undefined;
  /** What resumes the session: the initiator was told it, the acceptor makes it (resume.key). */
  #resumeKey: Uint8Array | undefined = undefined;

  constructor(core: SessionCore, options: SessionCoreOptions) {
    this.#core = core;
    this.#options = options;
  }

  /** There is a link. */
  begin(): void {
    const { endpoint, role, dialer } = this.#options;
    const core = this.#core;
    // A link may be lost while its peer is being authenticated.
    const isPresent = (): boolean => this.#handshaking === handshaking && core.link.line !== undefined && core.status !== 'closed';
    const handshaking: Handshaking = new Handshaking({
      role,
      dial: dialer?.number ?? 0,
      meeting: () => ({ endpoint, scope: core.scope, linkFacts: core.link.line?.facts ?? {} }),
      onScope: (scope) => (core.scope = scope),
      onWelcome: () => {
        // Who authenticates nobody has nothing to wait for.
        if (endpoint.options.authenticate === undefined) core.link.line?.limitInbound(endpoint.options.maxPayload);
      },
      onAgreed: async (agreement, key) => {
        if (!isPresent()) return;
        if (role === 'initiator') this.#welcomed(agreement, key, handshaking);
        else await this.#judge(agreement, key, isPresent);
      },
      onDisagreed: (reason) => {
        if (isPresent()) this.refuse(reason);
      },
      onRefused: (reason) => core.peerRefused(reason),
      onReported: (rule, message) => core.peerReported(rule, message),
    });
    this.#handshaking = handshaking;
  }

  /** Throws WireError. */
  receive(payload: Uint8Array): void {
    this.#handshaking?.receive(payload);
  }

  /** The initiator speaks first. */
  greet(): void {
    const { endpoint, dialer } = this.#options;
    const { scope, series } = this.#core;
    if (dialer !== undefined) this.#say(makeHello(endpoint, { scope, series: series.id, dial: dialer.number, resumeKey: this.#resumeKey }));
  }

  /** The handshake is done. The acceptor's answer, and the key that resumes the session from now on. */
  welcome({ sessionId, resumed, resumable }: Agreement): void {
    const { endpoint, role, resumable: sessions } = this.#options;
    const core = this.#core;
    this.#handshaking = undefined;
    if (role === 'initiator') return;
    const resumeKey = resumable && sessions !== undefined ? endpoint.options.random.bytes(RESUME_KEY_BYTES) : undefined;
    if (resumeKey !== undefined && core.agreement !== undefined) sessions?.keep(core, core.agreement, resumeKey);
    this.#say(makeWelcome(endpoint, { sessionId, series: core.series.id, resumed, resumeKey }));
  }

  /** We say no, and why. */
  refuse(reason: string): void {
    this.#say({ type: 'refuse', reason });
    this.#core.refused(reason);
  }

  #say(message: Parameters<Line['say']>[0]): void {
    try {
      this.#core.link.line?.say(message);
    } catch (error) {
      this.#core.link.fail(error);
    }
  }

  /** The acceptor has taken our hello. */
  #welcomed(agreement: Agreement, key: Uint8Array | undefined, handshaking: Handshaking): void {
    const core = this.#core;
    const problem = this.#whyNotResumed(agreement);
    if (problem !== undefined) {
      this.refuse(problem);
      return;
    }
    this.#resumeKey = key;
    core.agreed(agreement, agreement.resumable && key !== undefined);
    const { line } = core.link;
    if (line !== undefined) for (const payload of handshaking.takeEarly()) core.link.received(line, payload);
  }

  /** A session that goes on must be the one that we had, with the one whom we had it with (session.auth). */
  #whyNotResumed({ resumed, sessionId, scopeDigest }: Agreement): string | undefined {
    const { agreement } = this.#core;
    if (!resumed) return undefined;
    if (this.#resumeKey === undefined || agreement === undefined) return 'there is no session to resume';
    if (sessionId !== agreement.sessionId) return 'another session was resumed than the one that was asked for';
    return scopeDigest === agreement.scopeDigest ? undefined : 'a session is resumed with the principal that it was made with (session.auth)';
  }

  /** What an initiator's hello means to the sessions there are. */
  async #judge(agreement: Agreement, key: Uint8Array | undefined, isPresent: () => boolean): Promise<void> {
    const { resumable: sessions, endpoint } = this.#options;
    const core = this.#core;
    if (sessions !== undefined && key !== undefined && !sessions.knows(agreement, key)) {
      try {
        // Whoever served it before can admit nothing for it any more (resume.unknown).
        await endpoint.store.fence(agreement.scopeDigest, agreement.peerSeries, agreement.dial);
      } catch (error) {
        core.storeFailed('fence off what a session left behind', error);
        core.link.fail(error);
        return;
      }
      if (!isPresent()) return;
    }
    const verdict = sessions?.judge(agreement, key);
    if (verdict?.type === 'refuse') {
      this.refuse(verdict.reason);
    } else if (verdict?.type === 'resume') {
      core.merge(verdict.core, agreement);
    } else if (verdict?.earlier === undefined && this.#options.hasRoom?.() === false) {
      this.refuse('there are as many sessions as this side bears (session.capacity)');
    } else {
      verdict?.earlier?.peerClosed('replaced by a fresh session');
      core.agreed(agreement, agreement.resumable && sessions !== undefined);
    }
  }
}
