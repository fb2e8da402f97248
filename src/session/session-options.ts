/** What a session at work is made with. */
import type { ServedMethod } from '../contract.ts';
import type { Endpoint } from '../driver/host.ts';
import type { RootActorOptions } from '../machines/root.ts';
import type { Dialer } from './dialer.ts';
import type { ResumableSessions } from './resumable-sessions.ts';
import type { SessionCore } from './session-core.ts';
import type { Session } from './session.ts';

export interface SessionCoreOptions {
  readonly endpoint: Endpoint;
  readonly role: 'initiator' | 'acceptor';
  /** The initiator's secret; the acceptor learns it from the hello. */
  readonly scope?: Uint8Array;
  readonly services: ReadonlyMap<number, ServedMethod>;
  /** How long it may be without a link, in milliseconds, and how long its first handshake may be tried for. */
  readonly recoveryMs: number;
  readonly waitForPeerMs?: number;
  /** Makes the links of an initiator. */
  readonly dialer?: Dialer;
  /** What an acceptor's peers may come back to. */
  readonly resumable?: ResumableSessions;
  /** Whether a listening side bears one session more (session.capacity). */
  readonly hasRoom?: () => boolean;
  /** The server's actor, above the sessions of a listening side. */
  readonly parent?: RootActorOptions<never, never>['parent'];
  /** What users hold of this session. */
  readonly facade: (core: SessionCore) => Session;
  /** Its first handshake is done, or the peer that it resumed by has begun anew: it has an id. */
  readonly onConnected: (core: SessionCore) => void;
  /** What must be done before the session counts as closed. Never rejects. */
  readonly onClosed: (core: SessionCore) => Promise<void> | void;
}
