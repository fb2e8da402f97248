/** What the benches call. */
import { defineService, method } from 'statewire';

/** A small object, as most calls carry one. */
export interface Small {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
}

export const SMALL: Small = { id: 12_345, name: 'Ada Lovelace', tags: ['a', 'b'] };

export const Echo = defineService('Echo', {
  echo: method<Small, Small>(),
  /** Answers when somebody calls `letGo`. */
  hold: method<Small, void>(),
  letGo: method<undefined, void>(),
});
