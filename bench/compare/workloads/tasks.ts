/** Every task that a client process can be told. */
import { sendBlobs } from './blobs.ts';
import { holdCalls, letGo } from './memory.ts';
import { openLoop } from './open-loop.ts';
import { closeSessions, openSessions } from './sessions.ts';
import { download, upload } from './streams.ts';
import { echoes, latencies } from './unary.ts';

export const TASKS = { echoes, latencies, download, upload, sendBlobs, openLoop, holdCalls, letGo, openSessions, closeSessions };

export type Tasks = typeof TASKS;
