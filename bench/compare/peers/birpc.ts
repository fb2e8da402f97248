/** birpc over WebSocket with MessagePack. It has no streams: items are events, which nobody answers, and an answered call says that they are over. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createBirpc } from 'birpc';
import { Packr } from 'msgpackr';
import { WebSocket, WebSocketServer } from 'ws';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

/** Bytes that may wait in a socket before whoever sends waits too: birpc awaits what `post` returns. */
const HIGH_WATER_BYTES = 1024 * 1024;

interface ServerFunctions {
  echo(input: Small): Small;
  blob(blob: Uint8Array): BlobReceipt;
  hold(input: Small): Promise<Small>;
  letGo(): void;
  download(stream: number, count: number): Promise<void>;
  /** An event: nobody answers it. */
  item(stream: number, item: Small): void;
  uploaded(stream: number): StreamReceipt;
}

interface ClientFunctions {
  /** An event: nobody answers it. */
  item(stream: number, item: Small): void;
  downloaded(stream: number): void;
}

const packr = new Packr({ useRecords: false });

interface Failure {
  readonly e?: unknown;
}

/** MessagePack has no errors: their messages go instead. */
function serialize(message: Failure): Buffer {
  return packr.pack(message.e instanceof Error ? { ...message, e: message.e.message } : message);
}

function deserialize(bytes: Buffer): Failure {
  const message = packr.unpack(bytes) as Failure;
  return message.e === undefined ? message : { ...message, e: new Error(String(message.e)) };
}

function post(socket: WebSocket, bytes: Buffer): void | Promise<void> {
  if (socket.bufferedAmount < HIGH_WATER_BYTES) {
    socket.send(bytes);
    return;
  }
  return new Promise((resolve, reject) => {
    socket.send(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** Either side. No proxy: `$call` is what it would come to. */
function rpcOf<Remote extends object, Local extends object>(socket: WebSocket, functions: Local) {
  const rpc = createBirpc<Remote, Local, false>(functions, {
    post: (bytes: Buffer) => post(socket, bytes),
    on: (take) => {
      socket.on('message', take);
    },
    off: (take) => {
      socket.off('message', take);
    },
    serialize,
    deserialize,
    bind: 'functions',
    timeout: -1,
    proxify: false,
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => rpc.$close());
  return rpc;
}

/** The server's end of one socket; `held` is everybody's. */
function answer(socket: WebSocket, held: (() => void)[]): void {
  const uploads = new Map<number, { items: number; sum: number }>();
  const rpc = rpcOf<ClientFunctions, ServerFunctions>(socket, {
    echo: (input) => input,
    blob: receiptOf,
    hold: (input) =>
      new Promise((resolve) => {
        held.push(() => resolve(input));
      }),
    letGo() {
      for (const go of held.splice(0)) go();
    },
    async download(stream, count) {
      for (let sent = 0; sent < count; sent++) await rpc.$callEvent('item', stream, small(sent));
      await rpc.$call('downloaded', stream);
    },
    item(stream, item) {
      let upload = uploads.get(stream);
      if (upload === undefined) uploads.set(stream, (upload = { items: 0, sum: 0 }));
      upload.items++;
      upload.sum += item.id;
    },
    uploaded(stream) {
      const upload = uploads.get(stream) ?? { items: 0, sum: 0 };
      uploads.delete(stream);
      return upload;
    },
  });
}

async function serve(): Promise<PeerServer> {
  const held: (() => void)[] = [];
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (socket) => answer(socket, held));
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

async function connect(port: number): Promise<PeerClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  await once(socket, 'open');
  const downloads = new Map<number, (item: Small) => void>();
  const rpc = rpcOf<ServerFunctions, ClientFunctions>(socket, {
    item(stream, item) {
      downloads.get(stream)?.(item);
    },
    downloaded(stream) {
      downloads.delete(stream);
    },
  });
  let nextStream = 0;
  return {
    echo: (input) => rpc.$call('echo', input),
    blob: (blob) => rpc.$call('blob', blob),
    hold: (input) => rpc.$call('hold', input),
    letGo: () => rpc.$call('letGo'),
    async download(count, each) {
      const stream = nextStream++;
      downloads.set(stream, each);
      await rpc.$call('download', stream, count);
    },
    async upload(count) {
      const stream = nextStream++;
      for (let sent = 0; sent < count; sent++) await rpc.$callEvent('item', stream, small(sent));
      return rpc.$call('uploaded', stream);
    },
    async close() {
      socket.terminate();
      if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
    },
  };
}

export const birpc: Peer = {
  title: 'birpc',
  packages: ['birpc', 'ws', 'msgpackr'],
  remark: 'WebSocket (ws, no deflate), MessagePack (no records), no timeouts; no streams: items are events, with no flow control but the socket’s',
  serve,
  connect,
};
