/** What users import to test their services: time and networks under control, and the suite that every operation store passes. */
export { SimulatedClock } from './testing/clock.ts';
export { testOperationStore } from './testing/operation-store.ts';
export { memoryNetwork } from './memory.ts';
export type { MakeStore, StoreTestRunner, StoreTestSetup } from './testing/operation-store.ts';
export type { MemoryNetwork, MemoryNetworkOptions, TapEvent } from './memory.ts';
export { SeededRandom } from './testing/seeded-random.ts';
export type { Weighted } from './testing/seeded-random.ts';
export { simulate } from './testing/simulation/simulate.ts';
export type { SimulateOptions, SimulationResult } from './testing/simulation/simulate.ts';
export type { Violation } from './testing/simulation/ledger.ts';
export { FAULTS } from './testing/simulation/circumstances.ts';
export type { Fault } from './testing/simulation/circumstances.ts';
export { machineModels } from './testing/machine-models.ts';
export type { MachineModel } from './testing/machine-models.ts';
export { describeEvent, describePath, endOf, longestPaths, shortestPaths, simplePaths, walk } from './testing/machine-paths.ts';
export type { MachinePath, MachineStep } from './testing/machine-paths.ts';
export { coverageOf } from './testing/machine-coverage.ts';
export type { MachineCoverage, Tally, Walk } from './testing/machine-coverage.ts';
