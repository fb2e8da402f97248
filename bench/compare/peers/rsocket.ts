/**
 * RSocket over TCP, by its own interactions: request-response for calls, request-stream and request-channel with credit for items. What a request is of is
 * its body's first element: the routing metadata that the protocol would have for it would only be another thing to encode.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Packr } from 'msgpackr';
import { BufferEncoders, RSocketClient, RSocketServer } from 'rsocket-core';
import type { Payload, ReactiveSocket, Responder } from 'rsocket-core';
import { Flowable, Single } from 'rsocket-flowable';
import type { Subscription } from 'rsocket-flowable';
import tcpClient from 'rsocket-tcp-client';
import tcpServer from 'rsocket-tcp-server';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

const ECHO = 1;
const BLOB = 2;
const HOLD = 3;
const LET_GO = 4;

type Request = readonly [what: number, value?: unknown];

/** Items that may be under way, and how many more are asked for at a time. */
const CREDIT = 1_024;
const MORE = CREDIT / 2;

const KEEP_ALIVE = { keepAlive: 60_000, lifetime: 180_000 } as const;

const packr = new Packr({ useRecords: false });
// Not by the packages' serializers: a channel's payloads but the first would go through them twice.
const pack = (value: unknown): Payload => ({ data: packr.pack(value) });
const unpack = (payload: Payload): unknown => packr.unpack(payload.data);

/** The packages take every listener off a socket that they let go, so an error that comes afterwards would be nobody's. */
function buryWhenGone(socket: Socket, forget: () => void = () => {}): void {
  const bury = (): void => {
    socket.on('error', () => {});
    socket.destroy();
    forget();
  };
  socket.on('end', bury);
  socket.on('error', bury);
}

async function destroy(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
}

/** Sends `small(0)` … as credit comes, after `head`, if there is any. */
function itemsAfter(head: readonly Payload[], count: number): Flowable<Payload> {
  return new Flowable((subscriber) => {
    const total = head.length + count;
    let sent = 0;
    let live = true;
    subscriber.onSubscribe({
      request(credit) {
        const until = Math.min(sent + credit, total);
        while (sent < until && live) {
          const index = sent++;
          subscriber.onNext(head[index] ?? pack(small(index - head.length)));
        }
        if (sent === total && live) {
          live = false;
          subscriber.onComplete();
        }
      },
      cancel() {
        live = false;
      },
    });
  });
}

/** Takes every payload, asks for more in time, and settles at the end. */
function drain(payloads: Flowable<Payload>, take: (payload: Payload) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let subscription: Subscription | undefined;
    let taken = 0;
    payloads.subscribe({
      onSubscribe(given) {
        subscription = given;
        given.request(CREDIT);
      },
      onNext(payload) {
        take(payload);
        if (++taken % MORE === 0) subscription?.request(MORE);
      },
      onComplete: resolve,
      onError: reject,
    });
  });
}

/** Answers a channel with what came through it, when it ends. */
function takeItems(payloads: Flowable<Payload>): Flowable<Payload> {
  return new Flowable((subscriber) => {
    subscriber.onSubscribe({ request() {}, cancel() {} });
    let items = -1;
    let sum = 0;
    const done = drain(payloads, (payload) => {
      // The first one only opens the channel.
      if (items++ >= 0) sum += (unpack(payload) as Small).id;
    });
    done.then(
      () => {
        subscriber.onNext(pack({ items, sum } satisfies StreamReceipt));
        subscriber.onComplete();
      },
      (error: Error) => subscriber.onError(error),
    );
  });
}

/** One for all clients: `hold` is everybody's. */
function responder(): Responder {
  const held = new Set<() => void>();
  const hold = (value: unknown): Single<Payload> =>
    new Single((subscriber) => {
      const go = (): void => subscriber.onComplete(pack(value));
      subscriber.onSubscribe(() => held.delete(go));
      held.add(go);
    });
  const letGo = (): Single<Payload> => {
    const going = [...held];
    held.clear();
    for (const go of going) go();
    return Single.of(pack(null));
  };
  return {
    requestResponse(payload) {
      const [what, value] = unpack(payload) as Request;
      switch (what) {
        case ECHO:
          return Single.of(pack(value));
        case BLOB:
          return Single.of(pack(receiptOf(value as Uint8Array)));
        case HOLD:
          return hold(value);
        case LET_GO:
          return letGo();
        default:
          return Single.error(new TypeError(`there is no request ${what}`));
      }
    },
    requestStream: (payload) => itemsAfter([], unpack(payload) as number),
    requestChannel: takeItems,
  };
}

