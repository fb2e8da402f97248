/** The phases of a hot actor's life (light-actor.ts). */
export const RESTING = 0;
export const BUSY = 1;
/** Busy with its last event. */
export const STOPPING = 2;
export const DONE = 3;
export const STOPPED = 4;
/** Of a real actor: its initial actions run. */
export const STARTING = 5;
/** Of a real actor: one of its initial actions threw, the others are left out. */
export const ABANDONED = 6;
export type Phase = 0 | 1 | 2 | 3 | 4 | 5 | 6;
