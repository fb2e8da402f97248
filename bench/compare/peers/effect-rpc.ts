/**
 * Effect RPC over TCP with MessagePack. Its streams go one way, down to the client: items that go up are calls whose answers nobody awaits.
 * Modules are imported one by one: the packages' indexes take half as long again to load.
 */
import { once } from 'node:events';
import { createConnection } from 'node:net';
import type { Socket as NetSocket } from 'node:net';
import * as Socket from '@effect/platform/Socket';
import * as SocketServer from '@effect/platform/SocketServer';
import * as NodeSocket from '@effect/platform-node/NodeSocket';
import * as NodeSocketServer from '@effect/platform-node/NodeSocketServer';
import * as Rpc from '@effect/rpc/Rpc';
import * as RpcClient from '@effect/rpc/RpcClient';
import * as RpcGroup from '@effect/rpc/RpcGroup';
import * as RpcSerialization from '@effect/rpc/RpcSerialization';
import * as RpcServer from '@effect/rpc/RpcServer';
import type * as Chunk from 'effect/Chunk';
import * as Effect from 'effect/Effect';
import * as Exit from 'effect/Exit';
import * as Layer from 'effect/Layer';
import * as Mailbox from 'effect/Mailbox';
import * as ManagedRuntime from 'effect/ManagedRuntime';
import * as Schedule from 'effect/Schedule';
import * as Schema from 'effect/Schema';
import * as Scope from 'effect/Scope';
import * as Stream from 'effect/Stream';
import { receiptOf, small } from '../contender.ts';
import type { Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

/** Items that wait at either end of a stream: an acknowledgement from the client lets the server send what has come together since the last. */
const STREAM_BUFFER_ITEMS = 1_024;

/** Items that are being written at a time: each waits for its turn in the socket. */
const UPLOAD_WINDOW_ITEMS = 64;

const SmallSchema = Schema.Struct({ id: Schema.Number, name: Schema.String, tags: Schema.Array(Schema.String) });
const BlobReceiptSchema = Schema.Struct({ bytes: Schema.Number, probe: Schema.Number });
const StreamReceiptSchema = Schema.Struct({ items: Schema.Number, sum: Schema.Number });

const Bench = RpcGroup.make(
  Rpc.make('echo', { payload: SmallSchema, success: SmallSchema }),
  Rpc.make('blob', { payload: { blob: Schema.Uint8ArrayFromSelf }, success: BlobReceiptSchema }),
  Rpc.make('hold', { payload: SmallSchema, success: SmallSchema }),
  Rpc.make('letGo'),
  Rpc.make('download', { payload: { count: Schema.Number }, success: SmallSchema, stream: true }),
  Rpc.make('item', { payload: { stream: Schema.Number, item: SmallSchema } }),
  Rpc.make('uploaded', { payload: { stream: Schema.Number, count: Schema.Number }, success: StreamReceiptSchema }),
);

/** Strings, numbers and bytes need no records, which would have to be made known to either end first. */
const serialization = RpcSerialization.makeMsgPack({ useRecords: false });

interface Upload {
  items: number;
  sum: number;
  /** Known when the client has sent them all: calls need not be run in the order they came in. */
  expected: number;
  settle: (receipt: StreamReceipt) => void;
}

/** What came of every client's uploads. */
class Uploads {
  readonly #uploads = new Map<string, Upload>();

  take(clientId: number, stream: number, item: Small): void {
    const upload = this.#of(`${clientId}/${stream}`);
    upload.items++;
    upload.sum += item.id;
    this.#settleIfWhole(upload);
  }

  /** Settles once `count` items have come. */
  whole(clientId: number, stream: number, count: number): Effect.Effect<StreamReceipt> {
    return Effect.async((resume) => {
      const key = `${clientId}/${stream}`;
      const upload = this.#of(key);
      upload.expected = count;
      upload.settle = (receipt) => {
        this.#uploads.delete(key);
        resume(Effect.succeed(receipt));
      };
      this.#settleIfWhole(upload);
    });
  }

  #of(key: string): Upload {
    let upload = this.#uploads.get(key);
    if (upload === undefined) this.#uploads.set(key, (upload = { items: 0, sum: 0, expected: Infinity, settle() {} }));
    return upload;
  }

  #settleIfWhole({ items, sum, expected, settle }: Upload): void {
    if (items >= expected) settle({ items, sum });
  }
}

