/**
 * The sessions of a listening side that a peer may come back to, and what a hello means to them: whether it resumes one, replaces one, or is a late
 * one of a dial that was given up (resume.key, resume.supersedes, resume.unknown). How many may wait without a link is bounded; how long is each
 * session's own matter.
 */
import type { Agreement } from './handshake.ts';
import type { SessionCore } from './session-core.ts';

/** Bytes of a resume key. */
export const RESUME_KEY_BYTES = 32;

interface Entry {
  readonly core: SessionCore;
  readonly series: string;
  readonly scopeDigest: string;
  /** What resumes it: the key that the peer was told last, and until it is known to have that, the one before (resume.key). */
  key: Uint8Array;
  previousKey: Uint8Array | undefined;
  /** The number of the last hello that was accepted for it. */
  dial: number;
}

export type Verdict =
  /** A session of its own. `earlier`: one of the same series, which is over now. */
  | { readonly type: 'fresh'; readonly earlier: SessionCore | undefined }
  | { readonly type: 'resume'; readonly core: SessionCore }
  | { readonly type: 'refuse'; readonly reason: string };

export class ResumableSessions {
  /** By the series of its peer. Peers choose theirs, so that two may have the same, if somebody wants to be in the way: in different scopes. */
  readonly #bySeries = new Map<string, Entry[]>();
  readonly #byCore = new Map<SessionCore, Entry>();
  /** Those without a link, the one that has waited the longest first. */
  readonly #waiting = new Set<SessionCore>();
  readonly #maxWaiting: number;
  #evicted = 0;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  get size(): number {
    return this.#byCore.size;
  }

  /** Sessions that ended because too many waited. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Whether a hello with this key finds its session: if not, what its peer left behind elsewhere must be fenced off first (resume.unknown). */
  knows(agreement: Agreement, key: Uint8Array): boolean {
    return this.#find(agreement, key) !== undefined;
  }

  /** What is to become of a hello that has been agreed to. */
  judge(agreement: Agreement, key: Uint8Array | undefined): Verdict {
    const entry = key === undefined ? undefined : this.#find(agreement, key);
    if (entry !== undefined && entry.scopeDigest !== agreement.scopeDigest)
      return { type: 'refuse', reason: 'a session is resumed by the principal and scope that it was made with (session.auth)' };
    const same = entry ?? this.#entriesOf(agreement).find(({ scopeDigest }) => scopeDigest === agreement.scopeDigest);
    if (same !== undefined && agreement.dial <= same.dial)
      return { type: 'refuse', reason: `dial ${agreement.dial} came after dial ${same.dial} (resume.supersedes)` };
    if (entry === undefined || key === undefined || !agreement.resumable) return { type: 'fresh', earlier: same?.core };
    entry.dial = agreement.dial;
    // Whichever key it came with, it has that one for sure.
    entry.previousKey = key;
    return { type: 'resume', core: entry.core };
  }

  #entriesOf({ peerSeries }: Agreement): readonly Entry[] {
    return this.#bySeries.get(peerSeries) ?? [];
  }

  #find(agreement: Agreement, key: Uint8Array): Entry | undefined {
    return this.#entriesOf(agreement).find((entry) => sameSecret(entry.key, key) || sameSecret(entry.previousKey, key));
  }

  /** A session has connected on a link: gives it the key that resumes it from now on. */
  keep(core: SessionCore, agreement: Agreement, key: Uint8Array): void {
    this.#waiting.delete(core);
    const known = this.#byCore.get(core);
    if (known !== undefined) {
      known.key = key;
      return;
    }
    const { peerSeries: series, scopeDigest, dial } = agreement;
    const entry: Entry = { core, series, scopeDigest, key, previousKey: undefined, dial };
    this.#byCore.set(core, entry);
    this.#bySeries.set(series, [...(this.#bySeries.get(series) ?? []), entry]);
  }

  /** The peer has spoken on a link: it has the key that its welcome told. */
  confirmed(core: SessionCore): void {
    const entry = this.#byCore.get(core);
    if (entry !== undefined) entry.previousKey = undefined;
  }

  /** A session waits for its peer. */
  waits(core: SessionCore): void {
    if (!this.#byCore.has(core)) return;
    this.#waiting.add(core);
    if (this.#waiting.size <= this.#maxWaiting) return;
    const [longest] = this.#waiting;
    this.#evicted++;
    longest?.evict();
  }

  /** A session is over. */
  drop(core: SessionCore): void {
    const entry = this.#byCore.get(core);
    if (entry === undefined) return;
    this.#byCore.delete(core);
    this.#waiting.delete(core);
    const others = this.#bySeries.get(entry.series)?.filter((other) => other !== entry) ?? [];
    if (others.length === 0) this.#bySeries.delete(entry.series);
    else this.#bySeries.set(entry.series, others);
  }
}

/** In a time that tells nothing of where they differ. */
function sameSecret(one: Uint8Array | undefined, other: Uint8Array): boolean {
  if (one === undefined || one.byteLength !== other.byteLength) return false;
  let difference = 0;
  for (let at = 0; at < one.byteLength; at++) difference |= (one[at] as number) ^ (other[at] as number);
  return difference === 0;
}
