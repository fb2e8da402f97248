/** What a simulation has its callers do: each intent is one operation, asked for once or several times. Drawn from the seed. */
import type { SimulatedProcess } from './process.ts';
import type { SeededRandom, Weighted } from '../seeded-random.ts';
import { hasChannels } from '../trial/contract.ts';
import type { Behaviour, MethodName, TrialCall } from '../trial/contract.ts';

export type Role = 'initiator' | 'acceptor';
export type GivingUp = 'never' | 'aborted' | 'timeout';

/** One call for an intent, and what came of it. */
export interface Asking {
  readonly index: number;
  /** Who asks. When it is killed nobody is told anything. */
  readonly process: SimulatedProcess;
  /** On the session's root connection, or on one that is opened for it alone. */
  readonly place: 'root' | 'fresh';
  readonly givingUp: GivingUp;
  readonly givingUpMs: number;
  /** Its fresh connection is closed then, whatever is pending on it. */
  readonly closesUnder: boolean;
  outcome?: string | undefined;
  /** It was told that asking again can do no harm (outcome.retryable). */
  retryable?: boolean | undefined;
  /** How the end of the channel that stays with the caller ended. */
  stream?: string | undefined;
}

export interface Intent extends TrialCall {
  readonly scope: string;
  readonly caller: Role;
  /** The same names come in every scope: a scope that saw another's records would see conflicts (op.scope). */
  readonly operationId: string | undefined;
  readonly askings: Asking[];
  /** The runs of its handler. */
  readonly runs: number[];
  /** The run whose outcome its callers have. */
  outcomeRun?: number | undefined;
  /** Where they were: a server with another disk knows nothing of the first run. */
  readonly disks: string[];
  /** How often a store has forgotten it, by right (docs/guarantees.md). */
  forgotten: number;
}

const METHODS: Weighted<MethodName> = [
  ['volatile', 30],
  ['idem', 18],
  ['persist', 38],
  ['persistIdem', 8],
  ['sum', 1.2],
  ['sumIdem', 1.2],
  ['ticks', 1.2],
  ['ticksIdem', 1.2],
];
const BEHAVIOURS: Weighted<Behaviour> = [
  ['returns', 92],
  ['fails', 4],
  ['throws', 4],
];
const GIVING_UP: Weighted<GivingUp> = [
  ['never', 97],
  ['aborted', 2],
  ['timeout', 1],
];
const NAMED = 0.3;
const FRESH = 0.006;
const CLOSES_UNDER = 0.4;
const INSTANT_HANDLERS = 0.6;
/** Longer than a handler takes, so that some are too late and some meet a sealed operation. */
const LONGEST_WAIT_MS = 30;
const LONGEST_HANDLER_MS = 20;
const MOST_ITEMS = 10;
const MOST_CREDIT = 6;

export interface IntentTerms {
  readonly n: number;
  readonly scope: string;
  readonly caller: Role;
  /** How many the scope's caller has named before. */
  readonly named: number;
}

export function drawIntent(random: SeededRandom, { n, scope, caller, named }: IntentTerms): Intent {
  const method = random.weighted(METHODS);
  return {
    n,
    scope,
    caller,
    method,
    does: random.weighted(BEHAVIOURS),
    handlerMs: random.chance(INSTANT_HANDLERS) ? 0 : random.between(1, LONGEST_HANDLER_MS),
    items: random.between(0, MOST_ITEMS),
    credit: random.between(1, MOST_CREDIT),
    operationId: random.chance(NAMED) ? `job-${named}` : undefined,
    askings: [],
    runs: [],
    disks: [],
    forgotten: 0,
  };
}

/** Adds one more asking to an intent. */
export function drawAsking(random: SeededRandom, intent: Intent, process: SimulatedProcess): Asking {
  const place = random.chance(FRESH) ? 'fresh' : 'root';
  const asking: Asking = {
    index: intent.askings.length,
    process,
    place,
    givingUp: random.weighted(GIVING_UP),
    givingUpMs: random.between(1, LONGEST_WAIT_MS),
    closesUnder: place === 'fresh' && random.chance(CLOSES_UNDER),
  };
  intent.askings.push(asking);
  return asking;
}

/** Whether it makes sense to ask for it again: it has a name, and its ends of channels are used once. */
export const mayBeAskedAgain = (intent: Intent): boolean => intent.operationId !== undefined && !hasChannels(intent);

/** Whether nobody gives it up or closes the connection it is asked on. */
export const isSteady = ({ givingUp, closesUnder }: Asking): boolean => givingUp === 'never' && !closesUnder;
