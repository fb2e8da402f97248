/** What the server that is killed offers: one method of each policy. */
import { defineService, method } from 'statewire';

export const Work = defineService('Work', {
  persist: method<string, string>({ persist: true }),
  /** Its handler recognises what it did before. */
  keep: method<string, string>({ persist: true, idem: true }),
  run: method<string, string>(),
  idem: method<string, string>({ idem: true }),
});

/** Between which steps of a call the server dies. */
export const CRASH_POINTS = ['before-admit', 'after-admit', 'before-effect', 'after-effect', 'before-seal', 'after-seal', 'after-reply'] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];
