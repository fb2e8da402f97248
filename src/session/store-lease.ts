/**
 * A store in use: opened for its first user, swept while it has any, closed after its last. Two servers may share one store.
 */
import type { Clock, LogEntry } from '../options.ts';
import { DEFAULT_RETENTION_MS } from '../store/store.ts';
import type { OperationStore } from '../store/store.ts';

interface Lease {
  users: number;
  readonly opened: Promise<void>;
  stopSweeping: () => void;
}

const leases = new WeakMap<OperationStore, Lease>();

export interface LeaseOptions {
  readonly clock: Clock;
  readonly log: (entry: LogEntry) => void;
}

/** Opens `store` unless somebody has. Gives what ends this use of it. Rejects with the store's own error when it cannot open. */
export async function leaseStore(store: OperationStore, options: LeaseOptions): Promise<() => Promise<void>> {
  let lease = leases.get(store);
  if (lease === undefined) {
    lease = { users: 0, opened: open(store), stopSweeping: () => {} };
    leases.set(store, lease);
  }
  lease.users++;
  try {
    await lease.opened;
  } catch (error) {
    leases.delete(store);
    throw error;
  }
  if (lease.users === 1) lease.stopSweeping = sweepNowAndThen(store, options);
  return onceOnly(() => endLease(store, lease));
}

async function open(store: OperationStore): Promise<void> {
  await store.open();
}

async function endLease(store: OperationStore, lease: Lease): Promise<void> {
  lease.users--;
  if (lease.users > 0) return;
  lease.stopSweeping();
  leases.delete(store);
  await store.close();
}

function onceOnly(end: () => Promise<void>): () => Promise<void> {
  let ended: Promise<void> | undefined;
  return () => (ended ??= end());
}

/** How long a store keeps what is settled, in milliseconds (op.expiry). */
export const retentionOf = (store: OperationStore): number => store.retentionMs ?? DEFAULT_RETENTION_MS;

/** op.expiry: every tenth of the retention. */
function sweepNowAndThen(store: OperationStore, { clock, log }: LeaseOptions): () => void {
  const intervalMs = Math.max(1, Math.floor(retentionOf(store) / 10));
  let timer: unknown;
  let stopped = false;
  const sweep = async () => {
    try {
      await store.sweep(clock.now());
    } catch (error) {
      log({ level: 'error', event: 'store-failure', message: 'the store failed to sweep', error });
    }
    if (!stopped) timer = clock.setTimeout(sweep, intervalMs);
  };
  timer = clock.setTimeout(sweep, intervalMs);
  return () => {
    stopped = true;
    clock.clearTimeout(timer);
  };
}
