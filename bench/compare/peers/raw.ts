/**
 * The yardstick: MessagePack in length-prefixed frames on a bare socket, by somebody who knows how. The frames of a turn go in one write; large ones are
 * written from where they were packed; a frame is copied only where it comes in pieces. Nothing is checked, nothing is cancelled, nothing survives a lost
 * link, and streams know the socket's own backpressure alone.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Packr } from 'msgpackr';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';
import { FrameWriter, readFrames } from './raw-frames.ts';

/** What a frame is, its first element. The second is the request's id, the third a value. */
const ANSWER = 0;
const ECHO = 1;
const BLOB = 2;
const HOLD = 3;
const LET_GO = 4;
const DOWNLOAD = 5;
const UPLOAD = 6;
const ITEM = 7;
const END = 8;

type Frame = readonly [what: number, id: number, value?: unknown];

/** Items packed before others get their turn. */
const ITEMS_PER_TURN = 1_024;

/** Either end: packs and unpacks. */
class Line {
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  readonly #packr = new Packr({ useRecords: false });

  constructor(socket: Socket, take: (frame: Frame) => void) {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    this.#socket = socket;
    this.#writer = new FrameWriter(socket);
    readFrames(socket, (bytes) => take(this.#packr.unpack(bytes) as Frame));
  }

  say(what: number, id: number, value?: unknown): void {
    this.#writer.write(this.#packr.pack([what, id, value]));
  }

  async sendItems(id: number, count: number): Promise<void> {
    for (let sent = 0; sent < count;) {
      const until = Math.min(sent + ITEMS_PER_TURN, count);
      for (; sent < until; sent++) this.say(ITEM, id, small(sent));
      await turn();
      if (this.#socket.writableNeedDrain) await once(this.#socket, 'drain');
    }
    this.say(END, id);
  }
}

/** The server's end of one socket; `held` is everybody's. */
function answer(socket: Socket, held: (() => void)[]): void {
  const uploads = new Map<number, { items: number; sum: number }>();
  const line = new Line(socket, ([what, id, value]) => {
    switch (what) {
      case ECHO:
        line.say(ANSWER, id, value);
        break;
      case BLOB:
        line.say(ANSWER, id, receiptOf(value as Uint8Array));
        break;
      case HOLD:
        held.push(() => line.say(ANSWER, id, value));
        break;
      case LET_GO:
        for (const go of held.splice(0)) go();
        line.say(ANSWER, id);
        break;
      case DOWNLOAD:
        void line.sendItems(id, value as number);
        break;
      case UPLOAD:
        uploads.set(id, { items: 0, sum: 0 });
        break;
      case ITEM: {
        const upload = uploads.get(id);
        if (upload === undefined) break;
        upload.items++;
        upload.sum += (value as Small).id;
        break;
      }
      case END:
        line.say(ANSWER, id, uploads.get(id));
        uploads.delete(id);
        break;
      default:
        socket.destroy();
    }
  });
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

class RawClient implements PeerClient {
  readonly #socket: Socket;
  readonly #line: Line;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  readonly #streams = new Map<number, (item: Small) => void>();
  #nextId = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#line = new Line(socket, ([what, id, value]) => {
      if (what === ITEM) this.#streams.get(id)?.(value as Small);
      else this.#settle(id, value);
    });
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

  letGo(): Promise<void> {
    return this.#ask(LET_GO);
  }

  async download(count: number, each: (item: Small) => void): Promise<void> {
    const id = this.#nextId;
    this.#streams.set(id, each);
    await this.#ask(DOWNLOAD, count);
    this.#streams.delete(id);
  }

  async upload(count: number): Promise<StreamReceipt> {
    const id = this.#nextId;
    const receipt = this.#ask<StreamReceipt>(UPLOAD);
    await this.#line.sendItems(id, count);
    return receipt;
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    if (!this.#socket.closed) await once(this.#socket, 'close');
  }

  #ask<T>(what: number, value?: unknown): Promise<T> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve as (value: unknown) => void);
      this.#line.say(what, id, value);
    });
  }

  #settle(id: number, value: unknown): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(value);
  }
}

export const raw: Peer = {
  title: 'raw socket',
  packages: ['msgpackr'],
  remark: 'TCP, length-prefixed MessagePack (no records), one write a turn; no checks, no errors, no cancellation, no flow control of its own',
  serve,
  async connect(port) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawClient(socket);
  },
};
