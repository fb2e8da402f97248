/** Socket.IO on WebSocket alone, with its default parser: acknowledgements for calls, binary attachments for blobs, bare events for items. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Server } from 'socket.io';
import type { Socket as ServerSocket } from 'socket.io';
import { io } from 'socket.io-client';
import type { Socket as ClientSocket } from 'socket.io-client';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

interface ToServer {
  echo(input: Small, answer: (output: Small) => void): void;
  blob(blob: Uint8Array, answer: (receipt: BlobReceipt) => void): void;
  hold(input: Small, answer: (output: Small) => void): void;
  letGo(answer: () => void): void;
  download(stream: number, count: number, answer: () => void): void;
  /** An event that nobody acknowledges. */
  item(stream: number, item: Small): void;
  uploaded(stream: number, answer: (receipt: StreamReceipt) => void): void;
}

interface ToClient {
  /** An event that nobody acknowledges. */
  item(stream: number, item: Small): void;
}

/** Items emitted before others get their turn. */
const ITEMS_PER_TURN = 1_024;

/** What either side's connection tells of its transport. */
interface Transport {
  readonly writable: boolean;
  once(event: 'drain' | 'close', heard: () => void): unknown;
}

/** Lets others have their turn, and waits until the transport has written what it was given. */
async function breathe(transport: Transport): Promise<void> {
  await turn();
  if (transport.writable) return;
  await new Promise<void>((resolve) => {
    transport.once('drain', resolve);
    transport.once('close', resolve);
  });
}

async function emitItems(count: number, emit: (item: Small) => void, transport: Transport): Promise<void> {
  for (let sent = 0; sent < count;) {
    const until = Math.min(sent + ITEMS_PER_TURN, count);
    for (; sent < until; sent++) emit(small(sent));
    await breathe(transport);
  }
}

/** The server's end of one socket; `held` is everybody's. */
function answer(socket: ServerSocket<ToServer, ToClient>, held: (() => void)[]): void {
  const uploads = new Map<number, { items: number; sum: number }>();
  socket.on('echo', (input, reply) => reply(input));
  socket.on('blob', (blob, reply) => reply(receiptOf(blob)));
  socket.on('hold', (input, reply) => held.push(() => reply(input)));
  socket.on('letGo', (reply) => {
    for (const go of held.splice(0)) go();
    reply();
  });
  socket.on('download', (stream, count, reply) => {
    const emit = (item: Small): boolean => socket.emit('item', stream, item);
    void emitItems(count, emit, socket.conn.transport).then(reply);
  });
  socket.on('item', (stream, item) => {
    let upload = uploads.get(stream);
    if (upload === undefined) uploads.set(stream, (upload = { items: 0, sum: 0 }));
    upload.items++;
    upload.sum += item.id;
  });
  socket.on('uploaded', (stream, reply) => {
    reply(uploads.get(stream) ?? { items: 0, sum: 0 });
    uploads.delete(stream);
  });
}

async function serve(): Promise<PeerServer> {
  const held: (() => void)[] = [];
  const http = createServer();
  const server = new Server<ToServer, ToClient>(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false });
  server.on('connection', (socket) => answer(socket, held));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    port: (http.address() as AddressInfo).port,
    async close() {
      const closed = once(http, 'close');
      await server.close();
      await closed;
    },
  };
}

function clientOf(socket: ClientSocket<ToClient, ToServer>): PeerClient {
  const downloads = new Map<number, (item: Small) => void>();
  let nextStream = 0;
  socket.on('item', (stream, item) => downloads.get(stream)?.(item));
  return {
    echo: (input) => socket.emitWithAck('echo', input),
    blob: (blob) => socket.emitWithAck('blob', blob),
    hold: (input) => socket.emitWithAck('hold', input),
    async letGo() {
      await socket.emitWithAck('letGo');
    },
    async download(count, each) {
      const stream = nextStream++;
      downloads.set(stream, each);
      await socket.emitWithAck('download', stream, count);
      downloads.delete(stream);
    },
    async upload(count) {
      const stream = nextStream++;
      await emitItems(count, (item) => socket.emit('item', stream, item), socket.io.engine.transport);
      return socket.emitWithAck('uploaded', stream);
    },
    async close() {
      const { engine } = socket.io;
      const closed = new Promise<void>((resolve) => {
        engine.once('close', () => resolve());
      });
      socket.disconnect();
      if (engine.readyState !== 'closed') await closed;
    },
  };
}

function connect(port: number): Promise<PeerClient> {
  const socket: ClientSocket<ToClient, ToServer> = io(`http://127.0.0.1:${port}`, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
  });
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(clientOf(socket)));
    socket.once('connect_error', reject);
  });
}

export const socketIo: Peer = {
  title: 'Socket.IO',
  packages: ['socket.io', 'socket.io-client'],
  remark:
    'WebSocket from the start, no deflate, its default parser (JSON, bytes as attachments), acknowledgements; no streams: items are bare events',
  serve,
  connect,
};
