/** The other process of the benches: serves what its first argument says and answers its parent over the IPC channel. */
import { createServer } from 'node:net';
import { Packr } from 'msgpackr';
import { implement, listen, memoryStore } from 'statewire';
import type { Server } from 'statewire';
import { tcp } from 'statewire/tcp';
import { Echo } from './contract.ts';
import { framesOf, sendFrames } from './raw.ts';

/** What the parent asks of this process. */
export type Question = { readonly ask: 'heap' | 'cpu' | 'live' };

const [kind = 'statewire', limit = '256'] = process.argv.slice(2);
const waiting: (() => void)[] = [];
let server: Server<{ port: number }> | undefined;

function serveRaw(): Promise<number> {
  const packr = new Packr({ useRecords: false });
  const raw = createServer((socket) => {
    socket.setNoDelay(true);
    const send = sendFrames(socket);
    framesOf(socket, (frame) => {
      const [id, value] = packr.unpack(frame) as [number, unknown];
      send(packr.pack([id, value]));
    });
  });
  return new Promise((resolve) => {
    raw.listen(0, '127.0.0.1', () => resolve((raw.address() as { port: number }).port));
  });
}

async function serveStatewire(): Promise<number> {
  const echo = implement(Echo, {
    async echo(input) {
      return input;
    },
    hold: () => new Promise<void>((resolve) => waiting.push(resolve)),
    letGo() {
      for (const resolve of waiting.splice(0)) resolve();
    },
  });
  const maxConcurrentRequests = Number(limit);
  server = await listen(tcp({ port: 0 }), { services: [echo], store: memoryStore(), maxConcurrentRequests });
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
  }
}

const port = kind === 'raw' ? await serveRaw() : await serveStatewire();
process.on('message', (question: Question) => process.send?.(answer(question)));
process.on('disconnect', () => process.exit());
process.send?.(port);