async function serve(): Promise<PeerServer> {
  const sockets = new Set<Socket>();
  let listener: Server | undefined;
  const transport = new tcpServer.default(
    {
      host: '127.0.0.1',
      port: 0,
      // Where Nagle is turned off: the package leaves it on.
      serverFactory(onConnection) {
        listener = createServer({ noDelay: true }, (socket) => {
          sockets.add(socket);
          onConnection(socket);
          buryWhenGone(socket, () => sockets.delete(socket));
        });
        return listener;
      },
    },
    BufferEncoders,
  );
  const handler = responder();
  const server = new RSocketServer({ transport, getRequestHandler: () => handler });
  server.start();
  if (listener === undefined) throw new Error('the transport made no server');
  const listening: Server = listener;
  await once(listening, 'listening');
  return {
    port: (listening.address() as AddressInfo).port,
    async close() {
      const closed = once(listening, 'close');
      server.stop();
      await Promise.all([...sockets].map(destroy));
      await closed;
    },
  };
}

/** The package's transport, which shows the socket that it made. */
class Transport extends tcpClient.default {
  socket: Socket | undefined;

  override setupSocket(socket: Socket): void {
    super.setupSocket(socket);
    this.socket = socket;
    buryWhenGone(socket);
  }
}

class RSocketPeerClient implements PeerClient {
  readonly #transport: Transport;
  readonly #rsocket: ReactiveSocket;

  constructor(transport: Transport, rsocket: ReactiveSocket) {
    this.#transport = transport;
    this.#rsocket = rsocket;
  }

  echo(input: Small): Promise<Small> {
    return this.#ask(ECHO, input);
  }

  blob(blob: Uint8Array): Promise<BlobReceipt> {
    return this.#ask(BLOB, blob);
  }

  hold(input: Small): Promise<unknown> {
    return this.#ask(HOLD, input);
  }

  async letGo(): Promise<void> {
    await this.#ask(LET_GO);
  }

  download(count: number, each: (item: Small) => void): Promise<void> {
    return drain(this.#rsocket.requestStream(pack(count)), (payload) => each(unpack(payload) as Small));
  }

  upload(count: number): Promise<StreamReceipt> {
    // The first payload opens the channel, so that there is one even if there is no item.
    const answers = this.#rsocket.requestChannel(itemsAfter([pack(null)], count));
    return new Promise((resolve, reject) => {
      answers.subscribe({
        onSubscribe: (subscription) => subscription.request(1),
        onNext: (payload) => resolve(unpack(payload) as StreamReceipt),
        onComplete: () => reject(new Error('the server ended the channel without a receipt')),
        onError: reject,
      });
    });
  }

  async close(): Promise<void> {
    this.#rsocket.close();
    if (this.#transport.socket !== undefined) await destroy(this.#transport.socket);
  }

  #ask<T>(what: number, value?: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#rsocket.requestResponse(pack([what, value] satisfies Request)).subscribe({
        onComplete: (payload) => resolve(unpack(payload) as T),
        onError: reject,
      });
    });
  }
}

function connect(port: number): Promise<PeerClient> {
  const transport = new Transport({ host: '127.0.0.1', port, noDelay: true }, BufferEncoders);
  const setup = { ...KEEP_ALIVE, dataMimeType: 'application/msgpack', metadataMimeType: 'application/octet-stream' };
  return new Promise((resolve, reject) => {
    new RSocketClient({ setup, transport }).connect().subscribe({
      onComplete: (rsocket) => resolve(new RSocketPeerClient(transport, rsocket)),
      onError: reject,
    });
  });
}

export const rsocket: Peer = {
  title: 'rsocket',
  packages: ['rsocket-core', 'rsocket-tcp-client', 'rsocket-tcp-server', 'msgpackr'],
  remark:
    'TCP with noDelay set on both sides (the packages leave Nagle on), MessagePack bodies (no records), items by credit of 1,024; one write a frame',
  serve,
  connect,
};
