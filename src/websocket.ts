/** `statewire/websocket`: links over WebSocket, from browsers and Node; listening on Node. */
export { websocket } from './transport/websocket.ts';
export type { WebSocketAddress, WebSocketConnectOptions, WebSocketPortOptions, WebSocketServerOptions } from './transport/websocket-common.ts';
