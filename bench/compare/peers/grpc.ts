/** gRPC on Node (@grpc/grpc-js), without protobuf: a service described by hand, its messages in MessagePack. */
import { once } from 'node:events';
import { Server, ServerCredentials, credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import type {
  Client,
  ClientReadableStream,
  ClientUnaryCall,
  ClientWritableStream,
  MethodDefinition,
  ServerReadableStream,
  ServerWritableStream,
  ServiceDefinition,
  ServiceError,
  handleUnaryCall,
  sendUnaryData,
} from '@grpc/grpc-js';
import { Packr } from 'msgpackr';
import { receiptOf, small } from '../contender.ts';
import type { BlobReceipt, Peer, PeerClient, PeerServer, Small, StreamReceipt } from '../contender.ts';

/** Everything that is in flight has a stream of its own on the one connection. */
const OPTIONS = {
  'grpc.max_concurrent_streams': 0x7fff_ffff,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.enable_retries': 0,
  // A client's alone: grpc-js gives its servers no such option.
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
  // Each client has a connection of its own, as every peer's.
  'grpc.use_local_subchannel_pool': 1,
};

const packr = new Packr({ useRecords: false });
const serialize = (message: unknown): Buffer => packr.pack(message);
const deserialize = (bytes: Buffer): unknown => packr.unpack(bytes);

type Codec<Request, Response> = MethodDefinition<Request, Response>;

function methodOf<Request, Response>(name: string, requestStream = false, responseStream = false): Codec<Request, Response> {
  return {
    path: `/Contender/${name}`,
    requestStream,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize as (bytes: Buffer) => Request,
    responseSerialize: serialize,
    responseDeserialize: deserialize as (bytes: Buffer) => Response,
  };
}

/** What says nothing: to grpc-js, null is no message at all. */
type Nothing = Readonly<Record<never, never>>;

const SERVICE = {
  echo: methodOf<Small, Small>('echo'),
  blob: methodOf<Uint8Array, BlobReceipt>('blob'),
  hold: methodOf<Small, Small>('hold'),
  letGo: methodOf<Nothing, Nothing>('letGo'),
  download: methodOf<number, Small>('download', false, true),
  upload: methodOf<Small, StreamReceipt>('upload', true),
} satisfies ServiceDefinition;

async function download(call: ServerWritableStream<number, Small>): Promise<void> {
  const { request: count } = call;
  for (let sent = 0; sent < count && !call.cancelled; sent++) {
    if (!call.write(small(sent))) await drained(call);
  }
  call.end();
}

/** Until the stream takes more, or is over. */
function drained(stream: NodeJS.EventEmitter): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      for (const event of ['drain', 'close', 'error', 'cancelled']) stream.off(event, over);
      resolve();
    };
    for (const event of ['drain', 'close', 'error', 'cancelled']) stream.on(event, over);
  });
}

function upload(call: ServerReadableStream<Small, StreamReceipt>, answer: sendUnaryData<StreamReceipt>): void {
  let items = 0;
  let sum = 0;
  call.on('data', (item: Small) => {
    items++;
    sum += item.id;
  });
  call.on('end', () => answer(null, { items, sum }));
}

async function serve(): Promise<PeerServer> {
  const held: (() => void)[] = [];
  const echo: handleUnaryCall<Small, Small> = ({ request }, answer) => answer(null, request);
  const server = new Server(OPTIONS);
  server.addService(SERVICE, {
    echo,
    blob: (({ request }, answer) => answer(null, receiptOf(request))) satisfies handleUnaryCall<Uint8Array, BlobReceipt>,
    hold: (({ request }, answer) => {
      held.push(() => answer(null, request));
    }) satisfies handleUnaryCall<Small, Small>,
    letGo: ((_call, answer) => {
      for (const go of held.splice(0)) go();
      answer(null, {});
    }) satisfies handleUnaryCall<Nothing, Nothing>,
    download: (call: ServerWritableStream<number, Small>) => void download(call),
    upload,
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return {
    port,
    async close() {
      server.forceShutdown();
    },
  };
}

const Contender = makeGenericClientConstructor(SERVICE, 'Contender');

function clientOf(client: Client): PeerClient {
  /** Closing a client leaves its calls alone: those that may wait for ever are cancelled then. */
  const waiting = new Set<ClientUnaryCall>();
  const call = <Request, Response>(method: Codec<Request, Response>, request: Request, begun?: (call: ClientUnaryCall) => void): Promise<Response> =>
    new Promise((resolve, reject) => {
      const made = client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, (error, response) => {
        if (error) reject(error);
        else resolve(response as Response);
      });
      begun?.(made);
    });
  return {
    echo: (input) => call(SERVICE.echo, input),
    blob: (blob) => call(SERVICE.blob, blob),
    hold(input) {
      return call(SERVICE.hold, input, (made) => {
        waiting.add(made);
        made.once('status', () => waiting.delete(made));
      });
    },
    async letGo() {
      await call(SERVICE.letGo, {});
    },
    async download(count, each) {
      const { path, requestSerialize, responseDeserialize } = SERVICE.download;
      const items: ClientReadableStream<Small> = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, count);
      items.on('data', each);
      await once(items, 'end');
    },
    async upload(count) {
      const { path, requestSerialize, responseDeserialize } = SERVICE.upload;
      let items: ClientWritableStream<Small> | undefined;
      const receipt = new Promise<StreamReceipt>((resolve, reject) => {
        const answer = (error: ServiceError | null, response?: StreamReceipt): void => (error ? reject(error) : resolve(response as StreamReceipt));
        items = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, answer);
      });
      await Promise.race([receipt, items && send(items, count)]);
      return receipt;
    },
    async close() {
      for (const made of waiting) made.cancel();
      client.close();
    },
  };
}

async function send(items: ClientWritableStream<Small>, count: number): Promise<void> {
  for (let sent = 0; sent < count && !items.destroyed; sent++) {
    if (!items.write(small(sent))) await drained(items);
  }
  items.end();
}

async function connect(port: number): Promise<PeerClient> {
  const client = new Contender(`127.0.0.1:${port}`, credentials.createInsecure(), OPTIONS);
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + 5_000, (error) => (error ? reject(error) : resolve()));
  });
  return clientOf(client);
}

export const grpc: Peer = {
  title: 'gRPC (grpc-js)',
  packages: ['@grpc/grpc-js', 'msgpackr'],
  remark:
    'HTTP/2 without TLS, one connection, messages in MessagePack rather than protobuf; streams either way, with HTTP/2’s flow control (the client’s window is 4 MiB, the server’s can’t be set)',
  serve,
  connect,
};
