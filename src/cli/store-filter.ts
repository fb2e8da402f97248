/** Which records of a store are meant: what the options of its commands say, once for all of them. */
import { UsageError } from './exit.ts';
import type { BrowsedRecord, OperationKey } from '../store/lmdb/browse.ts';

export const recordState = ({ record }: BrowsedRecord): string => record?.state ?? 'unreadable';

const STATES = ['admitted', 'sealed', 'released', 'unreadable'];
const CALLERS = ['initiator', 'acceptor'];

export interface RecordFilter {
  readonly state?: string | undefined;
  /** What the scope begins with. */
  readonly scope?: string | undefined;
  readonly caller?: string | undefined;
}

/** Throws UsageError for what no record can be. */
export function checkFilter({ state, caller }: RecordFilter): void {
  if (state !== undefined && !STATES.includes(state))
    throw new UsageError(`--state must be one of ${STATES.join(', ')}, not ${JSON.stringify(state)}`);
  if (caller !== undefined && !CALLERS.includes(caller))
    throw new UsageError(`--caller must be initiator or acceptor, not ${JSON.stringify(caller)}`);
}

export function isInScope(key: Pick<OperationKey, 'scope' | 'caller'>, { scope = '', caller }: RecordFilter): boolean {
  return key.scope.startsWith(scope) && (caller === undefined || key.caller === caller);
}

export function isMeant(browsed: BrowsedRecord, filter: RecordFilter): boolean {
  return isInScope(browsed.key, filter) && (filter.state === undefined || recordState(browsed) === filter.state);
}
