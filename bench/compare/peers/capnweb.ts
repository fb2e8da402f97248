/** Cap'n Web over WebSocket, in its own JSON: a session each way, flow-controlled ReadableStreams for items. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { RpcTarget, newWebSocketRpcSession } from 'capnweb';
import { WebSocket, WebSocketServer } from 'ws';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

/** capnweb reads the constants of the global class, which Node 20 lacks. */
Object.assign(globalThis, { WebSocket: globalThis.WebSocket ?? WebSocket });

/** Items that a stream may make ahead of its reader: the session's own window is what holds it back. */
const ITEMS_AHEAD = 256;

function itemsOf(count: number): ReadableStream<Small> {
  let sent = 0;
  return new ReadableStream<Small>(
    {
      pull(controller) {
        while (sent < count && (controller.desiredSize ?? 0) > 0) controller.enqueue(small(sent++));
        if (sent === count) controller.close();
      },
    },
    { highWaterMark: ITEMS_AHEAD },
  );
}

/** One for each socket; `held` is everybody's. */
class Contender extends RpcTarget {
  readonly #held: (() => void)[];

  constructor(held: (() => void)[]) {
    super();
    this.#held = held;
  }

  echo(input: Small): Small {
    return input;
  }

  blob(blob: Uint8Array): BlobReceipt {
    return receiptOf(blob);
  }

  hold(input: Small): Promise<Small> {
    return new Promise((resolve) => {
      this.#held.push(() => resolve(input));
    });
  }

  letGo(): void {
    for (const go of this.#held.splice(0)) go();
  }

  download(count: number): ReadableStream<Small> {
    return itemsOf(count);
  }

  async upload(items: ReadableStream<Small>): Promise<StreamReceipt> {
    let taken = 0;
    let sum = 0;
    for await (const item of items) {
      taken++;
      sum += item.id;
    }
    return { items: taken, sum };
  }
}

/** What comes of a call owns what it came with: told that it is no longer needed, it stays readable. */
async function taken<Result>(answer: PromiseLike<Result & Disposable>): Promise<Result> {
  const result = await answer;
  result[Symbol.dispose]();
  return result;
}

/** The socket of `ws` has what capnweb needs of the standard one. */
const standard = (socket: WebSocket): globalThis.WebSocket => socket as unknown as globalThis.WebSocket;

async function serve(): Promise<PeerServer> {
  const held: (() => void)[] = [];
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', (socket) => newWebSocketRpcSession(standard(socket), new Contender(held)));
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
  const api = newWebSocketRpcSession<Contender>(standard(socket));
  return {
    echo: (input) => taken(api.echo(input)),
    blob: (blob) => taken(api.blob(blob)),
    hold: (input) => taken(api.hold(input)),
    letGo: async () => api.letGo(),
    async download(count, each) {
      for await (const item of await api.download(count)) each(item);
    },
    upload: (count) => taken(api.upload(itemsOf(count))),
    async close() {
      api[Symbol.dispose]();
      socket.terminate();
      if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
    },
  };
}

export const capnweb: Peer = {
  title: 'Cap’n Web',
  packages: ['capnweb', 'ws'],
  remark: 'WebSocket (ws, no deflate), its own JSON; bytes are base64 in it; items go by its flow-controlled ReadableStreams',
  serve,
  connect,
};
