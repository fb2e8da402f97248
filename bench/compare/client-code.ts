/**
 * What a program that is a client of a peer imports, and nothing it would need as a server: for the time it takes to import and for the size of a bundle.
 * A browser's where the peer runs in one, Node's elsewhere.
 */
export interface ClientCode {
  readonly platform: 'browser' | 'node';
  /** For a bundle. */
  readonly code: string;
  /** On Node, what the client of this bench imports. */
  readonly imports: readonly string[];
}

export const CLIENT_CODE: Readonly<Record<string, ClientCode>> = {
  raw: { platform: 'node', code: `export { connect } from 'node:net'; export { Packr } from 'msgpackr';`, imports: ['node:net', 'msgpackr'] },
  statewire: {
    platform: 'browser',
    code: `export { connect, defineService, method } from 'statewire'; export { websocket } from 'statewire/websocket';`,
    imports: ['statewire', 'statewire/tcp'],
  },
  rsocket: {
    platform: 'node',
    code: `export { BufferEncoders, RSocketClient } from 'rsocket-core'; export { Flowable, Single } from 'rsocket-flowable';
      export { default as TcpClient } from 'rsocket-tcp-client'; export { Packr } from 'msgpackr';`,
    imports: ['rsocket-core', 'rsocket-flowable', 'rsocket-tcp-client', 'msgpackr'],
  },
  birpc: {
    platform: 'browser',
    code: `export { createBirpc } from 'birpc'; export { Packr } from 'msgpackr';`,
    imports: ['birpc', 'msgpackr', 'ws'],
  },
  'socket-io': { platform: 'browser', code: `export { io } from 'socket.io-client';`, imports: ['socket.io-client'] },
  'vscode-jsonrpc': {
    platform: 'node',
    code: `export { connect } from 'node:net'; export { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';`,
    imports: ['node:net', 'vscode-jsonrpc/node'],
  },
  capnweb: { platform: 'browser', code: `export { newWebSocketRpcSession } from 'capnweb';`, imports: ['capnweb', 'ws'] },
  trpc: { platform: 'browser', code: `export { createTRPCClient, createWSClient, wsLink } from '@trpc/client';`, imports: ['@trpc/client', 'ws'] },
  grpc: {
    platform: 'node',
    code: `export { credentials, makeClientConstructor } from '@grpc/grpc-js';`,
    imports: ['@grpc/grpc-js'],
  },
  'connect-rpc': {
    platform: 'browser',
    code: `export { createClient } from '@connectrpc/connect'; export { createConnectTransport } from '@connectrpc/connect-web';`,
    imports: ['@connectrpc/connect', '@connectrpc/connect-node'],
  },
  'effect-rpc': {
    platform: 'browser',
    code: `export { RpcClient, RpcSerialization } from '@effect/rpc'; export { Effect } from 'effect';`,
    imports: ['effect/Effect', '@effect/rpc/RpcClient', '@effect/rpc/RpcSerialization', '@effect/platform-node/NodeSocket'],
  },
};
