/** All the mutants. Where one breaks several rules, it stands with the one that it was made for. */
import { CHANNELS } from './channels.ts';
import { CONNECTIONS } from './connections.ts';
import { IDENTIFIERS } from './identifiers.ts';
import type { Mutant } from './mutant.ts';
import { OPERATIONS } from './operations.ts';
import { SESSIONS } from './sessions.ts';

export const MUTANTS: readonly Mutant[] = [...IDENTIFIERS, ...OPERATIONS, ...SESSIONS, ...CONNECTIONS, ...CHANNELS];
