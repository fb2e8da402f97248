/** All workloads, in the order they are measured in. */
import type { Workload } from '../case.ts';
import { blobs } from './blobs.ts';
import { bundle } from './bundle.ts';
import { memory } from './memory.ts';
import { openLoops } from './open-loop.ts';
import { idleSessions } from './sessions.ts';
import { start } from './start.ts';
import { streams } from './streams.ts';
import { unary } from './unary.ts';

export const WORKLOADS: readonly Workload[] = [unary, streams, blobs, openLoops, memory, idleSessions, start, bundle];
