/**
 * Which pending calls may be sent again on a new link: the table of resume.resend and resume.unknown. A call that was never handed to a link is not asked
 * about.
 */

/** What the new link says of the peer. */
export interface Judgement {
  /** It knows the session: what it was handed lives there, or in its store. */
  readonly resumed: boolean;
  /** Which store it admits operations to. */
  readonly storeIdentity: string;
  /** How long that keeps an outcome, in milliseconds. */
  readonly retentionMs: number;
  readonly nowMs: number;
}

/** A call that was handed to a link which is lost. */
export interface Interrupted {
  readonly idem: boolean;
  readonly persist: boolean;
  readonly channels: boolean;
  /** Its operation has an id of the caller's. */
  readonly named: boolean;
  /** When it was first handed to a link, and which store the peer had when it was handed to one last. */
  readonly handedAtMs: number;
  readonly handedTo: string;
}

/** Why nobody can know what became of it; undefined: it is sent again. */
export function whyNotAgain(call: Interrupted, judgement: Judgement): string | undefined {
  if (call.idem) return undefined;
  // The record of a string id may be gone by now, and then the id would be new again (op.expiry).
  if (call.named && judgement.nowMs - call.handedAtMs >= judgement.retentionMs) return 'expired';
  if (judgement.resumed) return call.channels ? 'channels' : undefined;
  // In the store that admitted it, "unknown" proves that it never ran.
  return call.persist && call.handedTo === judgement.storeIdentity ? undefined : 'store-lost';
}
