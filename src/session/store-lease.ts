/**
 * A store in use: opened for its first user, swept while it has any, closed after its last. Two servers may share one store.
 */
import { tableOf } from '../driver/operation-table.ts';
import type { Clock, LogEntry } from '../options.ts';
import { DEFAULT_RETENTION_MS } from '../store/store.ts';
import type { OperationStore } from '../store/store.ts';

interface Lease {
  users: number;
  readonly opened: Promise<void>;
  stopSweeping: () => void;
  /** The last user has left: the store is being closed. */
  closing: Promise<void> | undefined;
}

const leases = new WeakMap<OperationStore, Lease>();

export interface LeaseOptions {
  readonly clock: Clock;
  readonly log: (entry: LogEntry) => void;
}

/**
 * Ends one use of a store. What still runs when the last one ends may be sealed within the grace, in milliseconds; `undefined`: however long it
 * takes. Never rejects.
 */
export type EndLease = (graceMs: number | undefined) => Promise<void>;

/** Opens `store` unless somebody has. Gives what ends this use of it. Rejects with the store's own error when it cannot open. */
export async function leaseStore(store: OperationStore, options: LeaseOptions): Promise<EndLease> {
  let lease = leases.get(store);
  while (lease?.closing !== undefined) {
    await lease.closing;
    lease = leases.get(store);
  }
  if (lease === undefined) {
    lease = { users: 0, opened: open(store), stopSweeping: () => {}, closing: undefined };
    leases.set(store, lease);
    lease.opened.then(sweepFrom(lease, store, options), () => leases.delete(store));
  }
  const used = lease;
  used.users++;
  await used.opened;
  let ended: Promise<void> | undefined;
  return (graceMs) => (ended ??= endLease(store, used, { ...options, graceMs }));
}

async function open(store: OperationStore): Promise<void> {
  await store.open();
}

function sweepFrom(lease: Lease, store: OperationStore, options: LeaseOptions): () => void {
  return () => {
    if (lease.users > 0) lease.stopSweeping = sweepNowAndThen(store, options);
  };
}

async function endLease(store: OperationStore, lease: Lease, options: LeaseOptions & { graceMs: number | undefined }): Promise<void> {
  lease.users--;
  if (lease.users > 0) return;
  lease.stopSweeping();
  lease.closing = close(store, options);
  await lease.closing;
  leases.delete(store);
}

/** Closes behind what is still being written: at least behind the seal of the operation whose answer ended the last session. */
async function close(store: OperationStore, { clock, log, graceMs }: LeaseOptions & { graceMs: number | undefined }): Promise<void> {
  let timer: unknown;
  const waits: Promise<void>[] = [tableOf(store).idle()];
  if (graceMs === 0) waits.push(Promise.resolve());
  else if (graceMs !== undefined) waits.push(new Promise((resolve) => (timer = clock.setTimeout(resolve, graceMs))));
  await Promise.race(waits);
  if (timer !== undefined) clock.clearTimeout(timer);
  try {
    await store.close();
  } catch (error) {
    log({ level: 'error', event: 'store-failure', message: 'the store failed to close', error });
  }
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
