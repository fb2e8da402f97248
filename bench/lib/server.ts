/** The other process of the benches: serves what its first argument says and answers its parent over the IPC channel. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { implement, listen, memoryStore } from 'statewire';
import type { Server } from 'statewire';
import { lmdbStore } from 'statewire/lmdb';
import { tcp } from 'statewire/tcp';
import { Durable } from './contract.ts';
import { serveRawStream } from './channel-raw.ts';
import { serveProxy, serveStreams } from './channel-service.ts';
import { echoService } from './echo.ts';
import { MemoryWatch } from './memory.ts';

/** What the parent asks of this process. */
export type Question = { readonly ask: 'heap' | 'cpu' | 'live' | 'watch' | 'growth' };

const [kind = 'statewire', limit = '256'] = process.argv.slice(2);
const memory = new MemoryWatch();
let server: Server<{ port: number }> | undefined;

async function serveStatewire(): Promise<number> {
  const maxConcurrentRequests = Number(limit);
  server = await listen(tcp({ port: 0 }), { services: [echoService()], store: memoryStore(), maxConcurrentRequests });
  return server.address.port;
}

async function serveDurable(): Promise<number> {
  const path = mkdtempSync(join(tmpdir(), 'statewire-bench-'));
  process.on('exit', () => rmSync(path, { recursive: true, force: true }));
  const services = [implement(Durable, { keep: (input) => input, echo: (input) => input })];
  server = await listen(tcp({ port: 0 }), { services, store: lmdbStore({ path }) });
  return server.address.port;
}

function answer({ ask }: Question): unknown {
  switch (ask) {
    case 'heap':
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    case 'cpu':
      return process.cpuUsage();
    case 'live':
      return [...(server?.sessions.values() ?? [])].map(({ counters }) => ({ ...counters }));
    case 'watch':
      return memory.start();
    case 'growth':
      return memory.stop();
  }
}

/** By the first argument; what the second one is for is theirs. */
const servers: Readonly<Record<string, () => Promise<number>>> = {
  statewire: serveStatewire,
  'raw-small': () => serveRawStream('small'),
  'raw-binary': () => serveRawStream('binary'),
  'raw-uncopied': () => serveRawStream('binary', 'uncopied'),
  durable: serveDurable,
  streams: serveStreams,
  proxy: () => serveProxy(Number(limit)),
};
const serve = servers[kind];
if (serve === undefined) throw new TypeError(`there is no server '${kind}': ${Object.keys(servers).join(', ')}`);
const port = await serve();
process.on('message', (question: Question) => process.send?.(answer(question)));
process.on('disconnect', () => process.exit());
process.send?.(port);
