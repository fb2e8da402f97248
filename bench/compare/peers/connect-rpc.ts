/** Connect (its own protocol, protobuf) over one HTTP/2 connection without TLS. It has unary calls and streams in either direction, with HTTP/2's flow control. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter, createConnectTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { receiptOf, small } from '../contender.ts';
import type { Peer, PeerClient, PeerServer } from '../contender.ts';
import { BenchService, SmallSchema } from './connect-schema.ts';

/** HTTP/2's own 64 KiB would stop every blob half-way. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** Node ends a session whose open streams take more than its 10 MB: ten thousand waiting calls do. */
const SESSION_MEGABYTES = 1_024;

const HTTP2 = { maxSessionMemory: SESSION_MEGABYTES, settings: { initialWindowSize: WINDOW_BYTES } };

/** `create` makes of a small object the message that both ends encode. */
const message = (id: number) => create(SmallSchema, { ...small(id), tags: ['a', 'b'] });

function routes(router: ConnectRouter, held: (() => void)[]): void {
  router.service(BenchService, {
    echo: (input) => input,
    blob: ({ bytes }) => receiptOf(bytes),
    hold: (input) =>
      new Promise((resolve) => {
        held.push(() => resolve(input));
      }),
    letGo() {
      for (const go of held.splice(0)) go();
      return {};
    },
    async *download({ count }) {
      for (let sent = 0; sent < count; sent++) yield message(sent);
    },
    async upload(items) {
      let count = 0;
      let sum = 0;
      for await (const { id } of items) {
        count++;
        sum += id;
      }
      return { items: count, sum };
    },
  });
}

async function serve(): Promise<PeerServer> {
  const held: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(HTTP2, connectNodeAdapter({ routes: (router) => routes(router, held), acceptCompression: [] }));
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => session.setLocalWindowSize(WINDOW_BYTES));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      // A session destroyed by itself leaves its client's calls waiting.
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function* items(count: number) {
  for (let sent = 0; sent < count; sent++) yield message(sent);
}

async function connect(port: number): Promise<PeerClient> {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl, {}, HTTP2);
  const transport = createConnectTransport({ baseUrl, httpVersion: '2', sessionManager, acceptCompression: [] });
  if ((await sessionManager.connect()) === 'error') throw sessionManager.error();
  const client = createClient(BenchService, transport);
  return {
    echo: ({ id, name, tags }) => client.echo({ id, name, tags: tags as string[] }),
    blob: (bytes) => client.blob({ bytes }),
    hold: ({ id, name, tags }) => client.hold({ id, name, tags: tags as string[] }),
    async letGo() {
      await client.letGo({});
    },
    async download(count, each) {
      for await (const item of client.download({ count })) each(item);
    },
    upload: (count) => client.upload(items(count)),
    async close() {
      sessionManager.abort();
    },
  };
}

export const connectRpc: Peer = {
  title: 'Connect',
  packages: ['@connectrpc/connect', '@connectrpc/connect-node', '@bufbuild/protobuf'],
  remark: 'the Connect protocol with protobuf on one HTTP/2 connection (no TLS), no compression, no timeouts, 4 MiB windows at the server',
  serve,
  connect,
};
