/**
 * The yardstick of a channel: items as MessagePack frames on a bare socket, one frame each, those of one turn in one write, as much as the socket
 * takes. `plain` is raw.ts, which every bench is measured by. `uncopied` is as good as it gets for large items: written from where they were packed, in
 * one vectored write, and put together in one copy.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Packr } from 'msgpackr';
import { ITEMS } from './contract.ts';
import type { ItemKind } from './contract.ts';
import { framesOf, sendFrames } from './raw.ts';

/** Items written in one turn: 45 KB of small ones, 1 MiB of binaries. More of either is not faster. */
const PER_TURN = { small: 1_024, binary: 16 } as const;
const HEADER_BYTES = 4;

/** Calls `onFrame` with every whole frame, each in a buffer of its own. */
function largeFramesOf(socket: Socket, onFrame: (frame: Buffer) => void): void {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerFilled = 0;
  let body = header;
  let filled = 0;
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (headerFilled < HEADER_BYTES) {
        header[headerFilled++] = chunk[at++] as number;
        if (headerFilled === HEADER_BYTES) {
          body = Buffer.allocUnsafeSlow(header.readUInt32LE(0));
          filled = 0;
        }
        continue;
      }
      const copied = chunk.copy(body, filled, at);
      at += copied;
      filled += copied;
      if (filled < body.length) continue;
      headerFilled = 0;
      onFrame(body);
    }
  });
  socket.on('error', () => socket.destroy());
}

/** Sends frames uncopied, those of one turn in one vectored write. */
function sendLargeFrames(socket: Socket): (frame: Uint8Array) => void {
  let corked = false;
  const flush = () => {
    corked = false;
    socket.uncork();
  };
  return (frame) => {
    if (!corked) {
      corked = true;
      socket.cork();
      setImmediate(flush);
    }
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32LE(frame.length, 0);
    socket.write(header);
    socket.write(frame);
  };
}

export type Framing = 'plain' | 'uncopied';

/** Either end: says things, sends items and takes them. */
class Peer {
  readonly #socket: Socket;
  readonly #kind: ItemKind;
  readonly #packr = new Packr({ useRecords: false });
  readonly #send: (frame: Uint8Array) => void;
  #take: (value: unknown) => void = () => {};

  constructor(socket: Socket, kind: ItemKind, framing: Framing) {
    socket.setNoDelay(true);
    this.#socket = socket;
    this.#kind = kind;
    const { read, writer } = framing === 'plain' ? { read: framesOf, writer: sendFrames } : { read: largeFramesOf, writer: sendLargeFrames };
    this.#send = writer(socket);
    read(socket, (frame) => this.#take(this.#packr.unpack(frame)));
  }

  say(value: unknown): void {
    this.#send(this.#packr.pack(value));
  }

  async produce(count: number): Promise<void> {
    const item = ITEMS[this.#kind];
    const perTurn = PER_TURN[this.#kind];
    for (let sent = 0; sent < count;) {
      const until = Math.min(sent + perTurn, count);
      for (; sent < until; sent++) this.#send(this.#packr.pack(item));
      await turn();
      if (this.#socket.writableNeedDrain) await once(this.#socket, 'drain');
    }
  }

  /** Calls `then` after so many frames; what comes next goes to what it sets. */
  consume(count: number, then: () => void): void {
    let left = count;
    this.#take = () => {
      if (--left === 0) then();
    };
  }

  heed(take: (value: unknown) => void): void {
    this.#take = take;
  }
}

type Order = readonly ['push' | 'pull', number];

export async function serveRawStream(kind: ItemKind, framing: Framing = 'plain'): Promise<number> {
  const server = createServer((socket) => {
    const peer = new Peer(socket, kind, framing);
    const obey = (order: unknown): void => {
      const [what, count] = order as Order;
      if (what === 'pull') {
        void peer.produce(count);
        return;
      }
      peer.consume(count, () => {
        peer.heed(obey);
        peer.say('done');
      });
    };
    peer.heed(obey);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export class RawStream {
  readonly #socket: Socket;
  readonly #peer: Peer;

  private constructor(socket: Socket, kind: ItemKind, framing: Framing) {
    this.#socket = socket;
    this.#peer = new Peer(socket, kind, framing);
  }

  static async connect(port: number, kind: ItemKind, framing: Framing = 'plain'): Promise<RawStream> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawStream(socket, kind, framing);
  }

  /** Client to server; settles when the server has had all of them. */
  async push(count: number): Promise<void> {
    const done = new Promise<void>((resolve) => this.#peer.consume(1, resolve));
    this.#peer.say(['push', count] satisfies Order);
    await this.#peer.produce(count);
    await done;
  }

  /** Server to client. */
  async pull(count: number): Promise<void> {
    const done = new Promise<void>((resolve) => this.#peer.consume(count, resolve));
    this.#peer.say(['pull', count] satisfies Order);
    await done;
  }

  close(): void {
    this.#socket.destroy();
  }
}
