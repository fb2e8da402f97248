/** What users import to test their services: time and networks under control, and the suite that every operation store passes. */
export { SimulatedClock } from './testing/clock.ts';
export { testOperationStore } from './testing/operation-store.ts';
export { memoryNetwork } from './memory.ts';
export type { MakeStore, StoreTestRunner, StoreTestSetup } from './testing/operation-store.ts';
export type { MemoryNetwork, MemoryNetworkOptions, TapEvent } from './memory.ts';
