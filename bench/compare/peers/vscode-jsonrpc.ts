/** The language servers' JSON-RPC on a TCP socket: requests for calls, notifications for items, and base64 for bytes, since JSON has none. */
import { once } from 'node:events';
import { connect as connectSocket, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

/** Notifications that may wait to be written before whoever sends them waits too. */
const ITEMS_AT_ONCE = 1_024;

function connectionOf(socket: Socket): MessageConnection {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  const reader = new StreamMessageReader(socket);
  // Nobody listens for pieces of messages, so no timer is wanted for each.
  reader.partialMessageTimeout = 0;
  const connection = createMessageConnection(reader, new StreamMessageWriter(socket));
  // What waits for an answer is rejected when the connection is disposed, not when it closes.
  connection.onClose(() => connection.dispose());
  return connection;
}

async function notifyItems(connection: MessageConnection, stream: number, count: number): Promise<void> {
  for (let sent = 0; sent < count;) {
    const until = Math.min(sent + ITEMS_AT_ONCE, count);
    const written: Promise<void>[] = [];
    for (; sent < until; sent++) written.push(connection.sendNotification('item', stream, small(sent)));
    await Promise.all(written);
  }
}

/** The server's end of one socket; `held` is everybody's. */
function answer(socket: Socket, held: (() => void)[]): void {
  const uploads = new Map<number, { items: number; sum: number }>();
  const connection = connectionOf(socket);
  connection.onRequest('echo', (input: Small) => input);
  connection.onRequest('blob', (base64: string) => receiptOf(Buffer.from(base64, 'base64')));
  connection.onRequest(
    'hold',
    (input: Small) =>
      new Promise<Small>((resolve) => {
        held.push(() => resolve(input));
      }),
  );
  connection.onRequest('letGo', () => {
    for (const go of held.splice(0)) go();
  });
  connection.onRequest('download', (stream: number, count: number) => notifyItems(connection, stream, count));
  connection.onNotification('item', (stream: number, item: Small) => {
    let upload = uploads.get(stream);
    if (upload === undefined) uploads.set(stream, (upload = { items: 0, sum: 0 }));
    upload.items++;
    upload.sum += item.id;
  });
  connection.onRequest('uploaded', (stream: number): StreamReceipt => {
    const upload = uploads.get(stream) ?? { items: 0, sum: 0 };
    uploads.delete(stream);
    return upload;
  });
  connection.listen();
}

async function serve(): Promise<PeerServer> {
  const held: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    answer(socket, held);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

async function connect(port: number): Promise<PeerClient> {
  const socket = connectSocket(port, '127.0.0.1');
  await once(socket, 'connect');
  const downloads = new Map<number, (item: Small) => void>();
  const connection = connectionOf(socket);
  connection.onNotification('item', (stream: number, item: Small) => downloads.get(stream)?.(item));
  connection.listen();
  let nextStream = 0;
  return {
    echo: (input) => connection.sendRequest<Small>('echo', input),
    blob: (blob) => connection.sendRequest<BlobReceipt>('blob', Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).toString('base64')),
    hold: (input) => connection.sendRequest<unknown>('hold', input),
    letGo: () => connection.sendRequest<void>('letGo'),
    async download(count, each) {
      const stream = nextStream++;
      downloads.set(stream, each);
      await connection.sendRequest<void>('download', stream, count);
      downloads.delete(stream);
    },
    async upload(count) {
      const stream = nextStream++;
      await notifyItems(connection, stream, count);
      return connection.sendRequest<StreamReceipt>('uploaded', stream);
    },
    async close() {
      connection.dispose();
      socket.destroy();
      if (!socket.closed) await once(socket, 'close');
    },
  };
}

export const vscodeJsonrpc: Peer = {
  title: 'vscode-jsonrpc',
  packages: ['vscode-jsonrpc'],
  remark:
    'TCP with noDelay, JSON, so bytes go as base64; items are notifications, with no flow control but the socket’s; two writes a message, one handled a turn',
  serve,
  connect,
};
