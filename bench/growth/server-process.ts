/** The serving process: `memory`, or `lmdb` with a folder. Answers its parent what it has used, and fills its store when it is told to. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { implement, listen, memoryStore } from 'statewire';
import { lmdbStore } from 'statewire/lmdb';
import { tcp } from 'statewire/tcp';
import { Growing, LIMITS } from './contract.ts';
import type { Question } from './contract.ts';

const [kind, folder = ''] = process.argv.slice(2);
const store = kind === 'lmdb' ? lmdbStore({ path: folder, retentionMs: 24 * 60 * 60_000 }) : memoryStore();
const held: (() => void)[] = [];

const growing = implement(Growing, {
  echo: (input) => input,
  keep: (input) => input,
  hold: () =>
    new Promise<void>((resolve) => {
      held.push(resolve);
    }),
  letGo() {
    for (const go of held.splice(0)) go();
  },
  async sink({ items }) {
    let sum = 0;
    for await (const item of items) sum += item.id;
    return sum;
  },
  async idle({ items }) {
    for await (const item of items) throw new Error(`item ${item.id} on a channel that is to be idle`);
  },
});
const server = await listen(tcp({ port: 0 }), { ...LIMITS, services: [growing], store });

const SCOPES = 1_000;
const BATCH = 5_000;
const ARGS = new Uint8Array(40).fill(1);
const OUTCOME = new Uint8Array(40).fill(2);
let filled = 0;

/** Sealed operations of a thousand callers, whose numbers nobody acknowledges. */
async function fill(upTo: number): Promise<number> {
  const began = performance.now();
  const signature = { methodId: 1, args: ARGS };
  const scopes = Array.from({ length: SCOPES }, (_, index) => index.toString(16).padStart(64, '0'));
  const from = filled;
  while (filled < upTo) {
    const until = Math.min(upTo, filled + BATCH);
    for (; filled < until; filled++) {
      const key = {
        scope: scopes[filled % SCOPES] ?? '',
        caller: 'initiator' as const,
        series: '0123456789abcdef',
        id: Math.floor(filled / SCOPES) + 1,
      };
      const admitted = await store.admit(key, signature, { takeOver: false, durable: false });
      if (admitted.state !== 'started') throw new Error(`a new operation was ${admitted.state}`);
      // The last one of a batch is waited for until it is on disk: no more than a batch is on its way.
      await store.seal(key, signature, OUTCOME, { durable: filled === until - 1 });
    }
  }
  return ((filled - from) / (performance.now() - began)) * 1_000;
}

const bytes = (): number => (kind === 'lmdb' ? readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) : 0);

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'cpu': {
      const { user, system } = process.cpuUsage();
      return user + system;
    }
    case 'fill':
      return fill(question.upTo);
    case 'bytes':
      return bytes();
  }
}

process.on('message', (question: Question) => {
  answer(question).then(
    (answered) => process.send?.({ answered }),
    (error: unknown) => process.send?.({ failed: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ answered: server.address.port });
