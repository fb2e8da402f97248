/** tRPC's wsLink over `ws`, with MessagePack for an encoder: subscriptions for items that come, a mutation each for items that go. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { createTRPCClient, createWSClient, wsLink } from '@trpc/client';
import { initTRPC } from '@trpc/server';
import { applyWSSHandler } from '@trpc/server/adapters/ws';
import { Packr } from 'msgpackr';
import { WebSocket, WebSocketServer } from 'ws';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

/** Bytes that may wait in a socket before a subscription waits too: tRPC itself never does. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** Items of an upload that may be unanswered. */
const UPLOAD_WINDOW = 256;

const packr = new Packr({ useRecords: false });

/** Either side's: the client has its frames as ArrayBuffers, the server as Buffers. */
const encoder = {
  encode: (message: unknown): Uint8Array<ArrayBuffer> => packr.pack(message) as Buffer<ArrayBuffer>,
  decode(frame: string | ArrayBuffer | Uint8Array): unknown {
    if (typeof frame === 'string') return JSON.parse(frame);
    return packr.unpack(frame instanceof ArrayBuffer ? new Uint8Array(frame) : frame);
  },
};

interface Context {
  readonly socket: WebSocket;
  readonly uploads: Map<number, { items: number; sum: number }>;
}

/** What a procedure takes, unchecked. */
const as =
  <Input>() =>
  (input: unknown): Input =>
    input as Input;

function routerOf(held: (() => void)[]) {
  const { procedure, router } = initTRPC.context<Context>().create();
  return router({
    echo: procedure.input(as<Small>()).mutation(({ input }): Small => input),
    blob: procedure.input(as<Uint8Array>()).mutation(({ input }): BlobReceipt => receiptOf(input)),
    hold: procedure.input(as<Small>()).mutation(
      ({ input }): Promise<Small> =>
        new Promise((resolve) => {
          held.push(() => resolve(input));
        }),
    ),
    letGo: procedure.mutation(() => {
      for (const go of held.splice(0)) go();
    }),
    download: procedure.input(as<number>()).subscription(async function* download({ input: count, ctx: { socket }, signal }): AsyncGenerator<Small> {
      for (let sent = 0; sent < count; sent++) {
        while (socket.bufferedAmount > HIGH_WATER_BYTES && signal?.aborted !== true) await turn();
        yield small(sent);
      }
    }),
    item: procedure.input(as<readonly [stream: number, item: Small]>()).mutation(({ input: [stream, item], ctx: { uploads } }) => {
      let upload = uploads.get(stream);
      if (upload === undefined) uploads.set(stream, (upload = { items: 0, sum: 0 }));
      upload.items++;
      upload.sum += item.id;
    }),
    uploaded: procedure.input(as<number>()).mutation(({ input: stream, ctx: { uploads } }): StreamReceipt => {
      const upload = uploads.get(stream) ?? { items: 0, sum: 0 };
      uploads.delete(stream);
      return upload;
    }),
  });
}

type Router = ReturnType<typeof routerOf>;
type Client = ReturnType<typeof createTRPCClient<Router>>;

async function serve(): Promise<PeerServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  applyWSSHandler({
    wss: server,
    router: routerOf([]),
    createContext: ({ res }): Context => ({ socket: res, uploads: new Map() }),
    experimental_encoder: encoder,
  });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
      await once(server, 'close');
    },
  };
}

function download(client: Client, count: number, each: (item: Small) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = 0;
    client.download.subscribe(count, {
      onData(item) {
        seen++;
        each(item);
      },
      onError: reject,
      onComplete: () => (seen === count ? resolve() : reject(new Error(`the subscription ended after ${seen} items of ${count}`))),
    });
  });
}

/** As many senders as may wait for an answer: each sends its next item when it has one. */
async function upload(client: Client, stream: number, count: number): Promise<StreamReceipt> {
  const send = client.item.mutate;
  let sent = 0;
  async function sender(): Promise<void> {
    while (sent < count) await send([stream, small(sent++)]);
  }
  await Promise.all(Array.from({ length: UPLOAD_WINDOW }, sender));
  return client.uploaded.mutate(stream);
}

function clientOf(client: Client, close: () => Promise<void>): PeerClient {
  let nextStream = 0;
  const echo = client.echo.mutate;
  const blob = client.blob.mutate;
  const hold = client.hold.mutate;
  return {
    echo: (input) => echo(input),
    blob: (bytes) => blob(bytes),
    hold: (input) => hold(input),
    letGo: () => client.letGo.mutate(),
    download: (count, each) => download(client, count, each),
    upload: (count) => upload(client, nextStream++, count),
    close,
  };
}

async function connect(port: number): Promise<PeerClient> {
  const links = await new Promise<ReturnType<typeof createWSClient>>((resolve, reject) => {
    const ws = createWSClient({
      url: `ws://127.0.0.1:${port}`,
      WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
      experimental_encoder: encoder,
      onOpen: () => resolve(ws),
      onError: () => {
        reject(new Error('the socket did not open'));
        void ws.close();
      },
      // A lost connection is an error here: it is not opened again.
      onClose: () => void ws.close(),
    });
  });
  return clientOf(createTRPCClient<Router>({ links: [wsLink({ client: links })] }), async () => {
    // Closing waits for every answer: without its socket there are none to wait for.
    const socket = links.connection?.ws as WebSocket | undefined;
    const closed = links.close();
    socket?.terminate();
    await closed;
  });
}

export const trpc: Peer = {
  title: 'tRPC',
  packages: ['@trpc/server', '@trpc/client', 'ws', 'msgpackr'],
  remark:
    'wsLink on WebSocket (ws, no deflate), which holds every request for a zero timeout (1 ms) to batch; MessagePack by its experimental encoder, bytes as bytes; a download is a subscription, an upload a mutation per item, 256 unanswered',
  serve,
  connect,
};
