/** What stores answer over and over: one object of each. */
import type { Admission, Lookup } from './store.ts';

export const STARTED: Admission = Object.freeze({ state: 'started' });
export const UNKNOWN: Lookup = Object.freeze({ state: 'unknown' });
export const EXPIRED: Admission = Object.freeze({ state: 'expired' });
export const CONFLICT: Admission = Object.freeze({ state: 'conflict' });
export const ABANDONED: Admission = Object.freeze({ state: 'abandoned' });
export const FENCED: Admission = Object.freeze({ state: 'refused', reason: 'the session was replaced by a newer one', fenced: true });
