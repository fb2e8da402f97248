/** What `statewire` exports, and nothing else. Transports and stores with native modules have entry points of their own. */
export { channel, Rx, Tx } from './channel.ts';
export type { ChannelOptions, Received, RxStatus, TxStatus } from './channel.ts';
export { connect } from './connect.ts';
export { release, retain } from './hold.ts';
export { joinConnections } from './join-connections.ts';
export { sendAll } from './send-all.ts';
export type { SendAllOptions } from './send-all.ts';
export { listen } from './listen.ts';
export type { Server } from './listen.ts';
export { defineService, implement, method } from './contract.ts';
export type {
  AnyMethod,
  AnyService,
  CallContext,
  CallOptions,
  CallSession,
  Client,
  ClientMethod,
  Handler,
  Handlers,
  Method,
  MethodPolicy,
  Principal,
  Service,
  ServiceImplementation,
} from './contract.ts';
export { RpcError } from './errors.ts';
export type { RpcErrorInit, RpcErrorKind } from './errors.ts';
export { isRpcError } from './is-rpc-error.ts';
export type { MetadataFlags, MetadataInput, MetadataView, MetadataViewEntry } from './metadata.ts';
export type { Authenticate, Clock, ConnectOptions, KeepAliveOptions, ListenOptions, LogEntry, Middleware, PeerOptions, Random } from './options.ts';
export type { ReconnectOptions, ResumeOptions } from './recovery-options.ts';
export type { Connection } from './connection.ts';
export type { ConnectionRequest, ConnectionTerms, OpenOptions } from './connection-options.ts';
export type { CloseOptions, Session, SessionStatus } from './session/session.ts';
export type { StandardSchemaV1 } from './schema.ts';
export { memoryStore } from './store/memory.ts';
export type { MemoryStore, MemoryStoreOptions } from './store/memory.ts';
export type {
  Admission,
  AdmitOptions,
  Lookup,
  MaybePromise,
  OperationKey,
  OperationSignature,
  OperationStore,
  ReleaseReason,
  SealOptions,
} from './store/store.ts';
export type { Connector, Link, LinkHandler, LinkLimits, Listener } from './transport/link.ts';
