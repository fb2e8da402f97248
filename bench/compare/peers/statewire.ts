/** Ours, as it is by default: operations on, memory store, every live thing a statechart. The variants are what one may turn on or off. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { channel, connect, defineService, implement, listen, memoryStore, method } from 'statewire';
import type { OperationStore, PeerOptions, Rx, Session, Tx } from 'statewire';
import { tcp } from 'statewire/tcp';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

/** Items on their way: as many as the peer with credit of its own gets. */
const CREDIT = 1_024;
/** What stands in the way of 10,000 calls in flight by default. */
const LIMITS = { maxConcurrentRequests: 16_384, maxQueuedRequests: 16_384 };

const contract = (persist: boolean) =>
  defineService('Contender', {
    echo: method<Small, Small>({ persist }),
    blob: method<Uint8Array, BlobReceipt>(),
    hold: method<Small, Small>(),
    letGo: method<undefined, void>(),
    download: method<{ readonly count: number; readonly items: Tx<Small> }, void>(),
    upload: method<{ readonly items: Rx<Small> }, StreamReceipt>(),
  });

type Contract = ReturnType<typeof contract>;

/** Made once, as a program does. */
const CONTRACTS = { volatile: contract(false), persist: contract(true) };

const contractOf = ({ persist }: Variant): Contract => (persist === true ? CONTRACTS.persist : CONTRACTS.volatile);

interface Variant {
  readonly title: string;
  readonly remark: string;
  readonly options?: PeerOptions;
  readonly persist?: boolean;
}

function service(contender: Contract) {
  const held: (() => void)[] = [];
  return implement(contender, {
    echo: (input) => input,
    blob: receiptOf,
    hold: (input) =>
      new Promise((resolve) => {
        held.push(() => resolve(input));
      }),
    letGo() {
      for (const go of held.splice(0)) go();
    },
    async download({ count, items }) {
      for (let sent = 0; sent < count; sent++) await items.send(small(sent));
      items.close();
    },
    async upload({ items }) {
      let count = 0;
      let sum = 0;
      for await (const item of items) {
        count++;
        sum += item.id;
      }
      return { items: count, sum };
    },
  });
}

/** A store, and what is to be done when it is no longer needed. */
async function storeOf(persist: boolean): Promise<{ readonly store: OperationStore; readonly clear: () => void }> {
  if (!persist) return { store: memoryStore(), clear: () => {} };
  // Its native module is no part of a client's start.
  const { lmdbStore } = await import('statewire/lmdb');
  const path = mkdtempSync(join(tmpdir(), 'statewire-compare-'));
  return { store: lmdbStore({ path }), clear: () => rmSync(path, { recursive: true, force: true }) };
}

async function serve(variant: Variant): Promise<PeerServer> {
  const { store, clear } = await storeOf(variant.persist ?? false);
  const server = await listen(tcp({ port: 0 }), { ...LIMITS, ...variant.options, store, services: [service(contractOf(variant))] });
  return {
    port: server.address.port,
    async close() {
      await server.close();
      clear();
    },
  };
}

function clientOf(session: Session, contender: Contract): PeerClient {
  const client = session.client(contender);
  return {
    echo: (input) => client.echo(input),
    blob: (blob) => client.blob(blob),
    hold: (input) => client.hold(input),
    letGo: () => client.letGo(),
    async download(count, each) {
      const [out, items] = channel<Small>({ credit: CREDIT });
      const done = client.download({ count, items: out });
      for await (const item of items) each(item);
      await done;
    },
    async upload(count) {
      const [out, items] = channel<Small>({ credit: CREDIT });
      const receipt = client.upload({ items });
      for (let sent = 0; sent < count; sent++) await out.send(small(sent));
      out.close();
      return receipt;
    },
    close: () => session.close(),
  };
}

function peer(variant: Variant): Peer {
  return {
    title: variant.title,
    packages: ['statewire'],
    remark: variant.remark,
    serve: () => serve(variant),
    async connect(port) {
      const session = await connect(tcp({ port }), { ...LIMITS, ...variant.options });
      return clientOf(session, contractOf(variant));
    },
  };
}

export const statewire = peer({
  title: 'statewire',
  remark:
    'TCP, MessagePack; operation ids, resumable sessions, credit per channel, statecharts: the defaults, but for limits that let 10,000 calls in flight',
});

export const statewireWithoutRetry = peer({
  title: 'statewire, retry: false',
  remark: 'no operation ids: an attempt is all there is',
  options: { retry: false },
});

export const statewireOnDisk = peer({
  title: 'statewire, persist + LMDB',
  remark: 'every call is on disk before it runs, and its outcome before it is told',
  persist: true,
});

/** As little as an inspector can do. */
const seen = { events: 0 };

export const statewireInspected = peer({
  title: 'statewire, inspector attached',
  remark: 'every actor of either side reports its events and snapshots to a callback that counts them',
  options: {
    inspect: () => {
      seen.events++;
    },
  },
});