/** Items are offered one by one; what waits in the mailbox goes together. */
const itemsDown = Effect.fnUntraced(function* (count: number) {
  const items = yield* Mailbox.make<Small>(STREAM_BUFFER_ITEMS);
  let sent = 0;
  const offerAll = Effect.whileLoop({ while: () => sent < count, body: () => items.offer(small(sent++)), step() {} });
  yield* Effect.forkScoped(Effect.zipRight(offerAll, items.end));
  return items;
});

const handlers = Bench.toLayer(
  Effect.sync(() => {
    const held: (() => void)[] = [];
    const uploads = new Uploads();
    return {
      echo: (input) => Effect.succeed(input),
      blob: ({ blob }) => Effect.succeed(receiptOf(blob)),
      hold: (input) =>
        Effect.async<Small>((resume) => {
          held.push(() => resume(Effect.succeed(input)));
        }),
      letGo: () =>
        Effect.sync(() => {
          for (const go of held.splice(0)) go();
        }),
      download: ({ count }) => itemsDown(count),
      item: ({ stream, item }, { clientId }) => Effect.sync(() => uploads.take(clientId, stream, item)),
      uploaded: ({ stream, count }, { clientId }) => uploads.whole(clientId, stream, count),
    };
  }),
);

async function serve(): Promise<PeerServer> {
  const sockets = NodeSocketServer.layer({ host: '127.0.0.1', port: 0, noDelay: true });
  const layer = RpcServer.layer(Bench, { disableTracing: true }).pipe(
    Layer.provide(handlers),
    Layer.provide(RpcServer.layerProtocolSocketServer),
    Layer.provide(Layer.succeed(RpcSerialization.RpcSerialization, serialization)),
    Layer.provideMerge(sockets),
  );
  const runtime = ManagedRuntime.make(layer);
  const { address } = await runtime.runPromise(SocketServer.SocketServer);
  if (address._tag !== 'TcpAddress') throw new TypeError('not TCP');
  return { port: address.port, close: () => runtime.dispose() };
}

/** One connection for good: a socket that is gone is not opened again. */
const clientOf = (socket: NetSocket) =>
  Effect.gen(function* () {
    const transport = yield* NodeSocket.fromDuplex(Effect.acquireRelease(Effect.succeed(socket), () => Effect.sync(() => socket.destroy())));
    const protocol = yield* RpcClient.makeProtocolSocket({ retrySchedule: Schedule.stop }).pipe(
      Effect.provideService(Socket.Socket, transport),
      Effect.provideService(RpcSerialization.RpcSerialization, serialization),
    );
    return yield* RpcClient.make(Bench, { disableTracing: true }).pipe(Effect.provideService(RpcClient.Protocol, protocol));
  });

async function connect(port: number): Promise<PeerClient> {
  const socket = createConnection({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  const scope = Effect.runSync(Scope.make());
  const client = await Effect.runPromise(Scope.extend(clientOf(socket), scope));
  let nextStream = 0;
  return {
    echo: (input) => Effect.runPromise(client.echo(input)),
    blob: (blob) => Effect.runPromise(client.blob({ blob })),
    hold: (input) => Effect.runPromise(client.hold(input)),
    letGo: () => Effect.runPromise(client.letGo()),
    download(count, each) {
      const items = client.download({ count }, { streamBufferSize: STREAM_BUFFER_ITEMS });
      const take = (chunk: Chunk.Chunk<Small>) =>
        Effect.sync(() => {
          for (const item of chunk) each(item);
        });
      return Effect.runPromise(Stream.runForEachChunk(items, take));
    },
    upload(count) {
      const stream = nextStream++;
      let sent = 0;
      const send = Effect.whileLoop({
        while: () => sent < count,
        body: () => client.item({ stream, item: small(sent++) }, { discard: true }),
        step() {},
      });
      const sendAll = Effect.all(
        Array.from({ length: UPLOAD_WINDOW_ITEMS }, () => send),
        { concurrency: 'unbounded', discard: true },
      );
      return Effect.runPromise(Effect.zipRight(sendAll, client.uploaded({ stream, count })));
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  };
}

export const effectRpc: Peer = {
  title: 'Effect RPC',
  packages: ['@effect/rpc', 'effect', '@effect/platform', '@effect/platform-node'],
  remark:
    'TCP, MessagePack (no records), schemas for everything, no tracing; streams in acknowledged chunks of at most 1,024; none go up: items are calls without an answer',
  serve,
  connect,
};
