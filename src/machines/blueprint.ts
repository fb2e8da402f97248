/**
 * What all actors of one kind share, made once by `defineActor` (spawn.ts): the tables a light actor runs, the stock machine a
 * promoted one runs, and what the rooms outside do at the named actions.
 */
import type { AnyStateMachine } from 'xstate';
import type { Tables } from './tables.ts';

/** What the rooms outside provide for a named action. */
export type Handler = (owner: unknown, args: { readonly context: unknown; readonly event: unknown }, params: unknown) => void;

/** What all actors of a kind share. */
export interface Blueprint {
  readonly name: string;
  readonly tables: Tables;
  /** By the slot of the action's name. */
  readonly handlers: readonly Handler[];
  readonly stock: AnyStateMachine;
}
