/**
 * A peer made of bytes on a real TCP socket: it says what a test gives it, in frames or not, and keeps no rule by itself. `dialRaw`
 * attacks whoever listens, `listenRaw` whoever dials. What it may say in order is made by hostile-peer.ts and `statewire/wire`.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeMessages, encodeMessages } from 'statewire/wire';
import type { HelloMessage, Message } from 'statewire/wire';
import { hello } from './hostile-peer.ts';

const HEADER_BYTES = 4;

/** How the other side ended the socket: by an end after all it had to say, or by a reset. */
export type RawEnding = 'end' | 'reset';

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>;

/** A frame: its length, which may be a lie, and the payload. */
export function frame(payload: Uint8Array, length = payload.byteLength): Uint8Array {
  const framed = new Uint8Array(HEADER_BYTES + payload.byteLength);
  new DataView(framed.buffer).setUint32(0, length, true);
  framed.set(payload, HEADER_BYTES);
  return framed;
}

/** See the top of the file. */
export class RawPeer {
  readonly socket: Socket;
  /** What was read and not yet taken by `next`. */
  readonly unread: Message[] = [];
  /** Settles when nothing more will come, whoever ended it. */
  readonly ended: Promise<RawEnding>;
  #ending: RawEnding | undefined = undefined;
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    this.ended = new Promise((resolve) => {
      const end = (ending: RawEnding): void => {
        this.#ending ??= ending;
        resolve(this.#ending);
        this.#wake();
      };
      socket.on('error', () => end('reset'));
      socket.on('end', () => end('end'));
      socket.on('close', () => end('end'));
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Bytes as they are, whether or not they are a frame. */
  write(bytes: Uint8Array | string): this {
    this.socket.write(bytes);
    return this;
  }

  /** Frames of their own, in one write. */
  sendPayloads(...payloads: Uint8Array[]): this {
    return this.write(Buffer.concat(payloads.map((payload) => frame(payload))));
  }

  /** Messages in order, in one payload. */
  send(...messages: Message[]): this {
    return this.sendPayloads(encodeMessages(messages));
  }

  /** The next message, whatever it is. Rejects when the socket ends first. */
  async next(): Promise<Message> {
    while (this.unread.length === 0) {
      if (this.#ending !== undefined) throw new Error(`the socket ended (${this.#ending}) before the message that was expected`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.unread.shift() as Message;
  }

  /** The next message of a type; those before it are dropped. */
  async nextOf<T extends Message['type']>(type: T): Promise<MessageOf<T>> {
    for (;;) {
      const message = await this.next();
      if (message.type === type) return message as MessageOf<T>;
    }
  }

  /** Gets through the handshake as an initiator. */
  async greet(change: Partial<HelloMessage> = {}): Promise<MessageOf<'welcome'>> {
    this.send(hello(change));
    return this.nextOf('welcome');
  }

  /** What it is told last, and how the socket ends then. */
  async lastWord(): Promise<{ ending: RawEnding; message: Message | undefined }> {
    const ending = await this.ended;
    return { ending, message: this.unread.at(-1) };
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.byteLength >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#bytes.readUInt32LE(0);
      if (this.#bytes.byteLength < end) break;
      this.unread.push(...decodeMessages(new Uint8Array(this.#bytes.subarray(HEADER_BYTES, end))));
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#wake();
  }
}

export interface RawDialOptions {
  /** Whether it leaves its own half open when the other side has ended. */
  readonly allowHalfOpen?: boolean;
}

/** Connects to whoever listens there. */
export async function dialRaw(
  address: { readonly host: string; readonly port: number },
  { allowHalfOpen = false }: RawDialOptions = {},
): Promise<RawPeer> {
  const socket = connect({ host: address.host, port: address.port, allowHalfOpen, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return new RawPeer(socket);
}

export interface RawListener {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

/** Listens, and hands every socket to the script. */
export async function listenRaw(onPeer: (peer: RawPeer) => void): Promise<RawListener> {
  const peers = new Set<RawPeer>();
  const server = createServer({ noDelay: true }, (socket) => {
    const peer = new RawPeer(socket);
    peers.add(peer);
    onPeer(peer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { address: host, port } = server.address() as AddressInfo;
  return {
    address: { host, port },
    close: () => {
      for (const { socket } of peers) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Turns of the event loop until something holds that nobody announces. The test's own timeout ends it if it never does. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await nextTurn();
}
