/** What the other processes of the channel bench serve: streams to drink from and to fill, and a proxy in front of them. */
import { setTimeout as delay } from 'node:timers/promises';
import { connect, implement, isRpcError, joinConnections, listen, memoryStore } from 'statewire';
import type { Rx } from 'statewire';
import { tcp } from 'statewire/tcp';
import { ITEMS, Streams } from './contract.ts';
import { echoService } from './echo.ts';

/** How often `sip` takes what is due. */
const SIP_MS = 5;

function streams() {
  let taken = 0;
  let answered = 0;
  let enough: { readonly at: number; readonly tell: () => void } | undefined;
  let sipped = 0;
  const take = async (items: Rx<unknown>): Promise<void> => {
    try {
      for await (const _ of items) if (++taken === enough?.at) enough.tell();
    } catch (error) {
      // The bench closes its session under the channels it has opened.
      if (!isRpcError(error) || error.kind !== 'connection-closed') throw error;
    }
  };
  return implement(Streams, {
    async sink({ items }) {
      let count = 0;
      for await (const _ of items) count++;
      return count;
    },
    async source({ kind, count, items }) {
      const item = ITEMS[kind];
      for (let sent = 0; sent < count; sent++) await items.send(item);
      items.close();
    },
    open({ items }) {
      void take(items);
    },
    async taken(count) {
      answered += count;
      if (taken >= answered) return;
      await new Promise<void>((resolve) => {
        enough = { at: answered, tell: resolve };
      });
    },
    async sip({ items, perSecond }, { signal }) {
      sipped = 0;
      const began = performance.now();
      while (!signal.aborted) {
        const due = ((performance.now() - began) / 1_000) * perSecond;
        while (sipped < due && !(await items.recv()).done) sipped++;
        await delay(SIP_MS);
      }
    },
    sipped: () => sipped,
  });
}

/** On the root connection and on every virtual one. */
export async function serveStreams(): Promise<number> {
  const services = [streams(), echoService()];
  const server = await listen(tcp({ port: 0 }), {
    services,
    store: memoryStore(),
    onConnection: (request) => {
      request.accept({ services });
    },
  });
  return server.address.port;
}

/** Every virtual connection opened here is joined to one opened at the server on `port`. */
export async function serveProxy(port: number): Promise<number> {
  const upstream = await connect(tcp({ port }));
  const server = await listen(tcp({ port: 0 }), {
    onConnection: async (request) => {
      const onward = await upstream.open();
      joinConnections(request.accept({}), onward);
    },
  });
  return server.address.port;
}
