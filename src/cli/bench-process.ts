/**
 * The server of `statewire bench`, in a process of its own, started by bench-child.ts with a folder: listens twice, with a store in memory and with
 * one in the folder, tells its parent where, and lives until the parent lets go of it or is gone.
 */
import { rm } from 'node:fs/promises';
import { implement, listen, memoryStore } from '../index.ts';
import type { OperationStore } from '../index.ts';
import { lmdbStore } from '../lmdb.ts';
import { tcp } from '../tcp.ts';
import { Bench, cpuMicros, isSmall, LIMITS, receiptOf, small } from './bench-contract.ts';

/** What the server tells its parent when it listens. */
export interface BenchPorts {
  readonly memoryPort: number;
  readonly diskPort: number;
}

const service = implement(Bench, {
  echo: (input) => input,
  keep: (input) => input,
  blob: receiptOf,
  async download({ count, items }) {
    for (let id = 0; id < count; id++) await items.send(small(id));
    items.close();
  },
  async upload({ items }) {
    let taken = 0;
    let misplaced = 0;
    for await (const item of items) if (!isSmall(item, taken++)) misplaced++;
    return { items: taken, misplaced };
  },
  cpuMicros,
});

const serve = (store: OperationStore) => listen(tcp({ port: 0 }), { ...LIMITS, store, services: [service] });

const [folder = ''] = process.argv.slice(2);
const [memory, disk] = await Promise.all([serve(memoryStore()), serve(lmdbStore({ path: folder }))]);

const close = async (exitCode = 0): Promise<never> => {
  await Promise.all([memory.close(), disk.close()]);
  // Its parent removes it too, but may be gone by now.
  await rm(folder, { recursive: true, force: true });
  process.exit(exitCode);
};
process.once('disconnect', () => void close());
process.once('SIGTERM', () => void close(128 + 15));
const ports: BenchPorts = { memoryPort: memory.address.port, diskPort: disk.address.port };
// The parent may let go meanwhile: that is told by `disconnect`.
if (process.connected) process.send?.(ports, undefined, undefined, () => {});
else await close();
